"""What the live page shows of a sidecar: the types, which whoever has the numbers fills.

Counts are of the present run, times are aware of their zone, durations are in µs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Self

import msgspec

from shadow.results.routes import Guard, RouteChange, RouteState
from shadow.results.summary import FindingSummary


class LiveTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Service times of one side; None where there are too few to say."""

    p50: int | None = None
    p99: int | None = None


class LiveEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: its exchanges by outcome, and how long each side took."""

    endpoint: str
    match: int = 0
    equivalent: int = 0
    divergent: int = 0
    incomparable: int = 0
    skipped: int = 0
    baseline: LiveTimes = LiveTimes()
    candidate: LiveTimes = LiveTimes()


class LiveFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, and when it was seen for the first and for the last time."""

    first: datetime
    last: datetime
    finding: FindingSummary


class LiveRoute(msgspec.Struct, frozen=True, kw_only=True):
    """Where a route stands."""

    route: str
    latched: bool = False
    percent: float | None = None
    """Share that Rust serves by an operator's word, 0 to 100; None leaves it to the flag."""
    weight: float | None = None
    """Share that Rust serves now, all said and done, 0 to 1; None where only a sidecar knows."""
    since: datetime | None = None
    """When it was latched; None where it is not."""
    reason: str = ""
    by: str = ""
    at: datetime | None = None
    """The last change; None where nobody has changed it."""
    revision: int = 0

    @classmethod
    def of(
        cls, state: RouteState, *, weight: float | None, latch: RouteChange | None = None
    ) -> Self:
        """Take over a state; `latch` is the entry of the ledger that latched it, where known.

        What is latched tells who did that, when and why, even where it was changed since.
        """
        said = latch if state.latched and latch is not None else state
        return cls(
            route=state.route,
            latched=state.latched,
            percent=state.percent,
            weight=weight,
            since=said.at if state.latched else None,
            reason=said.reason,
            by=said.by,
            at=state.at,
            revision=state.revision,
        )


def latches(changes: Iterable[RouteChange]) -> dict[str, RouteChange]:
    """Return what latched each route last, as far as the changes, newest first, go back."""
    found: dict[str, RouteChange] = {}
    for change in changes:
        if change.action in ("abort", "rollback"):
            found.setdefault(change.route, change)
    return found


class LiveGuard(msgspec.Struct, frozen=True, kw_only=True):
    """How near a guard of a route is to tripping."""

    route: str
    guard: Guard
    n: int
    """Trials."""
    x: int
    """Hits among them: divergences, errors, or slow answers of the candidate alone."""
    log_e: float | None
    log_sr: float | None
    """Evidence of the two processes, as natural logarithms; None, as JSON has it, is minus
    infinity."""
    threshold_e: float
    threshold_sr: float
    upper: float | None = None
    """Any-time upper bound on the rate, a share."""
    tripped: bool = False

    @property
    def evidence(self) -> float:
        """The share of what it takes to trip, 0 to 1."""
        pairs = ((self.log_e, self.threshold_e), (self.log_sr, self.threshold_sr))
        shares = [log / threshold for log, threshold in pairs if log is not None and threshold > 0]
        return 1.0 if self.tripped else min(1.0, max(0.0, *shares, 0.0))


class LiveRoutes(msgspec.Struct, frozen=True, kw_only=True):
    """Where all routes and their guards stand."""

    routes: tuple[LiveRoute, ...] = ()
    guards: tuple[LiveGuard, ...] = ()


class LiveQueue(msgspec.Struct, frozen=True, kw_only=True):
    """Copies that wait to be sent, and those that were shed, by reason."""

    depth: int = 0
    capacity: int = 0
    bytes: int = 0
    max_bytes: int = 0
    shed: dict[str, int] = {}


class LiveStore(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what is judged is also kept."""

    name: str = ""
    shared: bool = False
    """Whether other sidecars may share it."""
    error: str = ""
    """Why nothing can be written at the moment."""
    lost: int = 0
    """Records that were counted and could not be kept."""


class LiveFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The file of flags."""

    path: str = ""
    """Empty where there is none."""
    generation: int = 0
    loaded: datetime | None = None
    error: str = ""
    """Why the last good one is still in force."""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    at: datetime
    started: datetime
    command: str
    """`proxy` or `sink`."""
    run_id: str = ""
    names: tuple[str, str] = ("go", "rust")
    urls: tuple[str, str] = ("", "")
    version: str = ""
    """Of the candidate."""
    match: int = 0
    equivalent: int = 0
    divergent: int = 0
    incomparable: int = 0
    skipped: int = 0
    routes: LiveRoutes = LiveRoutes()
    endpoints: tuple[LiveEndpoint, ...] = ()
    endpoints_left: int = 0
    """Further ones, which are in less need of a look."""
    findings: tuple[LiveFinding, ...] = ()
    queue: LiveQueue = LiveQueue()
    store: LiveStore = LiveStore()
    flags: LiveFlags = LiveFlags()
