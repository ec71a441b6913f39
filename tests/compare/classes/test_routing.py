from __future__ import annotations

import pytest

from shadow.compare.classes import routing
from shadow.compare.classes.base import Place
from shadow.compare.classes.examples import answer, asked, http_error
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by
from tests.compare.classes.pairs import pair_of


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(routing, go, rust, request)


def test_a_custom_404_is_a_missing_route_not_a_default_page() -> None:
    rust = answer(404)
    assert explained(http_error(404, "404 page not found"), rust) == ["default-404-body"]
    assert explained(answer(404, '{"error":"user not found"}'), rust) == []
    assert explained(http_error(404, "404 page not found!"), rust) == []


def test_a_different_method_list_is_not_covered() -> None:
    go = http_error(405, "Method Not Allowed", Allow="GET, HEAD")
    pair = pair_of(go, answer(405, Allow="GET,POST"))
    allow = next(Place(one, pair) for one in pair.differences if one.name == "allow")
    assert not routing._is_method_list(allow)
    alike = pair_of(go, answer(405, Allow="GET,HEAD"))
    allow = next(Place(one, alike) for one in alike.differences if one.name == "allow")
    assert routing._is_method_list(allow)


@pytest.mark.parametrize(
    ("method", "go", "rust", "id_"),
    [
        ("HEAD", 200, 404, "head-handling"),
        ("HEAD", 405, 200, "head-handling"),
        ("HEAD", 404, 405, "head-handling"),
        ("HEAD", 200, 503, None),
        ("HEAD", 401, 405, None),
        ("OPTIONS", 200, 404, "options-handling"),
        ("OPTIONS", 204, 405, "options-handling"),
        ("OPTIONS", 204, 401, None),
        ("GET", 404, 405, "method-not-allowed"),
        ("GET", 404, 200, None),
    ],
)
def test_the_method_tells_the_cause(method: str, go: int, rust: int, id_: str | None) -> None:
    found = explained(answer(go), answer(rust), asked("/x", method))
    assert found[:1] == ([id_] if id_ else [])
