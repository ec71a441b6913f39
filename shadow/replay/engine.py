"""The event loop of a replay: read, wait until due, send to both sides, judge, keep.

Callbacks, not coroutines, where it is hot: an exchange is a `Flight` that goes from one answer
to the next without a task of its own. Every end of a flight starts the next one and reads a
little ahead, so that reading is spread evenly. What is read ahead is bounded in number and bytes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Container, Coroutine, Iterator
from functools import partial
from typing import Any, Final, Protocol

from asyncio_throttle import Throttler

from shadow.captures import Broken, Elsewhere, Unsupported
from shadow.endpoints import Endpoints
from shadow.errors import UnfinishedError
from shadow.judge import with_repeats
from shadow.judging import Judging
from shadow.model import Divergence, Exchange, Judgement, Observation, Outcome
from shadow.replay.abort import AbortGuard
from shadow.replay.control import Control
from shadow.replay.flight import BASELINE, CANDIDATE, Flight, Side
from shadow.replay.hooks import Hooks
from shadow.replay.options import ReplayOptions, Selection
from shadow.replay.reading import LATER_S, Later, Readable
from shadow.replay.schedule import Pace, Sequencer
from shadow.replay.selection import bare, skip_reason
from shadow.replay.state import MAX_PROBED, LackingValueError, Probe, Prober, asked
from shadow.sending.rewrite import Unsendable
from shadow.sending.safety import Safety
from shadow.sending.service import Service
from shadow.sessions.live import Correlator, Lack
from shadow.sessions.mapping import Mapping

_MASKED_INLINE = 20
"""Divergences of one exchange that are masked in the loop; a hostile one takes 5 ms."""
_AT_ONCE = 32
"""Records read at a stretch, so that reading ahead does not hold up answers."""
_FLUSH_S = 0.5
"""How often what was kept is committed while little goes on."""
_NO_RESPONSE = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-response")
_ORDERS: Final[tuple[tuple[Side, Side], tuple[Side, Side]]] = (
    (BASELINE, CANDIDATE),
    (CANDIDATE, BASELINE),
)
_INTERRUPTED = Judgement(outcome=Outcome.INCOMPARABLE, reason="interrupted")


Masked = tuple[Divergence, ...]


class Keeper(Protocol):
    """Takes what became of each record. `ordinal` is its place among the records read, from 0."""

    @property
    def cursor(self) -> Container[int]:
        """The ordinals of records that have their outcome, from an earlier process of the run."""

    @property
    def sent(self) -> Container[int]:
        """The ordinals of writes that were, or may have been, sent: none is sent again."""

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        ordinal: int,
        masked: Masked | None = None,
    ) -> None:
        """Keep the outcome of one exchange; `masked` is what `masked` made of its divergences."""

    def masked(self, judgement: Judgement) -> Masked:
        """The divergences as they may be kept. From any thread."""

    def broken(self, record: Broken, *, ordinal: int) -> None:
        """Count a line that could not be read."""

    def sends(self, *, ordinal: int) -> None:
        """Remember, whatever happens, that a write is about to be sent."""

    def flush(self) -> None:
        """Commit what has been kept."""


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    """The first error of a group, however deep."""
    first: BaseException = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _pair(flight: Flight) -> tuple[Exchange, str, Observation, Observation, Mapping | None]:
    """What is judged of a flight that both sides have ended."""
    baseline, candidate = flight.observed
    assert baseline is not None
    assert candidate is not None
    return flight.exchange, flight.endpoint, baseline, candidate, flight.mapping


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
        guard: AbortGuard | None = None,
        correlator: Correlator | None = None,
        prober: Prober | None = None,
        hooks: Hooks | None = None,
        late: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._services = (baseline, candidate)
        self._control = control
        self._endpoints = endpoints
        self._safety = safety
        self._judging = judging
        self._selection = selection
        self._options = options
        self._keeper = keeper
        self._guard = guard
        self._correlator = correlator
        self._prober = prober
        self._late = late or correlator is not None
        """Messages are written when they are sent: what was read before does not decide them."""
        self._hooks = hooks if hooks is not None and hooks.has("before_session") else None
        self._begun: set[str] = set()
        """Sessions whose hook has run."""
        self._wrote: dict[str | None, str] = {}
        """By session, the id of its last write, where the state is asked about."""
        self._aborted = ""
        """Why nothing more is sent, where the guard said so."""
        self._clock = clock
        self._random = random.Random(options.seed)  # noqa: S311 - an order, not a secret
        self._throttle = ceiling(options.ceiling) if options.ceiling else None
        self._sequencer: Sequencer[Flight] = Sequencer()
        self._ready: deque[Flight] = deque()
        self._held: Flight | None = None
        """Read, and not due yet."""
        self._pending = 0
        """Due and without an outcome, in flight or not."""
        self._pending_bytes = 0
        self._in_flight = 0
        self._advancing = False
        self._landed: list[Flight] = []
        self._ordinal = 0
        """Of the next record."""
        self._waiting = False
        """The capture has nothing to read now: it is a pipe."""
        self._exhausted = False
        self._stopping = False

    async def run(self, records: Iterator[Readable]) -> None:
        """Replay all records; returns when each has ended in an outcome, or after `stop`.

        What was read and not sent when it stops has no outcome: a resumed run sends it. Raises
        what the keeper and the reading of the capture raise.
        """
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._records = records
        options = self._options
        self._pace = Pace(
            rate=options.rate, speed=options.speed, origin=options.origin, delay_s=options.delay_s
        )
        self._start = self._clock()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                flushing = group.create_task(self._watched(self._flush))
                self._advance()
                await self._ended
                flushing.cancel()
        except* Exception as errors:  # noqa: BLE001 - whatever it is, its own message says more
            raise _first(errors) from None
        if self._aborted:
            raise UnfinishedError(
                f"stopped: {self._aborted}",
                "look at the services; what a replay has done is kept, and --resume goes on",
            )

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
            self._finish()

    def _may_read(self) -> bool:
        return (
            not self._exhausted
            and not self._waiting
            and self._held is None
            and len(self._ready) < self._options.concurrency
            and self._pending < self._options.window
            and (self._pending_bytes < self._options.window_bytes or not self._pending)
        )

    def _read(self) -> None:
        """Read one record: it is offered, held until it is due, or ends here."""
        record = next(self._records, None)
        if record is None:
            self._exhausted = True
        if record is None or self._stopping or isinstance(record, Elsewhere):
            return
        if isinstance(record, Later):
            self._waiting = True
            self._loop.call_later(LATER_S, self._look_again)
            return
        ordinal = self._ordinal
        self._ordinal += 1
        if ordinal in self._keeper.cursor:
            if isinstance(record, Exchange):
                self._done_before(ordinal, record)
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
        delay = flight.due - self._clock()
        if delay <= 0:
            self._offer(flight)
        else:
            self._held = flight
            self._loop.call_later(delay, self._fall_due)

    def _done_before(self, ordinal: int, exchange: Exchange) -> None:
        """Take in what an earlier process did: its session has begun, its write is in the state."""
        self._unsent(exchange, "no-value")  # to this process
        if ordinal in self._keeper.sent:
            self._note_written(exchange)
        if self._hooks is not None and exchange.session is not None:
            request = exchange.request
            endpoint = self._endpoints.name(request.method, request.target)
            safe = self._safety.is_safe(request)
            if not self._skip_reason(exchange, endpoint, safe=safe):
                self._begun.add(exchange.session)

    def _look_again(self) -> None:
        self._waiting = False
        self._advance()

    def _fall_due(self) -> None:
        flight, self._held = self._held, None
        if flight is not None:
            self._offer(flight)
        self._advance()

    def _flight(self, ordinal: int, record: Exchange | Unsupported) -> Flight | None:
        """The flight of a record, or None when it was skipped (and kept as such)."""
        exchange = bare(record) if isinstance(record, Unsupported) else record
        request = exchange.request
        endpoint = self._endpoints.name(request.method, request.target)
        safe = self._safety.is_safe(request)
        reason = self._skip_reason(record, endpoint, safe=safe)
        if reason:
            self._skip(ordinal, exchange, endpoint, reason)
            return None
        flight = Flight(ordinal, exchange, endpoint, safe=safe)
        if not self._late and not self._render(flight):
            return None
        return flight

    def _skip_reason(self, record: Exchange | Unsupported, endpoint: str, *, safe: bool) -> str:
        """Why a record is not sent, or empty."""
        may_send = safe or self._safety.allow_writes
        return skip_reason(record, endpoint, self._selection, may_send=may_send)

    def _render(self, flight: Flight) -> bool:
        """Write the messages for both sides; False where it is skipped (and kept as such)."""
        baseline, candidate = self._services
        assert candidate is not None
        own, other = flight.requests
        try:
            flight.messages = (
                baseline.render(own) if baseline else None,
                candidate.render(other),
            )
        except Unsendable as unsendable:
            self._skip(flight.ordinal, flight.exchange, flight.endpoint, unsendable.reason)
            return False
        return True

    def _skip(self, ordinal: int, exchange: Exchange, endpoint: str, reason: str) -> None:
        self._unsent(exchange, "not-sent", endpoint)
        judgement = Judgement(outcome=Outcome.SKIPPED, reason=reason)
        self._keeper.keep(exchange, endpoint, judgement, ordinal=ordinal)

    def _unsent(self, exchange: Exchange, why: Lack, endpoint: str | None = None) -> None:
        """What the exchange's answer should have given, its session will lack."""
        if self._correlator is not None:
            request = exchange.request
            name = endpoint or self._endpoints.name(request.method, request.target)
            self._correlator.unsent(exchange, name, why)

    def _line(self, flight: Flight) -> str | None:
        """Whom the flight waits for: its session, or all before it."""
        return "" if self._options.order == "global" else flight.exchange.session

    def _offer(self, flight: Flight) -> None:
        """Let the flight's session have it."""
        self._pending += 1
        self._pending_bytes += flight.size
        if self._sequencer.offer(self._line(flight), flight):
            self._ready.append(flight)

    # One flight.

    def _begin(self, flight: Flight) -> None:
        self._in_flight += 1
        if not flight.safe and flight.ordinal in self._keeper.sent:
            self._unsent(flight.exchange, "no-value", flight.endpoint)
            self._note_written(flight.exchange)  # it may have been
            self._conclude(flight, _INTERRUPTED)
            return
        session = flight.exchange.session
        if self._hooks is not None and session is not None and session not in self._begun:
            self._begun.add(session)
            self._spawn(self._begin_session, self._hooks, flight, session)
        else:
            self._go(flight)

    async def _begin_session(self, hooks: Hooks, flight: Flight, session: str) -> None:
        await hooks.run("before_session", session=session)
        if self._stopping:
            self._unread()
            return
        flight.wait_until(self._clock())
        self._go(flight)

    def _go(self, flight: Flight) -> None:
        """Send a flight whose turn it is."""
        if self._correlator is not None and not self._prepare(flight, self._correlator):
            return
        if self._correlator is None and self._late and not self._render_late(flight):
            return
        if self._throttle is None:
            self._ask_both(flight)
        else:
            self._spawn(self._ask_below, self._throttle, flight)

    def _prepare(self, flight: Flight, correlator: Correlator) -> bool:
        """Give each side's request the values that it gave; False where that ends the flight."""
        prepared = correlator.prepare(flight.exchange, flight.endpoint)
        lacking = prepared.lacking
        if lacking is None:
            flight.requests = prepared.requests
            return self._render_late(flight)
        self._unsent(flight.exchange, lacking.why, flight.endpoint)
        skipped = lacking.why == "not-sent"
        outcome = Outcome.SKIPPED if skipped else Outcome.INCOMPARABLE
        reason = f"{lacking.why} ({lacking.rule})" if lacking.rule else lacking.why
        self._conclude(flight, Judgement(outcome=outcome, reason=reason))
        return False

    def _render_late(self, flight: Flight) -> bool:
        """Write the messages of a flight that has begun; False where that ends it."""
        if self._render(flight):
            return True
        self._leave(flight)
        self._loop.call_soon(self._advance)
        return False

    async def _ask_below(self, throttle: Throttler, flight: Flight) -> None:
        await throttle.acquire()
        if self._stopping:
            self._unread()
        else:
            self._ask_both(flight)

    def _unread(self) -> None:
        """Let go of a flight that has sent nothing: it is as if it had not been read."""
        self._in_flight -= 1
        self._advance()

    def _ask_both(self, flight: Flight) -> None:
        """Ask both sides. Whichever is asked first looks slower, so the order is random."""
        if not flight.safe:
            self._keeper.sends(ordinal=flight.ordinal)
            self._note_written(flight.exchange)
        if self._services[BASELINE] is None:
            flight.observed[BASELINE] = flight.exchange.recorded
            flight.left = 1
            self._ask(flight, CANDIDATE)
            return
        first, second = _ORDERS[self._random.random() < 0.5]
        if self._options.sides == "together":
            self._ask(flight, first)
            self._ask(flight, second)
        else:
            flight.then = second
            self._ask(flight, first)

    def _ask(self, flight: Flight, side: Side) -> None:
        """Send to one side, at once where a connection is free."""
        service = self._services[side]
        assert service is not None
        if not service.start(
            flight.messages[side],
            method=flight.exchange.request.method,
            safe=flight.safe,
            due=flight.due,
            done=partial(self._answered, flight, side),
        ):
            self._spawn(self._send, flight, side)

    async def _send(self, flight: Flight, side: Side, fresh: bool = False) -> None:  # noqa: FBT001, FBT002 - a task's arguments
        """Send to one side, waiting for a connection."""
        service = self._services[side]
        assert service is not None
        observation = await service.send(
            flight.messages[side],
            method=flight.exchange.request.method,
            safe=flight.safe,
            due=flight.due,
            fresh=fresh,
        )
        self._answered(flight, side, observation)

    def _answered(self, flight: Flight, side: Side, observation: Observation | None) -> None:
        """Take what a side did, or that the request was lost on a stale connection."""
        if self._ended.done():
            return
        if observation is None:
            self._spawn(self._send, flight, side, True)
            return
        flight.observed[side] = observation
        flight.left -= 1
        if not flight.left:
            self._land(flight)
        elif flight.then is not None:
            flight.wait_until(self._clock())
            self._ask(flight, flight.then)

    def _land(self, flight: Flight) -> None:
        """Both sides are done. What comes in one turn of the loop is worked off together.

        Together and step by step it takes a fifth less than one by one, and the answers that
        came in the same turn have their time taken before others are judged.
        """
        if self._guard is not None and not self._stopping:
            self._aborted = self._guard.observe(flight.observed)
            if self._aborted:
                self.stop()
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
                (flight, judgement)
                for flight in landed
                if (judgement := self._judge(flight)) is not None
            ]
            for flight, judgement in judged:
                self._keep(flight, judgement)
            for flight, _ in judged:
                self._leave(flight)
        except Exception as error:  # noqa: BLE001 - it ends the run, and `run` raises it
            self._fail(error)
        self._advance()

    def _judge(self, flight: Flight) -> Judgement | None:
        """The judgement of a flight; None where it takes a task of its own to come to it.

        So it does where a side is asked again, and where judging is dear.
        """
        (baseline, candidate), control = flight.observed, self._control
        if self._correlator is not None:
            observed = self._correlator.observed
            flight.mapping = observed(flight.exchange, flight.endpoint, flight.observed)
        if baseline is None:
            return _NO_RESPONSE
        assert candidate is not None
        if control is not None and not control.wants(flight.endpoint, safe=flight.safe):
            control = None
        if control is not None or (self._options.repeat and flight.safe):
            self._spawn(self._ask_again, flight, control, baseline)
            return None
        judgement = self._judging.inline(*_pair(flight))
        if judgement is None:
            self._spawn(self._judge_in_pool, flight)
        return judgement

    async def _ask_again(
        self, flight: Flight, control: Control | None, baseline: Observation
    ) -> None:
        """Ask a side again, learn from what it says, and judge by what is known then."""
        if control is not None:
            await self._learn(flight, control, baseline)
        judgement = await self._judging.judge(*_pair(flight))
        if self._options.repeat and flight.safe:
            judgement = with_repeats(judgement, await self._repeated(flight, baseline))
        await self._conclude_dear(flight, judgement)

    async def _repeated(self, flight: Flight, baseline: Observation) -> list[Judgement]:
        """What the candidate says when it is asked again, against the baseline's one answer."""
        candidate = self._services[CANDIDATE]
        assert candidate is not None
        found = []
        for _ in range(self._options.repeat):
            if self._stopping:
                break
            again = await candidate.send(
                candidate.render(flight.requests[CANDIDATE]),
                method=flight.exchange.request.method,
                safe=flight.safe,
            )
            pair = flight.exchange, flight.endpoint, baseline, again
            mapping = None if self._correlator is None else self._correlator.again(*pair)
            found.append(await self._judging.judge(*pair, mapping))
        return found

    async def _learn(self, flight: Flight, control: Control, baseline: Observation) -> None:
        """Ask the baseline again, and learn from both answers."""
        again = await control.service.send(
            control.service.render(flight.requests[BASELINE]),
            method=flight.exchange.request.method,
            safe=flight.safe,
        )
        await self._judging.learn(flight.endpoint, baseline, again)

    async def _judge_in_pool(self, flight: Flight) -> None:
        judgement = await self._judging.in_pool(*_pair(flight))
        await self._conclude_dear(flight, judgement)

    async def _conclude_dear(self, flight: Flight, judgement: Judgement) -> None:
        """End a flight with what may be a thousand divergences, masked beside the loop."""
        masked = None
        if len(judgement.divergences) > _MASKED_INLINE:
            masked = await asyncio.to_thread(self._keeper.masked, judgement)
        self._conclude(flight, judgement, masked)

    def _conclude(self, flight: Flight, judgement: Judgement, masked: Masked | None = None) -> None:
        """End one flight on its own."""
        self._keep(flight, judgement, masked)
        self._leave(flight)
        self._advance()

    def _keep(self, flight: Flight, judgement: Judgement, masked: Masked | None = None) -> None:
        self._keeper.keep(
            flight.exchange,
            flight.endpoint,
            judgement,
            *flight.observed,
            ordinal=flight.ordinal,
            masked=masked,
        )

    def _leave(self, flight: Flight) -> None:
        """Make room, and let the session's next one go."""
        self._in_flight -= 1
        self._pending -= 1
        self._pending_bytes -= flight.size
        line = self._line(flight)
        following = None if line is None else self._sequencer.done(line)
        if following is not None and not self._stopping:
            following.wait_until(self._clock())
            self._ready.append(following)

    # What writes left behind.

    def _note_written(self, exchange: Exchange) -> None:
        if self._prober is None:
            return
        if exchange.session in self._wrote or len(self._wrote) < MAX_PROBED:
            self._wrote[exchange.session] = exchange.id

    def _finish(self) -> None:
        """Ask about the state, once, where that is wanted, and end."""
        prober, self._prober = self._prober, None
        if prober is None or self._stopping:
            self._end()
        else:
            self._in_flight += 1
            self._spawn(self._probe, prober)

    async def _probe(self, prober: Prober) -> None:
        """Ask both sides about the state, for each session that wrote, or once."""
        for probe in prober.probes:
            whole: dict[str | None, str] = {None: "run"}
            those = whole if probe.after == "run" else self._wrote
            # In an order of their own: a process that goes on must find the same ordinals.
            for session, written in sorted(those.items(), key=lambda each: each[0] or ""):
                if self._stopping:
                    break
                await self._probe_one(prober, probe, session, written)
        self._in_flight -= 1
        self._advance()

    async def _probe_one(
        self, prober: Prober, probe: Probe, session: str | None, written: str
    ) -> None:
        exchange, ordinal = probe.exchange(session, written), self._ordinal
        self._ordinal += 1
        if ordinal in self._keeper.cursor:
            return
        try:
            observed = await prober.take(probe, session)
        except (LackingValueError, Unsendable) as fault:
            lacks = isinstance(fault, LackingValueError)
            reason = f"no-value ({fault})" if lacks else "unsupported"
            judgement = Judgement(outcome=Outcome.INCOMPARABLE, reason=reason)
            self._keeper.keep(exchange, probe.endpoint, judgement, ordinal=ordinal)
            return
        if self._control is not None and probe.request is not None:
            baseline, _ = prober.requests(probe, session)
            if self._control.wants(probe.endpoint, safe=True):
                again = await asked(self._control.service, baseline)
                await self._judging.learn(probe.endpoint, observed[BASELINE], again)
        mapping = None if self._correlator is None else self._correlator.mapping(session)
        judgement = await self._judging.judge(exchange, probe.endpoint, *observed, mapping)
        self._keeper.keep(exchange, probe.endpoint, judgement, *observed, ordinal=ordinal)

    def _spawn(self, work: Callable[..., Coroutine[Any, Any, None]], *given: Any) -> None:
        self._group.create_task(self._watched(work, *given))

    async def _watched(self, work: Callable[..., Coroutine[Any, Any, None]], *given: Any) -> None:
        """Do the work of a task; what goes wrong in it ends the run, and `run` raises it."""
        try:
            await work(*given)
        except Exception as error:  # noqa: BLE001 - as it says
            self._fail(error)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)
