"""What `shadow proxy` and `shadow sink` have in common: copies, judgements, guards, ports.

The live path calls in and is never waited for; whatever goes wrong here is counted and told.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from math import inf
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.errors import UnfinishedError
from shadow.events import rollback_fields
from shadow.judging import Aside, Begun, Judging, Ready
from shadow.masking import Masker
from shadow.metrics import Counters
from shadow.model import Exchange, Judgement, NoAnswer, Observation, Outcome, Request, SideName
from shadow.results.routes import RouteState, route_name
from shadow.rollout.notice import Notice, notify
from shadow.sending.choice import open_service
from shadow.sending.service import Service
from shadow.sidecar.canary.evidence import seen_of
from shadow.sidecar.canary.flags import SAFE, FlagFile
from shadow.sidecar.canary.guards import Rollback
from shadow.sidecar.canary.routing import Choice, RouteFlags, Routing, change_of
from shadow.sidecar.canary.sharing import Sharing
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring.archive import Archive
from shadow.sidecar.mirroring.batches import Clients
from shadow.sidecar.mirroring.keeping import Keeping
from shadow.sidecar.mirroring.mirror import Copy, Mirror
from shadow.sidecar.plans import SidecarPlan
from shadow.sidecar.relay.passage import COPY_BYTES, Passage
from shadow.sidecar.tasks import Tasks
from shadow.sidecar.traces import Traces
from shadow.tracing import open_tracing

SETTLE_S: Final = 5.0
"""That copies in flight may take after the last client has its answer; the store, too."""
ANSWER_BYTES: Final = 4 * COPY_BYTES
"""Of an answer to a copy that are kept; a longer one is not compared."""
LONG_SHARE: Final = 0.5
"""Of the timeout: an answer of Go that took longer is not asked for again."""
CHECK_S: Final = 0.05
"""How soon a verdict against the candidate is weighed."""

Tell = Callable[[str], None]


def judge_of(plan: SidecarPlan) -> Begun:
    """What the process that judges is started with."""
    return Begun(
        policy=plan.policy,
        noise=(plan.profile or NoiseProfile()).state(),
        key=secrets.token_bytes(32),
        withhold=plan.no_values,
        hidden=plan.hidden,
    )


class Sidecar:
    """Everything behind the live path. An async context manager."""

    def __init__(self, plan: SidecarPlan, tell: Tell, judge: Ready | None = None) -> None:
        """`judge` is a process that was started for this plan, with `judge_of`."""
        self.plan = plan
        self.tell = tell
        self.ident = secrets.token_hex(6)
        self.started = datetime.now(UTC)
        begun = judge_of(plan) if judge is None else judge.begun
        masker = Masker(begun.key, withhold=plan.no_values, hidden=plan.hidden)
        expected = [masker.mask_endpoint(each) for each in plan.endpoints.templates]
        self.counters = Counters([*expected, *map(route_name, expected)])
        self.routing = Routing(plan.guards)
        self.tracing = open_tracing(enabled=plan.traces, tell=tell)
        self.traces = Traces(
            self.tracing, {"baseline": plan.baseline, "candidate": plan.candidate}, self._masked
        )
        self.complaints = Complaints(tell)
        self.clients: Clients[Passage] = Clients()
        """Those who wait for an answer."""
        self.archive = Archive(
            where=plan.store,
            events=plan.events,
            info=plan.info,
            keep_windows=plan.keep_windows,
            complain=self.complaints,
        )
        noise = plan.profile or NoiseProfile()
        self.judging = Judging(plan.policy, noise)
        self.aside = Aside(
            lambda: msgspec.structs.replace(begun, noise=noise.state()),
            spawn=self.spawn,
            tell=self.complaints,
            ready=judge,
        )
        self.keeping = Keeping(
            self.archive,
            room=plan.room,
            counters=self.counters,
            masker=masker,
            noise=noise,
            policy=plan.policy,
            complain=self.complaints,
        )
        self.sharing = Sharing(
            self.routing,
            store=lambda: self.archive.store,
            version=plan.version,
            sidecar=self.ident,
            rolled_back=self._rolled_back,
            changed=self._route_changed,
            complain=self.complaints,
        )
        self.flags: FlagFile | None = None
        self.route = lru_cache(maxsize=4096)(
            lambda endpoint: route_name(self.keeping.endpoint(endpoint))
        )
        """The name of an endpoint as a route, which is the same in all sidecars."""
        self.kept = True
        """At the end: whether the store has taken everything."""
        self.longest_s = plan.limits.timeout_s * LONG_SHARE
        """An answer of Go that took longer is not asked for again, and is no evidence of speed."""
        self._callers = ThreadPoolExecutor(2, "webhook")
        """Threads of its own: a host that does not answer takes one for most of a minute."""
        self._exchanges = 0
        self._session_key = secrets.token_bytes(16)
        self._check_soon: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        plan = self.plan
        asyncio.get_running_loop().set_exception_handler(self.complaints.went_wrong)
        await self._open_store()
        if plan.flags is not None:
            self.flags = FlagFile(plan.flags, tell=self.tell)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            self.tasks = await enter(Tasks(self.failed))
            limits = replace(plan.limits, max_body=ANSWER_BYTES)
            services: dict[SideName, Service] = {
                "baseline": await enter(open_service(plan.baseline, limits)),
                "candidate": await enter(open_service(plan.candidate, limits)),
            }
            second: Service | None = services["baseline"] if plan.noise_twice else None
            if plan.secondary is not None:
                second = await enter(open_service(plan.secondary, limits))
            self.mirror = Mirror(
                services,
                judging=await enter(self.judging),
                aside=await enter(self.aside),
                keeping=self.keeping,
                counters=self.counters,
                options=plan.mirror,
                spawn=self.spawn,
                judged=self._judged,
                complain=self.complaints,
                traces=self.traces,
                second=second,
                clients=self.clients,
            )
            await self.sharing.once()
            for work in (self.keeping.run(), self.sharing.run(), self._watch_flags()):
                self.spawn(work)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._wind_up()
        finally:
            await self._stack.__aexit__(kind, error, trace)
            await self.keeping.close()
            self.sharing.close()
            self._callers.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(self.tracing.close)

    async def _wind_up(self) -> None:
        """Give every exchange its outcome, and the store what it does not have yet."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self.mirror.ended()
        self.mirror.stop()
        try:
            await self._share_the_last()
        except Exception as error:  # noqa: BLE001 - what is counted is to be kept all the same
            self.failed(error)
        self.kept = await self.keeping.finish()
        closed = {each.route for each in self.routing.pending}
        for route in closed | {each.route for each in self.sharing.pending}:
            self.tell(f"{route} is to stay on Go: that is not in the store")
            self.kept = False
        left = self.keeping.unwritten
        if left:
            self.tell(f"{self.archive.error}: {left:,} exchanges are not in the store")

    async def _share_the_last(self) -> None:
        if self._check_soon is not None:
            self._check_soon.cancel()
        self._check()
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self.sharing.once()
                if self.routing.pending:  # decided by what was just read
                    await self.sharing.once()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work that waits; what goes wrong in it is told."""
        self.tasks.spawn(work)

    def _masked(self, endpoint: str) -> str:
        return self.keeping.endpoint(endpoint)

    def failed(self, error: BaseException) -> None:
        """Tell of an error; whatever it was in, the live path goes on."""
        self.complaints.failed(error)

    async def _open_store(self) -> None:
        """Open the store; one that cannot be reached now is tried again. Raises ShadowError."""
        try:
            await self.keeping.in_thread(self.archive.open)
        except UnfinishedError as error:
            self.tell(f"{error.message}; serving Go until it can be reached")
        else:
            store = self.archive.store
            if store is not None and not store.shared:
                self.tell("the store is a file: this sidecar shares routes and evidence with none")

    @property
    def exit_code(self) -> int:
        """Of the command, at its end: 4 where the store has not taken everything."""
        return 0 if self.kept else UnfinishedError.exit_code

    @property
    def store_error(self) -> str:
        """What is wrong with the store now, or empty."""
        return self.archive.error or self.sharing.error

    async def _watch_flags(self) -> None:
        if self.flags is not None:
            await self.flags.watch()

    # For the live path.

    def exchange(self, request: Request, session: str) -> Exchange:
        """Make the exchange of a request; its session cannot be read from it."""
        self._exchanges += 1
        name = None
        if session:
            data = session.encode("utf-8", "surrogatepass")
            name = "s-" + blake2b(data, key=self._session_key, digest_size=6).hexdigest()
        return Exchange(
            id=f"{self.ident}-{self._exchanges:x}",
            request=request,
            session=name,
            ts=datetime.now(UTC),
        )

    def flags_of(self, endpoint: str) -> RouteFlags:
        """Return the flags of a route; Go where nobody knows how routes stand."""
        if not self.sharing.known:
            return SAFE
        return self.flags.current(endpoint) if self.flags is not None else _NO_FLAGS

    def choose(self, endpoint: str, key: str, token: str, *, safe: bool) -> Choice:
        """Say who answers a request, and whether the other side gets it too."""
        flags = self.flags_of(endpoint)
        if self.plan.sample < flags.shadow_sample:
            flags = msgspec.structs.replace(flags, shadow_sample=self.plan.sample)
        route = self.route(endpoint)
        return self.routing.choose(route, key, flags, token=token, safe=safe)

    # Guards.

    def _judged(self, copy: Copy, judgement: Judgement) -> None:
        """Take a verdict as evidence.

        A copy that found nobody listening is none: while a service is restarted, no client is
        hurt by it. One that serves clients is another matter, and falls back.
        """
        if any(_is_absent(copy.seen[side]) for side in copy.messages):
            return
        # What Rust serves is asked of Go however long it took: then no side is spared.
        longest_s = self.longest_s if "candidate" in copy.messages else inf
        self._observe(copy.endpoint, judgement, copy.seen, longest_s)

    def fell_back(self, endpoint: str, seen: Mapping[SideName, Observation]) -> None:
        """Take as evidence that Go answered for the candidate, though the two are not compared."""
        if len(seen) == 2:
            self._observe(endpoint, _NOT_JUDGED, seen, self.longest_s)

    def _observe(
        self,
        endpoint: str,
        judgement: Judgement,
        answers: Mapping[SideName, Observation],
        longest_s: float,
    ) -> None:
        route = self.route(endpoint)
        seen = seen_of(
            route,
            judgement,
            answers["baseline"],
            answers["candidate"],
            longest_ms=1000 * longest_s,
        )
        if self.routing.observe(seen) and self._check_soon is None:
            loop = asyncio.get_running_loop()
            self._check_soon = loop.call_later(CHECK_S, self._check)

    def _check(self) -> None:
        self._check_soon = None
        for rollback in self.routing.check():
            self._rolled_back(rollback)

    def _rolled_back(self, rollback: Rollback) -> None:
        """A guard has tripped, and the route is on Go: tell everybody."""
        self.counters.rolled_back(rollback.route, rollback.guard)
        self.tell(f"rollback: {rollback.route} is served by Go: {rollback.reason}")
        self.sharing.wake()
        change = change_of(
            rollback, at=datetime.now(UTC), version=self.plan.version, sidecar=self.ident
        )
        fields = rollback_fields(change)
        self.keeping.tell(lambda log: log.rollback(fields))
        if self.plan.webhook is not None:
            self.spawn(self._announce(Notice(event="shadow.rollback", fields=fields)))

    async def _announce(self, notice: Notice) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._callers, notify, self.plan.webhook, notice, self.tell)

    def _route_changed(self, state: RouteState) -> None:
        self.keeping.tell(lambda log: log.route_changed(state))


def _is_absent(observation: Observation) -> bool:
    return isinstance(observation, NoAnswer) and observation.kind == "connect"


_NO_FLAGS: Final = RouteFlags()
_NOT_JUDGED: Final = Judgement(outcome=Outcome.SKIPPED)
