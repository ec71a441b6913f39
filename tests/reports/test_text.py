from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from shadow.reports import text as text_module
from shadow.reports.text import (
    ABSENT,
    DASH,
    cut_end,
    cut_path,
    flow,
    milliseconds,
    pair,
    percent,
    plain,
    plural,
)

WIDTHS = st.integers(8, 40)
SAFE = st.text(st.characters(exclude_categories=["C", "Z", "M"]), max_size=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("a\nb\tc", "a\\nb\\x09c"),
        ("\x1b[0m", "\\x1b[0m"),
        ("\x85\u2028\u202e\ufeff", "\\x85\\u2028\\u202e\\ufeff"),
        ("\ud800\U000e0041", "\\ud800\\ue0041"),
    ],
)
def test_invisible_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert plain(text) == shown


@settings(deadline=None)
@given(SAFE, WIDTHS)
def test_cut_text_fits(text: str, width: int) -> None:
    for cut in (cut_end, cut_path):
        short = cut(text, width)
        assert cell_len(short) <= width
        assert short == text or "…" in short


def test_a_path_keeps_its_end() -> None:
    path = "$['lines'][*]['product']['name']"
    assert cut_path(path, 40) == path
    assert cut_path(path, 22) == "…['product']['name']"
    assert cut_path("x" * 20, 6) == "…xxxxx"


@settings(deadline=None)
@given(SAFE, SAFE, SAFE, WIDTHS)
def test_two_long_values_are_shown_where_they_part(
    common: str, one: str, other: str, width: int
) -> None:
    shown = pair(common + one, common + other, width)
    assert all(cell_len(text) <= width for text in shown)
    if one[:1] != other[:1]:
        assert shown[0] != shown[1]


def test_absent_is_not_an_empty_value() -> None:
    assert pair(None, "", 20) == (ABSENT, "")


@settings(deadline=None)
@given(st.lists(st.text("ab", min_size=1, max_size=9), max_size=12), st.integers(12, 40))
def test_flowing_keeps_every_piece(pieces: list[str], width: int) -> None:
    lines = flow(pieces, width)
    assert " ".join(lines).split() == pieces
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, DASH),
        (0.0, "0.0%"),
        (0.0001, "<0.1%"),
        (0.052, "5.2%"),
        (0.9991, "99.9%"),
        (1.0, "100%"),
    ],
)
def test_shares(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [
        (None, DASH),
        (0, "0.00 ms"),
        (380, "0.38 ms"),
        (12_100, "12.1 ms"),
        (345_000, "345 ms"),
        (1_200_000, "1.20 s"),
        (3_600_000_000, "3600 s"),
    ],
)
def test_durations(microseconds: int | None, shown: str) -> None:
    assert milliseconds(microseconds) == shown


def test_counts() -> None:
    assert [plural(n, "finding") for n in (0, 1, 2000)] == [
        "0 findings",
        "1 finding",
        "2,000 findings",
    ]


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["Cc", "Cf"]), max_size=40))
def test_what_is_not_measured_takes_a_cell_a_character(text: str) -> None:
    assert text_module._width(text) == cell_len(text)


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_text_that_is_cut_fits_its_width(text: str, width: int) -> None:
    cut = cut_end(plain(text), width)
    assert cell_len(cut) <= width
    assert cut == plain(text) or cut.endswith("…")
