from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigError
from shadow.model import Exchange, Request
from shadow.replay.loop.schedule import Pace, Sequencer

START = datetime(2026, 8, 3, 10, tzinfo=UTC)


def exchange(at_s: float | None = None) -> Exchange:
    ts = None if at_s is None else START + timedelta(seconds=at_s)
    return Exchange(id="1", request=Request(method="GET", target="/"), ts=ts)


@given(st.floats(0.1, 10_000), st.integers(1, 50))
def test_a_rate_is_an_absolute_schedule(rate: float, count: int) -> None:
    pace = Pace(rate=rate)
    dues = [pace.due(exchange()) for _ in range(count)]
    assert dues == [n / rate for n in range(count)]


@given(st.lists(st.floats(0, 3_600), min_size=1), st.floats(0.1, 100))
def test_the_timeline_is_followed_and_never_runs_backward(times: list[float], speed: float) -> None:
    pace = Pace(speed=speed)
    dues = [pace.due(exchange(at)) for at in times]
    assert dues == sorted(due for due in dues if due is not None)
    assert dues[-1] == pytest.approx(max(0.0, max(times) - times[0]) / speed, abs=1e-5)


def test_without_a_time_an_exchange_is_due_with_the_one_before() -> None:
    pace = Pace(speed=2)
    assert [pace.due(exchange(at)) for at in (0, 10, None, 12)] == [0, 5, 5, 6]


def test_a_clock_that_jumps_by_years_is_not_waited_for() -> None:
    pace = Pace(speed=1)
    years = 400 * 365 * 86_400.0
    assert [pace.due(exchange(at)) for at in (0, years, 10)] == [0, 0, 10]


def test_without_a_pace_nothing_is_due() -> None:
    assert Pace().due(exchange(3)) is None


def test_two_paces_are_refused() -> None:
    with pytest.raises(ConfigError):
        Pace(rate=1, speed=1)


@given(st.lists(st.sampled_from(["a", "b", "c", None])), st.randoms(use_true_random=False))
def test_sessions_go_one_at_a_time_and_in_order(sessions: list[str | None], random: Random) -> None:
    sequencer: Sequencer[int] = Sequencer()
    going: list[int] = []
    ended: list[int] = []
    todo = deque(enumerate(sessions))
    while todo or going:
        if todo and (not going or random.random() < 0.5):
            job, session = todo.popleft()
            if sequencer.offer(session, job):
                going.append(job)
        else:
            job = going.pop(random.randrange(len(going)))
            ended.append(job)
            following = sequencer.done(sessions[job])
            if following is not None:
                going.append(following)
        active = [sessions[job] for job in going if sessions[job] is not None]
        assert len(active) == len(set(active))
    assert sorted(ended) == list(range(len(sessions)))
    for name in ("a", "b", "c"):
        mine = [job for job in ended if sessions[job] == name]
        assert mine == sorted(mine)
    assert sequencer.idle
