"""Reading ahead: a record of the capture is offered when it is due, or ends here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from shadow.captures import Broken, Elsewhere
from shadow.model import Exchange
from shadow.replay.keeper import Keeper
from shadow.replay.loop.flight import Flight
from shadow.replay.loop.intake import Intake
from shadow.replay.loop.running import Running
from shadow.replay.loop.schedule import Pace
from shadow.replay.options import ReplayOptions
from shadow.replay.reading import LATER_S, Later, Readable


class Ahead:
    """Reads records, one a call, of which at most one waits to be due.

    `offer` gets a flight that is due, `done_before` what an earlier process has done; `advance`
    is called when something has changed by itself.
    """

    def __init__(
        self,
        records: Iterator[Readable],
        *,
        intake: Intake,
        keeper: Keeper,
        options: ReplayOptions,
        running: Running,
        offer: Callable[[Flight], None],
        done_before: Callable[[int, Exchange], None],
        advance: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """Begin the timeline now; on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._records = records
        self._intake = intake
        self._keeper = keeper
        self._running = running
        self._offer = offer
        self._done_before = done_before
        self._advance = advance
        self._clock = clock
        self._pace = Pace(
            rate=options.rate, speed=options.speed, origin=options.origin, delay_s=options.delay_s
        )
        self._start = clock()
        self._held: Flight | None = None
        """Read, and not due yet."""
        self._waiting = False
        """The capture has nothing to read now: it is a pipe."""
        self._exhausted = False
        self.ordinal = 0
        """Of the next record."""

    def may_read(self) -> bool:
        """Whether there may be something to read now."""
        return not self._exhausted and not self._waiting and self._held is None

    def is_done(self) -> bool:
        """Whether nothing more comes."""
        return self._exhausted and not self._held

    def stop(self) -> None:
        """Read nothing more, and forget what is not due."""
        self._exhausted = True
        self._held = None

    def read(self) -> None:
        """Read one record: it is offered, held until it is due, or ends here."""
        record = next(self._records, None)
        if record is None:
            self._exhausted = True
        if record is None or self._running.stopping or isinstance(record, Elsewhere):
            return
        if isinstance(record, Later):
            self._waiting = True
            self._loop.call_later(LATER_S, self._look_again)
            return
        ordinal = self.ordinal
        self.ordinal += 1
        if ordinal in self._keeper.cursor:
            if isinstance(record, Exchange):
                self._done_before(ordinal, record)
            return
        if isinstance(record, Broken):
            self._keeper.broken(record, ordinal=ordinal)
            return
        flight = self._intake.flight(ordinal, record)
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

    def _look_again(self) -> None:
        self._waiting = False
        self._advance()

    def _fall_due(self) -> None:
        flight, self._held = self._held, None
        if flight is not None:
            self._offer(flight)
        self._advance()
