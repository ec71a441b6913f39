from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.sidecar.mirroring.pace import Pace, Share

GAPS = st.lists(st.floats(0, 10), max_size=50)


def test_work_is_too_much_from_the_burst_on_until_all_of_it_has_leaked_away() -> None:
    share = Share(0.1, 1.0)
    share.spend(0.9, now=100)
    assert not share.is_too_much(100)
    share.spend(0.3, now=101)  # 0.1 has leaked away
    assert share.is_too_much(101)
    assert share.is_too_much(111.9)
    assert not share.is_too_much(112.1)


def test_what_was_far_too_much_is_not_held_against_it_for_long() -> None:
    share = Share(0.1, 1.0)
    share.spend(1_000, now=100)
    assert share.is_too_much(119)
    assert not share.is_too_much(121)


@given(spent=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 0.9)), max_size=50))
def test_what_takes_less_than_its_share_is_never_too_much(
    spent: list[tuple[float, float]],
) -> None:
    share, now = Share(0.1, 1.0), 0.0
    for gap, part in spent:
        now += gap
        share.spend(0.1 * gap * part, now)
        assert not share.is_too_much(now)


def test_tokens_come_in_a_burst_and_then_one_after_the_other() -> None:
    pace = Pace(10, 2)
    assert [pace.take(100) for _ in range(3)] == [True, True, False]
    assert pace.wait_s(100) == pytest.approx(0.1)
    assert pace.wait_s(100.06) == pytest.approx(0.04)
    assert not pace.take(100.06)
    assert pace.take(100.11)
    assert [pace.take(200) for _ in range(3)] == [True, True, False]


@given(gaps=GAPS, per_s=st.floats(0.1, 100), burst=st.integers(1, 10))
def test_there_are_never_more_than_the_pace_allows(
    gaps: list[float], per_s: float, burst: int
) -> None:
    pace, now, taken = Pace(per_s, burst), 1.0, 0
    for gap in gaps:
        now += gap
        while pace.take(now):
            taken += 1
        assert taken <= burst + per_s * (now - 1.0) + 1e-6
        assert 0 < pace.wait_s(now) <= 1 / per_s + 1e-9
