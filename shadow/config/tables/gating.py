"""`[gates]`, `[phases]`, `[webhook]` and `[guards]`: what moves traffic, and who is told."""

from __future__ import annotations

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]  # no number of exchanges proves a rate of 0
Factor = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Milliseconds = Annotated[float, msgspec.Meta(gt=0, le=3_600_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=60)]


class LatencyTable(msgspec.Struct, frozen=True, kw_only=True):
    """`max_latency_ratio`: bounds on percentiles of the service time, candidate ÷ baseline."""

    p50: Factor | None = None
    """Median; takes 120 exchanges of each endpoint."""
    p90: Factor | None = None
    """Nine of ten; takes 120 exchanges."""
    p99: Factor | None = None
    """The slowest of a hundred; takes 388 exchanges."""


class PhaseTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[gates.PHASE]`: what a run must show before the phase may be left."""

    max_divergence_rate: Rate | None = None
    """Divergent exchanges among the compared ones, above 0: 0.001 is one in a thousand."""
    max_error_rate: Rate | None = None
    """Exchanges that the candidate failed (no answer, 5xx) and the baseline did not."""
    max_latency_ratio: LatencyTable = LatencyTable()
    """Bounds on percentiles of the service time; 1.10 allows 10 % more."""
    max_jitter_ratio: Factor | None = None
    """p99 less p50 of the response time, candidate ÷ baseline."""
    max_cpu_ratio: Factor | None = None
    """CPU time per request, candidate ÷ baseline."""
    max_memory_ratio: Factor | None = None
    """Peak of memory, candidate ÷ baseline."""
    max_accepted_rules: Number | None = None
    """`[[accept]]` entries that may still be open."""
    owners_required: bool = False
    """Every endpoint that was compared needs a team in `[endpoints] owners`."""
    no_new_since: str | None = None
    """No finding that this run did not have; `previous` is the last one of the same capture."""
    min_exchanges: Count | None = None
    """Compared exchanges in all; by default what the bounds on rates take."""
    min_exchanges_per_endpoint: Count | None = None
    """Compared exchanges of an endpoint; by default what the bounds on latency take."""
    min_coverage: Share | None = None
    """Share of the endpoints with at least that many; by default all of them."""
    max_incomparable: Share = 0.05
    """Share of what was sent that may be incomparable before a run is no evidence."""
    max_hollow: Share = 0.05
    """The same for hollow exchanges."""


class PhasesTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[phases]`: the way of the rollout."""

    order: list[str] = []
    """The phases, first to last; by default the `[gates]` in the order of the file."""


class WebhookTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[webhook]`: who is told of a gate's verdict, a decision on a phase, a rollback."""

    url: str | None = None
    """Where the message goes, as a POST."""
    secret: str | None = None
    """What it is signed with, from the environment: `${SHADOW_WEBHOOK_SECRET}`."""
    timeout_s: Seconds = 10.0
    """Seconds that one attempt may take."""


class GuardsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[guards]`: what sends a route back to Go while traffic is live."""

    max_divergence_rate: Rate = 0.001
    """The share of compared exchanges that may diverge; evidence of a higher one trips."""
    alpha: Rate = 0.05
    """The probability that a candidate which keeps to it is sent back all the same, within
    `horizon` exchanges, all guards and endpoints together."""
    horizon: Count = 1_000_000
    """Exchanges that `alpha` is for."""
    errors: bool = True
    """Watch which side fails (5xx or no answer) where the other does not."""
    latency_objective_ms: Milliseconds | None = None
    """Watch which side is slower than this where the other is not; in milliseconds."""
    latency_ms: dict[str, Milliseconds] = {}
    """The same for single endpoints: `{ "GET /v1/items" = 50 }`."""
