"""One window in memory: what it counts, and which of its exchanges get a row and events. Pure.

Counts are of all exchanges. Rows and events are of the first so many of each finding and of so
many others, so that a window has a size.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from shadow.model import Judgement, Observation, Outcome
from shadow.results.finding import finding_key
from shadow.results.record import Record
from shadow.results.tally import Tally
from shadow.settle import Memory

AT_ONCE: Final = 500
"""Records of one transaction."""
WAITING: Final = 20_000
"""Records that wait for a store that does not take them; beyond, they are lost and counted.

Half of that is for exchanges without a difference. A record with many counts once for each.
"""
PLAIN_AT_ONCE: Final = 50
"""Exchanges without a difference that get a row between two batches: a hundred a second."""
NEWEST: Final = 100
"""Findings whose times are remembered."""

_PLAIN: Final = frozenset({Outcome.MATCH, Outcome.EQUIVALENT})

Lost = Callable[[int], None]


class Batch(msgspec.Struct, kw_only=True):
    """What is written together. The records are some of those that the tally counts."""

    number: int
    """In the window, from 1: no two batches have the same."""
    records: Sequence[Record]
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of a window has rows and events."""

    window_s: float = 3600.0
    rows: int = 200_000
    """Of differences, and as many of exchanges without any."""
    per_finding: int = 500
    """Exchanges of one finding that have rows and events; the others are counted."""


class Window:
    """The counts of one window, and the records that wait for the store."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.began: float | None = None
        """When its first exchange was counted."""
        self.tally = Tally()
        """All counts but for those since the last `batch`."""
        self._fresh = Tally()
        """The counts since then."""
        self._unwritten = Tally()
        """Those before, as far as no batch has them."""
        self._batch: Batch | None = None
        """On its way to the store; the same until that has it."""
        self._batches = 0
        self._seq = 0
        self._records: deque[Record] = deque()
        self._weights = {True: 0, False: 0}
        """Of the records that wait, with a difference and without."""
        self._plain = PLAIN_AT_ONCE
        """How many more exchanges without a difference get a row before the next batch."""
        self._rows = {True: 0, False: 0}
        self.kept: Counter[str] = Counter()
        """Exchanges with a row, by `finding_key`."""
        self.traces: dict[int, str] = {}
        """Ids of the traces of records that wait, by `seq`."""
        self.memory = Memory()
        self.times: dict[str, tuple[datetime, datetime]] = {}
        """When divergent findings were seen first and last, by signature; the newest at the end."""

    @property
    def waiting(self) -> int:
        """Records that are not in the store yet."""
        return len(self._records) + (len(self._batch.records) if self._batch else 0)

    @property
    def unwritten(self) -> int:
        """Exchanges that are counted here alone."""
        batch = self._batch.tally.read if self._batch else 0
        return self._fresh.read + self._unwritten.read + batch

    def is_over(self, now: float) -> bool:
        """Whether its time has passed."""
        return self.began is not None and now - self.began >= self._room.window_s

    def next_seq(self) -> int:
        """Return the `seq` of one more record."""
        self._seq += 1
        return self._seq - 1

    def skip(self, endpoint: str, reason: str, now: float) -> None:
        """Count an exchange of which there is no record."""
        self.began = self.began or now
        self._fresh.count_skipped(endpoint, reason)

    def wants_record(self, judgement: Judgement) -> bool:
        """Whether an exchange may get a row: without a difference the first few do."""
        if judgement.divergences or judgement.outcome not in _PLAIN:
            return True
        return self._plain > 0 and self._rows[False] < self._room.rows

    def count(
        self,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation,
        candidate: Observation,
        now: float,
    ) -> None:
        """Count an exchange of which no record is wanted."""
        self.began = self.began or now
        self._fresh.count_judged(endpoint, judgement, baseline, candidate)

    def add(self, record: Record, judgement: Judgement, now: float, lost: Lost) -> bool:
        """Count an exchange; say whether its record is kept. `lost` is told where it had to be.

        Counts nothing where it raises.
        """
        weight, found = max(1, len(record.divergences)), bool(record.divergences)
        keys = _keys(record)
        kept = self._is_wanted(record, keys, weight)
        if kept and self._weights[found] + weight > (WAITING if found else WAITING // 2):
            lost(1)
            kept = False
        if kept and found:
            self.memory.remember(record, judgement)
        self.began = self.began or now
        self._fresh.add(record)
        if kept:
            self._weights[found] += weight
            self._rows[found] += weight
            self.kept.update(keys)
            self._records.append(record)
        return kept

    def _is_wanted(self, record: Record, keys: set[str], weight: int) -> bool:
        """Whether a record is among the first of one of its findings, or of those without any."""
        if self._rows[bool(keys)] + weight > self._room.rows:
            return False
        if keys:
            return any(self.kept[key] < self._room.per_finding for key in keys)
        if record.outcome in _PLAIN:
            self._plain -= 1
            return self._plain >= 0
        return True

    def show(self, record: Record, now: datetime) -> None:
        """Remember when the divergent findings of an exchange were seen, for people to look at."""
        if record.outcome != Outcome.DIVERGENT:
            return
        times = self.times
        for divergence in record.divergences:
            if divergence.verdict == "divergent":
                first, _ = times.pop(divergence.signature, (now, now))
                times[divergence.signature] = first, now
        while len(times) > NEWEST:
            del times[next(iter(times))]

    # Writing.

    def batch(self) -> Batch | None:
        """Return what is to be written next; None where nothing waits."""
        fresh, self._fresh, self._plain = self._fresh, Tally(), PLAIN_AT_ONCE
        if fresh.read:
            self.tally.merge(fresh)
            fresh.merge(self._unwritten)
            self._unwritten = fresh
        if self._batch is None and (self._records or self._unwritten.read):
            self._batches += 1
            self._batch = Batch(
                number=self._batches, records=self._some_records(), tally=self._unwritten
            )
            self._unwritten = Tally()
        return self._batch

    def _some_records(self) -> Sequence[Record]:
        records = self._records
        taken: list[Record] = []
        weight = 0
        while records and weight < AT_ONCE:
            taken.append(records.popleft())
            weight += max(1, len(taken[-1].divergences))
        return taken

    def written(self, stored: Sequence[Record]) -> int:
        """Take note that the store has the batch, with these records; return how many it lacks."""
        assert self._batch is not None
        records, self._batch = self._batch.records, None
        for record in records:
            self._weights[bool(record.divergences)] -= max(1, len(record.divergences))
        lost = len(records) - len(stored)
        if lost:
            self.kept.subtract(key for record in records for key in _keys(record))
            self.kept.update(key for record in stored for key in _keys(record))
        return lost


def _keys(record: Record) -> set[str]:
    return {finding_key(divergence) for divergence in record.divergences}
