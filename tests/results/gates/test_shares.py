from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shadow.results.bounds import RateBound, lower_bound, upper_bound
from shadow.results.failures import Errors
from shadow.results.gates.criteria import Criteria
from shadow.results.gates.shares import (
    divergence,
    errors,
    judge_share,
    more_at_rate,
    more_if_clean,
)

Make = Callable[..., Any]
RATES = st.sampled_from([0.0001, 0.001, 0.005, 0.01, 0.1, 0.5, 0.9])
RANK = {"pass": 0, "inconclusive": 1, "fail": 2}


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(1, 20_000))
    few = st.integers(0, min(trials, 40))
    return draw(st.one_of(few, st.integers(0, trials))), trials


@given(counts(), RATES)
def test_a_verdict_is_where_the_bound_lies(seen: tuple[int, int], bound: float) -> None:
    found = judge_share("x", *seen, bound, "")
    low, high = lower_bound(*seen), upper_bound(*seen)
    assert low is not None
    assert high is not None
    assert (found.verdict == "pass") == (high <= bound)
    assert (found.verdict == "fail") == (low > bound)
    assert (found.low, found.high, found.measured) == (low, high, seen[0] / seen[1])


@given(counts(), RATES)
def test_more_divergences_never_make_it_better(seen: tuple[int, int], bound: float) -> None:
    count, trials = seen
    assume(count < trials)
    before, after = (judge_share("x", each, trials, bound, "") for each in (count, count + 1))
    assert RANK[before.verdict] <= RANK[after.verdict]


@given(counts(), RATES)
def test_more_clean_exchanges_never_make_it_worse(seen: tuple[int, int], bound: float) -> None:
    count, trials = seen
    before, after = (judge_share("x", count, each, bound, "") for each in (trials, trials + 7))
    assert RANK[before.verdict] >= RANK[after.verdict]


@st.composite
def undecided(draw: st.DrawFn) -> tuple[int, int, float]:
    """A rate of about the bound, from few exchanges."""
    bound = draw(RATES)
    count = draw(st.integers(0, 40))
    trials = round((count or 1) / bound * draw(st.floats(0.97, 1.03)))
    return count, max(1, count, trials), bound


@given(undecided())
def test_so_many_clean_ones_decide_and_one_fewer_does_not(seen: tuple[int, int, float]) -> None:
    count, trials, bound = seen
    found = judge_share("x", *seen, "")
    assert found.verdict == "inconclusive"
    assert found.more is not None
    assert judge_share("x", count, trials + found.more, bound, "").verdict == "pass"
    assert judge_share("x", count, trials + found.more - 1, bound, "").verdict != "pass"


@given(undecided())
def test_so_many_at_the_rate_so_far_decide(seen: tuple[int, int, float]) -> None:
    count, trials, bound = seen
    found = judge_share("x", *seen, "")
    if found.more_at_rate is None:  # that near the bound nothing but a great many would
        assert count / trials == pytest.approx(bound, rel=0.05)
        return
    total = trials + found.more_at_rate
    expected = count * total / trials
    near = (math.floor(expected), math.ceil(expected))
    verdicts = {judge_share("x", each, total, bound, "").verdict for each in near}
    assert ("pass" if count / trials < bound else "fail") in verdicts


@pytest.mark.parametrize(
    ("count", "trials", "bound", "clean", "at_rate"),
    [
        (0, 10, 0.001, 2985, 2985),
        (1, 3000, 0.001, 1742, 6151),
        (3, 3000, 0.001, 4752, None),
        (5, 3000, 0.001, 7511, 6000),
    ],
)
def test_known_numbers(
    count: int, trials: int, bound: float, clean: int, at_rate: int | None
) -> None:
    assert more_if_clean(count, trials, bound) == clean
    assert more_at_rate(count, trials, bound) == at_rate


def test_no_exchange_is_no_evidence() -> None:
    found = judge_share("x", 0, 0, 0.001, "")
    assert (found.verdict, found.more, found.measured) == ("inconclusive", 2995, None)


def test_large_counts_are_decided_as_well() -> None:
    assert judge_share("x", 900, 1_000_000, 0.001, "").verdict == "pass"
    assert judge_share("x", 1100, 1_000_000, 0.001, "").verdict == "fail"
    found = judge_share("x", 990, 1_000_000, 0.001, "")
    assert found.verdict == "inconclusive"
    assert found.more_at_rate is not None
    assert 20_000_000 < found.more_at_rate < 30_000_000


def test_hollow_exchanges_are_no_evidence_of_a_rate(
    make_grounds: Make, make_endpoint: Make
) -> None:
    criteria = Criteria(max_divergence_rate=0.001)
    solid = make_grounds([make_endpoint(3000)])
    hollow = make_grounds([make_endpoint(100, hollow=2900)])
    assert [each.verdict for each in divergence(solid, criteria)] == ["pass"]
    (found,) = divergence(hollow, criteria)
    assert (found.verdict, found.more) == ("inconclusive", 2895)


def failing(both: int, baseline: int, candidate: int) -> Errors:
    return Errors(
        both=both,
        baseline_only=baseline,
        candidate_only=candidate,
        verdict="no-difference",
        p=1,
        q=1,
    )


@pytest.mark.parametrize(
    ("errors_seen", "verdict", "measured"),
    [
        (None, "pass", 0.0),
        (failing(0, 0, 100), "fail", 0.1),
        (failing(0, 100, 0), "pass", 0.0),  # who fails less is not slowed down by it
        (failing(500, 0, 0), "pass", 0.0),
        (failing(0, 0, 9), "inconclusive", 0.009),
        (failing(500, 0, 9), "inconclusive", 0.018),  # of what the baseline answered
    ],
)
def test_errors_are_those_of_the_candidate_alone(
    make_grounds: Make,
    make_endpoint: Make,
    errors_seen: Errors | None,
    verdict: str,
    measured: float,
) -> None:
    grounds = make_grounds([make_endpoint(1000, errors=errors_seen)])
    (found,) = errors(grounds, Criteria(max_error_rate=0.011))
    assert found.verdict == verdict
    assert found.measured == pytest.approx(measured)


def test_errors_without_evidence_are_not_known(make_grounds: Make, make_endpoint: Make) -> None:
    grounds = make_grounds([make_endpoint(100_000)], evidence=False)
    (found,) = errors(grounds, Criteria(max_error_rate=0.01))
    assert found.verdict == "inconclusive"


def test_nothing_is_said_of_what_is_not_asked_for(make_grounds: Make, make_endpoint: Make) -> None:
    grounds = make_grounds([make_endpoint()])
    assert [*divergence(grounds, Criteria()), *errors(grounds, Criteria())] == []


def test_the_request_shapes_stand_beside_the_exchanges(
    make_grounds: Make, make_endpoint: Make
) -> None:
    rate = RateBound(
        exchanges=3000, divergent=2, upper=0.002, shapes=40, divergent_shapes=1, shapes_upper=0.1
    )
    grounds = make_grounds([make_endpoint(3000, 2)], rate=rate)
    (found,) = divergence(grounds, Criteria(max_divergence_rate=0.001))
    assert found.note == "2 of 3,000 exchanges diverged, 1 of 40 request shapes"
