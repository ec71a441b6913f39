"""The event loop of a replay: read, wait until due, send to both sides, judge, keep.

Callbacks, not coroutines, where it is hot: an exchange is a `_Flight` that goes from one answer
to the next without a task of its own. Every end of a flight starts the next one and reads a
little ahead, so that reading is spread evenly. What is read ahead is bounded in number and bytes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Container, Iterator
from typing import Protocol

from asyncio_throttle import Throttler

from shadow.captures import Broken, Record, Unsupported
from shadow.endpoints import Endpoints
from shadow.errors import ShadowError
from shadow.judging import Judging
from shadow.model import Exchange, Judgement, Observation, Outcome, Request
from shadow.replay.control import Control
from shadow.replay.options import ReplayOptions, Selection
from shadow.replay.schedule import Pace, Sequencer
from shadow.replay.selection import left_out
from shadow.sending.rewrite import Unsendable
from shadow.sending.safety import Safety
from shadow.sending.service import Done, Message, Service

_AT_ONCE = 32
"""Records read at a stretch, so that reading ahead does not hold up answers."""
_FLUSH_S = 0.5
"""How often what was kept is committed while little goes on."""
_NO_RESPONSE = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-response")
_INTERRUPTED = Judgement(outcome=Outcome.INCOMPARABLE, reason="interrupted")


class Keeper(Protocol):
    """Takes what became of each record. `ordinal` is its place among the records read, from 0."""

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        ordinal: int,
    ) -> None:
        """Keep the outcome of one exchange."""

    def broken(self, record: Broken, *, ordinal: int) -> None:
        """Count a line that could not be read."""

    def sends(self, *, ordinal: int) -> None:
        """Remember, whatever happens, that a write is about to be sent."""

    def flush(self) -> None:
        """Commit what has been kept."""


class _Flight:
    """One exchange on its way to its outcome."""

    __slots__ = (
        "baseline",
        "candidate",
        "due",
        "endpoint",
        "engine",
        "exchange",
        "following",
        "left",
        "messages",
        "ordinal",
        "safe",
        "size",
    )

    def __init__(
        self, engine: Engine, ordinal: int, exchange: Exchange, endpoint: str, *, safe: bool
    ) -> None:
        self.engine = engine
        self.ordinal = ordinal
        self.exchange = exchange
        self.endpoint = endpoint
        self.safe = safe
        self.messages: tuple[Message, Message] = (None, None)
        self.due: float | None = None
        self.baseline: Observation | None = None
        self.candidate: Observation | None = None
        self.left = 2
        """Sides that have not answered yet."""
        self.following: Callable[[], None] | None = None
        """Asks the second side, where it has to wait for the first one."""
        recorded = exchange.response
        body = len(recorded.body) if recorded else 0
        self.size = 1024 + 3 * len(exchange.request.body) + body

    def ask_baseline(self) -> None:
        engine = self.engine
        assert engine.baseline is not None
        engine.ask(self, engine.baseline, self.messages[0], self.baseline_did)

    def ask_candidate(self) -> None:
        engine = self.engine
        engine.ask(self, engine.candidate, self.messages[1], self.candidate_did)

    def baseline_did(self, observation: Observation | None) -> None:
        if observation is None:
            self.engine.ask_again(self, self.engine.baseline, self.messages[0], self.baseline_did)
            return
        self.baseline = observation
        self._proceed()

    def candidate_did(self, observation: Observation | None) -> None:
        if observation is None:
            self.engine.ask_again(self, self.engine.candidate, self.messages[1], self.candidate_did)
            return
        self.candidate = observation
        self._proceed()

    def _proceed(self) -> None:
        """Go on after one side: to the other one, or with both."""
        self.left -= 1
        if not self.left:
            self.engine.observed(self)
        elif self.following is not None:
            self.wait_until(self.engine.clock())
            self.following()

    def wait_until(self, moment: float) -> None:
        """Count as due from now on: what had to be waited for is no lateness of the generator."""
        if self.due is not None:
            self.due = max(self.due, moment)


def ceiling(rate: float) -> Throttler:
    """A throttle that lets through `rate` a second, in windows of 10 ms.

    Over a window of a second it would let the whole second's requests go at once. A ceiling
    below 100 a second takes a window of one request.
    """
    period = max(0.01, 1 / rate)
    return Throttler(rate_limit=max(1, int(rate * period)), period=period, retry_interval=0.001)


class Engine:
    """Replays one stream of records. `baseline` None means the recorded responses."""

    def __init__(
        self,
        *,
        baseline: Service | None,
        candidate: Service,
        control: Control | None = None,
        endpoints: Endpoints,
        safety: Safety,
        judging: Judging,
        selection: Selection,
        options: ReplayOptions,
        keeper: Keeper,
        done: Container[int] = (),
        sent: Container[int] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Replay what is not in `done`; a write in `sent` is not sent a second time.

        Both hold ordinals of records: what an earlier process of the run got to.
        """
        self.baseline = baseline
        self.candidate = candidate
        self._control = control
        self._endpoints = endpoints
        self._safety = safety
        self._judging = judging
        self._selection = selection
        self._options = options
        self._keeper = keeper
        self._done = done
        self._sent = sent
        self.clock = clock
        self._random = random.Random(options.seed)  # noqa: S311 - an order, not a secret
        self._throttle = ceiling(options.ceiling) if options.ceiling else None
        self._sequencer: Sequencer[_Flight] = Sequencer()
        self._ready: deque[_Flight] = deque()
        self._held: _Flight | None = None
        """Read, and not due yet."""
        self._pending = 0
        """Due and without an outcome, in flight or not."""
        self._pending_bytes = 0
        self._in_flight = 0
        self._advancing = False
        self._landed: list[_Flight] = []
        self._exhausted = False
        self._stopping = False

    async def run(self, records: Iterator[Record]) -> None:
        """Replay all records; returns when each has ended in an outcome, or after `stop`.

        What was read and not sent when it stops has no outcome: a resumed run sends it. Raises
        what the keeper and the reading of the capture raise.
        """
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._records = enumerate(records)
        options = self._options
        self._pace = Pace(
            rate=options.rate, speed=options.speed, origin=options.origin, delay_s=options.delay_s
        )
        self._start = self.clock()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                flushing = group.create_task(self._flush())
                self._advance()
                await self._ended
                flushing.cancel()
        except* ShadowError as errors:
            raise errors.exceptions[0] from None

    def stop(self) -> None:
        """Send nothing more; what is in flight ends."""
        self._stopping = self._exhausted = True
        self._ready.clear()
        self._held = None
        self._loop.call_soon(self._advance)

    async def _flush(self) -> None:
        """Commit now and then: a slow replay must not lose its last outcomes to a kill."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            self._keeper.flush()

    # Reading ahead.

    def _advance(self) -> None:
        """Start what may go and read on; the end, where nothing is left."""
        if self._advancing or self._ended.done():
            return
        self._advancing = True
        try:
            while self._ready and self._in_flight < self._options.concurrency:
                self._begin(self._ready.popleft())
            for _ in range(_AT_ONCE):
                if not self._may_read():
                    break
                self._read()
            if (self._ready and self._in_flight < self._options.concurrency) or self._may_read():
                self._loop.call_soon(self._advance)
        except Exception as error:  # noqa: BLE001 - it ends the run, and `run` raises it
            self._fail(error)
        finally:
            self._advancing = False
        if self._exhausted and not self._in_flight and not self._ready and not self._held:
            self._end()

    def _may_read(self) -> bool:
        return (
            not self._exhausted
            and self._held is None
            and len(self._ready) < self._options.concurrency
            and self._pending < self._options.window
            and (self._pending_bytes < self._options.window_bytes or not self._pending)
        )

    def _read(self) -> None:
        """Read one record: it is offered, held until it is due, or ends here."""
        following = next(self._records, None)
        if following is None:
            self._exhausted = True
        if following is None or self._stopping:
            return
        ordinal, record = following
        if ordinal in self._done:
            return
        if isinstance(record, Broken):
            self._keeper.broken(record, ordinal=ordinal)
            return
        flight = self._flight(ordinal, record)
        if flight is None:
            return
        offset = self._pace.due(flight.exchange)
        if offset is None:
            self._offer(flight)
            return
        flight.due = self._start + offset
        delay = flight.due - self.clock()
        if delay <= 0:
            self._offer(flight)
        else:
            self._held = flight
            self._loop.call_later(delay, self._fall_due)

    def _fall_due(self) -> None:
        flight, self._held = self._held, None
        if flight is not None:
            self._offer(flight)
        self._advance()

    def _flight(self, ordinal: int, record: Exchange | Unsupported) -> _Flight | None:
        """The flight of a record, or None when it was skipped (and kept as such)."""
        if isinstance(record, Unsupported):
            request = Request(method=record.method, target=record.target)
            endpoint = self._endpoints.name(record.method, record.target)
            self._skip(ordinal, Exchange(id=record.id, request=request), endpoint, "unsupported")
            return None
        request = record.request
        endpoint = self._endpoints.name(request.method, request.target)
        safe = self._safety.is_safe(request)
        reason = left_out(record, endpoint, self._selection)
        if not reason and not safe and not self._safety.allow_writes:
            reason = "write"
        if reason:
            self._skip(ordinal, record, endpoint, reason)
            return None
        flight = _Flight(self, ordinal, record, endpoint, safe=safe)
        try:
            flight.messages = (
                self.baseline.render(request) if self.baseline else None,
                self.candidate.render(request),
            )
        except Unsendable as unsendable:
            self._skip(ordinal, record, endpoint, unsendable.reason)
            return None
        return flight

    def _skip(self, ordinal: int, exchange: Exchange, endpoint: str, reason: str) -> None:
        judgement = Judgement(outcome=Outcome.SKIPPED, reason=reason)
        self._keeper.keep(exchange, endpoint, judgement, ordinal=ordinal)

    def _offer(self, flight: _Flight) -> None:
        """Let the flight's session have it."""
        self._pending += 1
        self._pending_bytes += flight.size
        if self._sequencer.offer(flight.exchange.session, flight):
            self._ready.append(flight)

    # One flight.

    def _begin(self, flight: _Flight) -> None:
        self._in_flight += 1
        if not flight.safe:
            if flight.ordinal in self._sent:
                self._conclude(flight, _INTERRUPTED)
                return
            self._keeper.sends(ordinal=flight.ordinal)
        if self._throttle is None:
            self._ask(flight)
        else:
            self._group.create_task(self._ask_below(self._throttle, flight))

    async def _ask_below(self, throttle: Throttler, flight: _Flight) -> None:
        await throttle.acquire()
        self._ask(flight)

    def _ask(self, flight: _Flight) -> None:
        """Ask both sides. Whichever is asked first looks slower, so the order is random."""
        if self.baseline is None:
            flight.baseline = flight.exchange.recorded
            flight.left = 1
            flight.ask_candidate()
            return
        first, second = flight.ask_baseline, flight.ask_candidate
        if self._random.random() < 0.5:
            first, second = second, first
        if self._options.sides == "together":
            first()
            second()
        else:
            flight.following = second
            first()

    def ask(self, flight: _Flight, service: Service, message: Message, done: Done) -> None:
        """Send one message of a flight, at once where a connection is free."""
        method = flight.exchange.request.method
        if not service.start(message, method=method, safe=flight.safe, due=flight.due, done=done):
            self._group.create_task(self._wait_and_send(flight, service, message, done))

    def ask_again(
        self, flight: _Flight, service: Service | None, message: Message, done: Done
    ) -> None:
        """Send a message again that was lost on a stale connection."""
        assert service is not None
        self._group.create_task(self._wait_and_send(flight, service, message, done, fresh=True))

    async def _wait_and_send(
        self,
        flight: _Flight,
        service: Service,
        message: Message,
        done: Done,
        *,
        fresh: bool = False,
    ) -> None:
        done(
            await service.send(
                message,
                method=flight.exchange.request.method,
                safe=flight.safe,
                due=flight.due,
                fresh=fresh,
            )
        )

    def observed(self, flight: _Flight) -> None:
        """Both sides are done. What comes in one turn of the loop is worked off together.

        Together and step by step it takes a fifth less than one by one, and the answers that
        came in the same turn have their time taken before others are judged.
        """
        if not self._landed:
            self._loop.call_soon(self._work_off)
        self._landed.append(flight)

    def _work_off(self) -> None:
        """Judge what has landed, keep it, and go on: a callback, which has nobody to raise to."""
        landed, self._landed = self._landed, []
        if self._ended.done():
            return
        try:
            judged = [
                (flight, judgement) for flight in landed if (judgement := self._judge(flight))
            ]
            for flight, judgement in judged:
                self._keep(flight, judgement)
            for flight, _ in judged:
                self._leave(flight)
        except Exception as error:  # noqa: BLE001 - it ends the run, and `run` raises it
            self._fail(error)
        self._advance()

    def _judge(self, flight: _Flight) -> Judgement | None:
        """The judgement of a flight; None where it takes a task of its own to come to it.

        So it does where the baseline is asked again, to learn its noise, and where judging is
        dear.
        """
        baseline, candidate, control = flight.baseline, flight.candidate, self._control
        if baseline is None:
            return _NO_RESPONSE
        assert candidate is not None
        if control is not None and control.wants(flight.endpoint, safe=flight.safe):
            self._group.create_task(self._learn(flight, control, baseline, candidate))
            return None
        judgement = self._judging.here(flight.exchange, flight.endpoint, baseline, candidate)
        if judgement is None:
            self._group.create_task(self._judge_elsewhere(flight, baseline, candidate))
        return judgement

    async def _learn(
        self, flight: _Flight, control: Control, baseline: Observation, candidate: Observation
    ) -> None:
        again = await control.service.send(
            control.service.render(flight.exchange.request),
            method=flight.exchange.request.method,
            safe=flight.safe,
        )
        await self._judging.learn(flight.endpoint, baseline, again)
        judgement = self._judging.here(flight.exchange, flight.endpoint, baseline, candidate)
        if judgement is None:
            await self._judge_elsewhere(flight, baseline, candidate)
        else:
            self._conclude(flight, judgement)

    async def _judge_elsewhere(
        self, flight: _Flight, baseline: Observation, candidate: Observation
    ) -> None:
        judgement = await self._judging.elsewhere(
            flight.exchange, flight.endpoint, baseline, candidate
        )
        self._conclude(flight, judgement)

    def _conclude(self, flight: _Flight, judgement: Judgement) -> None:
        """End one flight on its own."""
        self._keep(flight, judgement)
        self._leave(flight)
        self._advance()

    def _keep(self, flight: _Flight, judgement: Judgement) -> None:
        self._keeper.keep(
            flight.exchange,
            flight.endpoint,
            judgement,
            flight.baseline,
            flight.candidate,
            ordinal=flight.ordinal,
        )

    def _leave(self, flight: _Flight) -> None:
        """Make room, and let the session's next one go."""
        self._in_flight -= 1
        self._pending -= 1
        self._pending_bytes -= flight.size
        session = flight.exchange.session
        following = None if session is None else self._sequencer.done(session)
        if following is not None and not self._stopping:
            following.wait_until(self.clock())
            self._ready.append(following)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)
