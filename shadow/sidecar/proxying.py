"""`shadow proxy`: the client gets one side's answer as it comes, the other side gets a copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

import msgspec

from shadow.judging import Ready, ready
from shadow.model import Answer, Observation, Request, SideName
from shadow.results.routes import GO_ALL
from shadow.sending.loop import event_loop
from shadow.sending.wire import Wire
from shadow.sidecar.mirroring.batches import Batches
from shadow.sidecar.mirroring.mirror import SLICE_S, Copy
from shadow.sidecar.plans import SidecarPlan
from shadow.sidecar.ports.opening import Ports, Told, serve_until_told
from shadow.sidecar.ports.view import sidecar_ports
from shadow.sidecar.relay.forwarding import Forwarding
from shadow.sidecar.relay.passage import COPY_BYTES, Copies, Passage
from shadow.sidecar.relay.tunnel import IGNORED, Tunnels
from shadow.sidecar.server.call import Call, answer_plainly
from shadow.sidecar.server.server import LiveServer
from shadow.sidecar.sidecar import Sidecar, Tell, judge_of
from shadow.sidecar.traces import given_up

OTHER: Final[dict[SideName, SideName]] = {"baseline": "candidate", "candidate": "baseline"}
LIVE_CONNECTIONS: Final = 4_096
"""To one service at once; further requests wait for one."""


def refuse_upgrade(call: Call, result: str) -> None:
    """Answer a request to change the protocol that came to nothing."""
    if result == "failed":
        answer_plainly(call, 502, "the service gave no answer (connect)")
    else:
        answer_plainly(call, 503, "too many connections have changed their protocol")


def unanswered(passage: Passage) -> str:
    """Why a service has not answered: the client has gone, or was answered in its place."""
    return "unsupported" if passage.status and not passage.cut else "client-gone"


class Proxy:
    """Handles the calls of the live port; the owner of their passages."""

    def __init__(self, sidecar: Sidecar, wires: dict[SideName, Wire]) -> None:
        plan = sidecar.plan
        self._sidecar = sidecar
        self._wires = wires
        self._endpoints = plan.endpoints
        self._safety = plan.safety
        self._session = plan.session
        self._forwarding = Forwarding(sidecar.ident)
        self._tunnels = Tunnels(plan.baseline)
        self.copies = Copies()
        self._open = sidecar.clients
        """The passages that have not ended."""
        self._passed = Batches(self._see_to, self._open)
        self.refused = sidecar.counters.refused

    def handle(self, call: Call) -> None:
        """Take a request."""
        sidecar, request = self._sidecar, call.request
        endpoint = self._endpoints.name(request.method, request.target)
        way = self._forwarding.way(request.headers)
        if way == "loop":
            self.refused("loop")
            sidecar.keeping.skip(endpoint, "loop")
            answer_plainly(call, 508, "this request came from here: a target leads back to it")
            return
        onward = self._forwarding.onward(request, call.peer)
        if call.upgrade and call.upgrade not in IGNORED:
            sidecar.keeping.skip(endpoint, "upgrade")
            self.spawn(self._tunnel(call, onward))
            return
        passage = Passage(self, call, onward)
        key = self._session.of(request.headers) if self._session is not None else ""
        exchange = passage.exchange = sidecar.exchange(passage.onward, key)
        passage.endpoint = endpoint
        passage.safe = safe = self._safety.is_safe(request)
        choice = sidecar.choose(endpoint, key, exchange.id, safe=safe or self._safety.allow_writes)
        # What an isolated candidate is told matters to nobody: a client's write must.
        by_rust = choice.side == "candidate" and (safe or not self._safety.allow_writes)
        side: SideName = "candidate" if by_rust else "baseline"
        passage.side = side
        if way == "other":
            passage.no_copy = "loop"
        elif not safe and (by_rust or not self._safety.allow_writes):
            passage.no_copy = "write"
        elif not (choice.mirror or by_rust):
            passage.no_copy = "sampled-out"
        self._open.add(passage)
        try:
            passage.go()
        except BaseException:
            self.ended(passage)
            raise
        if not passage.no_copy and call.whole:  # most of it is at hand now
            passage.message = sidecar.mirror.render(OTHER[side], onward)

    def close(self) -> None:
        """Count the passages that nobody waits for any more."""
        for passage in self._open:
            self.ended(passage)
        self._passed.flush()

    async def _tunnel(self, call: Call, onward: Request) -> None:
        """Let a connection go on in another protocol, with Go alone."""
        result = await self._tunnels.dig(call, onward)
        self._sidecar.counters.upgraded(result)
        if result != "passed":
            refuse_upgrade(call, result)

    # For the passages.

    def wire(self, side: SideName) -> Wire:
        """Return what sends to a side."""
        return self._wires[side]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work that waits."""
        self._sidecar.spawn(work)

    def failed(self, error: Exception) -> None:
        """Tell why a request could not be sent."""
        self._sidecar.failed(error)

    def falls_back(self, passage: Passage, failure: Observation) -> bool:
        """Whether there is budget to ask Go after all."""
        if passage.spans:
            passage.spans[passage.side].end(failure)
        routing = self._sidecar.routing
        if not routing.latched.isdisjoint((self._sidecar.route(passage.endpoint), GO_ALL)):
            return True  # Rust gets no more of them: these are the last
        return routing.may_retry(time.monotonic())

    def request_for(self, passage: Passage) -> Request:
        """Return the request as the passage's side gets it."""
        traces, exchange = self._sidecar.traces, passage.exchange
        if not traces.active or exchange is None:
            return passage.onward
        return traces.begin(passage.spans, passage.side, exchange, passage.endpoint, passage.onward)

    def ended(self, passage: Passage) -> None:
        """Take a passage that has its end; what is to be done then can wait for a moment."""
        if passage in self._open:
            self._open.discard(passage)
            self._passed.add(passage)

    def _see_to(self, passages: list[Passage]) -> int:
        """Count, and hand on; as many as there is time for."""
        until = time.perf_counter() + SLICE_S
        seen_to = 0
        for passage in passages:
            seen_to += 1
            for do in (self._count, self._hand_on):
                try:
                    do(passage)
                except Exception as error:  # noqa: BLE001 - the others are seen to
                    self._sidecar.failed(error)
            if time.perf_counter() > until:
                break
        return seen_to

    def _count(self, passage: Passage) -> None:
        """Count what the client got, and how long it took."""
        sidecar, seen = self._sidecar, passage.seen
        counters = sidecar.counters
        for side, observation in seen.items():
            if isinstance(observation, Answer):
                if observation.timing is not None:
                    counters.timed(side, observation.timing.service_s)
            elif not passage.unsent:
                counters.upstream_failed(side, observation.kind)
        counters.answered(passage.side, passage.status)
        if passage.fell_back:
            counters.fell_back(sidecar.route(passage.endpoint))
        for side, span in passage.spans.items():
            span.end(seen.get(side))

    def _hand_on(self, passage: Passage) -> None:
        """Have the answer compared, where that is worth it."""
        sidecar, seen = self._sidecar, passage.seen
        reason = self._not_worth(passage)
        if reason:
            if passage.fell_back and not passage.unsent:  # which is evidence all the same
                sidecar.fell_back(passage.endpoint, seen)
            given_up(passage.spans)
            sidecar.keeping.skip(passage.endpoint, reason)
        elif passage.fell_back:
            sidecar.mirror.known(_copy(passage))
        else:
            other = OTHER[passage.side]
            copy = _copy(passage)
            if passage.message is not None:
                copy.messages[other] = passage.message
            sidecar.mirror.offer(copy, (other,))

    def _not_worth(self, passage: Passage) -> str:
        """Why the answers are not compared, or empty; what fell back has both already."""
        if passage.unsent:
            return "unsent"
        if passage.no_copy and not passage.fell_back:
            return passage.no_copy
        answered = passage.seen.get(passage.side)
        if answered is None:
            return unanswered(passage)
        if passage.too_long or (isinstance(answered, Answer) and answered.response.truncated):
            return "truncated"
        if not self._may_copy(passage):
            return "write"
        return "long-answer" if self._is_too_long(passage, answered) else ""

    def _is_too_long(self, passage: Passage, answered: Observation) -> bool:
        """Whether an answer took so long that it is not asked for again.

        That there was none is evidence, however long it took; and so it is that Rust let a client
        wait for the beginning. What comes behind that may be a stream without an end.
        """
        timing = answered.timing
        if timing is None or not isinstance(answered, Answer) or passage.fell_back:
            return False
        taken_s = timing.service_s
        if passage.side == "candidate":
            taken_s -= passage.waited_s
        return taken_s > self._sidecar.longest_s

    def _may_copy(self, passage: Passage) -> bool:
        """Look once more at a request whose body came in parts: a form may be a write."""
        if passage.safe and _came_in_parts(passage):
            passage.safe = self._safety.is_safe(passage.request)
        return passage.safe or passage.fell_back or self._safety.allow_writes


def _came_in_parts(passage: Passage) -> bool:
    """Whether there was no body yet when the passage began."""
    return passage.exchange is not None and passage.exchange.request is not passage.onward


def _copy(passage: Passage) -> Copy:
    exchange = passage.exchange
    assert exchange is not None
    if _came_in_parts(passage):
        exchange = msgspec.structs.replace(exchange, request=passage.onward)
    copy = Copy(exchange, passage.endpoint, passage.seen, safe=passage.safe)
    copy.spans.update(passage.spans)
    return copy


def proxy(plan: SidecarPlan, tell: Tell) -> int:
    """Run `shadow proxy` until SIGINT or SIGTERM; return the exit code.

    It is 4 where the store did not take the last results. Raises UnfinishedError where it cannot
    listen, ShadowError for a store that is none.
    """
    admin = plan.admin.address if plan.admin else None
    with (
        ready(judge_of(plan)) as judge,
        Ports(plan.listen, status=plan.status, admin=admin) as ports,
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        return runner.run(_proxy(plan, ports, judge, tell))


async def _proxy(plan: SidecarPlan, ports: Ports, judge: Ready | None, tell: Tell) -> int:
    limits = replace(plan.limits, max_body=COPY_BYTES, connections=LIVE_CONNECTIONS)
    with Told() as told:
        async with (
            Sidecar(plan, tell, judge) as sidecar,
            Wire(plan.baseline, limits=limits) as go,
            Wire(plan.candidate, limits=limits) as rust,
        ):
            service = Proxy(sidecar, {"baseline": go, "candidate": rust})
            try:
                async with (
                    LiveServer(service, ports.live, plan.server) as server,
                    sidecar_ports(sidecar, ports, lambda: server.connections) as readiness,
                ):
                    for line in ports.told(f"proxying {plan.baseline.url}"):
                        tell(line)
                    await serve_until_told(told, server, readiness, drain_s=plan.drain_s, tell=tell)
            finally:
                service.close()
    return sidecar.exit_code
