from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shadow.results.speed import resampling
from shadow.results.speed.effect import clusters
from shadow.results.speed.pairs import Pairs
from shadow.results.speed.resampling import percentiles

Simulate = Callable[..., Pairs]


def independent(size: int, random: np.random.Generator) -> Pairs:
    times = [random.exponential(1000, size).astype(int).tolist() for _ in range(2)]
    pairs = Pairs()
    pairs.extend([f"s{n}" for n in range(size)], times[0], times[0], times[1], times[1])
    return pairs


def test_percentiles_are_shown_where_there_are_enough_pairs() -> None:
    random = np.random.default_rng(1)
    for size, shown in ((35, [50]), (367, [50, 90]), (368, [50, 90, 99])):
        pairs = independent(size, random)
        shifts, jitter = percentiles(pairs, clusters(pairs), in_turn=True, seed=0, resamples=50)
        assert [each.percentile for each in shifts] == shown
        assert (jitter is None) == (99 not in shown)


def test_the_same_seed_gives_the_same_intervals(simulate: Simulate) -> None:
    pairs = simulate(np.random.default_rng(2), 200)
    found = [percentiles(pairs, clusters(pairs), in_turn=True, seed=5) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0] != percentiles(pairs, clusters(pairs), in_turn=True, seed=6)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """Independent exponential times: the variance of a percentile is p(1-p) / (n f²)."""
    size = 4000
    pairs = independent(size, np.random.default_rng(4))
    shifts, _ = percentiles(pairs, clusters(pairs), in_turn=True, seed=0)
    for shift in shifts:
        share = shift.percentile / 100
        density = (1 - share) / 1000
        deviation = (2 * share * (1 - share) / size) ** 0.5 / density
        width = (shift.difference.high - shift.difference.low) / (2 * 1.96)
        assert width == pytest.approx(deviation, rel=0.3)


def test_intervals_cover_no_difference(simulate: Simulate) -> None:
    random = np.random.default_rng(6)
    runs, covered = 120, {50: 0, 90: 0, 99: 0}
    for _ in range(runs):
        pairs = simulate(random, 120, per_session=8)
        shifts, _ = percentiles(pairs, clusters(pairs), in_turn=True, seed=1, resamples=400)
        for shift in shifts:
            covered[shift.percentile] += shift.difference.low <= 0 <= shift.difference.high
    assert all(count / runs >= 0.9 for count in covered.values()), covered


def test_sessions_beyond_the_bound_are_joined_and_say_the_same(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = simulate(np.random.default_rng(7), 3000)
    cluster = clusters(pairs)
    widths = []
    for most in (5000, 300):
        monkeypatch.setattr(resampling, "MAX_GROUPS", most)
        shifts, _ = percentiles(pairs, cluster, in_turn=True, seed=0)
        widths.append([each.difference.high - each.difference.low for each in shifts])
    assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_percentiles_and_jitter_are_of_the_values_themselves() -> None:
    pairs = independent(1000, np.random.default_rng(8))
    shifts, jitter = percentiles(pairs, clusters(pairs), in_turn=False, seed=0)
    ordered = sorted(pairs.baseline_service), sorted(pairs.candidate_service)
    for shift in shifts:
        rank = shift.percentile * 10 - 1
        assert (shift.baseline, shift.candidate) == (ordered[0][rank], ordered[1][rank])
        assert shift.difference.value == shift.candidate - shift.baseline
    assert jitter is not None
    assert jitter.candidate.value == ordered[1][989] - ordered[1][499]
    assert jitter.candidate.low < jitter.candidate.value < jitter.candidate.high


def test_equal_times_have_no_width() -> None:
    pairs = Pairs()
    pairs.extend([f"s{n}" for n in range(400)], *([700] * 400 for _ in range(4)))
    shifts, jitter = percentiles(pairs, clusters(pairs), in_turn=False, seed=0)
    assert [(each.baseline, each.difference.low, each.difference.high) for each in shifts] == [
        (700, 0, 0)
    ] * 3
    assert jitter is not None
    assert (jitter.baseline.low, jitter.baseline.value, jitter.baseline.high) == (0, 0, 0)


def test_ratios_agree_with_the_differences(simulate: Simulate) -> None:
    """A candidate of 1.5 times the time: the ratio is that at every percentile, and sure."""
    pairs = simulate(np.random.default_rng(8), 400)
    slower = Pairs()
    times = [round(1.5 * each) for each in pairs.baseline_service]
    sessions = [f"s{key}" for key in pairs.keys]
    slower.extend(sessions, pairs.baseline_service, pairs.baseline_service, times, times)
    shifts, jitter = percentiles(slower, clusters(slower), in_turn=True, seed=0)
    assert jitter is not None
    for ratio in (*(each.ratio for each in shifts), jitter.ratio):
        assert ratio is not None
        assert ratio.low <= ratio.value <= ratio.high
        assert ratio.value == pytest.approx(1.5, rel=0.01)
        assert (ratio.low, ratio.high) == pytest.approx((1.5, 1.5), rel=0.05)


def test_intervals_of_ratios_cover_no_difference(simulate: Simulate) -> None:
    random = np.random.default_rng(7)
    runs, covered, tail = 120, {50: 0, 90: 0, 99: 0}, 0
    for _ in range(runs):
        pairs = simulate(random, 120, per_session=8)
        shifts, jitter = percentiles(pairs, clusters(pairs), in_turn=True, seed=1, resamples=400)
        for shift in shifts:
            assert shift.ratio is not None
            covered[shift.percentile] += shift.ratio.low <= 1 <= shift.ratio.high
        assert jitter is not None
        assert jitter.ratio is not None
        tail += jitter.ratio.low <= 1 <= jitter.ratio.high
    assert all(count / runs >= 0.9 for count in (*covered.values(), tail)), (covered, tail)
