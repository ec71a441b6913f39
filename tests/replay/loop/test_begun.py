from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from shadow.replay.loop.begun import Begun


@given(st.lists(st.text()), st.text())
def test_a_session_has_begun_once_it_was_added(before: list[str], name: str) -> None:
    begun = Begun()
    for each in before:
        begun.add(each)
    assert (name in begun) is (name in before)
    begun.add(name)
    assert name in begun


def test_a_long_name_takes_no_more_than_a_short_one() -> None:
    begun = Begun()
    tracemalloc.start()
    try:
        for number in range(100):
            begun.add(f"{number}" + "x" * 100_000)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100 * 200 + 10_000
    assert "7" + "x" * 100_000 in begun
