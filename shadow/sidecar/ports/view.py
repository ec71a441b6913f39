"""What the admin port and the metrics page show of a sidecar, as it is now."""

from __future__ import annotations

import heapq
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final

import msgspec

from shadow.errors import UnfinishedError
from shadow.metrics import FlagsNow, Gauges, GuardNow, Metrics, QueueNow, RouteNow
from shadow.model import Outcome
from shadow.reports.live.data import ROWS
from shadow.reports.live.view import (
    Live,
    LiveEndpoint,
    LiveFinding,
    LiveFlags,
    LiveGuard,
    LiveQueue,
    LiveRoute,
    LiveRoutes,
    LiveStore,
    LiveTimes,
)
from shadow.results.database import place_of
from shadow.results.gates.verdicts import GateResult
from shadow.results.routes import RouteChange
from shadow.results.runs import Run
from shadow.results.store import Store
from shadow.results.summary import finding_summary
from shadow.results.tally import EndpointTally, Measure, Tally
from shadow.rollout.routes import in_order
from shadow.sidecar.canary.guards import GuardStanding
from shadow.sidecar.ports.control import Control
from shadow.sidecar.ports.door import Door
from shadow.sidecar.ports.gate import gate_page
from shadow.sidecar.ports.opening import Ports, served
from shadow.sidecar.ports.polled import PolledGates
from shadow.sidecar.ports.status import Readiness, status_app
from shadow.sidecar.sidecar import Sidecar

_PERCENTILES: Final = (50.0, 99.0)
_BUCKETS: Final = 4_000
"""Of histograms, sorted at a look: about 2 ms."""
_SERVICE: Final[tuple[Measure, Measure]] = ("baseline_service", "candidate_service")
_NEVER: Final = (0, LiveTimes())


class View:
    """A `control.LiveView`; `gauges` is for the metrics page."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._window: Tally | None = None
        self._times: dict[tuple[str, Measure], tuple[int, LiveTimes]] = {}
        """Percentiles, and of how many pairs they are."""

    def live(self) -> Live:
        """Everything the live page shows."""
        sidecar = self._sidecar
        plan, known = sidecar.plan, sidecar.keeping.window.endpoints
        worst, outcomes = _worst_first(known)
        self._renew(worst)
        return Live(
            at=datetime.now(UTC),
            started=sidecar.started,
            command=plan.info.command,
            run_id=sidecar.archive.run_id,
            names=(plan.info.baseline.name, plan.info.candidate.name),
            urls=(plan.info.baseline.url, plan.info.candidate.url),
            version=plan.version,
            **{outcome.value: outcomes[outcome] for outcome in Outcome},
            routes=self.routes(),
            endpoints=tuple(self._endpoint(*each) for each in worst),
            endpoints_left=len(known) - len(worst),
            findings=self._findings(),
            queue=self._queue(),
            store=self._store(),
            flags=self._flags(),
        )

    def _renew(self, endpoints: Sequence[tuple[str, EndpointTally]]) -> None:
        """Renew the percentiles that have fallen behind most, as many as there is time for.

        To sort all histograms takes long, and the live path has no time for it.
        """
        if self._window is not self._sidecar.keeping.window:
            self._window = self._sidecar.keeping.window
            self._times.clear()
        due = [
            (self._times.get((name, measure), _NEVER)[0] / latency.total, name, measure, latency)
            for name, each in endpoints
            for measure, latency in each.latency.items()
            if measure in _SERVICE and latency.total
        ]
        room = _BUCKETS
        for share, name, measure, latency in sorted(due, key=itemgetter(0)):
            if share == 1 or room <= 0:
                return
            room -= len(latency.counts)
            p50, p99 = latency.percentiles(_PERCENTILES)
            self._times[name, measure] = latency.total, LiveTimes(p50=p50, p99=p99)

    def _endpoint(self, name: str, tally: EndpointTally) -> LiveEndpoint:
        baseline, candidate = (self._times.get((name, each), _NEVER)[1] for each in _SERVICE)
        return LiveEndpoint(
            endpoint=name,
            **{outcome.value: tally.outcomes.get(outcome, 0) for outcome in Outcome},
            baseline=baseline,
            candidate=candidate,
        )

    def routes(self) -> LiveRoutes:
        """Where routes and guards stand."""
        routing = self._sidecar.routing
        weights = routing.weights(self._sidecar.flags_of)
        states, latched = routing.states, routing.latched
        rows = [
            msgspec.structs.replace(
                LiveRoute.of(states[route], weight=weight)
                if route in states
                else LiveRoute(route=route, weight=weight),
                latched=route in latched,  # here, before the store says so
            )
            for route, weight in weights.items()
        ]
        guards = tuple(map(_guard, routing.standings()))
        return LiveRoutes(routes=in_order(rows), guards=guards)

    def endpoints(self) -> Collection[str]:
        """The names of all endpoints that are known."""
        return self._sidecar.keeping.window.endpoints

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        """The ledger, newest first. Raises ShadowError."""
        return await self._sidecar.sharing.changes(limit)

    def _findings(self) -> tuple[LiveFinding, ...]:
        keeping = self._sidecar.keeping
        run = Run(info=self._sidecar.plan.info, tally=keeping.window)
        return tuple(
            LiveFinding(
                first=keeping.times[each.signature][0],
                last=keeping.times[each.signature][1],
                finding=finding_summary(each, run),
            )
            for each in keeping.window.findings
            if each.signature in keeping.times and each.verdict == "divergent"
        )

    def _queue(self) -> LiveQueue:
        mirror, counters = self._sidecar.mirror, self._sidecar.counters
        sheds = counters.tables["shadow_sheds_total"]
        return LiveQueue(
            depth=mirror.depth,
            capacity=mirror.options.queue,
            bytes=mirror.bytes,
            max_bytes=mirror.options.queue_bytes,
            shed={reason: count for (reason,), count in sheds.items() if count},
        )

    def _store(self) -> LiveStore:
        sidecar = self._sidecar
        store = sidecar.archive.store
        return LiveStore(
            name=str(place_of(sidecar.plan.store)),
            shared=store is not None and store.shared,
            error=sidecar.store_error,
            lost=sidecar.counters.tables["shadow_store_lost_total"][()],
        )

    def _flags(self) -> LiveFlags:
        flags = self._sidecar.flags
        if flags is None:
            return LiveFlags()
        loaded = None if flags.loaded_at is None else datetime.fromtimestamp(flags.loaded_at, UTC)
        return LiveFlags(
            path=flags.path, generation=flags.generation, loaded=loaded, error=flags.error
        )

    # For the metrics page.

    def gauges(self, connections: CountNow) -> Gauges:
        """What the metrics page asks at each scrape."""
        sidecar = self._sidecar
        return Gauges(
            queue=lambda: QueueNow(
                depth=sidecar.mirror.depth,
                capacity=sidecar.mirror.options.queue,
                bytes=sidecar.mirror.bytes,
            ),
            flags=lambda: FlagsNow(
                generation=sidecar.flags.generation if sidecar.flags else 0,
                error=bool(sidecar.flags and sidecar.flags.error),
            ),
            routes=self._routes_now,
            guards=self._guards_now,
            store_error=lambda: bool(sidecar.store_error or sidecar.archive.store is None),
            connections=connections,
        )

    def _routes_now(self) -> Iterator[RouteNow]:
        routing = self._sidecar.routing
        for route, weight in routing.weights(self._sidecar.flags_of).items():
            yield RouteNow(route=route, weight=weight, latched=route in routing.latched)

    def _guards_now(self) -> Iterator[GuardNow]:
        for each in self._sidecar.routing.standings():
            log, threshold = _nearest(each)
            yield GuardNow(
                route=each.route, guard=each.guard, log_evalue=log, log_threshold=threshold
            )


CountNow = Callable[[], int]


def _worst_first(
    endpoints: Mapping[str, EndpointTally],
) -> tuple[list[tuple[str, EndpointTally]], dict[Outcome, int]]:
    """The endpoints that the page has room for, and the outcomes of all of them.

    There may be 5,000 others, each some 50 µs that clients would wait.
    """
    outcomes = dict.fromkeys(Outcome, 0)
    ranks: list[tuple[int, int, str]] = []
    for name, each in endpoints.items():
        total = 0
        for outcome, count in each.outcomes.items():
            outcomes[outcome] += count
            total += count
        ranks.append((-each.outcomes.get(Outcome.DIVERGENT, 0), -total, name))
    worst = heapq.nsmallest(ROWS, ranks)
    return [(name, endpoints[name]) for *_, name in worst], outcomes


def _guard(standing: GuardStanding) -> LiveGuard:
    return LiveGuard(
        route=standing.route,
        guard=standing.guard,
        n=standing.n,
        x=standing.x,
        log_e=_finite(standing.log_e),
        log_sr=_finite(standing.log_sr),
        threshold_e=standing.threshold_e,
        threshold_sr=standing.threshold_sr,
        upper=standing.upper,
        tripped=standing.log_e >= standing.threshold_e or standing.log_sr >= standing.threshold_sr,
    )


def _finite(log: float) -> float | None:
    return log if math.isfinite(log) else None


def _nearest(standing: GuardStanding) -> tuple[float, float]:
    """The figure of the two that is nearer to its threshold, and that threshold."""
    pairs = (
        (standing.log_e, standing.threshold_e),
        (standing.log_sr, standing.threshold_sr),
    )
    return max(pairs, key=lambda pair: pair[0] - pair[1])


class _Gates:
    """The gates on the store that the sidecar has now: a `gate.Judge`."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._store: Store | None = None
        self._polled: PolledGates | None = None

    async def __call__(self, phase: str, wanted: str) -> GateResult:
        """Say what the gate says. Raises NotThere, ShadowError."""
        store = self._sidecar.archive.store
        if store is None:
            raise UnfinishedError("the store cannot be reached", "see the log of the sidecar")
        if self._polled is None or store is not self._store:
            self._store = store
            self._polled = PolledGates(store, self._sidecar.plan.gates)
        return await self._polled(phase, wanted)


@asynccontextmanager
async def sidecar_ports(
    sidecar: Sidecar, ports: Ports, connections: CountNow
) -> AsyncIterator[Readiness]:
    """Serve the small ports of a sidecar while the block runs."""
    plan, view, readiness = sidecar.plan, View(sidecar), Readiness()
    gate = gate_page(_Gates(sidecar)) if plan.gates else None
    metrics = Metrics(sidecar.counters, view.gauges(connections))
    control = None
    if plan.admin is not None:
        door = Door(
            plan.admin.token,
            listening=plan.admin.address[0],
            hosts=plan.admin.hosts,
            tell=sidecar.tell,
        )
        control = Control(door, view, sidecar.sharing.change)
    async with (
        served(status_app(readiness, metrics=metrics, gate=gate), ports.status, sidecar.tell),
        served(control, ports.admin, sidecar.tell),
    ):
        yield readiness
