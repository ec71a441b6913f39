"""The event loop of a replay: read, wait until due, send to both sides, judge, keep.

Callbacks, not coroutines, where it is hot: an exchange is a `Flight` that goes from one answer
to the next without a task of its own. Every end of a flight starts the next one and reads a
little ahead, so that reading is spread evenly. What is read ahead is bounded in number and bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator

from asyncio_throttle import Throttler

from shadow.endpoints import Endpoints
from shadow.errors import UnfinishedError
from shadow.judging import Judging
from shadow.model import Exchange, Judgement, Outcome
from shadow.replay.abort import AbortGuard
from shadow.replay.control import Control
from shadow.replay.hooks import Hooks
from shadow.replay.keeper import Keeper, Masked
from shadow.replay.loop.ahead import Ahead
from shadow.replay.loop.begun import Begun
from shadow.replay.loop.flight import Flight
from shadow.replay.loop.intake import Intake
from shadow.replay.loop.judging import FlightJudging
from shadow.replay.loop.probing import Probing
from shadow.replay.loop.running import Running
from shadow.replay.loop.schedule import Sequencer
from shadow.replay.loop.sides import Sides
from shadow.replay.options import ReplayOptions, Selection
from shadow.replay.reading import Readable
from shadow.replay.state import Prober
from shadow.sending.safety import Safety
from shadow.sending.service import Service
from shadow.sessions.live import Correlator

_AT_ONCE = 32
"""Records read at a stretch, so that reading ahead does not hold up answers."""
_FLUSH_S = 0.5
"""How often what was kept is committed while little goes on."""
_INTERRUPTED = Judgement(outcome=Outcome.INCOMPARABLE, reason="interrupted")


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
        self._options = options
        self._keeper = keeper
        self._guard = guard
        self._correlator = correlator
        self._late = late or correlator is not None
        """Messages are written when they are sent: what was read before does not decide them."""
        self._hooks = hooks if hooks is not None and hooks.has("before_session") else None
        self._begun = Begun()
        """Sessions whose hook has run."""
        self._aborted = ""
        """Why nothing more is sent, where the guard said so."""
        self._clock = clock
        self._running = running = Running()
        self._sides = Sides(
            baseline, candidate, options=options, running=running, landed=self._land, clock=clock
        )
        self._intake = Intake(
            endpoints=endpoints,
            safety=safety,
            selection=selection,
            sides=self._sides,
            keeper=keeper,
            correlator=correlator,
            late=self._late,
        )
        self._judging = FlightJudging(
            judging,
            candidate=candidate,
            control=control,
            correlator=correlator,
            keeper=keeper,
            repeat=options.repeat,
            running=running,
            concluded=self._conclude,
        )
        self._probing: Probing | None = None
        if prober is not None:
            self._probing = Probing(
                prober,
                judging,
                control=control,
                correlator=correlator,
                keeper=keeper,
                running=running,
            )
        self._throttle = ceiling(options.ceiling) if options.ceiling else None
        self._sequencer: Sequencer[Flight] = Sequencer()
        self._ready: deque[Flight] = deque()
        self._pending = 0
        """Due and without an outcome, in flight or not."""
        self._pending_bytes = 0
        self._in_flight = 0
        self._advancing = False
        self._landed: list[Flight] = []

    async def run(self, records: Iterator[Readable]) -> None:
        """Replay all records; returns when each has ended in an outcome, or after `stop`.

        What was read and not sent when it stops has no outcome: a resumed run sends it. Raises
        what the keeper and the reading of the capture raise.
        """
        self._loop = asyncio.get_running_loop()
        self._ahead = Ahead(
            records,
            intake=self._intake,
            keeper=self._keeper,
            options=self._options,
            running=self._running,
            offer=self._offer,
            done_before=self._done_before,
            advance=self._advance,
            clock=self._clock,
        )
        await self._running.run(self._advance, beside=self._flush)
        if self._aborted:
            raise UnfinishedError(
                f"stopped: {self._aborted}",
                "look at the services; what a replay has done is kept, and --resume goes on",
            )

    def stop(self) -> None:
        """Send nothing more; what is in flight ends."""
        self._running.stopping = True
        self._ready.clear()
        self._ahead.stop()
        self._loop.call_soon(self._advance)

    async def _flush(self) -> None:
        """Commit now and then: a slow replay must not lose its last outcomes to a kill."""
        while True:
            await asyncio.sleep(_FLUSH_S)
            self._keeper.flush()

    # Reading ahead.

    def _advance(self) -> None:
        """Start what may go and read on; the end, where nothing is left."""
        if self._advancing or self._running.ended.done():
            return
        self._advancing = True
        try:
            while self._ready and self._in_flight < self._options.concurrency:
                self._begin(self._ready.popleft())
            for _ in range(_AT_ONCE):
                if not self._may_read():
                    break
                self._ahead.read()
            if (self._ready and self._in_flight < self._options.concurrency) or self._may_read():
                self._loop.call_soon(self._advance)
        except Exception as error:  # noqa: BLE001 - it ends the run, and `run` raises it
            self._running.fail(error)
        finally:
            self._advancing = False
        if self._ahead.is_done() and not self._in_flight and not self._ready:
            self._finish()

    def _may_read(self) -> bool:
        return (
            self._ahead.may_read()
            and len(self._ready) < self._options.concurrency
            and self._pending < self._options.window
            and (self._pending_bytes < self._options.window_bytes or not self._pending)
        )

    def _done_before(self, ordinal: int, exchange: Exchange) -> None:
        """Take in what an earlier process did: its session has begun, its write is in the state."""
        self._intake.unsent(exchange, "no-value")  # to this process
        if ordinal in self._keeper.sent:
            self._note_written(exchange)
        session = exchange.session
        if self._hooks is not None and session is not None and self._intake.is_wanted(exchange):
            self._begun.add(session)

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
            self._intake.unsent(flight.exchange, "no-value", flight.endpoint)
            self._note_written(flight.exchange)  # it may have been
            self._conclude(flight, _INTERRUPTED)
            return
        session = flight.exchange.session
        if self._hooks is not None and session is not None and session not in self._begun:
            self._begun.add(session)
            self._running.spawn(self._begin_session, self._hooks, flight, session)
        else:
            self._go(flight)

    async def _begin_session(self, hooks: Hooks, flight: Flight, session: str) -> None:
        await hooks.run("before_session", session=session)
        if self._running.stopping:
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
            self._running.spawn(self._ask_below, self._throttle, flight)

    def _prepare(self, flight: Flight, correlator: Correlator) -> bool:
        """Give each side's request the values that it gave; False where that ends the flight."""
        prepared = correlator.prepare(flight.exchange, flight.endpoint)
        lacking = prepared.lacking
        if lacking is None:
            flight.requests = prepared.requests
            return self._render_late(flight)
        self._intake.unsent(flight.exchange, lacking.why, flight.endpoint)
        skipped = lacking.why == "not-sent"
        outcome = Outcome.SKIPPED if skipped else Outcome.INCOMPARABLE
        reason = f"{lacking.why} ({lacking.rule})" if lacking.rule else lacking.why
        self._conclude(flight, Judgement(outcome=outcome, reason=reason))
        return False

    def _render_late(self, flight: Flight) -> bool:
        """Write the messages of a flight that has begun; False where that ends it."""
        if self._intake.render(flight):
            return True
        self._leave(flight)
        self._loop.call_soon(self._advance)
        return False

    def _ask_both(self, flight: Flight) -> None:
        if not flight.safe:
            self._keeper.sends(ordinal=flight.ordinal)
            self._note_written(flight.exchange)
        self._sides.ask_both(flight)

    async def _ask_below(self, throttle: Throttler, flight: Flight) -> None:
        await throttle.acquire()
        if self._running.stopping:
            self._unread()
        else:
            self._ask_both(flight)

    def _unread(self) -> None:
        """Let go of a flight that has sent nothing: it is as if it had not been read."""
        self._in_flight -= 1
        self._advance()

    def _land(self, flight: Flight) -> None:
        """Both sides are done. What comes in one turn of the loop is worked off together.

        Together and step by step it takes a fifth less than one by one, and the answers that
        came in the same turn have their time taken before others are judged.
        """
        if self._guard is not None and not self._running.stopping:
            self._aborted = self._guard.observe(flight.observed)
            if self._aborted:
                self.stop()
        if not self._landed:
            self._loop.call_soon(self._work_off)
        self._landed.append(flight)

    def _work_off(self) -> None:
        """Judge what has landed, keep it, and go on: a callback, which has nobody to raise to."""
        landed, self._landed = self._landed, []
        if self._running.ended.done():
            return
        try:
            judged = [
                (flight, judgement)
                for flight in landed
                if (judgement := self._judging.judge(flight)) is not None
            ]
            for flight, judgement in judged:
                self._keep(flight, judgement)
            for flight, _ in judged:
                self._leave(flight)
        except Exception as error:  # noqa: BLE001 - it ends the run, and `run` raises it
            self._running.fail(error)
        self._advance()

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
        if following is not None and not self._running.stopping:
            following.wait_until(self._clock())
            self._ready.append(following)

    # What writes left behind.

    def _note_written(self, exchange: Exchange) -> None:
        if self._probing is not None:
            self._probing.note_written(exchange)

    def _finish(self) -> None:
        """Ask about the state, once, where that is wanted, and end."""
        probing, self._probing = self._probing, None
        if probing is None or self._running.stopping:
            self._running.end()
        else:
            self._in_flight += 1
            self._running.spawn(self._probe, probing)

    async def _probe(self, probing: Probing) -> None:
        await probing.probe(self._ahead.ordinal)
        self._in_flight -= 1
        self._advance()
