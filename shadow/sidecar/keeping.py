"""What became of each exchange: counted always, kept while there is room, written in batches.

A window is a run of the store. Counts are of all its exchanges; rows and events are of the first
so many of each finding and of so many others, so that a window has a size. A store that fails
loses rows at last, and says how many; what is counted is added to what is written next.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from shadow.compare.noise import NoiseProfile
from shadow.errors import ShadowError
from shadow.judge import Policy
from shadow.masking import Masker
from shadow.metrics import Counters
from shadow.model import Divergence, Exchange, Judgement, Observation, Outcome
from shadow.results.record import Record
from shadow.results.tally import Tally
from shadow.settle import Memory
from shadow.sidecar.archive import Archive, Batch
from shadow.tracing import trace_id_of

FLUSH_S: Final = 0.25
"""How often what was kept is written."""
AT_ONCE: Final = 500
"""Records of one transaction."""
WAITING: Final = 20_000
"""Records that wait for a store that does not take them; beyond, they are lost and counted."""
SWITCH_S: Final = 0.0005
"""How long the writing thread may keep the event loop from running."""
NEWEST: Final = 100
"""Findings whose times are remembered."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of a window has rows and events."""

    window_s: float = 3600.0
    rows: int = 200_000
    """Of exchanges with a difference, and as many without."""
    per_finding: int = 500
    """Records of one finding that have rows and events; the others are counted."""


class Keeping:
    """Takes what became of each exchange, on the event loop; writes it in a thread of its own."""

    def __init__(
        self,
        archive: Archive,
        *,
        room: Room,
        counters: Counters,
        masker: Masker,
        noise: NoiseProfile | None,
        policy: Policy,
    ) -> None:
        self._archive = archive
        self._room = room
        self._counters = counters
        self._masker = masker
        self._noise = noise
        self._policy = policy
        self._thread = ThreadPoolExecutor(1, "keeping")
        self._records: list[Record] = []
        self._traces: dict[int, str] = {}
        """Ids of the traces of records that wait, by `seq`."""
        self._tally = Tally()
        self._begin()

    def _begin(self) -> None:
        """Begin a window."""
        self.window = Tally()
        """The counts of the window, as far as they were written."""
        self._began = time.monotonic()
        self._seq = 0
        self._rows = {True: 0, False: 0}
        """With a difference and without."""
        self._of_finding: Counter[str] = Counter()
        self._partial: set[str] = set()
        """Findings that have records without a row."""
        self._memory = Memory()
        self.times: dict[str, tuple[datetime, datetime]] = {}
        """When the newest divergent findings were seen first and last, by signature."""

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._records)

    @property
    def error(self) -> str:
        """What is wrong with the store now, or empty."""
        return self._archive.error

    def endpoint(self, name: str) -> str:
        """An endpoint's name as it may leave memory."""
        return self._masker.mask_endpoint(name)

    def masked(self, judgement: Judgement) -> tuple[Divergence, ...]:
        """The divergences as they may be kept. From any thread."""
        return tuple(map(self._masker.mask_divergence, judgement.divergences))

    def complain(self, line: str) -> None:
        """Tell the operator what went wrong, but not again and again."""
        self._archive.complain(ShadowError(line))

    def skip(self, endpoint: str, reason: str) -> None:
        """Count an exchange that was not compared, and of which there is no more to say."""
        self._counters.skipped(reason)
        self._tally.count_skipped(self.endpoint(endpoint), reason)

    def shed(self, endpoint: str) -> None:
        """Count an exchange whose copy was dropped, which the counters know already."""
        self._tally.count_skipped(self.endpoint(endpoint), "shed")

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        masked: tuple[Divergence, ...] | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Keep the outcome of an exchange, masked. By default its trace is the request's own."""
        record = Record.of(
            exchange,
            judgement,
            seq=self._seq,
            endpoint=endpoint,
            masker=self._masker,
            baseline=baseline,
            candidate=candidate,
            masked=masked,
        )
        self._seq += 1
        self._tally.add(record)
        counters = self._counters
        if judgement.outcome is Outcome.SKIPPED:
            counters.skipped(judgement.reason)
        else:
            counters.judged(judgement.outcome)
        for divergence in record.divergences:
            counters.diverged(record.endpoint, divergence.kind, divergence.verdict)
        if judgement.outcome is Outcome.DIVERGENT:
            self._show(record)
        if self._has_room(record):
            self._records.append(record)
            if record.divergences:
                self._memory.remember(record, judgement)
                trace_id = trace_id or trace_id_of(exchange.request.headers)
                if trace_id is not None:
                    self._traces[record.seq] = trace_id

    def _has_room(self, record: Record) -> bool:
        """Whether a record gets a row: while it is among the first of one of its findings."""
        signatures = {divergence.signature for divergence in record.divergences}
        of_finding, most = self._of_finding, self._room.per_finding
        fresh = not signatures or any(of_finding[each] < most for each in signatures)
        found = bool(signatures)
        full = len(self._records) >= WAITING
        if full:
            self._counters.store_lost()
        if full or not fresh or self._rows[found] >= self._room.rows:
            self._partial.update(signatures)
            return False
        self._rows[found] += 1
        of_finding.update(signatures)
        return True

    def _show(self, record: Record) -> None:
        """Remember when the findings of an exchange were seen, for people to look at."""
        now, times = datetime.now(UTC), self.times
        for divergence in record.divergences:
            if divergence.verdict == "divergent":
                first, _ = times.get(divergence.signature, (now, now))
                times[divergence.signature] = first, now
        while len(times) > NEWEST:
            del times[next(iter(times))]

    # Writing.

    async def run(self) -> None:
        """Write what is kept, again and again, until it is cancelled; `close` writes the rest."""
        sys.setswitchinterval(SWITCH_S)
        while True:
            await asyncio.sleep(FLUSH_S)
            while await self._flush() and len(self._records) >= AT_ONCE:
                pass
            if time.monotonic() - self._began >= self._room.window_s:
                await self._end_window()

    async def close(self) -> None:
        """Write the rest, and end the window."""
        while self._records and await self._flush():
            pass
        await self._end_window()
        await self.in_thread(self._archive.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Do what may wait for a disk, in turn with the writing."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _flush(self) -> bool:
        """Write a batch; whether the store took it."""
        if not self._tally.read and not self._records:
            return True
        batch = Batch(records=self._records[:AT_ONCE], tally=self._tally)
        del self._records[:AT_ONCE]
        self._tally = Tally()
        if not await self.in_thread(partial(self._archive.write, batch)):
            self._counters.store_failed()
            self._take_back(batch)
            return False
        self.window.merge(batch.tally)
        told = partial(self._archive.tell_events, batch.records, self._traces_of(batch.records))
        lost = await self.in_thread(told)
        if lost:
            self._counters.events_lost(lost)
        return True

    def _traces_of(self, records: list[Record]) -> dict[int, str]:
        traces = self._traces
        if not traces:
            return {}
        return {each.seq: traces.pop(each.seq) for each in records if each.seq in traces}

    def _take_back(self, batch: Batch) -> None:
        """Keep a batch that the store did not take for the next time, as far as there is room."""
        batch.tally.merge(self._tally)
        self._tally = batch.tally
        room = max(0, WAITING - len(self._records))
        lost = batch.records[room:]
        self._records[:0] = batch.records[:room]
        if lost:
            self._traces_of(lost)
            self._counters.store_lost(len(lost))
            self._partial.update(d.signature for each in lost for d in each.divergences)

    async def _end_window(self) -> None:
        memory, leave = self._memory, frozenset(self._partial)
        if self._records:
            return  # what waits for the store belongs to the window
        self._begin()
        await self.in_thread(
            partial(
                self._archive.finish,
                memory,
                noise=self._noise,
                policy=self._policy,
                leave=leave,
            )
        )
