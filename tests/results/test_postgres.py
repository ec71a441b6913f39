"""A store on a real PostgreSQL: how it is reached, shared and lost, and what is said of it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from shadow.errors import ShadowError, UnfinishedError
from shadow.model import Divergence, Outcome
from shadow.results import patience, queries, tables
from shadow.results import postgres as postgres_module
from shadow.results.evidence import Evidence
from shadow.results.postgres import SCHEMA
from shadow.results.record import Change, Record, Revision
from shadow.results.runs import RunInfo
from shadow.results.store import Store
from shadow.results.tally import Tally
from tests.postgres import PASSWORD, Postgres, needs_postgres

MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]
Execute = Callable[[Store, str], None]

pytestmark = needs_postgres

HOSTILE = "a\0b\udc80é\u2028😀\\'\"\t\n\\N\\."


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database of its own, with nothing in it."""
    return postgres.database()


@pytest.fixture
def shared(database: str, postgres: Postgres) -> Iterator[Store]:
    """A store that other tests have used before, and that is empty."""
    with Store.open(database) as store:
        yield store
    postgres.empty(database)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever happens, no library logs a traceback of it to stderr."""
    with caplog.at_level(logging.WARNING):
        yield
    assert caplog.records == []


def told(url: str, *, create: bool = True) -> ShadowError:
    with pytest.raises(ShadowError) as caught:
        Store.open(url, create=create)
    return one_line(caught.value)


def one_line(error: ShadowError) -> ShadowError:
    assert error.__suppress_context__ or error.__context__ is None
    assert "\n" not in error.message
    assert error.message.startswith("store postgresql://")
    assert error.hint
    assert PASSWORD not in f"{error!r} {error.message} {error.hint}"
    return error


def tally_of(records: Iterable[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def commit(store: Store, run_id: str, *records: Record) -> None:
    store.commit_segment(run_id, cursor="1", records=records, tally=tally_of(records))


# Opening


def test_a_store_is_made_once_and_opened_again(postgres: Postgres, url: str, info: RunInfo) -> None:
    assert "does not exist" in told(url, create=False).message
    assert (
        postgres.ask("SELECT nspname FROM pg_namespace WHERE nspname = 'shadow'", database=url)
        == []
    )
    with Store.open(url) as store:
        assert store.shared
        run_id = store.start_run(info)
    for create in (True, False):
        with Store.open(url, create=create) as store:
            assert store.load().info.id == run_id


def test_sidecars_that_start_at_once_make_one_store(url: str, info: RunInfo) -> None:
    def start(_: int) -> str:
        with Store.open(url) as store:
            return store.start_run(info)

    with ThreadPoolExecutor(6) as pool:
        started = set(pool.map(start, range(6)))
    with Store.open(url, create=False) as store:
        assert {run.id for run in store.runs()} == started


@pytest.mark.parametrize("create", [True, False])
def test_a_schema_of_another_program_is_left_alone(
    postgres: Postgres, url: str, *, create: bool
) -> None:
    postgres.ask(f"CREATE SCHEMA {SCHEMA} CREATE TABLE theirs (a int)", database=url)
    said = "is not one of shadow's" if create else "does not exist"
    assert said in told(url, create=create).message
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'shadow'::regnamespace"
    assert postgres.ask(tables, database=url) == [("theirs",)]


def test_a_store_of_a_newer_version_is_refused(postgres: Postgres, url: str) -> None:
    Store.open(url).close()
    postgres.ask(f"UPDATE {SCHEMA}.store SET version = 99", database=url)
    error = told(url)
    assert "newer shadow (store version 99" in error.message
    assert "upgrade" in error.hint


def test_a_database_without_every_character_is_refused(postgres: Postgres) -> None:
    error = told(postgres.database(ENCODING="LATIN1"))
    assert "its encoding is LATIN1" in error.message
    assert "--encoding UTF8" in error.hint


def test_who_may_make_no_schema_may_be_given_one(postgres: Postgres, url: str) -> None:
    name = url.rpartition("/")[2]
    theirs = postgres.url(name, user="locked", password=PASSWORD)
    assert "does not allow it: permission denied for database" in told(theirs).message
    postgres.ask(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION locked", database=url)
    with Store.open(theirs) as store:
        assert store.route_states() == {}


def test_who_may_only_read_is_told_so(postgres: Postgres, url: str, info: RunInfo) -> None:
    Store.open(url).close()
    postgres.ask(f"GRANT USAGE ON SCHEMA {SCHEMA} TO locked", database=url)
    postgres.ask(f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO locked", database=url)
    theirs = postgres.url(url.rpartition("/")[2], user="locked", password=PASSWORD)
    with Store.open(theirs, create=False) as store:
        assert store.runs() == []
        with pytest.raises(ShadowError, match="permission denied for table runs") as caught:
            store.start_run(info)
    one_line(caught.value)


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("locked", "S3CR3T-not", "password authentication failed"),
        ("locked", "", "no password supplied"),
        ("nobody", "S3CR3T", 'role "nobody" does not exist'),
        ("shadow", "", 'database "none" does not exist'),
    ],
)
def test_who_is_not_let_in(postgres: Postgres, user: str, password: str, said: str) -> None:
    error = told(postgres.url("none", user=user, password=password))
    assert (type(error), error.exit_code) == (ShadowError, 2)
    assert "does not let us in: " in error.message
    assert said in error.message
    assert "PGPASSWORD" in error.hint


def test_a_password_may_come_from_the_environment(
    postgres: Postgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.ask(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION locked", database=url)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with Store.open(postgres.url(url.rpartition("/")[2], user="locked")) as store:
        assert store.runs() == []


def test_options_of_the_url_are_kept(postgres: Postgres, url: str, execute: Execute) -> None:
    with Store.open(f"{url}?options=-c%20work_mem%3D5MB&application_name=mine") as store:
        mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mine'"
        assert postgres.ask(mine, database=url) == [(1,)]
        assert store.runs() == []
        execute(store, "DO $$ BEGIN ASSERT current_setting('work_mem') = '5MB'; END $$")


# Keeping


def test_texts_that_postgresql_cannot_keep_are_written_otherwise(
    shared: Store, info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    found = make_divergence(path=HOSTILE, baseline=HOSTILE, candidate="\\N", rule="\0")
    record = make_record(
        0, found, exchange_id=HOSTILE, session=HOSTILE, target=HOSTILE, reason=HOSTILE
    )
    run_id = shared.start_run(msgspec.structs.replace(info, digest="d\0"))
    kept = HOSTILE.replace("\0", "␀").replace("\udc80", "\\udc80")
    shared.commit_segment(run_id, cursor="\0", records=[record], tally=Tally(), noise="\0")
    (read,) = shared.records(run_id)
    assert (read.exchange_id, read.session, read.target, read.reason) == (kept,) * 4
    (divergence,) = read.divergences
    assert (divergence.path, divergence.baseline) == (kept, kept)
    assert (divergence.candidate, divergence.rule) == ("\\N", "␀")
    progress = shared.progress(run_id, 0)
    assert (progress.cursor, progress.noise) == ("␀", "␀")
    assert [run.id for run in shared.runs(digest="d\0")] == [run_id]
    change = Change(position=0, class_id=HOSTILE, severity="risky", verdict="noise", rule=HOSTILE)
    shared.revise(run_id, [Revision(seq=0, outcome=Outcome.EQUIVALENT, changes=(change,))])
    assert next(shared.records(run_id)).divergences[0].class_id == kept
    with pytest.raises(ShadowError, match="no run"):
        shared.load("a\0b")


def test_a_ledger_cannot_be_emptied_at_once(shared: Store, execute: Execute) -> None:
    for table, what in (("decisions", "decision"), ("route_changes", "change")):
        with pytest.raises(DBAPIError, match=f"a {what} stays as it was entered"):
            execute(shared, f"TRUNCATE {table}")


def test_many_rows_are_read_as_they_are_needed(
    shared: Store, info: RunInfo, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "ROWS", 7)
    run_id = shared.start_run(info)
    commit(shared, run_id, *(make_record(seq, target=f"/a?q{seq}=1") for seq in range(50)))
    run = shared.load(run_id)
    taken: list[int] = []
    asked = "SELECT statement FROM pg_cursors WHERE name = 'rows'"

    def take(rows: list[object]) -> None:
        (left,) = connection.exec_driver_sql(asked).scalars()
        assert "outcome = 'divergent'" in left
        taken.append(len(rows))

    evidence = Evidence(["GET /a"])
    monkeypatch.setattr(evidence, "add_requests", take)
    with shared._reading() as connection:
        (number,) = connection.exec_driver_sql("SELECT run FROM runs").scalars()
        queries.gather(connection, number, evidence, pairs=True)
    assert taken == [7] * 7 + [1]
    assert len(shared.evidence(run).endpoints["GET /a"].shapes) == 50


def test_what_a_reader_sees_does_not_change_and_it_changes_nothing(
    shared: Store, info: RunInfo
) -> None:
    counting, deleting = "SELECT count(*) FROM runs", "DELETE FROM runs"
    with shared._reading() as connection:
        assert connection.exec_driver_sql(counting).scalar() == 0
        shared.start_run(info)
        assert connection.exec_driver_sql(counting).scalar() == 0
    with (
        pytest.raises(ShadowError, match="in a read-only transaction"),
        shared._reading() as connection,
    ):
        connection.exec_driver_sql(deleting)
    assert len(shared.runs()) == 1


def test_who_commits_waits_for_who_settles(
    shared: Store,
    info: RunInfo,
    make_record: MakeRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = shared.start_run(info)
    commit(shared, run_id, make_record(0))
    replace = queries.replace_segments
    with ThreadPoolExecutor(1) as pool:

        def slowly(connection: Connection, run: int, tally: Tally) -> None:
            monkeypatch.undo()
            later.append(pool.submit(commit, shared, run_id, make_record(1)))
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not connection.exec_driver_sql(waiting).scalar():
                assert not later[0].done()
            replace(connection, run, tally)

        later: list[Future[None]] = []
        monkeypatch.setattr(queries, "replace_segments", slowly)
        shared.revise(run_id, [])
    assert shared.load(run_id).tally.read == 2


# Losing it


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("53100", UnfinishedError, "cannot be written: "),
        ("58030", UnfinishedError, "cannot be written: "),
        ("53300", UnfinishedError, "cannot be reached: "),
        ("57P01", UnfinishedError, "cannot be reached: "),
        ("25006", ShadowError, "does not allow it: "),
        ("XX001", ShadowError, ""),
    ],
)
def test_what_the_server_says_is_told_and_nothing_is_kept(
    url: str,
    info: RunInfo,
    make_record: MakeRecord,
    *,
    code: str,
    kind: type[ShadowError],
    said: str,
    execute: Execute,
) -> None:
    raising = f"RAISE EXCEPTION E'No space left on device\\nDETAIL' USING ERRCODE = '{code}'"
    with Store.open(url) as store:
        run_id = store.start_run(info)
        commit(store, run_id, make_record(0))
        body = f"$$ BEGIN {raising}; END $$"
        execute(store, f"CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS {body}")
        execute(store, "CREATE TRIGGER fails BEFORE INSERT ON segments EXECUTE FUNCTION fails()")
        with pytest.raises(ShadowError) as caught:
            commit(store, run_id, make_record(1))
        assert type(one_line(caught.value)) is kind
        assert caught.value.message == f"store {store.place}: {said}No space left on device"
        execute(store, "DROP TRIGGER fails ON segments")
        commit(store, run_id, make_record(1))
        assert store.load(run_id).tally.read == 2


def test_a_writer_that_is_in_the_way_is_named(
    shared: Store, info: RunInfo, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    timeouts = postgres_module._TIMEOUTS.replace("lock_timeout=5000", "lock_timeout=50")
    monkeypatch.setattr(postgres_module, "_TIMEOUTS", timeouts)
    run_id = shared.start_run(info)
    with Store.open(database) as other, shared._writing(run_id):
        with pytest.raises(UnfinishedError, match="held by another process") as caught:
            other.note_gate(run_id, None)
        one_line(caught.value)
    shared.note_gate(run_id, None)


def test_a_statement_that_takes_too_long_is_ended(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts = postgres_module._TIMEOUTS.replace("statement_timeout=8000", "statement_timeout=50")
    monkeypatch.setattr(postgres_module, "_TIMEOUTS", timeouts)
    with Store.open(url) as store:
        with (
            pytest.raises(UnfinishedError, match="gave no answer in 8 s"),
            store._reading() as asked,
        ):
            asked.exec_driver_sql("SELECT pg_sleep(60)")
        assert store.runs() == []


def test_a_server_that_is_stopped_is_told_at_once_and_used_again(
    postgres: Postgres, database: str, shared: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run_id = shared.start_run(info)
    commit(shared, run_id, make_record(0))
    postgres.stop()
    try:
        before = time.monotonic()
        for act in (
            lambda: commit(shared, run_id, make_record(1)),
            lambda: shared.load(run_id),
            shared.route_states,
            lambda: shared.add_evidence({("v", "*", "errors"): (1, 0)}, known={}),
            lambda: Store.open(database),
        ):
            with pytest.raises(UnfinishedError, match="cannot be reached") as caught:
                act()
            one_line(caught.value)
        assert time.monotonic() - before < 3
    finally:
        postgres.start()
    commit(shared, run_id, make_record(1))
    assert shared.load(run_id).tally.read == 2


def test_a_server_that_was_started_anew_is_used_as_if_nothing_had_been(
    postgres: Postgres, shared: Store, info: RunInfo
) -> None:
    run_id = shared.start_run(info)
    postgres.stop()
    postgres.start()
    assert shared.load(run_id).info.id == run_id


@pytest.mark.parametrize("table", [tables.exchanges, tables.divergences])
def test_a_server_that_is_lost_midway_keeps_nothing_of_the_batch(
    postgres: Postgres,
    shared: Store,
    info: RunInfo,
    *,
    make_record: MakeRecord,
    make_divergence: MakeDivergence,
    table: Table,
) -> None:
    run_id = shared.start_run(info)
    insert = tables.insert_rows

    def insert_rows(connection: Connection, into: Table, rows: list[tuple[object, ...]]) -> None:
        if into is table:
            postgres.stop()
        insert(connection, into, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "insert_rows", insert_rows)
        with pytest.raises(UnfinishedError, match="cannot be reached") as caught:
            commit(shared, run_id, make_record(0, make_divergence()))
        one_line(caught.value)
    postgres.start()
    assert list(shared.records(run_id)) == []
    commit(shared, run_id, make_record(0, make_divergence()))
    assert shared.load(run_id).tally.read == 1


def test_a_server_that_is_lost_while_it_is_read(
    postgres: Postgres, shared: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run_id = shared.start_run(info)
    commit(shared, run_id, make_record(0), make_record(1))
    run = shared.load(run_id)

    def stop(*_: object) -> None:
        postgres.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evidence, "add_pairs", stop)
        with pytest.raises(UnfinishedError, match="cannot be reached") as caught:
            shared.evidence(run)
        one_line(caught.value)
    postgres.start()
    assert shared.evidence(run).paired


def test_a_server_that_hangs_is_not_waited_for(
    shared: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ANSWER_S", 0.1)
    stopped: list[int] = []

    def ask_one_that_hangs() -> None:
        with shared._reading() as connection:
            stopped.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            os.kill(stopped[0], signal.SIGSTOP)
            connection.exec_driver_sql("SELECT 1")

    try:
        with pytest.raises(UnfinishedError, match="no answer in 0 s") as caught:
            ask_one_that_hangs()
        one_line(caught.value)
        assert shared.route_states() == {}  # over another connection
    finally:
        os.kill(stopped[0], signal.SIGCONT)


def test_events_go_to_a_folder_of_their_own(
    shared: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = shared.events_path("20261122-130501-3f2a")
    assert path == Path(".shadow/20261122-130501-3f2a.events.jsonl")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"
    monkeypatch.chdir("/proc")
    with pytest.raises(ShadowError, match=r"cannot make \.shadow"):
        shared.events_path("run")
