"""`shadow sink`: what a mirroring proxy sends here is asked of both services, and compared."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Final

from shadow.judging import Ready, ready
from shadow.model import Headers, SideName
from shadow.sending.loop import event_loop
from shadow.sidecar.mirroring.mirror import Copy
from shadow.sidecar.plans import SidecarPlan
from shadow.sidecar.ports.opening import Ports, Told, serve_until_told
from shadow.sidecar.ports.view import sidecar_ports
from shadow.sidecar.relay.forwarding import Forwarding
from shadow.sidecar.relay.tunnel import IGNORED
from shadow.sidecar.server.call import Call
from shadow.sidecar.server.server import LiveServer
from shadow.sidecar.sidecar import Sidecar, Tell, judge_of

_ACCEPTED: Final[Headers] = (("Content-Length", "0"),)
_SUFFIX: Final = re.compile(r"-shadow(?=(?::[0-9]+)?\Z)")
"""What Envoy puts behind the name in `Host` of a copy."""
_DROPPED: Final = frozenset({"x-envoy-internal"})
"""What Envoy gives to copies alone."""
_ORDERS: Final[tuple[tuple[SideName, ...], ...]] = (
    ("baseline", "candidate"),
    ("candidate", "baseline"),
)


class Sink:
    """Handles the calls of a mirroring proxy: each is answered before anything is done with it."""

    def __init__(self, sidecar: Sidecar) -> None:
        plan = sidecar.plan
        self._sidecar = sidecar
        self._endpoints = plan.endpoints
        self._safety = plan.safety
        self._session = plan.session
        self._forwarding = Forwarding(sidecar.ident)
        self._random = random.Random()  # noqa: S311 - an order, not a secret
        self.refused = sidecar.counters.refused

    def handle(self, call: Call) -> None:
        """Take a request: answer it, and then see to it."""
        call.answer(202, _ACCEPTED)
        sidecar = self._sidecar
        sidecar.counters.answered("baseline", 202)
        request = self._forwarding.copied(_as_it_was(call.request.headers), call.request)
        endpoint = self._endpoints.name(request.method, request.target)
        safe = self._safety.is_safe(request)
        key = self._session.of(request.headers) if self._session is not None else ""
        exchange = sidecar.exchange(request, key)
        reason = ""
        if self._forwarding.way(call.request.headers) != "own":
            reason = "loop"
        elif not call.whole:
            reason = "truncated"
        elif call.upgrade and call.upgrade not in IGNORED:
            reason = "upgrade"
        elif not (safe or self._safety.allow_writes):
            reason = "write"
        elif not sidecar.choose(endpoint, key, exchange.id, safe=True).mirror:
            reason = "sampled-out"
        if reason:
            sidecar.keeping.skip(endpoint, reason)
            return
        order = _ORDERS[self._random.random() < 0.5]  # whichever is first looks slower
        sidecar.mirror.offer(Copy(exchange, endpoint, {}, safe=safe), order)


def _as_it_was(headers: Headers) -> Headers:
    """The fields as they were before the proxy made a copy of the request."""
    return tuple(
        (name, _SUFFIX.sub("", value) if name.lower() == "host" else value)
        for name, value in headers
        if name.lower() not in _DROPPED
    )


def sink(plan: SidecarPlan, tell: Tell) -> int:
    """Run `shadow sink` until SIGINT or SIGTERM; return the exit code.

    It is 4 where the store did not take the last results. Raises UnfinishedError where it cannot
    listen, ShadowError for a store that is none.
    """
    admin = plan.admin.address if plan.admin else None
    with (
        ready(judge_of(plan)) as judge,
        Ports(plan.listen, status=plan.status, admin=admin) as ports,
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        return runner.run(_sink(plan, ports, judge, tell))


async def _sink(plan: SidecarPlan, ports: Ports, judge: Ready | None, tell: Tell) -> int:
    with Told() as told:
        async with (
            Sidecar(plan, tell, judge) as sidecar,
            LiveServer(Sink(sidecar), ports.live, plan.server) as server,
            sidecar_ports(sidecar, ports, lambda: server.connections) as readiness,
        ):
            for line in ports.told("taking copies"):
                tell(line)
            await serve_until_told(told, server, readiness, drain_s=plan.drain_s, tell=tell)
    return sidecar.exit_code
