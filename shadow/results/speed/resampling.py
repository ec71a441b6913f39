"""Intervals of percentiles by a bootstrap of whole sessions.

A resample gives each session a weight, and a percentile of it is read off the weights of the
ordered values. The values are put into some 400 bins once, so a resample is a product of a row
of weights and the counts of the sessions by bin, however many pairs there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shadow.results.latency import minimum_count
from shadow.results.speed.effect import Floats, Integers, lags
from shadow.results.speed.pairs import Pairs
from shadow.results.speed.verdicts import Jitter, Ratio, Shift, Span

RESAMPLES: Final = 2000
MAX_GROUPS: Final = 1000
"""Sessions beyond are joined into as many groups at random, which are resampled instead.

The width of an interval comes out the same (Wolter, Introduction to Variance Estimation,
chapter 2, random groups), and the work is bounded.
"""
PERCENTILES: Final = (50, 90, 99)

_LEVELS: Final = np.concatenate([np.linspace(0, 0.9, 181), np.linspace(0.9, 1, 201)[1:]])
_AT_ONCE: Final = 500


def percentiles(
    pairs: Pairs, cluster: Integers, *, in_turn: bool, seed: int, resamples: int = RESAMPLES
) -> tuple[tuple[Shift, ...], Jitter | None]:
    """Return the percentiles for which there are enough pairs, and the jitter of both sides."""
    shown = [each for each in PERCENTILES if len(pairs) >= minimum_count(each)]
    services = [
        np.frombuffer(each, dtype=np.uint32).astype(np.int64)
        for each in (pairs.baseline_service, pairs.candidate_service)
    ]
    late = lags(pairs, in_turn=in_turn)
    columns = [*services, *(each + lag for each, lag in zip(services, late, strict=True))]
    made = _resampled(columns, cluster, [each / 100 for each in shown], seed, resamples)
    exact = [_nearest_rank(column, shown) for column in columns]
    shifts = tuple(
        Shift(
            percentile=each,
            baseline=exact[0][place],
            candidate=exact[1][place],
            difference=_span(exact[1][place] - exact[0][place], made[1, place] - made[0, place]),
            ratio=_ratio((exact[0][place], exact[1][place]), (made[0, place], made[1, place])),
        )
        for place, each in enumerate(shown)
    )
    if 99 not in shown:
        return shifts, None
    value = [exact[n][-1] - exact[n][0] for n in (2, 3)]
    again = [made[n, -1] - made[n, 0] for n in (2, 3)]
    return shifts, Jitter(
        baseline=_span(value[0], again[0]),
        candidate=_span(value[1], again[1]),
        ratio=_ratio((value[0], value[1]), (again[0], again[1])),
    )


def _resampled(
    columns: Sequence[Integers],
    cluster: Integers,
    quantiles: Sequence[float],
    seed: int,
    resamples: int,
) -> Floats:
    """Return the quantiles of each column in each resample: [column, quantile, resample]."""
    random = np.random.default_rng(seed)
    group, groups = _groups(cluster, random)
    binned = [_binned(column, group, groups) for column in columns]
    made = np.empty((len(columns), len(quantiles), resamples))
    for start in range(0, resamples, _AT_ONCE):
        rows = min(_AT_ONCE, resamples - start)
        weights = _weights(random, rows, groups)
        for place, (edges, counts) in enumerate(binned):
            below = np.cumsum(weights @ counts, axis=1, dtype=np.float64)
            shares = below / below[:, -1:]
            for row in range(rows):
                made[place, :, start + row] = np.interp(quantiles, shares[row], edges)
    return made


def _groups(cluster: Integers, random: np.random.Generator) -> tuple[Integers, int]:
    number = int(cluster.max()) + 1
    if number <= MAX_GROUPS:
        return cluster, number
    return random.permutation(number)[cluster] % MAX_GROUPS, MAX_GROUPS


def _binned(column: Integers, group: Integers, groups: int) -> tuple[Floats, NDArray[np.float32]]:
    """Return the upper ends of the bins, and how many values each group has in each."""
    ranks = np.ceil(_LEVELS * len(column)).astype(np.int64) - 1
    edges = np.unique(np.sort(column)[np.maximum(ranks, 0)])
    place = group * len(edges) + np.searchsorted(edges, column)
    counts = np.bincount(place, minlength=groups * len(edges)).reshape(groups, len(edges))
    return edges.astype(np.float64), counts.astype(np.float32)


def _weights(random: np.random.Generator, rows: int, groups: int) -> NDArray[np.float32]:
    """Return how often each group is drawn, in resamples of as many draws as groups."""
    drawn = random.integers(0, groups, size=(rows, groups))
    drawn += np.arange(rows)[:, None] * groups
    counts = np.bincount(drawn.reshape(-1), minlength=rows * groups)
    return counts.reshape(rows, groups).astype(np.float32)


def _nearest_rank(column: Integers, shown: Sequence[int]) -> list[int]:
    ordered = np.sort(column)
    return [int(ordered[-(-len(ordered) * each // 100) - 1]) for each in shown]


def _span(value: int, made: Floats) -> Span:
    low, high = np.quantile(made, (0.025, 0.975))
    return Span(value=value, low=min(value, round(low)), high=max(value, round(high)))


def _ratio(value: tuple[int, int], made: tuple[Floats, Floats]) -> Ratio:
    """Return candidate over baseline, each given as (baseline, candidate); 1 µs at the least.

    The same resamples give both sides, so what is common to them is in neither end.
    """
    ratio = max(value[1], 1) / max(value[0], 1)
    low, high = np.quantile(np.maximum(made[1], 1) / np.maximum(made[0], 1), (0.025, 0.975))
    return Ratio(value=ratio, low=min(ratio, float(low)), high=max(ratio, float(high)))
