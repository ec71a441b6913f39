"""The event loop of a replay: read, wait until due, send to both sides, judge, keep.

One dispatcher reads the capture and makes jobs due; `concurrency` lanes send them. What is
read ahead is bounded in number and bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
from asyncio_throttle import Throttler

from shadow.captures import Broken, Record, Unsupported
from shadow.compare.noise import NoiseProfile
from shadow.endpoints import Endpoints
from shadow.errors import ShadowError
from shadow.judge import Policy, judge, learn, note
from shadow.model import Exchange, Judgement, Observation, Outcome, Request
from shadow.replay.options import NoisePlan, ReplayOptions, Selection
from shadow.replay.schedule import Pace, Sequencer
from shadow.replay.selection import left_out
from shadow.sending.rewrite import Unsendable
from shadow.sending.safety import Safety


class Service(Protocol):
    """One side: how a request becomes an observation."""

    def render(self, request: Request) -> bytes:
        """The bytes to send. Raises Unsendable."""

    async def send(
        self, message: bytes, *, method: str, safe: bool, due: float | None
    ) -> Observation:
        """Send, and wait for the answer or for what came instead."""


class Keeper(Protocol):
    """Takes what became of each exchange."""

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
    ) -> None:
        """Keep the outcome of one exchange."""

    def broken(self, record: Broken) -> None:
        """Count a line that could not be read."""


class _Job(msgspec.Struct, frozen=True):
    exchange: Exchange
    endpoint: str
    safe: bool
    messages: tuple[bytes | None, bytes]
    due: float | None

    @property
    def size(self) -> int:
        recorded = self.exchange.response
        return 1024 + 3 * len(self.exchange.request.body) + (len(recorded.body) if recorded else 0)


def ceiling(rate: float) -> Throttler:
    """A throttle that lets through `rate` a second, in windows of 10 ms.

    Over a window of a second it would let the whole second's requests go at once. A ceiling
    below 100 a second takes a window of one request.
    """
    period = max(0.01, 1 / rate)
    return Throttler(rate_limit=max(1, int(rate * period)), period=period, retry_interval=0.001)


class Control:
    """Go against Go: which exchanges the baseline is asked again, and what came of it.

    Of the safe ones, the first of each endpoint and a seeded share of the rest. A second
    instance also gets every write that is sent, once: else it would lack what the first one
    has, and that would pass for noise. The same instance never gets a write twice.
    """

    def __init__(self, service: Service, plan: NoisePlan, seed: int, *, own: bool) -> None:
        """Ask `service`; `own` says that it is an instance of its own."""
        self.service = service
        self._own = own
        self.profile = plan.profile or NoiseProfile()
        self._plan = plan
        self._asked: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a sample, not a secret

    def wants(self, endpoint: str, *, safe: bool) -> bool:
        """Whether the next exchange of the endpoint is asked again."""
        if not safe:
            return self._own
        if self._asked[endpoint] < self._plan.first or self._random.random() < self._plan.sample:
            self._asked[endpoint] += 1
            return True
        return False


class Engine:
    """Replays one stream of exchanges. `baseline` None means the recorded responses."""

    def __init__(
        self,
        *,
        baseline: Service | None,
        candidate: Service,
        control: Control | None = None,
        endpoints: Endpoints,
        safety: Safety,
        policy: Policy,
        selection: Selection,
        options: ReplayOptions,
        keeper: Keeper,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._baseline = baseline
        self._candidate = candidate
        self._control = control
        self._endpoints = endpoints
        self._safety = safety
        self._policy = policy
        self._selection = selection
        self._options = options
        self._keeper = keeper
        self._clock = clock
        self._random = random.Random(options.seed)  # noqa: S311 - an order, not a secret
        self._sequencer: Sequencer[_Job] = Sequencer()
        self._ready: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._pending = 0
        self._pending_bytes = 0
        self._stopping = asyncio.Event()
        self._throttle = ceiling(options.ceiling) if options.ceiling else None

    def stop(self) -> None:
        """Send nothing more; what is in flight ends."""
        self._stopping.set()

    async def run(self, records: Iterator[Record]) -> None:
        """Replay all records; returns when each has ended in an outcome."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._options.concurrency):
                    group.create_task(self._lane())
                await self._dispatch(records)
                await self._drained()
                for _ in range(self._options.concurrency):
                    self._ready.put_nowait(None)
        except* ShadowError as errors:
            raise errors.exceptions[0] from None

    async def _dispatch(self, records: Iterator[Record]) -> None:
        pace = Pace(rate=self._options.rate, speed=self._options.speed)
        start = self._clock()
        read = 0
        for record in records:
            if self._stopping.is_set() or read == self._selection.limit:
                return
            if isinstance(record, Broken):
                self._keeper.broken(record)
                continue
            read += 1
            job = self._job(record, pace, start)
            if job is not None:
                await self._hand_over(job)
            elif read % 64 == 0:
                await asyncio.sleep(0)  # a long stretch of skipped ones must not stop the loop

    def _job(self, record: Exchange | Unsupported, pace: Pace, start: float) -> _Job | None:
        """The job of a record, or None when it was skipped (and kept as such)."""
        if isinstance(record, Unsupported):
            request = Request(method=record.method, target=record.target)
            endpoint = self._endpoints.name(record.method, record.target)
            self._skip(Exchange(id=record.id, request=request), endpoint, "unsupported")
            return None
        request = record.request
        endpoint = self._endpoints.name(request.method, request.target)
        reason = left_out(record, endpoint, self._selection) or self._safety.refusal(request)
        if reason:
            self._skip(record, endpoint, reason)
            return None
        try:
            messages = (
                self._baseline.render(request) if self._baseline else None,
                self._candidate.render(request),
            )
        except Unsendable as unsendable:
            self._skip(record, endpoint, unsendable.reason)
            return None
        offset = pace.due(record)
        return _Job(
            exchange=record,
            endpoint=endpoint,
            safe=self._safety.is_safe(request),
            messages=messages,
            due=None if offset is None else start + offset,
        )

    def _skip(self, exchange: Exchange, endpoint: str, reason: str) -> None:
        self._keeper.keep(exchange, endpoint, Judgement(outcome=Outcome.SKIPPED, reason=reason))

    async def _hand_over(self, job: _Job) -> None:
        """Wait until the job is due and there is room, then let its session have it."""
        if job.due is not None:
            await self._stopped_within(job.due - self._clock())
        while not self._has_room():
            self._changed.clear()
            await self._changed.wait()
        self._pending += 1
        self._pending_bytes += job.size
        if self._sequencer.offer(job.exchange.session, job):
            self._ready.put_nowait(job)

    async def _stopped_within(self, delay: float) -> None:
        if delay > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    def _has_room(self) -> bool:
        return self._pending == 0 or (
            self._pending < self._options.window
            and self._pending_bytes < self._options.window_bytes
        )

    async def _drained(self) -> None:
        while self._pending:
            self._changed.clear()
            await self._changed.wait()

    async def _lane(self) -> None:
        while (job := await self._ready.get()) is not None:
            await self._exchange(job)
            following = self._sequencer.done(job.exchange.session)
            if following is not None:
                self._ready.put_nowait(following)
            self._pending -= 1
            self._pending_bytes -= job.size
            self._changed.set()

    async def _exchange(self, job: _Job) -> None:
        if self._stopping.is_set():
            self._skip(job.exchange, job.endpoint, "interrupted")
            return
        if self._throttle is not None:
            await self._throttle.acquire()
        baseline, candidate = await self._observe(job)
        if baseline is None:
            judgement = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-response")
        else:
            noise = await self._noise(job, baseline)
            judgement = judge(
                job.exchange, job.endpoint, baseline, candidate, self._policy, noise=noise
            )
            note(job.endpoint, judgement, noise)
        self._keeper.keep(job.exchange, job.endpoint, judgement, baseline, candidate)

    async def _observe(self, job: _Job) -> tuple[Observation | None, Observation]:
        """Ask both sides. Whichever is asked first looks slower, so the order is random."""
        if self._baseline is None:
            return job.exchange.recorded, await self._ask(self._candidate, job, 1)
        asks = [self._ask(self._baseline, job, 0), self._ask(self._candidate, job, 1)]
        swapped = self._random.random() < 0.5
        if swapped:
            asks.reverse()
        if self._options.sides == "together":
            first, second = await asyncio.gather(*asks)
        else:
            first, second = await asks[0], await asks[1]
        return (second, first) if swapped else (first, second)

    async def _noise(self, job: _Job, baseline: Observation) -> NoiseProfile | None:
        """What is known of the baseline's noise, after asking once more where that is due."""
        control = self._control
        if control is None:
            return None
        if control.wants(job.endpoint, safe=job.safe):
            message = control.service.render(job.exchange.request)
            again = await control.service.send(
                message, method=job.exchange.request.method, safe=job.safe, due=None
            )
            learn(job.endpoint, baseline, again, control.profile, self._policy)
        return control.profile

    async def _ask(self, service: Service, job: _Job, index: int) -> Observation:
        message = job.messages[index]
        assert message is not None
        return await service.send(
            message, method=job.exchange.request.method, safe=job.safe, due=job.due
        )
