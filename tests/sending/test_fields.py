from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.sending.fields import Telling, http_url

NAMES = st.sampled_from(["Host", "hOST", "expect", "Expects", "x" * 70]) | st.text(max_size=6)


@given(st.lists(NAMES, max_size=10))
def test_the_names_that_matter_are_told_whatever_their_case(names: list[str]) -> None:
    telling = Telling("host", "expect", "x" * 70)
    for name in [*names, *names]:
        key = name.lower()
        assert telling[name] == (key if key in ("host", "expect", "x" * 70) else "")


def test_what_is_remembered_is_bounded() -> None:
    telling = Telling("host")
    for number in range(3 * Telling.KEPT):
        assert not telling[f"X-{number}"]
        assert telling["Host"] == "host"
        assert 0 < len(telling) <= Telling.KEPT
    before = len(telling)
    assert not telling["x" * 65]
    assert len(telling) == before


@pytest.mark.parametrize(
    "text", ["http://h", "https://h:8443/a?b#c", "http://[::1]:1", "http://u@h"]
)
def test_urls_that_can_be_asked(text: str) -> None:
    parts = http_url(text)
    assert parts is not None
    assert parts.geturl() == text


@pytest.mark.parametrize(
    "text", ["", "h", "ftp://h", "http://", "http://:80", "http://h:0", "http://h:x", "http://[h"]
)
def test_urls_that_cannot_be_asked(text: str) -> None:
    assert http_url(text) is None
