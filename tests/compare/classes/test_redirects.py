from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import redirects
from shadow.compare.classes.examples import answer, asked
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(redirects, go, rust, request)


def moved(status: int, location: str, page: str) -> Observation:
    body = f'<a href="{page}">{redirects._REASONS[status]}</a>.\n\n'
    return answer(status, body, Location=location, Content_Type="text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("target", "location", "id_"),
    [
        ("/dir", "/dir/", "trailing-slash-redirect"),
        ("/dir/", "/dir", "trailing-slash-redirect"),
        ("/dir?q=1", "/dir/?q=1", "trailing-slash-redirect"),
        ("/a/../b", "/b", "path-clean-redirect"),
        ("/wild//x", "/wild/x", "path-clean-redirect"),
        ("/wild/./x/", "/wild/x/", "path-clean-redirect"),
        ("/dir", "/login/", None),
        ("/dir?q=1", "/dir/", None),
        ("/a/../b", "/c", None),
        ("/a/../b", "/a/b", None),
        ("/a/b", "/b", None),
        ("/", "", None),
    ],
)
def test_a_routers_redirect_is_known_by_the_request(
    target: str, location: str, id_: str | None
) -> None:
    for rust in (answer(404), answer(200, '{"secret":1}')):
        found = explained(moved(301, location, location), rust, asked(target))
        assert found == ([id_] if id_ else [])


def test_without_the_request_only_a_missing_route_is_named() -> None:
    go = moved(301, "/dir/", "/dir/")
    assert explained(go, answer(404)) == ["trailing-slash-redirect"]
    assert explained(go, answer(200, '{"secret":1}')) == []
    assert explained(moved(301, "/login/", "/dir/"), answer(404)) == []
    assert explained(moved(301, "//h/dir/", "//h/dir/"), answer(404)) == []


PATHS = st.text(st.sampled_from("ab/.%2"), max_size=12).map(lambda rest: "/" + rest)


@given(PATHS)
def test_a_cleaned_path_is_clean(path: str) -> None:
    cleaned = redirects._clean(path)
    assert redirects._clean(cleaned) == cleaned
    assert "//" not in cleaned
    assert not {"..", "."} & set(cleaned.split("/"))


@pytest.mark.parametrize("mutant", ["x", " ", "\n", "<"])
def test_only_an_empty_answer_stands_for_the_redirect_page(mutant: str) -> None:
    go = moved(302, "/json", "/json")
    assert explained(go, answer(302, Location="/json")) == ["redirect-body"]
    rust = answer(302, mutant, Location="/json", Content_Type="text/html; charset=utf-8")
    assert explained(go, rust) == []
    assert explained(moved(302, "/json", "/jsn"), answer(302, Location="/json")) == []


@given(st.data())
def test_a_changed_location_is_never_excused(data: st.DataObject) -> None:
    location = "/caf%C3%A9/a?b=1"
    index = data.draw(st.integers(0, len(location) - 1))
    changed = location[:index] + data.draw(st.sampled_from("qzQ~_")) + location[index + 1 :]
    go = moved(302, "/caf%c3%a9/a?b=1", "/café/a?b=1")
    assert explained(go, answer(302, Location=location)) == [
        "redirect-body",
        "redirect-location-form",
    ]
    assert explained(go, answer(302, Location=changed)) == []
    assert explained(go, answer(303, Location=changed)) == []


def test_a_lost_prefix_is_the_path_below_the_nest() -> None:
    request = asked("/static/docs/sub")
    go = answer(301, Location="sub/")
    form = ["redirect-location-form"]
    assert explained(go, answer(301, Location="/static/docs/sub/"), request) == form
    assert explained(go, answer(301, Location="/docs/sub/"), request) == form
    assert explained(go, answer(301, Location="/sub/"), request) == form
    assert explained(go, answer(301, Location="/ub/"), request) == []
    assert explained(go, answer(301, Location="/docs/"), request) == []
    assert explained(go, answer(301, Location="/sub/")) == []
