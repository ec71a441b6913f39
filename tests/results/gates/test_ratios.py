from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.results.cautions import Caution
from shadow.results.gates.criteria import Criteria
from shadow.results.gates.ratios import cpu, jitter, judge_ratio, latency, memory
from shadow.results.resources import Extent, Resources, ResourceUse, Spread
from shadow.results.speed.verdicts import Ratio, Speed

Make = Callable[..., Any]
P50 = Criteria(max_latency_ratio=((50, 1.1),))
WHOLE = Extent(share=1.0, until=1.0)
RANK = {"pass": 0, "inconclusive": 1, "fail": 2}


@st.composite
def intervals(draw: st.DrawFn) -> Ratio:
    value = draw(st.floats(0.05, 20))
    below, above = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    return Ratio(value=value, low=value * math.exp(-below), high=value * math.exp(above))


BOUNDS = st.floats(0.1, 10)


@given(intervals(), BOUNDS)
def test_the_whole_interval_decides(ratio: Ratio, bound: float) -> None:
    verdict, more = judge_ratio(ratio, bound, 1000)
    assert (verdict == "pass") == (ratio.high <= bound)
    assert (verdict == "fail") == (ratio.low > bound)
    assert more is None or (verdict == "inconclusive" and more >= 1)


@given(intervals(), BOUNDS, st.floats(1, 3))
def test_slower_is_never_better(ratio: Ratio, bound: float, factor: float) -> None:
    slower = Ratio(value=ratio.value * factor, low=ratio.low * factor, high=ratio.high * factor)
    before, after = (judge_ratio(each, bound, 1000)[0] for each in (ratio, slower))
    assert RANK[before] <= RANK[after]


@given(st.floats(0.05, 20), st.floats(0.02, 0.5), st.floats(1.01, 5), st.booleans())
def test_so_many_more_exchanges_make_the_interval_narrow_enough(
    value: float, apart: float, times: float, slower: bool
) -> None:
    """The interval reaches `times` as far as the bound is away."""
    half = math.exp(apart * times)
    bound = value * math.exp(-apart if slower else apart)
    verdict, more = judge_ratio(
        Ratio(value=value, low=value / half, high=value * half), bound, 1000
    )
    assert verdict == "inconclusive"
    assert more is not None
    for exchanges, decided in ((1000 + more + 1, True), (1000 + more - 2, False)):
        half = math.exp(apart * times * math.sqrt(1000 / exchanges))
        narrower = Ratio(value=value, low=value / half, high=value * half)
        assert (judge_ratio(narrower, bound, 1000)[0] != "inconclusive") == decided


@pytest.mark.parametrize(
    ("p50", "verdict"),
    [
        ((1.02, 0.99, 1.05), "pass"),
        ((1.02, 0.9, 1.1), "pass"),
        ((1.02, 0.9, 1.2), "inconclusive"),
        ((1.2, 1.11, 1.3), "fail"),
        ((1.2, 1.09, 1.3), "inconclusive"),
    ],
)
def test_a_percentile_of_one_endpoint(
    make_grounds: Make,
    make_endpoint: Make,
    make_speed: Make,
    p50: tuple[float, float, float],
    verdict: str,
) -> None:
    grounds = make_grounds([make_endpoint(speed=make_speed(p50=p50))])
    (found,) = latency(grounds, P50)
    assert (found.verdict, found.measured, found.low, found.high) == (verdict, *p50)
    assert found.endpoint == "GET /a"
    assert (found.more is None) == (verdict != "inconclusive")


GOOD, WIDE, SLOW = (1.0, 0.98, 1.02), (1.05, 0.95, 1.2), (1.5, 1.4, 1.6)


@pytest.mark.parametrize(
    ("ratios", "verdict", "endpoint"),
    [
        ([GOOD, GOOD], "pass", "GET /0"),
        ([GOOD, WIDE], "inconclusive", "GET /1"),
        ([WIDE, SLOW, GOOD], "fail", "GET /1"),
        ([None, SLOW], "fail", "GET /1"),
        ([GOOD, None], "inconclusive", "GET /1"),
    ],
)
def test_the_worst_endpoint_decides(
    *,
    make_grounds: Make,
    make_endpoint: Make,
    make_speed: Make,
    ratios: list[tuple[float, float, float] | None],
    verdict: str,
    endpoint: str,
) -> None:
    endpoints = [
        make_endpoint(name=f"GET /{n}", speed=make_speed(p50=each) if each else None)
        for n, each in enumerate(ratios)
    ]
    (found,) = latency(make_grounds(endpoints), P50)
    assert (found.verdict, found.endpoint) == (verdict, endpoint)


def test_an_endpoint_with_few_exchanges_is_for_coverage_to_judge(
    make_grounds: Make, make_endpoint: Make, make_speed: Make
) -> None:
    rare = make_endpoint(5, name="GET /rare")
    speed = make_speed(p50=GOOD)
    (found,) = latency(make_grounds([make_endpoint(speed=speed), rare]), P50)
    assert found.verdict == "pass"
    (found,) = latency(make_grounds([rare]), P50)
    assert (found.verdict, found.endpoint) == ("inconclusive", None)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(SLOW, "fail"), (WIDE, "pass"), (GOOD, "pass"), (None, "pass")]
)
def test_of_an_endpoint_with_few_exchanges_only_a_miss_counts(
    *,
    make_grounds: Make,
    make_endpoint: Make,
    make_speed: Make,
    ratio: tuple[float, float, float] | None,
    verdict: str,
) -> None:
    speed = make_speed(p50=ratio) if ratio else None
    rare = make_endpoint(100, name="GET /rare", speed=speed)
    common = make_endpoint(speed=make_speed(p50=GOOD))
    (found,) = latency(make_grounds([common, rare]), P50)
    assert found.verdict == verdict
    (alone,) = latency(make_grounds([rare]), P50)
    assert alone.verdict == ("fail" if verdict == "fail" else "inconclusive")


def test_what_is_slower_by_less_than_the_clock_tells_does_not_fail(
    make_grounds: Make, make_endpoint: Make, make_speed: Make
) -> None:
    speed = make_speed(apart_us=9, p50=SLOW)
    (found,) = latency(make_grounds([make_endpoint(speed=speed)]), P50)
    assert (found.verdict, found.note) == ("inconclusive", "9 µs apart: too little to tell")


def test_withheld_evidence_is_inconclusive_with_its_reason(
    make_grounds: Make, make_endpoint: Make, make_speed: Make
) -> None:
    recorded = Caution(code="speed-recorded", text="of a recording", advice="")
    endpoints = [make_endpoint(speed=make_speed(p50=GOOD, jitter=GOOD))]
    criteria = Criteria(max_latency_ratio=((50, 1.1),), max_jitter_ratio=2)
    grounds = make_grounds(endpoints, speed_withheld=recorded)
    for found in (*latency(grounds, criteria), *jitter(grounds, criteria)):
        assert (found.verdict, found.note) == ("inconclusive", "of a recording")


@pytest.mark.parametrize(
    ("speed", "more", "note"),
    [
        (None, None, "no pair of answers was timed"),
        (
            Speed(verdict="withheld", reason="saturated", pairs=900, sessions=200),
            None,
            "bottleneck",
        ),
        (Speed(verdict="inconclusive", reason="few", pairs=90, sessions=20, more=360), 360, "20"),
        (Speed(verdict="equivalent", pairs=300, sessions=120), 68, "300 pairs, of 368"),
        (Speed(verdict="equivalent", pairs=900, sessions=120), None, "most pairs"),
    ],
)
def test_why_there_is_no_interval(
    make_grounds: Make, make_endpoint: Make, speed: Speed | None, more: int | None, note: str
) -> None:
    criteria = Criteria(max_latency_ratio=((99, 1.1),))
    (found,) = latency(make_grounds([make_endpoint(speed=speed)]), criteria)
    assert (found.verdict, found.more) == ("inconclusive", more)
    assert note in found.note


def test_what_it_takes_is_added_up_over_the_endpoints(
    make_grounds: Make, make_endpoint: Make
) -> None:
    few = Speed(verdict="inconclusive", reason="few", pairs=90, sessions=20, more=360)
    endpoints = [make_endpoint(name=f"GET /{n}", speed=few) for n in range(3)]
    (found,) = latency(make_grounds(endpoints), P50)
    assert found.more == 3 * 360
    assert "2 more of 3 endpoints" in found.note


def test_the_jitter_of_the_tail(make_grounds: Make, make_endpoint: Make, make_speed: Make) -> None:
    criteria = Criteria(max_jitter_ratio=1.5)
    for ratio, verdict in ((GOOD, "pass"), (WIDE, "pass"), ((2.0, 1.6, 2.5), "fail")):
        grounds = make_grounds([make_endpoint(speed=make_speed(jitter=ratio))])
        (found,) = jitter(grounds, criteria)
        assert (found.name, found.verdict) == ("jitter", verdict)
    (found,) = jitter(make_grounds([make_endpoint(speed=make_speed(p50=GOOD))]), criteria)
    assert found.verdict == "inconclusive"


def spread(low: float | None, median: float, high: float | None, windows: int = 20) -> Resources:
    use = ResourceUse(source="pid:1", cpu_read=WHOLE)
    ratio = Spread(median=median, low=low, high=high, windows=windows)
    return Resources(baseline=use, candidate=use, cpu_ratio=ratio)


@pytest.mark.parametrize(
    ("resources", "verdict"),
    [
        (None, "inconclusive"),
        (Resources(), "inconclusive"),
        (spread(0.7, 0.8, 0.9), "pass"),
        (spread(0.7, 0.8, 1.1), "inconclusive"),
        (spread(1.01, 1.1, 1.2), "fail"),
        (spread(None, 0.5, None, 5), "inconclusive"),
    ],
)
def test_the_cpu_ratio_and_its_interval(
    make_grounds: Make, resources: Resources | None, verdict: str
) -> None:
    (found,) = cpu(make_grounds(resources=resources), Criteria(max_cpu_ratio=1))
    assert found.verdict == verdict
    assert found.note or verdict != "inconclusive"


def peaks(*both: int | None) -> Resources:
    baseline, candidate = (
        ResourceUse(source="pid:1", peak_bytes=each, memory_read=WHOLE) for each in both
    )
    return Resources(baseline=baseline, candidate=candidate)


@pytest.mark.parametrize(
    ("resources", "verdict"),
    [
        (None, "inconclusive"),
        (Resources(), "inconclusive"),
        (peaks(None, 5), "inconclusive"),
        (peaks(0, 5), "inconclusive"),
        (peaks(100, None), "inconclusive"),
        (peaks(100, 50), "pass"),
        (peaks(100, 51), "fail"),
    ],
)
def test_the_peaks_of_memory(make_grounds: Make, resources: Resources | None, verdict: str) -> None:
    (found,) = memory(make_grounds(resources=resources), Criteria(max_memory_ratio=0.5))
    assert found.verdict == verdict
    assert found.note or verdict != "inconclusive"


@pytest.mark.parametrize("side", ["baseline", "candidate"])
@pytest.mark.parametrize(
    ("extent", "note"),
    [
        (None, "not known"),
        (Extent(share=0.02, until=1.0), "2 % of the readings of the {} could be taken"),
        (Extent(share=0.89, until=1.0), "89 % of the readings of the {} could be taken"),
        (Extent(share=0.95, until=0.9), "the {} was last read when 90 % of the run had passed"),
        (Extent(share=0.9, until=0.95), ""),
    ],
)
def test_what_was_not_read_through_the_run_decides_nothing(
    make_grounds: Make, side: str, extent: Extent | None, note: str
) -> None:
    criteria = Criteria(max_cpu_ratio=1, max_memory_ratio=1)
    use = ResourceUse(source="x", peak_bytes=5, cpu_read=WHOLE, memory_read=WHOLE)
    less = msgspec.structs.replace(use, cpu_read=extent, memory_read=extent)
    resources = Resources(
        baseline=less if side == "baseline" else use,
        candidate=less if side == "candidate" else use,
        cpu_ratio=Spread(median=0.5, low=0.4, high=0.6, windows=20),
    )
    grounds = make_grounds(resources=resources)
    for found in (*cpu(grounds, criteria), *memory(grounds, criteria)):
        assert found.verdict == ("inconclusive" if note else "pass")
        assert note.format(side) in found.note


def test_nothing_is_said_of_what_is_not_asked_for(make_grounds: Make) -> None:
    grounds, nothing = make_grounds(), Criteria()
    assert [
        *latency(grounds, nothing),
        *jitter(grounds, nothing),
        *cpu(grounds, nothing),
        *memory(grounds, nothing),
    ] == []
