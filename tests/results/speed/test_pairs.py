from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.results.speed import pairs as module
from shadow.results.speed.pairs import COLUMNS, Pairs


def filled(sessions: Sequence[str | None], *, at_once: int = 1000) -> Pairs:
    pairs = Pairs()
    for start in range(0, len(sessions), at_once):
        part = sessions[start : start + at_once]
        places = range(start, start + len(part))
        pairs.extend(part, *([place * 10 + n for place in places] for n in range(4)))
    return pairs


@given(st.lists(st.sampled_from(["a", "b", None]), max_size=40), st.integers(1, 7))
def test_pairs_are_kept_in_order_with_their_sessions(
    sessions: list[str | None], at_once: int
) -> None:
    pairs = filled(sessions, at_once=at_once)
    assert len(pairs) == pairs.seen == len(sessions)
    assert not pairs.sampled
    for column, name in enumerate(COLUMNS):
        assert list(getattr(pairs, name)) == [n * 10 + column for n in range(len(sessions))]
    for key, session in zip(pairs.keys, sessions, strict=True):
        assert key & 1 == (session is None)
        if session is not None:
            assert key == pairs.keys[sessions.index(session)]
    assert len({key for key in pairs.keys if not key & 1}) == len(set(sessions) - {None})


def test_beyond_the_bound_whole_sessions_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 2000)
    names = [f"s{number}" for number in range(1000)]
    pairs = filled(names * 8, at_once=77)
    assert pairs.sampled
    assert pairs.seen == 8000
    assert 500 <= len(pairs) <= 2000
    counts = [list(pairs.keys).count(key) for key in set(pairs.keys)]
    assert set(counts) == {8}, "a session is whole or gone"
    other = filled(sorted(names * 8), at_once=77)
    smaller, larger = sorted([set(pairs.keys), set(other.keys)], key=len)
    assert smaller <= larger, "which sessions are kept does not depend on the order"


def test_one_endless_session_does_not_push_the_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 10_000)
    few: list[str | None] = [f"s{number}" for number in range(150)]
    pairs = filled(few + ["endless"] * 30_000 + few, at_once=500)
    assert len(pairs) <= 10_000
    assert len(set(pairs.keys)) >= 100


def test_neighbours_without_a_session_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PAIRS", 6400)
    pairs = filled([None] * 20_000, at_once=900)
    assert pairs.sampled
    assert 1000 <= len(pairs) <= 6400
    kept = [each // 10 for each in pairs.baseline_service]
    gaps = sum(1 for one, other in pairwise(kept) if other != one + 1)
    assert gaps < len(kept) / 30


def test_a_time_that_does_not_fit_is_the_longest_that_does() -> None:
    pairs = Pairs()
    pairs.extend(["a"], [2**40], [1], [2], [2**32])
    assert pairs.baseline_service[0] == pairs.candidate_response[0] == 2**32 - 1
