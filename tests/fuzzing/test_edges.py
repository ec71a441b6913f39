from __future__ import annotations

import random

import pytest

from shadow.compare.json_text import Number, read
from shadow.fuzzing import edges


def many(make: edges.Edge, text: str) -> set[str]:
    return {make(text, random.Random(seed)) for seed in range(500)}


def test_the_neighbours_and_the_edges_of_a_number() -> None:
    made = many(edges.number, "41")
    assert {"40", "42", "-41", "41.0", "0", "-1", "-0", "1e400", "1e2"} < made
    assert {str(2**31), str(2**53), str(2**53 + 1), str(2**63 - 1), str(2**63), str(2**64)} < made
    assert all(isinstance(read(each).value, Number) for each in made)


@pytest.mark.parametrize("lexeme", ["1.5", "-0", "1e5", "9" * 5_000])
def test_any_number_has_edges(lexeme: str) -> None:
    assert all(isinstance(read(each).value, Number) for each in many(edges.number, lexeme))


def test_the_edges_of_a_text() -> None:
    made = many(edges.string, "abc")
    assert {"", " ", "abc ", " abc", "ABC", "abc\u0301", "abc\0", "\ud800"} < made
    assert max(map(len, made)) == edges.LONG


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (
            "2026-03-04T05:06:07.5+02:00",
            {
                "2016-12-31T23:59:60+02:00",
                "2024-02-29T05:06:07.5+02:00",
                "9999-12-31T05:06:07.5+02:00",
                "0000-01-01T05:06:07.5+02:00",
                "2026-03-04T05:06:07.123456789+02:00",
                "2026-03-04T05:06:07Z",
                "2026-03-04t05:06:07+02:00",
                "2026-03-04",
            },
        ),
        ("2026-03-04", {"2023-02-29", "10000-01-01", "2026-03-04T00:00:00Z"}),
    ],
)
def test_the_edges_of_a_date(text: str, made: set[str]) -> None:
    assert edges.is_date(text)
    assert made <= many(edges.date, text)


@pytest.mark.parametrize("text", ["2026-3-4", "20260304", "2026-03-04T", "12:00:00", "", "a"])
def test_what_is_no_date(text: str) -> None:
    assert not edges.is_date(text)
