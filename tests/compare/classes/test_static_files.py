from __future__ import annotations

import pytest

from shadow.compare.classes import static_files
from shadow.compare.classes.examples import answer, asked, http_error, plain
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(static_files, go, rust, request)


@pytest.mark.parametrize(
    ("target", "location", "named"),
    [
        ("/static/index.html", "./", True),
        ("/static/index.html?a=1", "./?a=1", True),
        ("/static/index.html?a=1", "./", False),
        ("/static/index.html", "../", False),
        ("/static/page.html", "./", False),
    ],
)
def test_an_index_is_redirected_to_its_directory(
    target: str, location: str, *, named: bool
) -> None:
    page = answer(200, "<p>", Content_Type="text/html")
    found = explained(answer(301, Location=location), page, asked(target))
    assert found == (["static-index-redirect"] if named else [])


@pytest.mark.parametrize(
    ("go", "rust", "named"),
    [
        (http_error(416, "invalid range"), answer(416), True),
        (http_error(416, "invalid range: failed to overlap"), answer(200, "abc"), True),
        (http_error(416, "invalid range: failed to overlap"), answer(206, "abc"), False),
        (http_error(416, "invalid range!"), answer(416), False),
        (answer(200, "abc"), plain(416, "Cannot serve multipart range requests"), True),
        (answer(404), plain(416, "Cannot serve multipart range requests"), False),
    ],
)
def test_a_range_is_refused_in_the_words_of_a_file_server(
    go: Observation, rust: Observation, *, named: bool
) -> None:
    assert explained(go, rust) == (["range-handling"] if named else [])


def test_only_a_304_may_lose_its_last_modified() -> None:
    when = "Sun, 22 Nov 2026 10:14:45 GMT"
    assert explained(answer(304, Last_Modified=when), answer(304)) == ["static-304-headers"]
    assert explained(answer(304), answer(304, Last_Modified=when)) == []
    assert explained(answer(200, Last_Modified=when), answer(200)) == []
    assert explained(answer(304, ETag='"1"'), answer(304)) == []
