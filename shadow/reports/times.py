"""Both sides' latencies, endpoint by endpoint, those first where the candidate does worst."""

from __future__ import annotations

from typing import Final

import msgspec

from shadow.reports.text import DASH, milliseconds
from shadow.results.summary import EndpointSummary, Percentiles, Summary

_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_NOTICED_US: Final = 1_000
_LATE: Final = 5
_FEWEST_LATE: Final = 4
_AGAINST: Final = 3
"""So many times as many late answers as the baseline's are worth a look."""
PERCENTILES: Final = ("p50", "p90", "p99")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint's service times."""

    endpoint: str
    baseline: Percentiles
    candidate: Percentiles
    pairs: int
    tail: str
    """The highest percentile that both sides have."""
    ratio: float | None
    """Candidate ÷ baseline there; None where there is none, or nothing to divide by."""


def rows(summary: Summary) -> list[Row]:
    """The endpoints that were timed: those with late answers first, then by their tails."""
    timed = [_row(each) for each in summary.endpoints if each.candidate.service.count]
    return sorted(timed, key=lambda row: (late(row) is None, -(row.ratio or 0), row.endpoint))


def _row(endpoint: EndpointSummary) -> Row:
    baseline, candidate = endpoint.baseline.service, endpoint.candidate.service
    tail, ratio = "", None
    for name in PERCENTILES:
        before, after = getattr(baseline, name), getattr(candidate, name)
        if before is not None and after is not None:
            tail, ratio = name, after / before if before else None
    return Row(
        endpoint=endpoint.endpoint,
        baseline=baseline,
        candidate=candidate,
        pairs=candidate.count,
        tail=tail,
        ratio=ratio,
    )


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """Late answers that the candidate gives far more often than the baseline."""

    over_us: int
    """What all of them took at least."""
    candidate: int
    baseline: int
    of: int
    """Answers of the candidate."""


def late(row: Row) -> Late | None:
    """Say where the candidate has a tail that the baseline has not, however few the pairs.

    Late is more than five times the median of either side, and a millisecond. This describes
    what was seen, for a reader to look at the plot; whether it is chance takes statistics.
    """
    medians = [side.p50 for side in (row.baseline, row.candidate)]
    if None in medians:
        return None
    after = max(_LATE * max(each or 0 for each in medians), _NOTICED_US)
    best = None
    for low, _ in row.candidate.spread:
        if low < after:
            continue
        counts = [_beyond(side, low) for side in (row.candidate, row.baseline)]
        lead = counts[0] - _AGAINST * counts[1]
        if counts[0] >= _FEWEST_LATE and lead > 0 and (best is None or lead >= best[0]):
            best = lead, Late(over_us=low, candidate=counts[0], baseline=counts[1], of=row.pairs)
    return best[1] if best else None


def _beyond(side: Percentiles, microseconds: int) -> int:
    return sum(count for low, count in side.spread if low >= microseconds)


def pair(row: Row, name: str) -> str:
    """Both sides at one percentile: `0.38 ms → 0.21 ms`."""
    before, after = getattr(row.baseline, name), getattr(row.candidate, name)
    if before is None and after is None:
        return DASH
    return f"{milliseconds(before)} → {milliseconds(after)}"


def times(ratio: float | None) -> str:
    """A ratio in three digits or so, with the sign: `0.56x`, `41x`."""
    if ratio is None:
        return DASH
    return f"{ratio:.2f}{_TIMES}" if ratio < 10 else f"{ratio:,.0f}{_TIMES}"
