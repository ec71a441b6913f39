from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shadow.results.resources import (
    BUSY,
    Prices,
    Reading,
    busy_share,
    cost_per_million,
    cpu_ratio,
    resource_use,
    spread,
)


def steady(
    count: int, *, cores: float, rate: float = 100, start: float = 0.0, used: float = 7.0
) -> list[Reading]:
    """A reading a second: so many CPU seconds and requests in each."""
    return [
        Reading(
            at_s=start + second,
            requests=int(rate * second),
            cpu_s=used + cores * second,
            memory_bytes=1000 + second,
        )
        for second in range(count)
    ]


def test_cpu_per_request_is_less_what_idling_takes() -> None:
    idle = steady(5, cores=0.1, rate=0)
    use = resource_use("pid:1", idle, steady(41, cores=0.6, start=5))
    assert use.idle_cores == pytest.approx(0.1)
    assert use.cpu_s_per_1000 is not None
    assert use.cpu_s_per_1000.median == pytest.approx(5.0)  # 0.5 s for 100 requests
    assert (use.cpu_s_per_1000.low, use.cpu_s_per_1000.high) == pytest.approx((5.0, 5.0))
    assert use.cpu_s_per_1000.windows == 20
    assert use.requests_per_s == pytest.approx(100)
    assert use.peak_bytes == 1040
    assert use.notes == ()


def test_a_window_that_was_slow_does_not_move_the_median() -> None:
    run = steady(21, cores=0.5)
    hiccup = [
        Reading(at_s=each.at_s, requests=each.requests, cpu_s=(each.cpu_s or 0) + 9 * (n > 10))
        for n, each in enumerate(run)
    ]
    use = resource_use("pid:1", steady(3, cores=0, rate=0), hiccup)
    assert use.cpu_s_per_1000 is not None
    assert use.cpu_s_per_1000.median == pytest.approx(5.0)
    assert use.cpu_s_per_1000.high == pytest.approx(5.0)


def test_a_service_that_began_anew_is_told_and_left_out() -> None:
    run = steady(11, cores=0.5) + [
        Reading(at_s=each.at_s, requests=each.requests + 1000, cpu_s=(each.cpu_s or 0) - 7)
        for each in steady(10, cores=0.5, start=11)
    ]
    use = resource_use("pid:1", steady(3, cores=0, rate=0), run)
    assert use.cpu_s_per_1000 is not None
    assert use.cpu_s_per_1000.windows == 19
    assert use.cpu_s_per_1000.median == pytest.approx(5.0)
    assert len(use.notes) == 1


def test_what_is_missing_is_none_and_told() -> None:
    nothing = resource_use("port 1", [], [], ["nothing listens on port 1 here"])
    assert (nothing.cpu_s_per_1000, nothing.peak_bytes, nothing.requests_per_s) == (None,) * 3
    assert nothing.notes == ("nothing listens on port 1 here",)
    no_idle = resource_use("pid:1", [], steady(10, cores=0.5))
    assert no_idle.idle_cores is None
    assert no_idle.cpu_s_per_1000 is not None
    assert no_idle.notes == ("no idle time before the run: nothing is taken off",)


def test_the_peak_is_that_of_the_run() -> None:
    def run(first: int, last: int) -> list[Reading]:
        return [
            Reading(at_s=n, requests=n, memory_bytes=500 + n, peak_bytes=peak)
            for n, peak in enumerate((first, last))
        ]

    assert resource_use("x", [], run(9000, 9000)).peak_bytes == 501, "it was before the run"
    assert resource_use("x", [], run(600, 900)).peak_bytes == 900, "between two readings"


def test_pauses_are_shown() -> None:
    run = [Reading(at_s=n, requests=n, gc_longest_s=0.001 * n) for n in range(4)]
    assert resource_use("x", [], run).gc_longest_s == pytest.approx(0.003)


def test_windows_of_one_time_are_compared() -> None:
    noisy = [1.0, 3.0, 1.0, 2.0, 5.0, 1.0, 1.0, 4.0]
    baseline: list[Reading] = []
    candidate: list[Reading] = []
    used = [0.0, 0.0]
    for second, load in enumerate([0.0, *noisy]):
        used = [used[0] + load, used[1] + load / 2]
        for readings, cpu in zip((baseline, candidate), used, strict=True):
            readings.append(Reading(at_s=second, requests=second * 10, cpu_s=cpu))
    ratio = cpu_ratio(baseline, candidate)
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))
    assert cpu_ratio(baseline, []) is None


def test_a_million_requests_cost() -> None:
    use = resource_use("x", steady(3, cores=0, rate=0), steady(21, cores=0.36, rate=100))
    cost = cost_per_million(use, Prices(core_hour=0.05, gib_hour=0.01))
    assert cost is not None
    assert cost.cpu == pytest.approx(0.05)  # 3.6 ms each: one core hour
    hours = 1_000_000 / 100 / 3600
    assert cost.memory == pytest.approx(1020 / 2**30 * hours * 0.01)
    assert cost.total == cost.cpu + cost.memory
    assert cost_per_million(resource_use("x", [], []), Prices(core_hour=1, gib_hour=1)) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_an_interval_misses_its_median_at_most_one_time_in_twenty(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    ordered, number = sorted(values), len(values)
    assert (found.low is None) == (number < 6)
    if found.low is not None and found.high is not None:
        assert found.low <= found.median <= found.high
        rank = int(stats.binom.ppf(0.025, number, 0.5))
        if stats.binom.cdf(rank, number, 0.5) > 0.025:
            rank -= 1
        assert (found.low, found.high) == (ordered[rank], ordered[number - 1 - rank])


def test_nothing_has_no_interval() -> None:
    assert spread([]) is None
    one = spread([3.0])
    assert one is not None
    assert (one.median, one.low, one.high) == (3.0, None, None)


def test_how_busy_a_machine_was() -> None:
    assert busy_share([(0, 0), (9, 10), (9, 10), (19, 20), (20, 30)]) == pytest.approx(0.9)
    assert busy_share([(1, 2)]) is None
    assert 0.5 < BUSY < 1
