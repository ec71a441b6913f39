"""Takes readings through a run, in a thread of its own, and never disturbs the run.

A source that cannot be read is a note in the report. Between two readings the thread sleeps;
a reading of a process takes a fraction of a millisecond.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

import msgspec
import psutil

from shadow.model import SIDES, SideName
from shadow.resources.source import Sample, Source, Unreadable
from shadow.results.resources import (
    Course,
    Reading,
    Resources,
    ResourceUse,
    busy_share,
    cpu_ratio,
    resource_use,
)

EVERY_S: Final = 1.0
MAX_READINGS: Final = 2_000
"""Ticks kept; beyond, every second one is dropped and readings are taken half as often."""

_JOIN_S: Final = 5.0


class _Stretch:
    """The ticks of the idle time or of the run, and what was read at them.

    All sides are thinned at the same ticks: else one that missed a reading would keep those
    that the other drops, and nothing would be left to compare.
    """

    def __init__(self, sides: Iterable[SideName]) -> None:
        self.ticks: list[int] = []
        self.readings: dict[SideName, list[Reading]] = {side: [] for side in sides}

    def add(self, tick: int, taken: Mapping[SideName, Reading]) -> bool:
        """Keep what was read at a tick; return whether there were too many."""
        self.ticks.append(tick)
        for side, reading in taken.items():
            self.readings[side].append(reading)
        if not _thin(self.ticks):
            return False
        kept = set(self.ticks)
        for readings in self.readings.values():
            readings[:] = [each for each in readings if each.tick in kept]
        return True


class Sampler:
    """Reads each side's source again and again, from when it is entered until it is left.

    What is read before `begin` is idle, what is read from then on is the run.
    """

    def __init__(
        self,
        sources: Mapping[SideName, Source],
        *,
        requests: Callable[[], int],
        every_s: float = EVERY_S,
    ) -> None:
        """Read `sources`; `requests` says how many exchanges have been kept so far."""
        self._sources = sources
        self._requests = requests
        self._every_s = every_s
        self._tick = 0
        self._idle, self._run = _Stretch(sources), _Stretch(sources)
        self._notes: dict[SideName, str] = {}
        self._machine: list[tuple[float, float]] = []
        self._lock = threading.Lock()  # guards all of the above
        self._begun_s: float | None = None
        self._ended_s: float | None = None
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="resources", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take a last reading and end. A source that hangs is left to itself."""
        self._ended_s = time.monotonic()
        self._wake.set()
        self._thread.join(_JOIN_S)

    def begin(self) -> None:
        """Say that the first request is about to be sent; a reading is taken at once."""
        self._begun_s = time.monotonic()
        self._wake.set()

    def readings(self, side: SideName) -> tuple[list[Reading], list[Reading]]:
        """Return the readings of a side: idle, and of the run."""
        with self._lock:
            return list(self._idle.readings[side]), list(self._run.readings[side])

    def uses(self) -> dict[SideName, ResourceUse]:
        """Return what each side used, as far as it was read."""
        found: dict[SideName, ResourceUse] = {}
        for side, source in self._sources.items():
            idle, run = self.readings(side)
            with self._lock:
                notes = [self._notes[side]] if side in self._notes else []
                course = self._course()
            found[side] = resource_use(source.name, idle, run, notes, course)
        return found

    def resources(self) -> Resources:
        """Return it all, with the ratio of both sides where both were read."""
        uses = self.uses()
        ratio = None
        if len(uses) == len(SIDES):
            idle, run = zip(*map(self.readings, SIDES), strict=True)
            ratio = cpu_ratio(run[0], run[1], (idle[0], idle[1]))
        with self._lock:
            busy = busy_share(self._machine)
        return Resources(
            baseline=uses.get("baseline"),
            candidate=uses.get("candidate"),
            cpu_ratio=ratio,
            machine_busy=busy,
        )

    def _course(self) -> Course | None:
        if self._begun_s is None:
            return None
        ended_s = time.monotonic() if self._ended_s is None else self._ended_s
        return Course(ticks=len(self._run.ticks), begun_s=self._begun_s, ended_s=ended_s)

    def _work(self) -> None:
        while self._ended_s is None:
            self._take()
            self._wake.wait(self._every_s)
            self._wake.clear()
        self._take()

    def _take(self) -> None:
        """Read everything once, as one tick."""
        self._tick += 1
        taken: dict[SideName, Reading] = {}
        for side, source in self._sources.items():
            try:
                taken[side] = self._reading(source.sample())
            except Unreadable as error:
                self._note(side, str(error))
            except Exception as error:  # noqa: BLE001 - nothing a source does may end a run
                self._note(side, f"{source.name}: {type(error).__name__}")
        begun = self._begun_s is not None  # now: a request may have been sent meanwhile
        with self._lock:
            if (self._run if begun else self._idle).add(self._tick, taken):
                self._every_s *= 2
            if begun:
                self._machine.append(_machine())
                _thin(self._machine)

    def _reading(self, sample: Sample) -> Reading:
        return Reading(
            tick=self._tick,
            at_s=time.monotonic(),
            requests=self._requests(),
            **msgspec.structs.asdict(sample),
        )

    def _note(self, side: SideName, text: str) -> None:
        with self._lock:
            self._notes[side] = text


def _thin(readings: list[Any]) -> bool:
    """Drop every second one where there are too many."""
    if len(readings) <= MAX_READINGS:
        return False
    del readings[1:-1:2]
    return True


def _machine() -> tuple[float, float]:
    """CPU time of the whole machine: in use, and in all."""
    times = psutil.cpu_times()
    total = sum(getattr(times, name) for name in times._fields if not name.startswith("guest"))
    return total - times.idle - getattr(times, "iowait", 0.0), total
