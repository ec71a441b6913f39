from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from shadow.results.anytime import (
    log_detector,
    log_detector_bound,
    log_e,
    log_ratio,
    log_thresholds,
    rate_at_most,
    rejected,
    since_each,
    strongest,
)
from shadow.results.routes import Bucket, Buckets, added

RATE = 0.001
THRESHOLD_E, THRESHOLD_SR = log_thresholds(0.1, 1_000_000)  # ln 20 and ln 20,000


def by_scipy(hits: int, trials: int, rate: float) -> float:
    """The formula as STATISTICS has it."""
    a, b = 0.5 + hits, 0.5 + trials - hits
    seen = special.betaln(a, b) + stats.beta.logsf(rate, a, b)
    prior = special.betaln(0.5, 0.5) + stats.beta.logsf(rate, 0.5, 0.5)
    return float(seen - prior - special.xlogy(hits, rate) - (trials - hits) * math.log1p(-rate))


def by_quadrature(hits: int, trials: int, rate: float) -> float:
    """The same integral, summed up over t = -log(1 - p), where it never underflows."""
    start = -math.log1p(-rate)

    def ratio(t: float) -> float:
        p = -math.expm1(-t)
        odds = hits * math.log(p / rate) - (trials - hits) * (t - start)
        return math.exp(odds + (math.log1p(-p) - math.log(p)) / 2)

    reach = start + 60 / (trials - hits)
    found, _ = integrate.quad(ratio, start, reach, epsabs=0, epsrel=1e-10, limit=500)
    return math.log(found) - math.log(2 * math.acos(math.sqrt(rate)))


rates = st.one_of(st.just(RATE), st.just(0.5), st.floats(1e-6, 0.99))


@given(st.integers(0, 10_000_000), st.floats(0, 1), rates)
def test_it_is_the_formula(trials: int, share: float, rate: float) -> None:
    for hits in {0, trials, round(share * trials), min(trials, round(2 * share * rate * trials))}:
        if stats.beta.sf(rate, 0.5 + hits, 0.5 + trials - hits) > 1e-200:  # where scipy has it
            expected = by_scipy(hits, trials, rate)
            assert log_e(hits, trials, rate) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("hits", "trials", "rate"),
    [
        (0, 10_000_000, RATE),
        (0, 1_000_000, 0.01),
        (3, 5_000_000, RATE),
        (100, 10_000_000, RATE),
        (10, 100_000, 0.5),
        (0, 7_975, 0.0882),
    ],
)
def test_it_is_right_where_scipy_underflows(hits: int, trials: int, rate: float) -> None:
    assert log_e(hits, trials, rate) == pytest.approx(by_quadrature(hits, trials, rate), rel=1e-8)


def test_where_nothing_was_seen_there_is_no_evidence() -> None:
    assert log_e(0, 0, RATE) == pytest.approx(0, abs=1e-12)
    assert log_detector((), RATE) == log_detector_bound((), RATE) == -math.inf


@given(st.integers(0, 10_000_000), st.floats(0, 1), rates)
def test_only_a_hit_raises_it(trials: int, share: float, rate: float) -> None:
    hits = min(trials, round(share * trials))
    now = log_e(hits, trials, rate)
    slack = 1e-7 * max(1, abs(now) / 100)
    assert log_e(hits, trials + 1, rate) <= now + slack
    assert log_e(hits + 1, trials + 1, rate) >= now - slack


@pytest.mark.parametrize("rate", [RATE, 0.03, 0.5])
@pytest.mark.parametrize("trials", [1, 7, 300])
def test_at_the_tolerated_rate_one_is_expected_and_below_it_less(rate: float, trials: int) -> None:
    def expected(truth: float) -> float:
        return sum(
            math.exp(stats.binom.logpmf(hits, trials, truth) + log_e(hits, trials, rate))
            for hits in range(trials + 1)
        )

    assert expected(rate) == pytest.approx(1, rel=1e-6)
    assert expected(rate * 0.9) < 1
    assert expected(min(1, rate * 1.5)) > 1


def some(*counts: tuple[int, int]) -> Buckets:
    return tuple(Bucket(n=n, x=x) for n, x in counts)


@st.composite
def buckets(draw: st.DrawFn) -> Buckets:
    sizes = draw(st.lists(st.integers(1, 3_000), min_size=1, max_size=8))
    return some(*((n, draw(st.integers(0, min(n, 20)))) for n in sizes))


@given(buckets(), st.sampled_from([RATE, 0.01, 0.5]))
def test_the_detector_is_the_sum_of_all_restarts(counts: Buckets, rate: float) -> None:
    terms = [
        log_e(sum(b.x for b in counts[start:]), sum(b.n for b in counts[start:]), rate)
        for start in range(len(counts))
    ]
    assert log_detector(counts, rate) == pytest.approx(special.logsumexp(terms))
    assert log_detector(counts, rate) <= log_detector_bound(counts, rate) + 1e-9
    trials, hits = strongest(counts, rate)
    assert log_e(hits, trials, rate) == pytest.approx(max(terms))


def test_of_the_detector_as_much_is_expected_as_buckets_were_begun() -> None:
    expected = sum(
        stats.binom.pmf(first, 3, 0.2)
        * stats.binom.pmf(second, 4, 0.2)
        * math.exp(log_detector(some((3, first), (4, second)), 0.2))
        for first, second in itertools.product(range(4), range(5))
    )
    assert expected == pytest.approx(2)


def test_the_detector_goes_back_so_many_buckets() -> None:
    whole = some((1_000, 900), *[(1_000, 0)] * 256)
    assert log_detector(whole, RATE) == log_detector(whole[1:], RATE)
    assert log_detector(whole[:-1], RATE) > 400
    assert len(list(since_each(whole))) == 256


@given(st.integers(1, 10_000), st.floats(0, 1), rates)
def test_the_largest_ratio_bounds_the_mixture(trials: int, share: float, rate: float) -> None:
    hits = round(share * trials)
    assert log_ratio(hits, trials, rate) >= log_e(hits, trials, rate) - 1e-9
    seen = hits / trials
    if seen > rate:
        expected = stats.binom.logpmf(hits, trials, seen) - stats.binom.logpmf(hits, trials, rate)
        assert log_ratio(hits, trials, rate) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_thresholds_share_alpha() -> None:
    assert log_thresholds(0.1, 1_000_000) == pytest.approx((math.log(20), math.log(20_000)))
    assert log_thresholds(0.05, 500) == pytest.approx((math.log(40), math.log(40)))


@given(
    st.dictionaries(st.text(max_size=3), st.floats(-20, 20), max_size=12),
    st.integers(12, 40),
    st.sampled_from([0.01, 0.05, 0.5]),
)
def test_e_bh_rejects_the_most_that_bear_each_other_out(
    values: dict[str, float], hypotheses: int, alpha: float
) -> None:
    found = rejected(values, alpha, hypotheses)

    def borne_out(count: int) -> list[str]:
        bar = math.log(hypotheses / alpha) - math.log(count)
        return [name for name, value in values.items() if value >= bar]

    most = max((k for k in range(1, len(values) + 1) if len(borne_out(k)) >= k), default=0)
    assert set(found) == (set(borne_out(most)) if most else set())


def test_two_that_are_too_little_alone_are_enough_together() -> None:
    alone = math.log(10 / 0.05) - 0.1
    assert rejected({"a": alone, "b": 0}, 0.05, 10) == []
    assert sorted(rejected({"a": alone, "b": alone, "c": 0}, 0.05, 10)) == ["a", "b"]
    assert rejected({}, 0.05, 10) == []


def test_known_bounds_for_all_times() -> None:
    assert rate_at_most(0, 10_000) == pytest.approx(8.2e-4, rel=0.01)
    assert rate_at_most(0, 0) == rate_at_most(7, 7) == 1


@given(st.integers(1, 10_000_000), st.floats(0, 0.999), st.sampled_from([0.05, 0.01]))
def test_a_bound_is_where_the_ratio_to_it_becomes_evidence(
    trials: int, share: float, alpha: float
) -> None:
    hits = min(trials - 1, round(share * trials))
    found = rate_at_most(hits, trials, alpha)
    log_ratio_to_it = (
        special.betaln(0.5 + hits, 0.5 + trials - hits)
        - special.betaln(0.5, 0.5)
        - special.xlogy(hits, found)
        - special.xlog1py(trials - hits, -found)
    )
    assert hits / trials < found <= 1
    if found < 1 - 1e-6:
        assert log_ratio_to_it == pytest.approx(-math.log(alpha), abs=1e-3)


def exchanges_to_alarm(
    rate: float, clean: int, seed: int, *, detector: bool = True, most: int = 1_000_000
) -> int:
    """How many exchanges a defect takes, of so many; a restart begins when a bucket is full."""
    chance = random.Random(seed)
    held: Buckets = ()
    for size in (*[1_000] * (clean // 1_000), clean % 1_000):
        held = added(held, size, 0)
    hits = after = filled = 0
    while after < most:
        gap = 1 + int(math.log(1 - chance.random()) / math.log1p(-rate))
        after, hits = after + gap, hits + 1
        while filled + 1_000 < after:  # the clean ones fill the bucket; the hit is in the next
            open_one = held[-1].n % 1_000 if held else 0
            step = min(1_000 - open_one, after - 1 - filled)
            held, filled = added(held, step, 0), filled + step
        held, filled = added(held, after - filled, 1), after
        if log_e(hits, clean + after, RATE) >= THRESHOLD_E:
            return after
        may_be_over = detector and log_detector_bound(held, RATE) >= THRESHOLD_SR
        if may_be_over and log_detector(held, RATE) >= THRESHOLD_SR:
            return after
    return most


def median(rate: float, clean: int, runs: Sequence[int], *, detector: bool = True) -> float:
    return statistics.median(
        exchanges_to_alarm(rate, clean, seed, detector=detector) for seed in runs
    )


def test_clean_history_is_credit_without_the_detector() -> None:
    assert median(0.01, 0, range(31), detector=False) == pytest.approx(410, rel=0.35)
    assert median(0.01, 1_000_000, range(3), detector=False) == pytest.approx(128_000, rel=0.1)


@pytest.mark.parametrize("clean", [10_500, 1_000_500])  # in the middle of a bucket
@pytest.mark.parametrize(("rate", "expected"), [(0.05, 160), (0.01, 1_200), (0.002, 31_000)])
def test_a_defect_takes_as_long_whatever_went_before(
    rate: float, expected: int, clean: int
) -> None:
    assert median(rate, clean, range(15)) == pytest.approx(expected, rel=0.2)


def test_where_a_bucket_has_just_begun_it_takes_less() -> None:
    assert median(0.05, 10_000, range(15)) == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize(("rate", "expected"), [(0.05, 30), (0.01, 410), (0.002, 15_000)])
def test_a_defect_from_the_start_takes_less(rate: float, expected: int) -> None:
    assert median(rate, 0, range(15)) == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_at_the_tolerated_rate_nothing_alarms(seed: int) -> None:
    assert exchanges_to_alarm(RATE, 0, seed) == 1_000_000
