from __future__ import annotations

import fcntl
import json
import os
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shadow.compare.noise import NoiseProfile
from shadow.errors import ShadowError, UnfinishedError
from shadow.judge import Policy
from shadow.masking import Masker
from shadow.model import Judgement, Observation, Outcome
from shadow.results import database
from shadow.results.finding import finding_key
from shadow.results.lock import is_held, lock_path
from shadow.results.record import Record
from shadow.results.runs import RunInfo, Side
from shadow.results.store import Store
from shadow.results.tally import Tally
from shadow.settle import Memory
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring import archive as module
from shadow.sidecar.mirroring.archive import Archive
from shadow.sidecar.mirroring.window import Batch
from tests.sidecar.trial import answer, exchange, info, judged

ENDPOINT = "GET /v1/items/{id}"
MATCH = Judgement(outcome=Outcome.MATCH)
DIVERGENT = judged(answer('{"a":1}'), answer('{"a":2}'))


class Trial:
    """An archive, what it was given, and what the operator was told."""

    def __init__(self, where: Path | str, events: str | None = None, **given: Any) -> None:
        self.where = where
        self.told: list[str] = []
        self.archive = Archive(
            where=str(where),
            events=events,
            info=msgspec.structs.replace(info(), **given),
            keep_windows=2,
            complain=Complaints(self.told.append),
        )
        self.memory = Memory()
        self.kept: dict[str, int] = {}
        self.tally = Tally()
        """All that was written, as far as the archive said so."""
        self._number = self._seq = 0

    def batch(self, *judgements: Judgement) -> Batch:
        """The next batch, of exchanges that were judged so."""
        self._number += 1
        tally, records = Tally(), []
        for judgement in judgements:
            record = Record.of(
                exchange(self._seq),
                judgement,
                seq=self._seq,
                endpoint=ENDPOINT,
                masker=Masker(),
                baseline=answer(),
                candidate=answer(),
            )
            self._seq += 1
            tally.add(record)
            records.append(record)
        return Batch(number=self._number, records=records, tally=tally)

    def write(self, *judgements: Judgement) -> bool:
        batch = self.batch(*judgements)
        stored = self.put(batch)
        if stored is not None:
            self.archive.tell_events(stored, {})
        return stored is not None

    def put(self, batch: Batch) -> Sequence[Record] | None:
        stored = self.archive.write(batch)
        if stored is not None:
            self.tally.merge(batch.tally)
        return stored

    def finish(self) -> bool:
        ended = self.archive.finish(
            self.tally, self.memory, kept=self.kept, noise=None, policy=Policy()
        )
        if ended:
            self.tally = Tally()
            self._number = self._seq = 0
        return ended

    def runs(self) -> list[RunInfo]:
        with Store.open(str(self.where), create=False) as store:
            return store.runs()

    def read(self, run: str = "latest") -> int:
        with Store.open(str(self.where), create=False) as store:
            return store.load(run).tally.read


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    found = Trial(tmp_path / "store.sqlite")
    found.archive.open()
    yield found
    found.archive.close()


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Windows


def test_a_window_is_a_run_that_is_running_and_then_finished(tmp_path: Path, trial: Trial) -> None:
    assert trial.runs() == []  # it begins with an exchange
    assert trial.write(DIVERGENT, MATCH)
    (run,) = trial.runs()
    store = trial.archive.store
    assert store is not None
    assert (run.id, run.command, run.state) == (trial.archive.run_id, "proxy", "running")
    assert is_held(store.place, run.id)
    assert trial.finish()
    (ended,) = trial.runs()
    assert (ended.id, ended.state, ended.exit_code) == (run.id, "finished", 1)
    assert ended.duration_s is not None
    assert not is_held(store.place, run.id)
    assert not list(tmp_path.glob("*.lock"))
    log = lines(tmp_path / f"{run.id}.events.jsonl")
    assert [each["event"] for each in log] == [
        "shadow.run.started",
        "shadow.divergence",
        "shadow.run.finished",
    ]
    assert {each["run_id"] for each in log} == {run.id}
    assert (log[-1]["read"], log[-1]["exit_code"]) == (2, 1)
    assert trial.archive.run_id == ""
    assert trial.finish()  # there is none
    assert trial.write(MATCH)
    assert [each.state for each in trial.runs()] == ["running", "finished"]
    trial.finish()
    assert [each.exit_code for each in trial.runs()] == [0, 1]


def test_a_window_without_anything_judged_is_inconclusive(trial: Trial) -> None:
    tally = Tally()
    tally.count_skipped(ENDPOINT, "write", 3)
    assert trial.put(Batch(number=1, records=(), tally=tally)) is not None
    trial.finish()
    (run,) = trial.runs()
    assert (run.exit_code, trial.read()) == (3, 3)


def test_old_windows_go_with_their_logs_whoever_made_them(tmp_path: Path) -> None:
    where = tmp_path / "store.sqlite"
    names = []
    for _ in range(3):  # processes
        trial = Trial(where)
        for _ in range(2):
            trial.write(MATCH)
            names.append(trial.archive.run_id)
            trial.finish()
        trial.archive.close()
    left = {each.id for each in trial.runs()}
    assert left == set(names[-2:])
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {
        f"{name}.events.jsonl" for name in left
    }


def test_windows_of_a_killed_process_go_too_and_those_of_others_stay(tmp_path: Path) -> None:
    where = tmp_path / "store.sqlite"
    killed = Trial(where)
    killed.write(MATCH)
    dead = killed.archive.run_id
    killed.archive._lock.close()  # as the system does
    assert killed.archive.store is not None
    lock_path(where, dead).touch()
    running = Trial(where)
    running.write(MATCH)
    other = Trial(where, command="replay")
    other.write(MATCH)
    other.finish()
    trial = Trial(where)
    for _ in range(2):
        trial.write(MATCH)
        trial.finish()
    commands = [(each.command, each.state) for each in trial.runs()]
    assert commands == [
        ("proxy", "finished"),
        ("proxy", "finished"),
        ("replay", "finished"),
        ("proxy", "running"),
    ]
    assert not (tmp_path / f"{dead}.events.jsonl").exists()
    assert not lock_path(where, dead).exists()
    for each in (killed, running, other, trial):
        each.archive.close()


def test_one_log_for_all_windows_stays(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    trial = Trial(tmp_path / "store.sqlite", events=str(path))
    for _ in range(4):
        trial.write(MATCH)
        trial.finish()
    trial.archive.close()
    assert [each["event"] for each in lines(path)] == [
        "shadow.run.started",
        "shadow.run.finished",
    ] * 4
    assert len({each["run_id"] for each in lines(path)}) == 4
    assert [each.events for each in trial.runs()] == [str(path)] * 2


def test_credentials_of_a_target_reach_neither_store_nor_log(tmp_path: Path) -> None:
    side = Side(name="go", url="http://ann:s3cr3t@go.test")
    trial = Trial(tmp_path / "store.sqlite", baseline=side)
    trial.write(MATCH)
    trial.finish()
    trial.archive.close()
    (log,) = tmp_path.glob("*.jsonl")
    assert "s3cr3t" not in log.read_text()
    assert b"s3cr3t" not in (tmp_path / "store.sqlite").read_bytes()


def test_other_events_begin_a_window(tmp_path: Path, trial: Trial) -> None:
    trial.archive.tell_one(lambda log: log.rollback({"route": "*"}))
    assert trial.archive.take_lost() == 0
    (log,) = tmp_path.glob("*.jsonl")
    assert [each["event"] for each in lines(log)] == ["shadow.run.started", "shadow.rollback"]
    trial.write(MATCH)
    trial.finish()
    (run,) = trial.runs()
    assert run.exit_code == 0


@pytest.mark.parametrize(("few", "segments"), [(1, 2), (0, 7)])
def test_counts_are_added_up_now_and_then_where_that_is_quick(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, few: int, segments: int
) -> None:
    monkeypatch.setattr(module, "FOLDED", 3)
    monkeypatch.setattr(module, "FEW", few)
    for _ in range(7):
        trial.write(DIVERGENT)
    store = trial.archive.store
    assert store is not None
    with store._reading() as connection:
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM segments").one()
    assert count == segments
    assert trial.read() == 7
    trial.finish()
    assert trial.read() == 7


# Settling


def settled(trial: Trial, pairs: Sequence[tuple[Observation, Observation]]) -> None:
    judgements = [judged(*pair) for pair in pairs]
    batch = trial.batch(*judgements)
    for record, judgement in zip(batch.records, judgements, strict=True):
        trial.memory.remember(record, judgement)
    assert trial.put(batch) is not None


def test_what_is_known_only_at_the_end_is_settled(tmp_path: Path, trial: Trial) -> None:
    pairs = [(answer('{"v":0}'), answer('{"v":null}'))] * 3
    settled(trial, pairs)
    assert trial.archive.store is not None
    (finding,) = trial.archive.store.load().tally.findings
    trial.kept = {finding_key(finding): 3}
    assert trial.finish()
    with Store.open(tmp_path / "store.sqlite") as store:
        (after,) = store.load().tally.findings
    assert (finding.class_id, after.class_id) == (None, "zero-vs-null")
    (log,) = tmp_path.glob("*.jsonl")
    revised = [each for each in lines(log) if each["event"] == "shadow.divergence.revised"]
    assert [each["class"] for each in revised] == ["zero-vs-null"] * 3


def test_a_finding_without_all_its_records_is_left_as_it_is(tmp_path: Path, trial: Trial) -> None:
    go, rust = answer('{"v":0,"w":0}'), answer('{"v":null,"w":null}')
    settled(trial, [(go, rust)] * 3)
    store = trial.archive.store
    assert store is not None
    findings = store.load().tally.findings
    whole, part = sorted(findings, key=lambda each: each.path_pattern)
    trial.kept = {finding_key(whole): 3, finding_key(part): 2}
    batch = trial.batch(judged(answer('{"w":0}'), answer('{"w":null}')))
    assert trial.put(msgspec.structs.replace(batch, records=())) is not None
    trial.finish()
    with Store.open(tmp_path / "store.sqlite") as opened:
        after = {each.path_pattern: each for each in opened.load().tally.findings}
    assert (after[whole.path_pattern].class_id, after[whole.path_pattern].exchanges) == (
        "zero-vs-null",
        3,
    )
    assert (after[part.path_pattern].class_id, after[part.path_pattern].exchanges) == (None, 4)


def test_a_bug_in_settling_ends_the_window_all_the_same(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("s3cr3t")

    monkeypatch.setattr(module, "settle_run", fail)
    trial.write(MATCH)
    assert trial.finish()
    assert [each.state for each in trial.runs()] == ["finished"]
    (told,) = trial.told
    assert told.startswith("settling the window failed: a bug in shadow: RuntimeError at ")


def test_noise_that_goes_on_to_be_learned_is_settled_by_a_copy(trial: Trial) -> None:
    trial.write(MATCH)
    noise = NoiseProfile()
    noise.learn(ENDPOINT, ())
    ended = trial.archive.finish(trial.tally, trial.memory, kept={}, noise=noise, policy=Policy())
    assert ended
    assert noise.endpoints[ENDPOINT].pairs == 1


# Stores that break


@contextmanager
def gone(path: Path) -> Iterator[None]:
    """A folder stands where the store was; afterwards it is there again."""
    aside = path.with_name("aside")
    for suffix in ("", "-wal", "-shm"):
        found = path.with_name(path.name + suffix)
        if found.exists():
            found.rename(aside.with_name(aside.name + suffix))
    path.mkdir()
    yield
    path.rmdir()
    for suffix in ("", "-wal", "-shm"):
        found = aside.with_name(aside.name + suffix)
        if found.exists():
            found.rename(path.with_name(path.name + suffix))


def test_a_store_that_is_moved_away_and_back_has_every_count(tmp_path: Path, trial: Trial) -> None:
    path = tmp_path / "store.sqlite"
    assert trial.write(MATCH, DIVERGENT)
    run = trial.archive.run_id
    late = trial.batch(DIVERGENT)
    with gone(path):
        for _ in range(3):
            assert trial.put(late) is None
            trial.archive.check()
        assert trial.archive.error == f"store {path}: is a directory"
        assert not trial.finish()
        assert trial.archive.run_id == run
    assert trial.put(late) == late.records
    assert trial.archive.error == ""
    assert trial.told == [f"store {path}: is a directory; traffic goes on"]
    assert trial.finish()
    assert (trial.read(), [each.id for each in trial.runs()]) == (3, [run])


def test_a_store_that_was_deleted_is_made_anew(tmp_path: Path, trial: Trial) -> None:
    assert trial.write(DIVERGENT)
    before = trial.archive.run_id
    for path in tmp_path.glob("store.sqlite*"):
        path.unlink()
    trial.archive.check()
    assert trial.archive.run_id == ""
    assert trial.write(DIVERGENT, MATCH)
    assert trial.archive.run_id != before
    trial.kept = {"whatever": 1}
    assert trial.finish()
    assert trial.read() == 2
    assert not trial.archive._in_part
    assert is_held(path.parent / "store.sqlite", before) is False


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be written to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_tried_again(trial: Trial) -> None:
    assert trial.write(MATCH)
    late = trial.batch(DIVERGENT)
    with full_disk():
        for _ in range(3):
            assert trial.put(late) is None
            assert trial.archive.error
        trial.archive.tell_events(late.records, {})
        assert trial.archive.take_lost() == 1
        assert not trial.finish()
    assert trial.put(late) == late.records
    assert trial.archive.error == ""
    trial.archive.tell_events(late.records, {})
    assert trial.archive.take_lost() == 0
    assert trial.finish()
    assert trial.read() == 2
    assert all(each.endswith("; traffic goes on") for each in trial.told)
    assert len(trial.told) == len(set(trial.told))


class Failing:
    """A store of which a method fails; what it does not know it leaves to the real one."""

    def __init__(self, store: Store, name: str, error: Exception, *, after: bool = False) -> None:
        self._store = store
        self._name = name
        self._error = error
        self._after = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._name:
            return found

        def fail(*words: Any, **given: Any) -> None:
            if self._after:
                found(*words, **given)
            raise self._error

        return fail


@contextmanager
def failing(trial: Trial, name: str, error: Exception, *, after: bool = False) -> Iterator[None]:
    real = trial.archive.store
    assert real is not None
    trial.archive.store = Failing(real, name, error, after=after)  # type: ignore[assignment]
    yield


GONE = UnfinishedError("store postgresql://x: the server is gone", "")


def test_a_batch_that_is_in_though_nobody_said_so_counts_once(trial: Trial) -> None:
    assert trial.write(MATCH)
    batch = trial.batch(DIVERGENT)
    with failing(trial, "commit_segment", GONE, after=True):
        assert trial.put(batch) is None
    assert trial.archive.error == GONE.message
    assert trial.put(batch) == batch.records
    assert trial.archive.error == ""
    assert trial.read() == 2
    assert trial.write(MATCH)
    assert trial.read() == 3


def test_a_record_that_no_store_takes_costs_no_count(trial: Trial) -> None:
    assert trial.write(MATCH)
    batch = trial.batch(DIVERGENT)
    twice = msgspec.structs.replace(batch, records=(*batch.records, *batch.records))
    stored = trial.put(twice)
    assert stored == ()
    assert trial.archive.error == ""
    assert trial.read() == 2
    (told,) = trial.told
    assert told.startswith("2 exchanges are counted and not kept: ")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("commit_segment", GONE),
        ("commit_segment", RuntimeError("s3cr3t")),
        ("finish_run", GONE),
        ("finish_run", ShadowError("store x: cannot be opened for writing")),
    ],
)
def test_whatever_fails_is_told_and_tried_again(trial: Trial, name: str, error: Exception) -> None:
    assert trial.write(MATCH)
    batch = trial.batch(DIVERGENT)
    with failing(trial, name, error):
        if name == "commit_segment":
            assert trial.put(batch) is None
        else:
            assert trial.put(batch) is not None
            assert not trial.finish()
    assert trial.archive.error
    assert "s3cr3t" not in trial.told[0]
    assert trial.put(batch) is not None
    assert trial.finish()
    assert trial.archive.error == ""
    assert trial.read() == 2
    assert [each.state for each in trial.runs()] == ["finished"]


def test_a_store_that_is_none_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a store" * 100)
    trial = Trial(tmp_path / "notes.txt")
    with pytest.raises(ShadowError, match="no SQLite database"):
        trial.archive.open()
    assert "no SQLite database" in trial.archive.error


def test_a_lock_that_was_removed_is_taken_again(tmp_path: Path, trial: Trial) -> None:
    assert trial.write(MATCH)
    run = trial.archive.run_id
    lock_path(tmp_path / "store.sqlite", run).unlink()
    assert not is_held(tmp_path / "store.sqlite", run)
    trial.archive.check()
    assert is_held(tmp_path / "store.sqlite", run)


# Event logs that break


def test_a_log_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "log" / "events.jsonl"
    path.mkdir(parents=True)
    trial = Trial(tmp_path / "store.sqlite", events=str(path))
    assert trial.write(MATCH)
    batch = trial.batch(DIVERGENT, DIVERGENT)
    assert trial.put(batch) is not None
    trial.archive.tell_events(batch.records, {})
    trial.archive.tell_one(lambda log: log.rollback({}))
    assert trial.archive.take_lost() == 4  # with the beginning of the run
    assert trial.archive.error == ""  # the store is well
    path.rmdir()
    trial.archive.tell_events(batch.records, {7: "t"})
    assert trial.archive.take_lost() == 0
    assert trial.finish()
    trial.archive.close()
    assert [each["event"] for each in lines(path)] == [
        "shadow.divergence",
        "shadow.divergence",
        "shadow.run.finished",
    ]
    assert trial.told == [f"cannot write events to {path}: Is a directory; traffic goes on"]


def test_a_window_ends_without_its_log(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.mkdir()
    trial = Trial(tmp_path / "store.sqlite", events=str(path))
    settled(trial, [(answer('{"v":0}'), answer('{"v":null}'))] * 3)
    assert trial.archive.store is not None
    (finding,) = trial.archive.store.load().tally.findings
    trial.kept = {finding_key(finding): 3}
    assert trial.finish()
    assert trial.archive.take_lost() == 5  # three revisions, the beginning and the end
    trial.archive.close()
    assert [each.state for each in trial.runs()] == ["finished"]


def test_a_folder_for_logs_that_cannot_be_made_keeps_no_window_from_the_store(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise ShadowError("cannot make .shadow: Read-only file system", "choose a file")

    monkeypatch.setattr(Store, "events_path", refuse)
    assert trial.write(DIVERGENT)
    (run,) = trial.runs()
    assert run.events == ""
    assert trial.told == ["cannot make .shadow: Read-only file system; there is no event log"]
    trial.archive.tell_one(lambda log: log.rollback({}))
    monkeypatch.undo()
    assert trial.finish()
    assert trial.archive.take_lost() == 4


def test_a_log_that_nobody_reads_keeps_nothing_else_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's log may be stuck, and with it would be the store and the process's end."""
    monkeypatch.setattr(module, "LOG_S", 0.05)
    monkeypatch.setattr(module, "LOG_REST_S", 60)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 16_384)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        trial = Trial(tmp_path / "store.sqlite", events="-")
        for _ in range(40):
            assert trial.write(DIVERGENT)
        lost = trial.archive.take_lost()
        assert 0 < lost < 40
        assert len(trial.told) == 1
        assert "their reader takes nothing" in trial.told[0]
        begun = time.monotonic()
        monkeypatch.setattr(module, "LOG_S", 1_000)
        assert trial.write(*[DIVERGENT] * 20)  # nobody waits for it again so soon
        assert trial.archive.take_lost() == 20
        assert time.monotonic() - begun < 60
        monkeypatch.setattr(trial.archive, "_log_rests", 0.0)
        read = os.read(reading, 1 << 20)
        assert trial.write(DIVERGENT)
        assert trial.archive.take_lost() == 0
        assert trial.finish()
        trial.archive.close()
    with os.fdopen(reading, "rb") as rest:
        lines = (read + rest.read()).splitlines()
    assert [json.loads(line)["event"] for line in lines].count("shadow.divergence") == 41 - lost
    assert trial.read() == 61


def test_a_store_that_another_process_holds_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    trial = Trial(tmp_path / "store.sqlite")
    trial.archive.open()
    assert trial.write(MATCH)
    batch = trial.batch(DIVERGENT)
    with closing(sqlite3.connect(trial.where)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert trial.put(batch) is None
        assert "held by another process" in trial.told[-1]
        assert not trial.finish()
        assert time.monotonic() - began < database.BUSY_S / 4
        other.rollback()
        assert trial.put(batch) is not None
        assert trial.finish()
        assert trial.read() == 2
    trial.archive.close()


def test_a_log_whose_reader_has_not_come_or_has_gone_keeps_nothing_else_from_being_written(
    tmp_path: Path,
) -> None:
    """To open a named pipe waits for a reader, for ever."""
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    done = threading.Event()

    def help_out() -> None:
        """Let no wait that should not be last for ever."""
        while not done.wait(10):
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))

    helper = threading.Thread(target=help_out)
    helper.start()
    begun = time.monotonic()
    try:
        trial = Trial(tmp_path / "store.sqlite", events=str(pipe))
        assert trial.write(DIVERGENT)
        assert trial.archive.take_lost() == 2
        assert "nobody reads from it" in trial.told[0]
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        assert trial.write(DIVERGENT)
        assert trial.archive.take_lost() == 0
        assert json.loads(os.read(reading, 1 << 20))["event"] == "shadow.divergence"
        os.close(reading)
        assert trial.write(DIVERGENT, DIVERGENT)
        assert trial.archive.take_lost() == 2
        assert trial.finish()
        assert trial.read() == 4
        trial.archive.close()
        assert time.monotonic() - begun < 10
    finally:
        done.set()
        helper.join()
