from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from shadow.errors import ShadowError
from shadow.model import Divergence, Outcome
from shadow.results import queries, tables
from shadow.results import tally as tally_module
from shadow.results.judged import Judged
from shadow.results.lock import held
from shadow.results.record import COMPARED, Change, Record, Revision
from shadow.results.resources import Resources, ResourceUse
from shadow.results.runs import RunInfo
from shadow.results.store import Progress, Store
from shadow.results.tally import Tally

Records = st.SearchStrategy[list[Record]]
MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]

IN_ONE_STORE = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def tally_of(records: Iterable[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def commit(store: Store, run_id: str, records: Sequence[Record], **fields: object) -> None:
    given = {"cursor": str(records[-1].seq + 1) if records else "0", **fields}
    store.commit_segment(run_id, records=records, tally=tally_of(records), **given)  # type: ignore[arg-type]  # a test's own


def as_kept(store: Store, records: Sequence[Record]) -> list[Record]:
    """PostgreSQL keeps no NUL."""
    text = msgspec.json.encode(records)
    if store.shared:
        text = text.replace(rb"\u0000", "␀".encode())
    return msgspec.json.decode(text, type=list[Record])


@IN_ONE_STORE
@given(st.data(), st.integers(0, 8))
def test_what_is_committed_is_what_is_read(
    store: Store, info: RunInfo, record_lists: Records, data: st.DataObject, split: int
) -> None:
    records = as_kept(store, data.draw(record_lists))
    run_id = store.start_run(info)
    commit(store, run_id, records[:split], shard=0)
    commit(store, run_id, records[split:], shard=1)
    expected = tally_of(records).to_json()
    assert list(store.records(run_id)) == records
    assert store.load(run_id).tally.to_json() == expected
    assert store.finish_run(run_id, state="finished", exit_code=0, duration_s=1.5).tally.accounted
    run = store.load(run_id)
    assert run.tally.to_json() == expected
    assert (run.info.state, run.info.exit_code, run.info.duration_s) == ("finished", 0, 1.5)


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 50, 61])
def test_a_batch_of_any_size_is_stored_whole(
    store: Store,
    info: RunInfo,
    make_record: MakeRecord,
    make_divergence: MakeDivergence,
    count: int,
) -> None:
    run_id = store.start_run(info)
    records = [
        make_record(seq, *[make_divergence(f"{seq:016}")] * (seq % 3), session=f"u-{seq}")
        for seq in range(count)
    ]
    commit(store, run_id, records)
    assert list(store.records(run_id)) == records


def test_a_run_keeps_what_the_services_used(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    used = Resources(baseline=ResourceUse(source="pid:1", peak_bytes=7), machine_busy=0.5)
    store.finish_run(run_id, state="finished", exit_code=0, duration_s=1.0, resources=used)
    assert store.load(run_id).info.resources == used


def test_a_run_keeps_what_it_was(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    kept = store.load(run_id).info
    assert kept.started is not None
    assert kept == msgspec.structs.replace(info, id=run_id, started=kept.started)


def test_cursors_are_those_of_the_last_commits_and_survive_folding(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run_id = store.start_run(info)
    assert store.cursors(run_id) == {}
    for seq in range(4):
        commit(store, run_id, [make_record(seq)], shard=seq % 2, cursor=f"line {seq}")
    assert store.cursors(run_id) == {0: "line 2", 1: "line 3"}
    store.finish_run(run_id, state="interrupted", exit_code=130, duration_s=None)
    assert store.cursors(run_id) == {0: "line 2", 1: "line 3"}
    commit(store, run_id, [make_record(4)], shard=1, cursor="line 4")
    assert store.cursors(run_id) == {0: "line 2", 1: "line 4"}
    assert store.load(run_id).tally.read == 5


def test_a_refused_batch_leaves_nothing_behind(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run_id = store.start_run(info)
    commit(store, run_id, [make_record(0), make_record(1)])
    with pytest.raises(ShadowError, match="already stored"):
        commit(store, run_id, [make_record(2), make_record(1)], cursor="3")
    with pytest.raises(ShadowError):
        commit(store, run_id, [make_record(2)], cursor=None)
    assert [record.seq for record in store.records(run_id)] == [0, 1]
    assert store.cursors(run_id) == {0: "2"}
    assert store.load(run_id).tally.read == 2


def test_runs_are_found_by_id_by_its_beginning_and_as_the_latest(
    store: Store, info: RunInfo
) -> None:
    with pytest.raises(ShadowError, match="no runs yet"):
        store.load()
    first = store.start_run(info)
    second = store.start_run(msgspec.structs.replace(info, digest="d2"))
    assert store.load().info.id == store.load("latest").info.id == second
    assert store.load(first).info.id == store.load(first[:-1]).info.id == first
    assert [run.id for run in store.runs()] == [second, first]
    assert [run.id for run in store.runs(limit=1)] == [second]
    assert [run.id for run in store.runs(digest="d1")] == [first]
    with pytest.raises(ShadowError, match="more than one") as caught:
        store.load(first[:4])
    assert first in caught.value.message
    for unknown in ("nope", "%", "_", ""):
        with pytest.raises(ShadowError):
            store.load(unknown)


@pytest.mark.parametrize("run_id", ["latest", "20000101-000000-0000"])
def test_writing_to_a_run_that_is_not_there(store: Store, run_id: str) -> None:
    with pytest.raises(ShadowError, match="no run"):
        store.commit_segment(run_id, cursor="0", records=[], tally=Tally())


def test_divergences_come_in_order_with_their_exchange(
    store: Store, info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    one, other = make_divergence("1" * 16), make_divergence("2" * 16)
    run_id = store.start_run(info)
    commit(store, run_id, [make_record(3, one, other), make_record(5, other), make_record(6)])
    found = store.divergences(run_id)
    assert [(each.seq, each.position) for each in found] == [(3, 0), (3, 1), (5, 0)]
    found = store.divergences(run_id, signature="2" * 16)
    assert [(each.seq, each.position, each.divergence) for each in found] == [
        (3, 1, other),
        (5, 0, other),
    ]
    assert (found[0].exchange_id, found[0].target) == ("x3", "/a")
    assert found[0].baseline == make_record().baseline
    assert len(store.divergences(run_id, limit=1)) == 1


def test_records_come_in_chunks_and_by_signature(
    store: Store,
    info: RunInfo,
    make_record: MakeRecord,
    make_divergence: MakeDivergence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "CHUNK", 3)
    found = [make_divergence(f"{seq % 2:016x}") for seq in range(10)]
    records = [make_record(seq * 2, each) for seq, each in enumerate(found)]
    run_id = store.start_run(info)
    commit(store, run_id, records)
    assert list(store.records(run_id)) == records
    assert list(store.records(run_id, signatures={f"{1:016x}"})) == records[1::2]
    assert list(store.records(run_id, signatures=set())) == []


@IN_ONE_STORE
@given(st.data(), st.booleans())
def test_settling_changes_rows_and_counts_alike(
    store: Store, info: RunInfo, record_lists: Records, data: st.DataObject, full: bool
) -> None:
    records = as_kept(store, data.draw(record_lists))
    run_id = store.start_run(info)
    commit(store, run_id, records)
    chosen = data.draw(st.sets(st.integers(0, 7)))
    revisions = [
        Revision(
            seq=record.seq,
            outcome=data.draw(st.sampled_from(sorted(COMPARED))),
            changes=tuple(
                Change(position=n, class_id="c", severity="risky", verdict="noise", rule="noise:x")
                for n in range(data.draw(st.integers(0, len(record.divergences))))
            ),
        )
        for record in records
        if record.seq in chosen and record.outcome in COMPARED
    ]
    by_seq = {revision.seq: revision for revision in revisions}
    settled = [r.revised(by_seq[r.seq]) if r.seq in by_seq else r for r in records]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally_module, "MAX_FINDINGS", 1 if full else 10_000)
        run = store.revise(run_id, revisions)
        assert run.tally.to_json() == tally_of(settled).to_json()
        assert store.load(run_id).tally.to_json() == tally_of(settled).to_json()
    assert list(store.records(run_id)) == settled


def test_a_wrong_revision_changes_nothing(
    store: Store, info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    records = [make_record(0, make_divergence()), make_record(1, outcome=Outcome.SKIPPED)]
    run_id = store.start_run(info)
    commit(store, run_id, records)
    fine = Revision(seq=0, outcome=Outcome.EQUIVALENT)
    for wrong in (Revision(seq=9, outcome=Outcome.MATCH), Revision(seq=1, outcome=Outcome.MATCH)):
        with pytest.raises(ValueError, match=str(wrong.seq)):
            store.revise(run_id, [fine, wrong])
    assert list(store.records(run_id)) == records
    assert store.load(run_id).tally.outcomes[Outcome.DIVERGENT] == 1


def test_counts_that_do_not_add_up_are_called_damaged(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run_id = store.start_run(info)
    tally = tally_of([make_record(0)])
    tally.read += 1
    store.commit_segment(run_id, cursor="1", records=[], tally=tally)
    with pytest.raises(ShadowError, match="do not add up"):
        store.load(run_id)


def test_a_report_reads_while_a_run_writes(
    where: str, info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    done = threading.Event()
    seen: list[int] = []
    failures: list[BaseException] = []
    with Store.open(where) as writer:
        run_id = writer.start_run(info)

        def read() -> None:
            try:
                with Store.open(where, create=False) as reader:
                    while not done.is_set():
                        rows = len(list(reader.records(run_id)))
                        run = reader.load(run_id)
                        assert rows <= run.tally.read == sum(run.tally.outcomes.values())
                        seen.append(run.tally.read)
            except BaseException as error:  # noqa: BLE001 - it is re-raised in the test's thread
                failures.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        for start in range(0, 600, 20):
            batch = [make_record(start + n, make_divergence()) for n in range(20)]
            commit(writer, run_id, batch)
        done.set()
        thread.join()
    assert not failures
    assert seen == sorted(seen)


def test_shards_may_write_at_the_same_time(
    where: str, info: RunInfo, make_record: MakeRecord
) -> None:
    with Store.open(where) as store:
        run_id = store.start_run(info)

        def write(shard: int) -> None:
            with Store.open(where) as mine:
                for number in range(20):
                    record = make_record(shard * 100 + number)
                    commit(mine, run_id, [record], shard=shard, cursor=str(number))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        assert store.cursors(run_id) == dict.fromkeys(range(4), "19")
        assert store.load(run_id).tally.read == 80


WRITER = textwrap.dedent("""
    import sys
    from shadow.errors import ShadowError
    from shadow.model import Divergence, Outcome
    from shadow.results.record import Record
    from shadow.results.runs import RunInfo, Side
    from shadow.results.store import Progress, Store
    from shadow.results.tally import Tally

    found = Divergence(where="body", kind="value_changed", path="$['a']", path_pattern="$['a']",
                       signature="a" * 16, baseline="x" * 400, candidate="y" * 400)
    store = Store.open(sys.argv[1])
    run_id = store.start_run(RunInfo(
        command="replay", baseline=Side(name="go"), candidate=Side(name="rust")))
    if len(sys.argv) > 2:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    print(run_id, flush=True)
    seq = 0
    try:
        while True:
            batch, tally = [], Tally()
            for seq in range(seq, seq + 50):
                record = Record(seq=seq, exchange_id=f"x{seq}", endpoint="GET /a", method="GET",
                                target="/a", outcome=Outcome.DIVERGENT, divergences=(found,))
                batch.append(record)
                tally.add(record)
            seq += 1
            store.commit_segment(run_id, cursor=str(seq), records=batch, tally=tally)
            print(seq, flush=True)
    except ShadowError as error:
        print(type(error).__name__, error.exit_code, error.message, error.hint, flush=True)
""")


def check_consistent(path: str | Path, run_id: str, at_least: int) -> None:
    with Store.open(path, create=False) as store:
        cursor = int(store.cursors(run_id)[0])
        run = store.load(run_id)
        assert cursor >= at_least
        assert [record.seq for record in store.records(run_id)] == list(range(cursor))
        assert run.tally.read == run.tally.findings[0].exchanges == cursor
        assert run.info.state == "running"
        commit(store, run_id, [record_like(store, run_id, cursor)], cursor=str(cursor + 1))
        assert store.load(run_id).tally.read == cursor + 1


def record_like(store: Store, run_id: str, seq: int) -> Record:
    return msgspec.structs.replace(next(store.records(run_id)), seq=seq)


@pytest.mark.parametrize("commits", [1, 7, 23])
def test_a_killed_run_leaves_counts_rows_and_cursor_that_agree(where: str, commits: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, where], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        run_id = writer.stdout.readline().strip()
        last = 0
        for _ in range(commits):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
    check_consistent(where, run_id, last)


def test_a_full_disk_ends_the_run_and_keeps_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    ended = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), "400000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    run_id, *cursors, last = ended.stdout.splitlines()
    assert ended.stderr == ""
    assert last.startswith(f"UnfinishedError 4 store {path}: cannot be written:")
    assert "kept" in last
    assert cursors, "something was stored before the disk was full"
    check_consistent(path, run_id, int(cursors[-1]))


def test_a_shard_finds_again_what_it_had_got_to(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    assert store.progress(run_id, 1) == Progress()
    store.note_sent(run_id, shard=1, ordinal=7)
    store.note_sent(run_id, shard=1, ordinal=9)
    store.note_sent(run_id, shard=0, ordinal=8)
    store.commit_segment(run_id, cursor="a", records=[], tally=Tally(), shard=1, noise="first")
    store.commit_segment(run_id, cursor="b", records=[], tally=Tally(), shard=1, noise="second")
    store.commit_segment(run_id, cursor="c", records=[], tally=Tally(), shard=1)
    assert store.progress(run_id, 1) == Progress(cursor="c", sent=frozenset({7, 9}), noise="second")
    assert store.progress(run_id, 0) == Progress(sent=frozenset({8}))
    assert store.progress(store.start_run(info), 1) == Progress()


def test_a_write_is_entered_once(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    store.note_sent(run_id, shard=0, ordinal=1)
    with pytest.raises(ShadowError, match="already stored"):
        store.note_sent(run_id, shard=0, ordinal=1)


def test_a_run_that_goes_on_is_running_again(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    store.finish_run(run_id, state="interrupted", exit_code=130, duration_s=2.0)
    resumed = store.resume_run(run_id)
    assert (resumed.state, resumed.exit_code, resumed.finished) == ("running", None, None)
    assert resumed.duration_s == 2.0
    assert store.load(run_id).info == resumed


def test_only_divergent_records_are_read_where_they_are_asked_for(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run_id = store.start_run(info)
    records = [
        make_record(0),
        make_record(1, outcome=Outcome.DIVERGENT),
        make_record(2),
    ]
    commit(store, run_id, records)
    assert list(store.records(run_id, divergent=True)) == records[1:2]


def test_a_store_of_an_earlier_release_gets_the_tables_it_lacks(
    store: Store, info: RunInfo, execute: Callable[[Store, str], None]
) -> None:
    run_id = store.start_run(info)
    execute(store, "DROP TABLE sent")
    execute(store, "DROP TABLE noise")
    with Store.open(store.place) as again:
        again.note_sent(run_id, shard=0, ordinal=1)
        assert again.progress(run_id, 0).sent == {1}


def rows_of(store: Store) -> dict[str, int]:
    with store._reading() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in tables.metadata.sorted_tables
        }


def finish(store: Store, run_id: str) -> None:
    store.finish_run(run_id, state="finished", exit_code=0, duration_s=1.0)


def test_old_runs_of_a_command_are_forgotten_with_all_their_rows(
    store: Store,
    info: RunInfo,
    make_record: MakeRecord,
    make_divergence: MakeDivergence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "DROPPED", 3)
    window = msgspec.structs.replace(info, command="proxy")
    kept = store.start_run(info)  # of another command
    before = rows_of(store)
    old = [store.start_run(window) for _ in range(3)]
    for run_id in old:
        commit(store, run_id, [make_record(seq * 2, make_divergence()) for seq in range(5)])
        store.commit_segment(run_id, cursor="9", records=[], tally=Tally(), noise="learned")
        store.note_sent(run_id, shard=0, ordinal=1)
        store.keep_judged(run_id, Judged())
        finish(store, run_id)
    alone = rows_of(store)
    new = store.start_run(window)
    finish(store, new)
    assert store.forget_runs("proxy", 4) == 0
    assert store.forget_runs("proxy", 1) == 3
    assert [run.id for run in store.runs()] == [new, kept]
    assert rows_of(store) == {**before, "runs": 2}
    assert alone["exchanges"] == alone["divergences"] == 15
    assert store.forget_runs("proxy", 1) == 0
    with pytest.raises(ValueError, match="0 runs cannot be kept"):
        store.forget_runs("proxy", 0)
    assert store.start_run(window) not in {*old, new}


def test_a_run_that_goes_on_is_not_forgotten_and_a_killed_one_is(
    store: Store, info: RunInfo
) -> None:
    runs = [store.start_run(info) for _ in range(3)]
    for run_id in runs[1:]:
        finish(store, run_id)
    with held(store.place, runs[0]):
        assert store.forget_runs("replay", 2) == 0
    assert store.forget_runs("replay", 2) == 1
    assert [run.id for run in store.runs()] == [runs[2], runs[1]]


def test_what_a_killed_process_left_of_a_forgotten_run_goes_the_next_time(
    store: Store, info: RunInfo, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = store.start_run(info), store.start_run(info)
    commit(store, old, [make_record(seq) for seq in range(5)])
    finish(store, old)
    finish(store, new)
    with monkeypatch.context() as patch:
        patch.setattr(queries, "drop_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            store.forget_runs("replay", 1)
    assert [run.id for run in store.runs()] == [new]
    assert rows_of(store)["exchanges"] == 5
    assert store.forget_runs("replay", 1) == 0
    left = rows_of(store)
    assert (left["exchanges"], left["forgotten"], left["segments"]) == (0, 0, 0)


def killed(*_: object) -> bool:
    raise KeyboardInterrupt
