"""What became of each exchange: counted always, kept while there is room, written in batches.

A window is a run of the store (`window`). A store that fails loses rows at last, and says how
many; what is counted is added to what is written next.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from shadow.compare.noise import NoiseProfile
from shadow.errors import where
from shadow.events import Events
from shadow.judge import Policy
from shadow.masking import Masker
from shadow.metrics import Counters
from shadow.model import Divergence, Exchange, Judgement, Observation
from shadow.results.record import Record
from shadow.results.tally import Tally
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring.archive import Archive
from shadow.sidecar.mirroring.window import AT_ONCE, Room, Window
from shadow.tracing import trace_id_of

FLUSH_S: Final = 0.5
"""How often what was kept is written."""
CHECK_S: Final = 2.0
"""How often the store is looked after where nothing is written."""
SWITCH_S: Final = 0.0005
"""How long the writing thread may keep the event loop from running."""

T = TypeVar("T")


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
        complain: Complaints,
    ) -> None:
        self._archive = archive
        self._room = room
        self._counters = counters
        self._masker = masker
        self._withholder = Masker(withhold=True, hidden=masker.hidden)
        self._noise = noise
        self._policy = policy
        self._complain = complain
        self._thread = ThreadPoolExecutor(1, "keeping")
        self._window = Window(room)
        self._ending: Window | None = None
        """The one before, until the store has all of it."""
        self._stop = asyncio.Event()
        self._turn = asyncio.Lock()
        """Who writes."""

    @property
    def window(self) -> Tally:
        """The counts of the window, a moment ago; another object with each window."""
        return self._window.tally

    @property
    def times(self) -> dict[str, tuple[datetime, datetime]]:
        """When the newest divergent findings were seen first and last, by signature."""
        return self._window.times

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return self._window.waiting + (self._ending.waiting if self._ending else 0)

    @property
    def unwritten(self) -> int:
        """Exchanges that the store does not count yet."""
        return self._window.unwritten + (self._ending.unwritten if self._ending else 0)

    def endpoint(self, name: str) -> str:
        """An endpoint's name as it may leave memory."""
        return self._masker.mask_endpoint(name)

    def masked(self, judgement: Judgement) -> tuple[Divergence, ...]:
        """The divergences as they may be kept. From any thread."""
        return tuple(map(self._masker.mask_divergence, judgement.divergences))

    def withheld(self, judgement: Judgement) -> tuple[Divergence, ...]:
        """The divergences without their values, which takes little time. From any thread."""
        return tuple(map(self._withholder.mask_divergence, judgement.divergences))

    def skip(self, endpoint: str, reason: str) -> None:
        """Count an exchange that was not compared, and of which there is no more to say."""
        self._counters.skipped(reason)
        self._window.skip(self.endpoint(endpoint), reason, time.monotonic())

    def shed(self, endpoint: str) -> None:
        """Count an exchange whose copy was dropped, which the counters know already."""
        self._window.skip(self.endpoint(endpoint), "shed", time.monotonic())

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
        """Keep the outcome of an exchange, masked. By default its trace is the request's own.

        Counts nothing where it raises.
        """
        window, counters = self._window, self._counters
        if baseline is not None and candidate is not None and not window.wants_record(judgement):
            name = self._masker.mask_endpoint(endpoint)
            window.count(name, judgement, baseline, candidate, time.monotonic())
            counters.judged(judgement.outcome)
            return
        record = Record.of(
            exchange,
            judgement,
            seq=window.next_seq(),
            endpoint=endpoint,
            masker=self._masker,
            baseline=baseline,
            candidate=candidate,
            masked=masked,
        )
        kept = window.add(record, judgement, time.monotonic(), counters.store_lost)
        counters.judged(judgement.outcome)
        for divergence in record.divergences:
            counters.diverged(record.endpoint, divergence.kind, divergence.verdict)
        if not record.divergences:
            return
        window.show(record, datetime.now(UTC))
        trace_id = trace_id or trace_id_of(exchange.request.headers)
        if kept and trace_id is not None:
            window.traces[record.seq] = trace_id

    def tell(self, write: Callable[[Events], None]) -> None:
        """Write an event in its turn, behind what is being written."""
        loop = asyncio.get_running_loop()
        told = self._thread.submit(self._counting, partial(self._archive.tell_one, write))
        told.add_done_callback(lambda told: loop.call_soon_threadsafe(self._told, told))

    def _told(self, told: Future[tuple[None, int]]) -> None:
        failed = told.cancelled() or told.exception() is not None
        self._counters.events_lost(1 if failed else told.result()[1])

    # Writing.

    async def run(self) -> None:
        """Write what is kept, again and again, until `finish`."""
        sys.setswitchinterval(SWITCH_S)
        checked = time.monotonic()
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._stop.wait()
            except TimeoutError:
                pass
            try:
                async with self._turn:
                    await self._write(ending=self._window.is_over(time.monotonic()))
                if time.monotonic() - checked >= CHECK_S:
                    await self.in_thread(self._archive.check)
                    checked = time.monotonic()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                self._complain(f"a bug in shadow: {where(error)}; traffic goes on")

    async def finish(self) -> bool:
        """Write the rest and end the window; say whether the store has taken all of it."""
        self._stop.set()
        async with self._turn:
            ended = self._ending is None or await self._write(ending=False)
            ended = ended and await self._write(ending=True)
        if not ended:
            self._counters.store_lost(self.waiting)
        return ended

    async def close(self) -> None:
        """Let go of the store."""
        await self.in_thread(self._archive.close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Do what may wait for a disk, in turn with the writing."""
        loop = asyncio.get_running_loop()
        done, lost = await loop.run_in_executor(self._thread, self._counting, call)
        self._counters.events_lost(lost)
        return done

    def _counting(self, call: Callable[[], T]) -> tuple[T, int]:
        """Do something, and return the events that were lost by it too."""
        return call(), self._archive.take_lost()

    async def _write(self, *, ending: bool) -> bool:
        """Write what waits, the older window first; say whether the store took all of it.

        `ending` ends the window, unless the one before is still to be written.
        """
        if ending and self._ending is None:
            self._ending, self._window = self._window, Window(self._room)
        if self._ending is None:
            return await self._write_out(self._window, until=AT_ONCE)
        if not await self._write_out(self._ending, until=0):
            return False
        ended = await self.in_thread(
            partial(
                self._archive.finish,
                self._ending.tally,
                self._ending.memory,
                kept=self._ending.kept,
                noise=self._noise,
                policy=self._policy,
            )
        )
        if not ended:
            self._counters.store_failed()
            return False
        self._ending = None
        return True

    async def _write_out(self, window: Window, *, until: int) -> bool:
        """Write until fewer records than that wait, or nothing does; say whether that worked."""
        counters, archive = self._counters, self._archive
        while batch := window.batch():
            stored = await self.in_thread(partial(archive.write, batch))
            if stored is None:
                counters.store_failed()
                return False
            counters.store_lost(window.written(stored))
            traces = {
                each.seq: window.traces.pop(each.seq)
                for each in batch.records
                if each.seq in window.traces
            }
            await self.in_thread(partial(archive.tell_events, stored, traces))
            if window.waiting < until:
                break
        return True
