"""`shadow record`: a proxy before one service that writes down what passes, redacted."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shadow.captures.recovery import recover
from shadow.captures.redact import Redactor, load_key
from shadow.captures.rotation import RotatingWriter
from shadow.errors import ShadowError
from shadow.metrics import Counters, Gauges, Metrics, QueueNow
from shadow.model import Answer, Exchange, NoAnswer, Observation, Request, SideName
from shadow.sending.loop import event_loop
from shadow.sending.wire import Wire
from shadow.sidecar.forwarding import Forwarding
from shadow.sidecar.passage import COPY_BYTES, Passage
from shadow.sidecar.plans import RecordPlan
from shadow.sidecar.ports.opening import Ports, serve_until_told, served
from shadow.sidecar.ports.status import Readiness, status_app
from shadow.sidecar.proxying import LIVE_CONNECTIONS, refuse_upgrade
from shadow.sidecar.server.connection import Call
from shadow.sidecar.server.server import LiveServer
from shadow.sidecar.tasks import Tasks
from shadow.sidecar.tunnel import IGNORED, Tunnels

WAITING: Final = 10_000
"""Exchanges that wait for the disk; beyond, they are lost and counted."""
WAITING_BYTES: Final = 128 << 20
WRITE_S: Final = 0.1

Tell = Callable[[str], None]


class Recorder:
    """Writes exchanges in a thread of its own. What the disk does not take is counted and told."""

    def __init__(
        self, writer: RotatingWriter, redactor: Redactor, counters: Counters, tell: Tell
    ) -> None:
        self._writer = writer
        self._redactor = redactor
        self._counters = counters
        self._tell = tell
        self._told = ""
        self._waiting: list[Exchange] = []
        self._bytes = 0

    @property
    def waiting(self) -> tuple[int, int]:
        """Exchanges that wait, and their bytes."""
        return len(self._waiting), self._bytes

    def take(self, exchange: Exchange) -> None:
        """Take an exchange, while there is room."""
        size = _size(exchange)
        if len(self._waiting) >= WAITING or self._bytes + size > WAITING_BYTES:
            self._counters.record_lost()
            return
        self._waiting.append(exchange)
        self._bytes += size

    async def run(self) -> None:
        """Write what is taken, until it is cancelled; `close` writes the rest."""
        while True:
            await asyncio.sleep(WRITE_S)
            await self._flush()

    async def close(self) -> None:
        """Write the rest and finish the file. Raises UnfinishedError where the disk is full."""
        await self._flush()
        await asyncio.to_thread(self._writer.close)

    async def _flush(self) -> None:
        batch, self._waiting, self._bytes = self._waiting, [], 0
        written, trouble = await asyncio.to_thread(self._write, batch)
        self._counters.recorded(written)
        self._counters.record_lost(len(batch) - written)
        if trouble and trouble != self._told:
            self._tell(f"{trouble}; traffic goes on, and is not recorded")
        self._told = trouble

    def _write(self, batch: list[Exchange]) -> tuple[int, str]:
        """Write a batch; return how many were taken, and what is wrong."""
        written, trouble = 0, ""
        for exchange in batch:
            try:
                self._writer.write(self._redactor.redact(exchange))
                written += 1
            except ShadowError as error:
                trouble = error.message
            except ValueError as error:
                trouble = f"an exchange cannot be written: {error}"
        try:
            self._writer.tick()
        except ShadowError as error:
            trouble = error.message
        return written, trouble


def _size(exchange: Exchange) -> int:
    body = 0 if exchange.response is None else len(exchange.response.body)
    return 2_000 + len(exchange.request.body) + body


class Recording:
    """Handles the calls of the live port; the owner of their passages."""

    def __init__(
        self, plan: RecordPlan, wire: Wire, recorder: Recorder, counters: Counters, tasks: Tasks
    ) -> None:
        self._plan = plan
        self._wire = wire
        self._recorder = recorder
        self._counters = counters
        self._tasks = tasks
        self._forwarding = Forwarding(marked=False)
        self._tunnels = Tunnels(plan.upstream)
        self._name = secrets.token_hex(4)
        self._exchanges = 0
        self.refused = counters.refused

    def handle(self, call: Call) -> None:
        """Take a request."""
        onward = self._forwarding.onward(call.request, call.peer)
        if call.upgrade and call.upgrade not in IGNORED:
            self.spawn(self._tunnel(call, onward))
            return
        passage = Passage(self, call, onward)
        passage.exchange = self._exchange(call.request)
        passage.safe = call.request.method in ("GET", "HEAD", "OPTIONS")
        passage.go()

    async def _tunnel(self, call: Call, onward: Request) -> None:
        result = await self._tunnels.dig(call, onward)
        self._counters.upgraded(result)
        if result != "passed":
            refuse_upgrade(call, result)

    def _exchange(self, request: Request) -> Exchange:
        """Make an exchange; what tells its session is redacted with the rest of it."""
        self._exchanges += 1
        session = self._plan.session.of(request.headers) if self._plan.session else ""
        return Exchange(
            id=f"{self._name}-{self._exchanges:x}",
            request=request,
            session=session or None,
            ts=datetime.now(UTC),
        )

    # For the passages.

    def wire(self, side: SideName) -> Wire:
        """Return what sends to the service: there is one."""
        del side
        return self._wire

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work that waits."""
        self._tasks.spawn(work)

    def falls_back(self, passage: Passage, failure: Observation) -> bool:
        """There is nothing to fall back on."""
        del passage, failure
        return False

    def request_for(self, passage: Passage) -> Request:
        """Return the request as the service gets it."""
        return passage.onward

    def ended(self, passage: Passage) -> None:
        """Count the answer, and write the exchange down."""
        counters, seen = self._counters, passage.seen.get("baseline")
        counters.answered("baseline", passage.status)
        if seen is None:
            counters.skipped("client-gone")
            return
        if isinstance(seen, NoAnswer):
            counters.upstream_failed("baseline", seen.kind)
        elif seen.timing is not None:
            counters.timed("baseline", seen.timing.service_s)
        self._recorder.take(_recorded(passage, seen))


def _recorded(passage: Passage, seen: Observation) -> Exchange:
    exchange, request = passage.exchange, passage.request
    assert exchange is not None
    if passage.too_long:
        request = msgspec.structs.replace(request, truncated=True)
    latency_ms = None if seen.timing is None else round(seen.timing.service_s * 1000, 3)
    return Exchange(
        id=exchange.id,
        request=request,
        response=seen.response if isinstance(seen, Answer) else None,
        error=seen if isinstance(seen, NoAnswer) else None,
        latency_ms=latency_ms if isinstance(seen, Answer) else None,
        session=exchange.session,
        ts=exchange.ts,
    )


def record(plan: RecordPlan, tell: Tell) -> int:
    """Run `shadow record` until SIGINT or SIGTERM; return the exit code.

    Raises UnfinishedError where it cannot listen or the disk is full at the end, ConfigError for
    a key that is none, CaptureError where the file cannot be made.
    """
    key = load_key(plan.redact_key)
    with (
        Ports(plan.listen, status=plan.status) as ports,
        RotatingWriter(
            plan.out,
            max_bytes=plan.rotate_bytes,
            max_age_s=plan.rotate_s,
            max_files=plan.keep_files,
        ) as writer,
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        for left in recover(plan.out):
            what = left.problem or f"{left.exchanges:,} exchanges are in {left.finished}"
            tell(f"{left.part} was left behind by a recorder that died: {what}")
        runner.run(_record(plan, ports, writer, Redactor(key, plan.redaction), tell))
    return 0


async def _record(
    plan: RecordPlan, ports: Ports, writer: RotatingWriter, redactor: Redactor, tell: Tell
) -> None:
    counters, readiness = Counters(), Readiness()
    recorder = Recorder(writer, redactor, counters, tell)
    limits = replace(plan.limits, max_body=COPY_BYTES, connections=LIVE_CONNECTIONS)

    def failed(error: BaseException) -> None:
        tell(f"a bug in shadow: {type(error).__name__}: {error}")

    try:
        async with (
            Tasks(failed) as tasks,
            Wire(plan.upstream, limits=limits) as wire,
            LiveServer(
                Recording(plan, wire, recorder, counters, tasks), ports.live, plan.server
            ) as server,
            served(
                status_app(readiness, metrics=_metrics(counters, server, recorder)), ports.status
            ),
        ):
            tasks.spawn(recorder.run())
            for line in ports.told(f"recording {plan.upstream.url} to {plan.out}"):
                tell(line)
            await serve_until_told(server, readiness, drain_s=plan.drain_s, tell=tell)
    finally:
        await recorder.close()


def _metrics(counters: Counters, server: LiveServer, recorder: Recorder) -> Metrics:
    def queue() -> QueueNow:
        waiting, size = recorder.waiting
        return QueueNow(depth=waiting, capacity=WAITING, bytes=size)

    return Metrics(counters, Gauges(queue=queue, connections=lambda: server.connections))
