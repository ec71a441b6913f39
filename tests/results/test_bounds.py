from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shadow.results.bounds import (
    at_most,
    clean_exchanges_for,
    lower_bound,
    rate_bound,
    upper_bound,
)


@pytest.mark.parametrize(
    ("count", "trials", "bound"),
    [
        (0, 1000, 0.0029912),
        (0, 10_000, 0.00029953),
        (0, 41_200, 7.2709e-5),
        (0, 1, 0.95),
        (1, 1000, 0.0047347),
        (5, 5, 1.0),
        (1_000_000, 1_000_000, 1.0),
    ],
)
def test_known_bounds(count: int, trials: int, bound: float) -> None:
    assert upper_bound(count, trials) == pytest.approx(bound, rel=1e-4)


@given(st.integers(1, 200_000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_it_is_the_interval_of_clopper_and_pearson(
    trials: int, share: float, confidence: float
) -> None:
    count = round(share * trials)
    exact = stats.beta.ppf(confidence, count + 1, trials - count) if count < trials else 1.0
    assert upper_bound(count, trials, confidence) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("count", "trials"), [(0, 50), (3, 50), (40, 50), (7, 100_000)])
def test_scipy_has_the_same(count: int, trials: int) -> None:
    interval = stats.binomtest(count, trials).proportion_ci(0.90, "exact")
    assert upper_bound(count, trials) == pytest.approx(interval.high, rel=1e-6)


def test_a_bound_covers_the_truth_as_often_as_it_says() -> None:
    rate, trials = 0.01, 500
    covered = sum(
        stats.binom.pmf(count, trials, rate)
        for count in range(trials + 1)
        if (upper_bound(count, trials) or 0) >= rate
    )
    assert covered >= 0.95


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0, 0.999))
def test_the_sum_of_a_tail(count: int, more: int, above: float) -> None:
    trials = count + more + 1
    rate = count / trials + above * (1 - count / trials)
    if 0 < rate < 1:
        exact = stats.binom.cdf(count, trials, rate)
        assert at_most(count, trials, rate) == pytest.approx(exact, rel=1e-6, abs=1e-200)


@given(st.floats(1e-6, 0.5))
def test_how_many_clean_ones_a_bound_takes(rate: float) -> None:
    needed = clean_exchanges_for(rate)
    assert (upper_bound(0, needed) or 1) <= rate * (1 + 1e-9)
    assert needed == 1 or (upper_bound(0, needed - 1) or 0) > rate * (1 - 1e-9)


def test_known_counts() -> None:
    assert clean_exchanges_for(0.003) == 998
    assert clean_exchanges_for(0.0003) == 9985


def test_nothing_seen_bounds_nothing() -> None:
    assert upper_bound(0, 0) is None
    nothing = rate_bound(0, 0, (0, 0))
    assert (nothing.upper, nothing.shapes, nothing.shapes_upper) == (None, 0, None)


def test_alike_requests_are_one_trial_in_the_second_reading() -> None:
    bound = rate_bound(0, 41_200, (12, 0))
    assert bound.upper is not None
    assert bound.shapes_upper is not None
    assert bound.upper < 0.000073
    assert bound.shapes_upper > 0.22
    assert rate_bound(3, 100).shapes_upper is None


@given(st.integers(1, 200_000), st.floats(0, 1))
def test_the_lower_bound_is_the_other_end(trials: int, share: float) -> None:
    count = round(share * trials)
    exact = stats.beta.ppf(0.05, count, trials - count + 1) if count else 0.0
    assert lower_bound(count, trials) == pytest.approx(exact, rel=1e-6, abs=1e-11)


def test_there_is_no_lower_bound_without_trials() -> None:
    assert lower_bound(0, 0) is None
