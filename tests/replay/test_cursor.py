"""A cursor knows exactly what it was told, whatever the order, and survives being written down."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.replay.cursor import Cursor


@given(st.sets(st.integers(0, 60)).flatmap(lambda done: st.permutations(sorted(done))))
def test_it_holds_what_was_passed_by_and_nothing_else(done: list[int]) -> None:
    cursor = Cursor()
    for ordinal in done:
        cursor.pass_by(ordinal)
    again = Cursor.from_text(cursor.to_text())
    for ordinal in range(62):
        assert (ordinal in cursor) == (ordinal in done)
        assert (ordinal in again) == (ordinal in done)
    assert again.to_text() == cursor.to_text()


@given(st.permutations(range(40)))
def test_a_beginning_that_is_done_takes_no_room(order: list[int]) -> None:
    cursor = Cursor()
    for ordinal in order:
        cursor.pass_by(ordinal)
    assert cursor.to_text() == '{"done":40,"beyond":[],"kept":0}'


def test_what_lies_beyond_is_written_as_stretches() -> None:
    cursor = Cursor()
    for ordinal in (0, 2, 3, 4, 9):
        cursor.pass_by(ordinal)
    assert cursor.to_text() == '{"done":1,"beyond":[[2,4],[9,9]],"kept":0}'


def test_the_number_kept_is_written_down_too() -> None:
    cursor = Cursor()
    cursor.kept = 7
    assert Cursor.from_text(cursor.to_text()).kept == 7


@pytest.mark.parametrize("ordinal", [0, 5])
def test_it_is_at_its_start_until_something_is_done(ordinal: int) -> None:
    cursor = Cursor()
    before = cursor.at_start
    cursor.pass_by(ordinal)
    assert (before, cursor.at_start) == (True, False)


def test_another_text_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        Cursor.from_text("500")
