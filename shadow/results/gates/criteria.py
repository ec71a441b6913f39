"""What a phase of a rollout asks for."""

from __future__ import annotations

from typing import Final

import msgspec

from shadow.results.bounds import clean_exchanges_for
from shadow.results.cautions import MAX_HOLLOW, MAX_INCOMPARABLE
from shadow.results.latency import minimum_count
from shadow.results.speed.pairs import FEWEST_CLUSTERS, WARM_UP

PREVIOUS: Final = "previous"
"""For `no_new_since`: the last finished run of the same capture before."""
TAIL: Final = 99
"""The percentile whose distance from the median is the jitter."""


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """The exit criteria of one phase; None is not asked for. Shares and ratios are fractions."""

    min_exchanges: int | None = None
    """None takes as many as the bounds on rates need, where there are such bounds."""
    min_exchanges_per_endpoint: int | None = None
    """None takes as many as the bounds on latency need."""
    min_coverage: float | None = None
    """Share of the endpoints with at least that many; None is all of them."""
    max_divergence_rate: float | None = None
    max_latency_ratio: tuple[tuple[int, float], ...] = ()
    """Percentiles of the service time, each with the bound on candidate ÷ baseline."""
    max_jitter_ratio: float | None = None
    max_error_rate: float | None = None
    max_cpu_ratio: float | None = None
    max_memory_ratio: float | None = None
    max_accepted_rules: int | None = None
    owners_required: bool = False
    no_new_since: str | None = None
    """A run, or `previous`."""
    max_incomparable: float = MAX_INCOMPARABLE
    max_hollow: float = MAX_HOLLOW


def exchanges_needed(criteria: Criteria) -> int | None:
    """Return how many exchanges are asked for in all.

    By default as many clean ones as the smallest bound on a rate takes: 2,995 for 0.001.
    """
    if criteria.min_exchanges is not None:
        return criteria.min_exchanges
    bounds = (criteria.max_divergence_rate, criteria.max_error_rate)
    return max((clean_exchanges_for(each) for each in bounds if each is not None), default=None)


def exchanges_needed_of_each(criteria: Criteria) -> int:
    """Return how many exchanges are asked for of an endpoint.

    By default as many as it takes for the intervals of the latency percentiles that have a
    bound, beside the warm-up; without such bounds one.
    """
    if criteria.min_exchanges_per_endpoint is not None:
        return criteria.min_exchanges_per_endpoint
    percentiles = [percentile for percentile, _ in criteria.max_latency_ratio]
    if criteria.max_jitter_ratio is not None:
        percentiles.append(TAIL)
    needs = (WARM_UP + max(FEWEST_CLUSTERS, minimum_count(each)) for each in percentiles)
    return max(needs, default=1)
