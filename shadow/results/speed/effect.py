"""The size of a difference between two sides, and whether it may be chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shadow.results.speed.pairs import FEWEST_CLUSTERS, Pairs
from shadow.results.speed.ranks import middle
from shadow.results.speed.verdicts import Ratio

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def clusters(pairs: Pairs) -> Integers:
    """Return the cluster of each pair, from 0: its session, or its block where it has none.

    Exchanges without a session stand in blocks of neighbours, so that what slows several in a
    row counts once: about n^(1/3) of them in each, but never so many that there are fewer than
    `FEWEST_CLUSTERS` blocks. Source of the exponent: Hall, Horowitz and Jing, On blocking rules
    for the bootstrap with dependent data, Biometrika 82 (1995).
    """
    keys = np.frombuffer(pairs.keys, dtype=np.uint64)
    alone = (keys & np.uint64(1)).astype(bool)
    number = int(alone.sum())
    length = max(1, min(round(number ** (1 / 3)), number // FEWEST_CLUSTERS))
    found = np.empty(len(keys), dtype=np.int64)
    found[alone] = np.arange(number) // length
    _, inverse = np.unique(keys[~alone], return_inverse=True)
    found[~alone] = inverse.reshape(-1) + -(-number // length)
    return found


def medians(values: Floats, cluster: Integers) -> Floats:
    """Return the median of each cluster's values."""
    order = np.lexsort((values, cluster))
    counts = np.bincount(cluster)
    starts = np.cumsum(counts) - counts
    ordered = values[order]
    middle = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
    return np.asarray(middle, dtype=np.float64)


def log_ratios(pairs: Pairs) -> Floats:
    """Return ln(candidate / baseline) of the service times; less than 1 µs counts as 1 µs."""
    baseline = np.maximum(np.frombuffer(pairs.baseline_service, dtype=np.uint32), 1)
    candidate = np.maximum(np.frombuffer(pairs.candidate_service, dtype=np.uint32), 1)
    return np.log(candidate.astype(np.float64)) - np.log(baseline.astype(np.float64))


def lags(pairs: Pairs, *, in_turn: bool) -> tuple[Integers, Integers]:
    """Return how late each request was sent to either side, in µs: response less service.

    Where the sides are asked in turn, the second one waits for the first, which is neither the
    generator's fault nor its own: there the smaller of the two stands for both.
    """
    baseline, candidate = (
        np.maximum(
            np.frombuffer(response, dtype=np.uint32).astype(np.int64)
            - np.frombuffer(service, dtype=np.uint32),
            0,
        )
        for response, service in (
            (pairs.baseline_response, pairs.baseline_service),
            (pairs.candidate_response, pairs.candidate_service),
        )
    )
    if not in_turn:
        return baseline, candidate
    least = np.minimum(baseline, candidate)
    return least, least


def signed_rank(differences: Floats) -> float:
    """Return the p-value of Wilcoxon's signed-rank test, zeros as Pratt has them."""
    if not np.any(differences):
        return 1.0  # every pair took the same time
    return float(stats.wilcoxon(differences, zero_method="pratt").pvalue)


def hodges_lehmann(differences: Floats) -> Ratio:
    """Return the median of all averages of two differences, and its 95 % interval, as ratios.

    The interval holds the shifts that the signed-rank test would not reject. Source:
    Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, sections 3.2 and 3.3.
    """
    ordered = np.sort(differences)
    number, places = len(ordered), np.arange(len(ordered))

    def at_most(bound: float) -> int:
        ends = np.searchsorted(ordered, 2 * bound - ordered, side="right")
        return int(np.maximum(ends - places, 0).sum())

    deviation = (number * (number + 1) * (2 * number + 1) / 24) ** 0.5
    within = float(ordered[0]), float(ordered[-1])
    return middle(number * (number + 1) // 2, deviation, within, at_most)
