from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from shadow.events import Events
from shadow.judge import Policy
from shadow.masking import WITHHELD, Masker
from shadow.metrics import Counters
from shadow.model import Judgement, Outcome
from shadow.results.record import Record
from shadow.results.store import Store
from shadow.results.tally import Tally
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring import keeping as module
from shadow.sidecar.mirroring import window as window_module
from shadow.sidecar.mirroring.archive import Archive
from shadow.sidecar.mirroring.keeping import Keeping
from shadow.sidecar.mirroring.window import Batch, Room
from tests.sidecar.trial import PATIENCE_S, answer, by_outcome, exchange, info, judged, stored

ENDPOINT = "GET /v1/items/{id}"
MATCH = Judgement(outcome=Outcome.MATCH)
DIVERGENT = judged(answer('{"a":1}'), answer('{"a":2}'))
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Windows:
    """Stands for the archive: what was written, by window; it can be broken."""

    def __init__(self) -> None:
        self.broken = False
        self.fails: Exception | None = None
        self.refuses_records = False
        self.done: list[Tally] = []
        self.now = Tally()
        self.records: list[Record] = []
        self.traces: dict[int, str] = {}
        self.calls: list[str] = []
        self.kept: Mapping[str, int] = {}
        self.lost = 0
        """Events."""
        self._loop = asyncio.get_running_loop()
        self._called = asyncio.Event()

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._loop.call_soon_threadsafe(self._called.set)

    async def called(self, wanted: Callable[[], bool]) -> None:
        """Wait until what was called makes something true."""
        async with asyncio.timeout(PATIENCE_S):
            while not wanted():
                self._called.clear()
                await self._called.wait()

    # The archive.

    def write(self, batch: Batch) -> Sequence[Record] | None:
        self._note("write")
        if self.fails is not None:
            raise self.fails
        if self.broken:
            return None
        self.now.merge(batch.tally)
        if self.refuses_records:
            return ()
        self.records += batch.records
        return batch.records

    def tell_events(self, records: Sequence[Record], traces: Mapping[int, str]) -> None:
        self._note("events")
        self.traces |= traces

    def tell_one(self, write: Callable[[Events], None]) -> None:
        self._note("one")
        self.lost += self.broken

    def take_lost(self) -> int:
        lost, self.lost = self.lost, 0
        return lost

    def finish(
        self, tally: Tally, memory: object, *, kept: Mapping[str, int], **given: object
    ) -> bool:
        self._note("finish")
        if self.broken:
            return False
        assert tally.read == self.now.read
        self.kept = dict(kept)
        self.done.append(self.now)
        self.now = Tally()
        self.lost += 2
        return True

    def check(self) -> None:
        self._note("check")

    def close(self) -> None:
        self._note("close")


class Trial:
    def __init__(self, archive: Any, room: Room) -> None:
        self.counters = Counters()
        self.told: list[str] = []
        self.archive = archive
        self.keeping = Keeping(
            archive,
            room=room,
            counters=self.counters,
            masker=Masker(),
            noise=None,
            policy=Policy(),
            complain=Complaints(self.told.append),
        )
        self._numbers = itertools.count()

    def keep(self, judgement: Judgement, **given: Any) -> None:
        number = next(self._numbers)
        self.keeping.keep(exchange(number), ENDPOINT, judgement, answer(), answer(), **given)

    def count(self, name: str) -> int:
        return self.counters.tables[f"shadow_{name}_total"][()]

    @property
    def outcomes(self) -> dict[str, int]:
        table = self.counters.tables["shadow_exchanges_total"]
        return {outcome.value: table[(outcome.value,)] for outcome in Outcome}


@asynccontextmanager
async def trying(**room: float) -> AsyncIterator[Trial]:
    """A keeping that writes at once, until the block ends."""
    trial = Trial(Windows(), Room(**room))  # type: ignore[arg-type]  # as given
    async with asyncio.TaskGroup() as group:
        group.create_task(trial.keeping.run())
        yield trial
        await trial.keeping.finish()
    await trial.keeping.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.001)


def run(story: Callable[[], Any]) -> None:
    asyncio.run(story())


def test_counts_are_those_of_the_metrics(tmp_path: Path) -> None:
    async def story() -> None:
        archive = Archive(
            where=str(tmp_path / "store.sqlite"),
            events=None,
            info=info(),
            keep_windows=9,
            complain=Complaints(print),
        )
        trial = Trial(archive, Room(window_s=0.05, per_finding=3))
        async with asyncio.TaskGroup() as group:
            group.create_task(trial.keeping.run())
            for turn in range(40):
                trial.keep(MATCH)
                trial.keep(DIVERGENT)
                trial.keeping.skip("GET /x", "write")
                trial.counters.shed("queue-full")
                trial.keeping.shed("GET /x")
                trial.keep(Judgement(outcome=Outcome.INCOMPARABLE, reason="no-answer"))
                if turn % 10 == 9:  # several windows
                    await asyncio.sleep(0.06)
            assert await trial.keeping.finish()
        await trial.keeping.close()
        total = stored(tmp_path / "store.sqlite")
        assert by_outcome(total) == trial.outcomes
        assert trial.outcomes == {
            "match": 40,
            "equivalent": 0,
            "divergent": 40,
            "incomparable": 40,
            "skipped": 80,
        }
        assert total.reasons[Outcome.SKIPPED] == {"write": 40, "shed": 40}
        with Store.open(tmp_path / "store.sqlite") as store:
            infos = store.runs()
        assert len(infos) > 1
        assert {each.state for each in infos} == {"finished"}

    run(story)


def test_a_window_ends_though_traffic_does_not() -> None:
    async def story() -> None:
        async with trying(window_s=0.02) as trial:
            going = True

            async def traffic() -> None:
                while going:
                    trial.keep(DIVERGENT)
                    await asyncio.sleep(0)

            async with asyncio.TaskGroup() as group:
                group.create_task(traffic())
                await trial.archive.called(lambda: len(trial.archive.done) >= 3)
                going = False
        total = sum(each.read for each in trial.archive.done)
        assert total == trial.outcomes["divergent"]
        assert trial.keeping.unwritten == 0
        assert all(each.read for each in trial.archive.done[:-1])

    run(story)


def test_an_idle_sidecar_begins_no_window() -> None:
    async def story() -> None:
        async with trying(window_s=0.001) as trial:
            for _ in range(5):
                await trial.keeping.in_thread(lambda: None)
            assert "write" not in trial.archive.calls
            assert "finish" not in trial.archive.calls

    run(story)


def test_what_was_only_counted_is_written_at_the_end_too() -> None:
    async def story() -> None:
        trial = Trial(Windows(), Room())  # it never came to run
        trial.keeping.skip("GET /x", "write")
        assert trial.keeping.unwritten == 1
        assert await trial.keeping.finish()
        await trial.keeping.close()
        (window,) = trial.archive.done
        assert window.read == 1
        assert trial.keeping.unwritten == 0

    run(story)


def test_a_broken_store_costs_no_count_and_time_goes_on() -> None:
    async def story() -> None:
        async with trying(window_s=0.02) as trial:
            archive = trial.archive
            trial.keep(DIVERGENT)
            await archive.called(lambda: "events" in archive.calls)
            archive.broken = True
            for _ in range(5):
                before = len(archive.calls)
                trial.keep(DIVERGENT)
                trial.keeping.skip("GET /x", "write")
                await archive.called(lambda before=before: len(archive.calls) > before + 3)
            assert trial.count("store_failures") > 3
            assert trial.keeping.waiting >= 5
            archive.broken = False
        assert sum(each.read for each in archive.done) == 11
        assert len(archive.records) == 6
        assert trial.count("store_lost") == 0
        assert trial.keeping.waiting == 0

    run(story)


def test_counts_are_seen_though_the_store_is_broken() -> None:
    async def story() -> None:
        async with trying() as trial:
            archive = trial.archive
            archive.broken = True
            for number in range(1, 4):
                trial.keep(DIVERGENT)
                await archive.called(lambda number=number: trial.keeping.window.read == number)
            archive.broken = False
        assert archive.done[0].read == 3

    run(story)


def test_what_waits_for_a_broken_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "WAITING", 10)

    async def story() -> None:
        async with trying() as trial:
            trial.archive.broken = True
            for _ in range(25):
                trial.keep(DIVERGENT)
                await asyncio.sleep(0)
            assert trial.keeping.waiting == 10
            assert trial.count("store_lost") == 15
            trial.archive.broken = False
        assert trial.archive.done[0].read == 25
        assert len(trial.archive.records) == 10
        (key,) = trial.archive.kept
        assert trial.archive.kept[key] == 10  # so that settling leaves the finding alone

    run(story)


def test_a_store_that_stays_broken_is_told_of_what_it_lacks() -> None:
    async def story() -> None:
        trial = Trial(Windows(), Room())
        trial.archive.broken = True
        trial.keep(DIVERGENT)
        trial.keeping.skip("GET /x", "write")
        assert not await trial.keeping.finish()
        assert trial.keeping.unwritten == 2
        assert trial.count("store_lost") == 1
        await trial.keeping.close()

    run(story)


def test_a_window_that_cannot_end_is_ended_later() -> None:
    async def story() -> None:
        async with trying(window_s=0.01) as trial:
            archive = trial.archive
            trial.keep(MATCH)
            await archive.called(lambda: len(archive.done) == 1)
            trial.keep(MATCH)
            await archive.called(lambda: archive.now.read == 1)
            archive.broken = True
            await archive.called(lambda: archive.calls[-1] == "finish")
            trial.keep(DIVERGENT)  # of the next one
            failures = trial.count("store_failures")
            await archive.called(lambda: trial.count("store_failures") > failures + 2)
            archive.broken = False
            await archive.called(lambda: len(archive.done) == 2)
            assert archive.done[1].read == 1
        assert sum(each.read for each in archive.done) == 3
        assert trial.count("events_lost") >= 4  # two a window, says the archive

    run(story)


def test_records_that_the_store_refuses_are_lost_and_their_events_not_told() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.archive.refuses_records = True
            trial.keep(DIVERGENT)
        assert trial.count("store_lost") == 1
        assert trial.archive.done[0].read == 1
        assert set(trial.archive.kept.values()) == {0}

    run(story)


def test_a_bug_is_told_and_what_it_met_is_tried_again() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.archive.fails = RuntimeError("s3cr3t")
            trial.keep(DIVERGENT)
            await trial.archive.called(lambda: trial.archive.calls.count("write") > 2)
            trial.archive.fails = None
        assert trial.archive.done[0].read == 1
        (told,) = trial.told
        assert told.startswith("a bug in shadow: RuntimeError at test_keeping.py")

    run(story)


def test_it_is_not_harmed_by_being_cancelled_in_the_middle(tmp_path: Path) -> None:
    async def story() -> None:
        archive = Archive(
            where=str(tmp_path / "store.sqlite"),
            events=None,
            info=info(),
            keep_windows=9,
            complain=Complaints(print),
        )
        writing = threading.Event()
        write = archive.write

        def written(batch: Batch) -> Sequence[Record] | None:
            found = write(batch)
            writing.set()
            return found

        archive.write = written  # type: ignore[method-assign]
        trial = Trial(archive, Room())
        task = asyncio.ensure_future(trial.keeping.run())
        trial.keep(DIVERGENT)
        await asyncio.to_thread(writing.wait, PATIENCE_S)
        task.cancel()  # before it hears that the batch is in
        with suppress(asyncio.CancelledError):
            await task
        trial.keep(DIVERGENT)
        assert await trial.keeping.finish()
        await trial.keeping.close()
        assert by_outcome(stored(tmp_path / "store.sqlite")) == trial.outcomes
        assert trial.outcomes["divergent"] == 2

    run(story)


def test_the_store_is_looked_after_without_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.001)

    async def story() -> None:
        async with trying() as trial:
            await trial.archive.called(lambda: trial.archive.calls.count("check") >= 2)

    run(story)


def test_other_events_are_told_in_turn_or_counted() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.keep(DIVERGENT)
            trial.keeping.tell(lambda log: log.rollback({}))
            await trial.keeping.in_thread(lambda: None)
            assert "one" in trial.archive.calls
            trial.archive.broken = True
            trial.keeping.tell(lambda log: log.rollback({}))
            await trial.keeping.in_thread(lambda: None)
            await asyncio.sleep(0)
            assert trial.count("events_lost") == 1
            trial.archive.broken = False
            trial.keeping.tell(lambda log: log.rollback({}))
        assert trial.archive.calls.count("one") == 3
        assert trial.archive.calls[-2:] == ["finish", "close"]

    run(story)


def test_traces_go_with_the_records_that_have_a_row() -> None:
    async def story() -> None:
        async with trying(per_finding=1) as trial:
            trial.keep(DIVERGENT, trace_id=TRACE)
            trial.keep(DIVERGENT, trace_id="no row")
            trial.keep(MATCH, trace_id="nothing to tell")
        assert trial.archive.traces == {0: TRACE}

    run(story)


def test_values_can_be_withheld_quickly() -> None:
    async def story() -> None:
        async with trying() as trial:
            (found,) = trial.keeping.withheld(DIVERGENT)
            assert (found.baseline, found.candidate) == (WITHHELD, WITHHELD)
            assert found.signature == DIVERGENT.divergences[0].signature
            trial.keep(DIVERGENT, masked=(found,))
        (record,) = trial.archive.records
        assert record.divergences == (found,)
        divergences = trial.counters.tables["shadow_divergences_total"]
        assert divergences[ENDPOINT, "value_changed", "divergent"] == 1

    run(story)


def test_what_cannot_be_kept_is_not_counted() -> None:
    async def story() -> None:
        async with trying() as trial:
            with pytest.raises(TypeError):
                trial.keeping.keep(exchange(), None, DIVERGENT)  # type: ignore[arg-type]
            assert sum(trial.outcomes.values()) == 0
        assert trial.archive.done[0].read == 0

    run(story)
