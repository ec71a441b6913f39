from __future__ import annotations

import base64
import random
import zlib
from fractions import Fraction

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.results.latency import HIGHEST_US, Latency, minimum_count

DURATIONS = st.lists(st.integers(0, 2 * HIGHEST_US), max_size=60)


def latency_of(durations: list[int]) -> Latency:
    latency = Latency()
    for duration in durations:
        latency.record(duration)
    return latency


@pytest.mark.parametrize(
    ("percentile", "count"), [(50, 6), (90, 36), (95, 72), (99, 368), (99.9, 3688)]
)
def test_minimum_counts_are_those_of_the_binomial_formula(percentile: float, count: int) -> None:
    quantile = Fraction(str(percentile)) / 100
    tail = Fraction(25, 1000)
    assert minimum_count(percentile) == count
    assert quantile**count <= tail < quantile ** (count - 1)


@pytest.mark.parametrize(("percentile", "count"), [(95, 59), (99, 299), (99.9, 2995)])
def test_a_bound_on_one_side_takes_fewer(percentile: float, count: int) -> None:
    """One end at 95 % is an end of the two-sided interval at 90 %."""
    assert minimum_count(percentile, confidence=0.90) == count


@settings(deadline=None)
@given(DURATIONS, DURATIONS)
def test_merging_is_the_same_as_recording_everything_in_one(a: list[int], b: list[int]) -> None:
    both = latency_of(a)
    both.merge(latency_of(b))
    reverse = latency_of(b)
    reverse.merge(latency_of(a))
    assert both.counts == reverse.counts == latency_of(a + b).counts
    assert both.total == len(a + b)


@settings(deadline=None, max_examples=30)
@given(DURATIONS)
def test_a_v2_text_says_the_same_and_other_tools_read_it(durations: list[int]) -> None:
    latency = latency_of(durations)
    text = latency.to_v2()
    back = Latency.from_v2(text)
    assert (back.counts, back.total) == (latency.counts, latency.total)
    theirs = HdrHistogram(1, HIGHEST_US, 3)
    for duration in durations:
        theirs.record_value(min(duration, HIGHEST_US))
    assert HdrHistogram.decode(text.encode()).equals(HdrHistogram.decode(theirs.encode()))


def test_percentiles_are_within_the_three_digits() -> None:
    source = random.Random(7)
    durations = sorted(int(source.lognormvariate(9, 1.2)) for _ in range(5000))
    shown = latency_of(durations).percentiles([50, 90, 99, 99.9])
    for found, rank in zip(shown, (2500, 4500, 4950, 4995), strict=True):
        exact = durations[rank - 1]
        assert found is not None
        assert exact <= found <= exact * 1.001


def test_a_percentile_is_shown_only_with_enough_values() -> None:
    assert latency_of([10] * 5).percentiles([50]) == [None]
    assert latency_of([10] * 6).percentiles([50, 90]) == [10, None]
    assert latency_of([10] * 367).percentiles([99]) == [None]
    assert latency_of([10] * 368).percentiles([99]) == [10]


def test_durations_outside_the_range_count_at_its_ends() -> None:
    latency = latency_of([-5, 10 * HIGHEST_US])
    assert latency.total == 2
    assert min(latency.counts) == 0
    assert max(latency.counts) <= HIGHEST_US


def wrapped(payload: bytes) -> str:
    header = (0x1C849304 | 0x10).to_bytes(4, "big") + len(payload).to_bytes(4, "big")
    return base64.b64encode(header + payload).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64 ☹",
        "AAAA",
        wrapped(b"not zlib"),
        wrapped(zlib.compress(b"short")),
        wrapped(zlib.compress(bytes(50_000_000))),
        HdrHistogram(1, 1000, 2).encode().decode(),
        latency_of([1, 2, 3]).to_v2()[:-8],
    ],
    ids=["empty", "text", "zeros", "raw", "short", "bomb", "range", "cut"],
)
def test_a_text_that_is_no_such_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Latency.from_v2(text)


@given(st.lists(st.integers(0, HIGHEST_US), min_size=1, max_size=400))
def test_the_spread_counts_every_value_in_its_bin(values: list[int]) -> None:
    spread = latency_of(values).spread()
    assert sum(count for _, count in spread) == len(values)
    ends = [low for low, _ in spread]
    assert ends == sorted(set(ends))
    assert ends[0] <= max(min(values), 1) * 1.001
    assert ends[-1] <= max(1, *values) <= ends[-1] * 1.3 + 1


def test_an_interval_is_shown_where_its_percentile_is() -> None:
    latency = latency_of(list(range(1, 401)))
    low, high = latency.interval(50) or (0, 0)
    assert (low, high) == (180, 221)
    assert latency_of([10] * 367).interval(99) is None
    assert latency_of([10] * 368).interval(99) == (10, 10)


def test_an_interval_holds_the_true_percentile_about_as_often_as_it_says() -> None:
    source = random.Random(5)
    held = 0
    for _ in range(400):
        latency = latency_of([source.randrange(1, 2000) for _ in range(500)])
        low, high = latency.interval(90) or (0, 0)
        held += low <= 1800 <= high
    assert 0.93 <= held / 400 <= 0.99
