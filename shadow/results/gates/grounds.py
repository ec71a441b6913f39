"""What a gate is judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from shadow.results.summary import EndpointSummary, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What a gate is judged on."""

    summary: Summary
    evidence: bool = True
    """Whether the summary was made with the run's evidence; else nothing is known of errors."""
    templates: Sequence[str] = ()
    """Endpoints that must be covered; else those of the run."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Who is responsible for an endpoint."""
    known: AbstractSet[str] = frozenset()
    """Signatures of the divergent findings that are not new."""
    since: str = ""
    """The run that has those; empty where there is none."""


def compared(endpoint: EndpointSummary) -> int:
    """Exchanges that are evidence: compared and not hollow."""
    if endpoint.rate is not None:
        return endpoint.rate.exchanges
    return max(0, endpoint.compared - endpoint.hollow)
