from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.sessions.pieces import LONGEST, is_specific, pieces, replaced

TOKEN = "4fe1ad93dc1ef8bddd744fcb6643d480"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "drf-8c1d6f0be1fa",
        "48213377",
        "eyJhbGciOi.eyJzdWIiOjF9.abc-DEF_12",
        "QmFzZUxpa2VUb2tlbkhlcmU=",
        "usr_9f8e7d",
    ],
)
def test_ids_and_tokens_are_specific(text: str) -> None:
    assert is_specific(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "true", "en", "null", "electronics", "application/json", "user-preferences"),
        *("129900", "12.50", "-1", "2026-08-03", "2026-08-03T10:00:00Z", "1785751200"),
        *("1785751200123", "a b c d e f g h 1", "page-2", "x" * 5000 + "1", "über12345678"),
        *("internationalisation", "EUR", "v1"),
    ],
)
def test_words_numbers_and_times_are_not(text: str) -> None:
    assert not is_specific(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OLD", "NEW"),
        ("Bearer OLD", "Bearer NEW"),
        ("/v1/items/OLD", "/v1/items/NEW"),
        ("https://h/x?next=OLD&y=OLD#z", "https://h/x?next=NEW&y=NEW#z"),
        ('"OLD", W/"OLD"', '"NEW", W/"NEW"'),
        ("xOLD", None),
        ("OLDx", None),
        ("OLD.json", None),
        ("", None),
    ],
)
def test_a_part_is_replaced_where_it_stands_for_itself(text: str, expected: str | None) -> None:
    assert replaced(text, {"OLD": "NEW"}.get) == expected


def test_the_longest_part_wins() -> None:
    assert replaced("/a/b", {"/a/b": "whole", "a": "part"}.get) == "whole"


@given(st.text(max_size=200))
def test_parts_are_of_the_text_and_each_comes_once(text: str) -> None:
    found = list(pieces(text))
    assert len(found) == len(set(found))
    assert all(0 <= start <= end <= len(text) for start, end in found)
    assert replaced(text, lambda part: part) in (text, None)


def test_a_text_beyond_the_bound_is_not_looked_into() -> None:
    assert list(pieces("a" * (LONGEST + 1))) == []
