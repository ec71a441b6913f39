from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shadow.results.speed import judging
from shadow.results.speed.judging import judge_speed
from shadow.results.speed.pairs import Pairs

Simulate = Callable[..., Pairs]


def test_a_clear_difference_comes_with_all_its_numbers(simulate: Simulate) -> None:
    pairs = simulate(np.random.default_rng(1), 400, slower=1.3)
    speed = judge_speed({"a": pairs}, in_turn=False)["a"]
    assert (speed.verdict, speed.reason, speed.more) == ("slower", "", None)
    assert (speed.pairs, speed.sessions, speed.sampled) == (len(pairs), 400, False)
    assert speed.ratio is not None
    assert speed.ratio.low < 1.3 < speed.ratio.high
    assert speed.p == speed.q
    assert 200 < (speed.apart_us or 0) < 500  # 30 % of e^7 µs
    assert [each.percentile for each in speed.shifts] == [50, 90, 99]
    assert speed.shifts[0].difference.low > 0
    assert speed.jitter is not None
    assert 100 < (speed.lag_p99_us or 0) < 1000


def test_too_few_sessions_say_how_many_exchanges_are_missing(simulate: Simulate) -> None:
    pairs = simulate(np.random.default_rng(2), 50, slower=3)
    speed = judge_speed({"a": pairs}, in_turn=True)["a"]
    assert (speed.verdict, speed.reason, speed.p, speed.ratio) == (
        "inconclusive",
        "few",
        None,
        None,
    )
    assert speed.more == len(pairs)
    nothing = judge_speed({"a": Pairs()}, in_turn=True)["a"]
    assert (nothing.verdict, nothing.reason, nothing.more) == ("inconclusive", "few", 100)


def test_a_late_generator_withholds_the_verdict(simulate: Simulate) -> None:
    random = np.random.default_rng(3)
    late = simulate(random, 200, slower=2, lag_us=1000)
    speeds = judge_speed({"late": late, "fine": simulate(random, 200, slower=2)}, in_turn=True)
    assert (speeds["late"].verdict, speeds["late"].reason) == ("withheld", "saturated")
    assert (speeds["late"].ratio, speeds["late"].shifts) == (None, ())
    assert speeds["fine"].verdict == "slower"


def test_what_is_slow_itself_bears_some_lag() -> None:
    pairs = Pairs()
    services = [100_000 + number for number in range(200)]
    for lag, verdict in ((4_000, "equivalent"), (6_000, "withheld")):
        pairs = Pairs()
        responses = [each + lag for each in services]
        sessions = [f"s{n}" for n in range(200)]
        pairs.extend(sessions, services, responses, services, responses)
        assert judge_speed({"a": pairs}, in_turn=False)["a"].verdict == verdict


def test_what_takes_microseconds_is_not_told_apart() -> None:
    pairs = Pairs()
    names = [f"s{n}" for n in range(300)]
    pairs.extend(names, [70] * 300, [70] * 300, [78] * 300, [78] * 300)
    speed = judge_speed({"a": pairs}, in_turn=True)["a"]
    assert (speed.verdict, speed.reason, speed.apart_us) == ("inconclusive", "fine", 8)
    assert speed.more is None


def test_chance_among_many_endpoints_is_no_finding(simulate: Simulate) -> None:
    random = np.random.default_rng(5)
    paired = {f"e{number}": simulate(random, 100) for number in range(10)}
    speeds = judge_speed(paired, in_turn=True)
    for each in speeds.values():
        assert each.p is not None
        assert each.q is not None
        assert each.p <= each.q


def test_only_the_largest_endpoints_get_intervals_of_percentiles(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "BOOTSTRAPPED", 1)
    random = np.random.default_rng(6)
    speeds = judge_speed({"s": simulate(random, 110), "l": simulate(random, 200)}, in_turn=True)
    assert (len(speeds["l"].shifts), len(speeds["s"].shifts)) == (3, 0)
    assert speeds["s"].q is not None


def test_the_same_pairs_give_the_same_verdict(simulate: Simulate) -> None:
    pairs = simulate(np.random.default_rng(7), 150)
    assert judge_speed({"a": pairs}, in_turn=True) == judge_speed({"a": pairs}, in_turn=True)


def test_as_many_endpoints_get_intervals_as_are_asked_for(simulate: Simulate) -> None:
    random = np.random.default_rng(3)
    paired = {f"GET /{n}": simulate(random, 100) for n in range(3)}
    for intervals in (0, 2):
        found = judge_speed(paired, in_turn=True, intervals=intervals)
        assert sum(bool(each.shifts) for each in found.values()) == intervals
        assert all(each.ratio for each in found.values())
