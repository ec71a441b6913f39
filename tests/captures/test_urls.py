from __future__ import annotations

import pytest

from shadow.captures.formats.urls import split_url
from shadow.captures.syntax import MalformedError


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://h", "h", "/"),
        ("HTTPS://u:p@h:1?a=@b#c", "h:1", "/?a=@b"),
        ("http://a@b@h/x@y", "h", "/x@y"),
        ("http://h/k\u00e4se", "h", "/k\u00c3\u00a4se"),
    ],
)
def test_a_url_is_split(url: str, authority: str, target: str) -> None:
    assert split_url(url) == (authority, target)


@pytest.mark.parametrize("part", ["a", "a@", "/", "@"])
def test_what_is_no_url_is_refused_at_once(part: str) -> None:
    with pytest.raises(MalformedError):
        split_url(f"http://{part * 200_000} ")
