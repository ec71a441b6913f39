"""`shadow record`: a proxy before one service that writes down what passes, redacted."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shadow.captures.recovery import recover
from shadow.captures.redact import Redactor, load_key
from shadow.captures.rotation import RotatingWriter
from shadow.errors import ShadowError, where
from shadow.metrics import Counters, Gauges, Metrics, QueueNow
from shadow.model import Answer, Exchange, NoAnswer, Observation, Request, SideName
from shadow.sending.loop import event_loop
from shadow.sending.safety import Safety
from shadow.sending.wire import Wire
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring.mirror import OVERHEAD, size_of
from shadow.sidecar.plans import RecordPlan
from shadow.sidecar.ports.opening import Ports, Told, serve_until_told, served
from shadow.sidecar.ports.status import Readiness, status_app
from shadow.sidecar.proxying import LIVE_CONNECTIONS, refuse_upgrade, unanswered
from shadow.sidecar.relay.forwarding import RECORDED, Forwarding
from shadow.sidecar.relay.passage import COPY_BYTES, Copies, Passage
from shadow.sidecar.relay.tunnel import IGNORED, Tunnels
from shadow.sidecar.server.call import Call, answer_plainly
from shadow.sidecar.server.server import LiveServer
from shadow.sidecar.tasks import Tasks

WAITING: Final = 10_000
"""Exchanges that wait for the disk; beyond, they are lost and counted."""
WAITING_BYTES: Final = 128 << 20
WRITE_S: Final = 0.1

Tell = Callable[[str], None]
_SAFETY: Final = Safety()


class Recorder:
    """Writes exchanges in a thread of its own. What the disk does not take is counted and told."""

    def __init__(
        self,
        writer: RotatingWriter,
        redactor: Redactor,
        counters: Counters,
        complain: Complaints,
    ) -> None:
        self._writer = writer
        self._redactor = redactor
        self._counters = counters
        self._complain = complain
        self._waiting: list[Exchange] = []
        self._bytes = 0
        self._stop = asyncio.Event()

    @property
    def waiting(self) -> tuple[int, int]:
        """Exchanges that wait, and their bytes."""
        return len(self._waiting), self._bytes

    def take(self, exchange: Exchange) -> None:
        """Take an exchange, while there is room."""
        size = _size(exchange)
        if len(self._waiting) >= WAITING or self._bytes + size > WAITING_BYTES:
            self._counters.record_lost()
            self._complain("the disk is too slow: traffic goes on, and is not all recorded")
            return
        self._waiting.append(exchange)
        self._bytes += size

    async def run(self) -> None:
        """Write what is taken, until `stop`; then the rest."""
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(WRITE_S):
                    await self._stop.wait()
            except TimeoutError:
                pass
            await self._flush()
        await self._flush()  # what came meanwhile

    def stop(self) -> None:
        """Take it that nothing more comes."""
        self._stop.set()

    async def _flush(self) -> None:
        batch, self._waiting, self._bytes = self._waiting, [], 0
        written = await asyncio.to_thread(self._write, batch)
        self._counters.recorded(written)
        self._counters.record_lost(len(batch) - written)

    def _write(self, batch: list[Exchange]) -> int:
        """Write a batch; return how many were taken."""
        written = 0
        for exchange in batch:
            with self._told():
                self._writer.write(self._redactor.redact(exchange))
                written += 1
        with self._told():
            self._writer.tick()
        return written

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what is wrong with an exchange or the disk, and go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the others are written
            if isinstance(error, ShadowError):
                text = error.message
            else:  # its text may quote what it is about
                text = f"an exchange cannot be written: {where(error)}"
            self._complain(f"{text}; traffic goes on, and is not recorded")


def _size(exchange: Exchange) -> int:
    response = exchange.response
    return OVERHEAD + size_of(exchange.request) + (size_of(response) if response else 0)


class Recording:
    """Handles the calls of the live port; the owner of their passages."""

    def __init__(
        self,
        plan: RecordPlan,
        wire: Wire,
        recorder: Recorder,
        counters: Counters,
        *,
        tasks: Tasks,
        complain: Complaints,
    ) -> None:
        self._plan = plan
        self._wire = wire
        self._recorder = recorder
        self._counters = counters
        self._tasks = tasks
        self._complain = complain
        self._forwarding = Forwarding(mark=RECORDED)
        self._tunnels = Tunnels(plan.upstream)
        self.copies = Copies()
        self._name = secrets.token_hex(4)
        self._exchanges = 0
        self._open: set[Passage] = set()
        """Those that have not ended."""
        self.refused = counters.refused

    def handle(self, call: Call) -> None:
        """Take a request."""
        if self._forwarding.way(call.request.headers) == "loop":
            self.refused("loop")
            self._counters.skipped("loop")
            answer_plainly(call, 508, "this request came from here: --upstream leads back to it")
            return
        onward = self._forwarding.onward(call.request, call.peer)
        if call.upgrade and call.upgrade not in IGNORED:
            self.spawn(self._tunnel(call, onward))
            return
        passage = Passage(self, call, onward)
        passage.exchange = self._exchange(call.request)
        passage.safe = _SAFETY.is_safe(call.request)
        self._open.add(passage)
        passage.go()

    def close(self) -> None:
        """Count the passages that nobody waits for any more."""
        for passage in list(self._open):
            self.ended(passage)

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

    def failed(self, error: Exception) -> None:
        """Tell why a request could not be sent."""
        self._complain.failed(error)

    def falls_back(self, passage: Passage, failure: Observation) -> bool:
        """There is nothing to fall back on."""
        del passage, failure
        return False

    def request_for(self, passage: Passage) -> Request:
        """Return the request as the service gets it."""
        return passage.onward

    def ended(self, passage: Passage) -> None:
        """Count the answer, and write the exchange down."""
        if passage not in self._open:
            return
        self._open.discard(passage)
        counters, seen = self._counters, passage.seen.get("baseline")
        counters.answered("baseline", passage.status)
        if seen is None or passage.unsent:  # of which no service is to blame
            counters.skipped("unsent" if passage.unsent else unanswered(passage))
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
            recipients=plan.recipients,
        ) as writer,
        asyncio.Runner(loop_factory=event_loop) as runner,
    ):
        runner.run(_record(plan, ports, writer, Redactor(key, plan.redaction), tell))
    return 0


async def _record(
    plan: RecordPlan, ports: Ports, writer: RotatingWriter, redactor: Redactor, tell: Tell
) -> None:
    counters, complain = Counters(), Complaints(tell)
    recorder = Recorder(writer, redactor, counters, complain)

    asyncio.get_running_loop().set_exception_handler(complain.went_wrong)
    with Told() as told:
        async with Tasks(complain.failed) as tasks, asyncio.TaskGroup() as writing:
            writing.create_task(recorder.run())
            tasks.spawn(_recover(plan.out, tell))
            try:
                await _serve(told, plan, ports, recorder, counters, tasks, complain, tell)
            finally:
                recorder.stop()


async def _serve(  # noqa: PLR0917 - everything that it is made of
    told: Told,
    plan: RecordPlan,
    ports: Ports,
    recorder: Recorder,
    counters: Counters,
    tasks: Tasks,
    complain: Complaints,
    tell: Tell,
) -> None:
    readiness = Readiness()
    limits = replace(plan.limits, max_body=COPY_BYTES, connections=LIVE_CONNECTIONS)
    async with Wire(plan.upstream, limits=limits) as wire:
        service = Recording(plan, wire, recorder, counters, tasks=tasks, complain=complain)
        try:
            async with LiveServer(service, ports.live, plan.server) as server:
                app = status_app(readiness, metrics=_metrics(counters, server, recorder))
                async with served(app, ports.status, tell):
                    for line in ports.told(f"recording {plan.upstream.url} to {plan.out}"):
                        tell(line)
                    await serve_until_told(told, server, readiness, drain_s=plan.drain_s, tell=tell)
        finally:
            service.close()


async def _recover(out: str, tell: Tell) -> None:
    """Finish what recorders that died have left behind, which may take a while."""
    for left in await asyncio.to_thread(recover, out):
        count = "its exchanges" if left.exchanges is None else f"{left.exchanges:,} exchanges"
        kept = f"{count} are in {left.finished}" if left.finished else "it held no exchange"
        what = left.problem or kept
        tell(f"{left.part} was left behind by a recorder that died: {what}")


def _metrics(counters: Counters, server: LiveServer, recorder: Recorder) -> Metrics:
    def queue() -> QueueNow:
        waiting, size = recorder.waiting
        return QueueNow(depth=waiting, capacity=WAITING, bytes=size)

    return Metrics(counters, Gauges(queue=queue, connections=lambda: server.connections))
