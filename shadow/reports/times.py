"""Both sides' latencies, endpoint by endpoint, those first where the candidate does worst."""

from __future__ import annotations

from typing import Final

import msgspec

from shadow.reports.text import DASH, milliseconds
from shadow.results.summary import EndpointSummary, Percentiles, Summary

_TIMES: Final = "\N{MULTIPLICATION SIGN}"
PERCENTILES: Final = ("p50", "p90", "p99")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint's service times."""

    endpoint: str
    baseline: Percentiles
    candidate: Percentiles
    tail: str
    """The highest percentile that both sides have."""
    ratio: float | None
    """Candidate ÷ baseline there; None where there is none, or nothing to divide by."""


def rows(summary: Summary) -> list[Row]:
    """The endpoints that were timed, the worst tail of the candidate first."""
    timed = [_row(each) for each in summary.endpoints if each.candidate.service.count]
    return sorted(timed, key=lambda row: (-(row.ratio or 0), row.endpoint))


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
        tail=tail,
        ratio=ratio,
    )


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
