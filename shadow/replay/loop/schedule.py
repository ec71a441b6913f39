"""When an exchange is due and which may go next. Pure: no clock, no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from datetime import datetime
from typing import Final, Generic, TypeVar

from shadow.errors import ConfigError
from shadow.model import Exchange

Job = TypeVar("Job")


LONGEST_PAUSE_S: Final = 86_400.0
"""A time that is further ahead is a broken clock, and is not waited for."""


class Pace:
    """Seconds after the start at which each exchange is due; None for as soon as possible.

    An absolute schedule: an exchange that went out late does not push the later ones back.
    `origin` is where the timeline begins, by default the first `ts`; `delay_s` is when the first
    one is due by `rate`.
    """

    def __init__(
        self,
        *,
        rate: float | None = None,
        speed: float | None = None,
        origin: datetime | None = None,
        delay_s: float = 0.0,
    ) -> None:
        if rate is not None and speed is not None:
            raise ConfigError("--rate and --speed exclude each other", "give one of them")
        self._rate = rate
        self._speed = speed
        self._count = 0
        self._first = origin
        self._delay_s = delay_s
        self._latest = 0.0

    def due(self, exchange: Exchange) -> float | None:
        """When the next exchange is due. On the timeline, one without `ts` is due at once."""
        if self._rate is not None:
            self._count += 1
            return self._delay_s + (self._count - 1) / self._rate
        if self._speed is None:
            return None
        if exchange.ts is not None:
            if self._first is None:
                self._first = exchange.ts
            offset = (exchange.ts - self._first).total_seconds() / self._speed
            if offset - self._latest <= LONGEST_PAUSE_S:
                self._latest = max(self._latest, offset)
        return self._latest


class Sequencer(Generic[Job]):
    """Lets the exchanges of one session go one at a time, in the capture's order."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[Job]] = {}

    def offer(self, session: Hashable, job: Job) -> bool:
        """Whether the job may go now; otherwise it waits for those before it."""
        if session is None:
            return True
        queue = self._waiting.get(session)
        if queue is None:
            self._waiting[session] = deque()
            return True
        queue.append(job)
        return False

    def done(self, session: Hashable) -> Job | None:
        """The job of the session that may go next, now that one has ended."""
        queue = self._waiting.get(session)
        if queue is None:
            return None
        if queue:
            return queue.popleft()
        del self._waiting[session]
        return None

    @property
    def idle(self) -> bool:
        """No session has a job that goes or waits."""
        return not self._waiting
