from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shadow.results.resources import (
    BUSY,
    Course,
    Extent,
    Prices,
    Reading,
    ResourceUse,
    Spread,
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
            tick=int(start) + second,
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
        msgspec.structs.replace(each, cpu_s=(each.cpu_s or 0) + 9 * (n > 10))
        for n, each in enumerate(run)
    ]
    use = resource_use("pid:1", steady(3, cores=0, rate=0), hiccup)
    assert use.cpu_s_per_1000 is not None
    assert use.cpu_s_per_1000.median == pytest.approx(5.0)
    assert use.cpu_s_per_1000.high == pytest.approx(5.0)


def test_a_service_that_began_anew_is_told_and_left_out() -> None:
    run = steady(11, cores=0.5) + [
        msgspec.structs.replace(each, requests=each.requests + 1000, cpu_s=(each.cpu_s or 0) - 7)
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
            Reading(tick=n, at_s=n, requests=n, memory_bytes=500 + n, peak_bytes=peak)
            for n, peak in enumerate((first, last))
        ]

    assert resource_use("x", [], run(9000, 9000)).peak_bytes == 501, "it was before the run"
    assert resource_use("x", [], run(600, 900)).peak_bytes == 900, "between two readings"


def test_pauses_are_shown() -> None:
    run = [Reading(tick=n, at_s=n, requests=n, gc_longest_s=0.001 * n) for n in range(4)]
    assert resource_use("x", [], run).gc_longest_s == pytest.approx(0.003)


def test_windows_of_one_time_are_compared() -> None:
    noisy = [1.0, 3.0, 1.0, 2.0, 5.0, 1.0, 1.0, 4.0]
    baseline: list[Reading] = []
    candidate: list[Reading] = []
    used = [0.0, 0.0]
    for second, load in enumerate([0.0, *noisy]):
        used = [used[0] + load, used[1] + load / 2]
        for readings, cpu in zip((baseline, candidate), used, strict=True):
            readings.append(Reading(tick=second, at_s=second, requests=second * 10, cpu_s=cpu))
    ratio = cpu_ratio(baseline, candidate)
    assert ratio is not None
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 0.5))
    assert cpu_ratio(baseline, []) is None


def growing(factor: float) -> list[Reading]:
    """100 requests a second of 1 ms each in the first half and 10 ms in the second."""
    used, readings = 0.0, []
    for second in range(21):
        readings.append(Reading(tick=second, at_s=second, requests=100 * second, cpu_s=used))
        used += factor * 100 * (0.001 if second < 10 else 0.01)
    return readings


@pytest.mark.parametrize("missed", [slice(0, 10), slice(10, 21), slice(3, 17), slice(1, 20, 2)])
def test_readings_that_one_side_missed_shift_no_window(missed: slice) -> None:
    fewer = growing(1.0), growing(2.0)
    for readings in fewer:
        del readings[missed]
    for ratio in (cpu_ratio(fewer[0], growing(2.0)), cpu_ratio(growing(1.0), fewer[1])):
        assert ratio is not None
        assert ratio.median == pytest.approx(2.0)


def test_a_reading_without_cpu_is_a_missed_one() -> None:
    silent = [
        msgspec.structs.replace(each, cpu_s=None) if each.tick % 3 == 1 else each
        for each in growing(2.0)
    ]
    ratio = cpu_ratio(growing(1.0), silent)
    assert ratio is not None
    assert ratio.windows == 13
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((2.0, 2.0, 2.0))


def test_how_much_of_the_run_was_read_is_kept() -> None:
    course = Course(ticks=21, begun_s=0, ended_s=20)
    whole = resource_use("x", [], steady(21, cores=0.5), course=course)
    assert whole.cpu_read == whole.memory_read == Extent(share=1.0, until=1.0)
    twice = resource_use("x", [], steady(2, cores=0.5), course=course)
    assert twice.memory_read == Extent(share=2 / 21, until=0.05)
    half = [
        msgspec.structs.replace(each, memory_bytes=None) if each.tick > 10 else each
        for each in steady(21, cores=0.5)
    ]
    use = resource_use("x", [], half, course=course)
    assert (use.cpu_read, use.memory_read) == (whole.cpu_read, Extent(share=11 / 21, until=0.5))
    none = resource_use("x", [], [], course=course)
    assert none.cpu_read == none.memory_read == Extent(share=0.0, until=0.0)
    assert resource_use("x", [], steady(21, cores=0.5)).cpu_read is None


def test_only_a_run_that_was_read_to_its_end_was_read_through() -> None:
    assert Extent(share=0.9, until=0.95).whole
    assert not Extent(share=0.89, until=1.0).whole
    assert not Extent(share=1.0, until=0.94).whole


def test_what_was_stored_before_is_read() -> None:
    use = msgspec.json.decode('{"source":"pid:1","peak_bytes":7}', type=ResourceUse)
    assert (use.cpu_read, use.memory_read) == (None, None)


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


@given(st.lists(st.floats(), max_size=30))
def test_what_is_not_finite_is_no_value(values: list[float]) -> None:
    found = spread(values)
    assert found is None or found.windows <= len(values)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Spread | None) == found
    assert spread([math.inf, math.nan, -math.inf]) is None


def test_nothing_has_no_interval() -> None:
    assert spread([]) is None
    one = spread([3.0])
    assert one is not None
    assert (one.median, one.low, one.high) == (3.0, None, None)


def test_how_busy_a_machine_was() -> None:
    assert busy_share([(0, 0), (9, 10), (9, 10), (19, 20), (20, 30)]) == pytest.approx(0.9)
    assert busy_share([(1, 2)]) is None
    assert busy_share([(7.3 + 1e-12, 10), (7.3, 11)]) == 0
    assert 0.5 < BUSY < 1
