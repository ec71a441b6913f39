"""The store: every run, its exchanges and divergences, and the routes of the sidecar.

It is one SQLite file, or a database of a PostgreSQL server that several processes share.
A batch of records, the place the run got to and what the batch adds to the counts are
committed in one transaction (a *segment*). So whatever ends the process, the counts agree
with the rows and with the cursor, up to where the last segment ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import msgspec
from sqlalchemy import Connection, Engine, RowMapping, insert, select, update

from shadow.errors import ShadowError
from shadow.masking import Masker
from shadow.model import Divergence
from shadow.results import queries, route_queries, tables
from shadow.results.database import Place, make_folder, open_database, place_of, reading, writing
from shadow.results.evidence import Evidence
from shadow.results.gates.verdicts import GateResult
from shadow.results.judged import Judged
from shadow.results.lock import is_held, lock_path
from shadow.results.phases import Decision
from shadow.results.postgres import Server
from shadow.results.record import Record, Revision, Seen
from shadow.results.resources import Resources
from shadow.results.route_queries import ROUTES
from shadow.results.routes import (
    GUARDS,
    Buckets,
    EvidenceKey,
    RouteChange,
    RouteState,
    begun,
    bounded,
    changed,
    is_current,
    route_name,
    version_name,
)
from shadow.results.runs import Run, RunInfo, RunState, new_run_id
from shadow.results.tally import OTHER, Tally

DEFAULT_STORE: Final = Path(".shadow/shadow.sqlite")

_RUNS: Final = "runs"
_LEDGER: Final = "ledger"
"""What a transaction is about, but for those about one run."""
_RUNS_HINT: Final = "shadow runs lists them"
_DAMAGED_HINT: Final = "move the file away and replay again"


class Occurrence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One divergence and the exchange it was seen in; `position` is its place there."""

    seq: int
    position: int
    exchange_id: str
    session: str | None
    endpoint: str
    method: str
    target: str
    baseline: Seen | None
    candidate: Seen | None
    divergence: Divergence


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard of a run has got; empty where it has committed nothing."""

    cursor: str | None = None
    sent: frozenset[int] = frozenset()
    """Ordinals of the writes that were, or may have been, sent."""
    noise: str | None = None


class Store:
    """All runs in one place. Methods may be called from any thread.

    Every method raises UnfinishedError where the disk is full, another process holds the file
    or the server is out of reach, and ShadowError where the store cannot be used or has no such
    run.
    """

    def __init__(self, place: Place, engine: Engine) -> None:
        self.place = place
        """What opens it again. As text it has no password."""
        self._engine = engine

    @classmethod
    def open(
        cls,
        where: str | Place = DEFAULT_STORE,
        *,
        create: bool = True,
        busy_s: float | None = None,
    ) -> Self:
        """Open the store at a path or URL (`place_of`); make it where `create` allows.

        Writing to a file waits `busy_s` for another process that holds it, by default long.

        Raise ShadowError where it is missing, no store, or written by a newer version, and
        UnfinishedError where its server is out of reach.
        """
        place = place_of(where)
        return cls(place, open_database(place, create=create, busy_s=busy_s))

    @property
    def shared(self) -> bool:
        """Whether processes on other machines may use it."""
        return isinstance(self.place, Server)

    def events_path(self, run_id: str) -> Path:
        """Name the event log of a run that goes to no other place; its folder is made.

        It is beside a file, and in `.shadow` where the store is in a server.
        """
        folder = DEFAULT_STORE.parent if isinstance(self.place, Server) else self.place.parent
        try:
            make_folder(folder)
        except OSError as error:
            raise ShadowError(
                f"cannot make {folder}: {error.strerror}", "choose a file with --events"
            ) from None
        return folder / f"{run_id}.events.jsonl"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        self._engine.dispose()

    def start_run(self, info: RunInfo) -> str:
        """Enter a new run and return its id: the one it brings, where that is free.

        Credentials in URLs and options are masked.
        """
        with self._writing(_RUNS) as connection:
            run_id = info.id or new_run_id()
            while _number(connection, run_id) is not None:
                run_id = new_run_id()
            started = info.started or datetime.now(UTC)
            info = msgspec.structs.replace(info, id=run_id, started=started).masked(Masker())
            values = {"id": run_id, "digest": info.digest, "info": _encoded(info)}
            connection.execute(insert(tables.runs), values)
        return run_id

    def resume_run(self, run_id: str) -> RunInfo:
        """Enter that a run which had ended goes on, and return what it is."""
        with self._writing(run_id) as connection:
            run = self._run(connection, run_id)
            info = self._info(connection, run)
            info = msgspec.structs.replace(info, state="running", finished=None, exit_code=None)
            self._enter(connection, run, info)
            queries.replace_judged(connection, run, None)
            return info

    def commit_segment(
        self,
        run_id: str,
        *,
        cursor: str,
        records: Sequence[Record],
        tally: Tally,
        shard: int = 0,
        noise: str | None = None,
    ) -> None:
        """Store a batch of a run in one transaction: all of it, or nothing.

        `cursor` says, in the caller's own terms, how far the shard has got with this batch.
        `tally` counts this batch alone: its records, and what it skipped or could not read
        without a record. `noise` is the shard's noise profile where it has changed.
        """
        with self._writing(run_id, shared=True) as connection:
            run = self._run(connection, run_id)
            exchanges = [tables.exchange_row(run, record) for record in records]
            found = [
                row
                for record in records
                if record.divergences
                for row in tables.divergence_rows(run, record)
            ]
            tables.insert_rows(connection, tables.exchanges, exchanges)
            tables.insert_rows(connection, tables.divergences, found)
            text = tally.to_json().decode()
            values = {"run": run, "shard": shard, "cursor": cursor, "tally": text}
            connection.execute(insert(tables.segments), values)
            if noise is not None:
                queries.replace_noise(connection, run, shard, noise)

    def note_sent(self, run_id: str, *, shard: int, ordinal: int) -> None:
        """Remember that the shard is about to send the write at `ordinal`."""
        with self._writing(run_id, shared=True) as connection:
            row = {"run": self._run(connection, run_id), "shard": shard, "ordinal": ordinal}
            connection.execute(insert(tables.sent), row)

    def progress(self, run_id: str, shard: int) -> Progress:
        """Return how far a shard has got, and what it must not send again."""
        with self._reading() as connection:
            run = self._run(connection, run_id)
            return Progress(
                cursor=queries.cursors(connection, run).get(shard),
                sent=queries.sent(connection, run, shard),
                noise=queries.noise(connection, run, shard),
            )

    def revise(self, run_id: str, revisions: Sequence[Revision]) -> Run:
        """Settle a run: change rows and counts together, and return the run as settled.

        Raise ValueError, and change nothing, for a revision of an exchange that is not there
        or to an outcome that is not a compared one.
        """
        with self._writing(run_id) as connection:
            run = self._run(connection, run_id)
            tally = self._tally(connection, run)
            queries.revise(connection, run, revisions, tally)
            queries.replace_segments(connection, run, tally)
            return Run(info=self._info(connection, run), tally=tally)

    def finish_run(
        self,
        run_id: str,
        *,
        state: RunState,
        exit_code: int | None,
        duration_s: float | None,
        resources: Resources | None = None,
    ) -> Run:
        """Enter how a run ended and fold its segments into one; a later segment may follow."""
        with self._writing(run_id) as connection:
            run = self._run(connection, run_id)
            tally = self._tally(connection, run)
            queries.replace_segments(connection, run, tally)
            info = msgspec.structs.replace(
                self._info(connection, run),
                state=state,
                finished=datetime.now(UTC),
                exit_code=exit_code,
                duration_s=duration_s,
                resources=resources,
            )
            self._enter(connection, run, info)
            return Run(info=info, tally=tally)

    def note_gate(self, run_id: str, gate: GateResult | None) -> None:
        """Keep with a run what a gate said of it, in place of the one before; None forgets that."""
        with self._writing(run_id) as connection:
            run = self._run(connection, run_id)
            info = msgspec.structs.replace(self._info(connection, run), gate=gate)
            self._enter(connection, run, info)

    def ledger(self) -> list[Decision]:
        """Return the decisions on the phases, oldest first."""
        with self._reading() as connection:
            entries = queries.decisions(connection)
        try:
            return [msgspec.json.decode(each, type=Decision) for each in entries]
        except ValueError as error:
            raise self._damaged("decision", error) from None

    def decide(self, decision: Decision, *, behind: int) -> None:
        """Enter a decision in the ledger, which is known to hold `behind` of them.

        Raise ShadowError, and enter nothing, where somebody else has decided meanwhile.
        """
        with self._writing(_LEDGER) as connection:
            if len(queries.decisions(connection)) != behind:
                raise ShadowError(
                    f"store {self.place}: somebody else has decided meanwhile",
                    "see shadow phase status, then decide again",
                )
            queries.add_decision(connection, msgspec.json.encode(decision).decode())

    def cursors(self, run_id: str) -> dict[int, str]:
        """Return how far each shard of a run has got."""
        with self._reading() as connection:
            return queries.cursors(connection, self._run(connection, run_id))

    def runs(self, *, digest: str | None = None, limit: int | None = None) -> list[RunInfo]:
        """Return the runs, newest first; with `digest`, those of the same capture."""
        table = tables.runs
        query = select(table.c.info).order_by(table.c.run.desc()).limit(limit)
        if digest is not None:
            query = query.where(table.c.digest == digest)
        with self._reading() as connection:
            return [self._decoded(text) for text in connection.scalars(query)]

    def load(self, run: str = "latest") -> Run:
        """Return a run by id, by a unique beginning of one, or the latest.

        Raise ShadowError where there is none, or more than one.
        """
        with self._reading() as connection:
            number = self._resolve(connection, run)
            info = self._info(connection, number)
            return Run(info=info, tally=self._tally(connection, number))

    def records(
        self, run_id: str, *, signatures: Collection[str] | None = None, divergent: bool = False
    ) -> Iterator[Record]:
        """Yield the records of a run in order; with `signatures`, those that hold one of them.

        With `divergent`, those that ended so.

        Reads in short transactions, so that a long reader does not hold up a writer. Raise
        ValueError for more than `queries.MAX_SIGNATURES` signatures.
        """
        if signatures is not None and len(signatures) > queries.MAX_SIGNATURES:
            raise ValueError(f"{len(signatures)} signatures are too many to look for")
        after = -1
        while True:
            with self._reading() as connection:
                run = self._run(connection, run_id)
                batch = queries.next_records(
                    connection, run, after, signatures, divergent=divergent
                )
            yield from batch
            if len(batch) < queries.CHUNK:
                return
            after = batch[-1].seq

    def evidence(self, run: Run, *, pairs: bool = True) -> Evidence:
        """Gather the pairs of latencies, the failures and the request shapes of a run.

        Those of the endpoints that the run counts by name. Without `pairs`, of the latencies
        there is only whether there are any.
        """
        evidence = Evidence(run.tally.endpoints.keys() - {OTHER})
        with self._reading() as connection:
            queries.gather(connection, self._run(connection, run.info.id), evidence, pairs=pairs)
        return evidence

    def judged(self, run_id: str) -> Judged | None:
        """Return what the evidence of a run came to at its end, where that was kept."""
        with self._reading() as connection:
            text = queries.judged(connection, self._run(connection, run_id))
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=Judged)
        except ValueError as error:
            raise ShadowError(f"store {self.place}: damaged run: {error}", _DAMAGED_HINT) from None

    def keep_judged(self, run_id: str, judged: Judged) -> None:
        """Keep what the evidence of a run came to; `resume_run` forgets it."""
        text = msgspec.json.encode(judged).decode()
        with self._writing(run_id) as connection:
            queries.replace_judged(connection, self._run(connection, run_id), text)

    def divergences(
        self, run_id: str, *, signature: str | None = None, limit: int = 100
    ) -> list[Occurrence]:
        """Return the first divergences of a run, in order; with `signature`, only those."""
        with self._reading() as connection:
            run = self._run(connection, run_id)
            rows = queries.occurrence_rows(connection, run, signature, limit)
            return [_occurrence(row) for row in rows]

    def forget_runs(self, command: str, keep: int) -> int:
        """Drop all but the newest `keep` runs of a command that have ended; return how many went.

        One that was killed has ended too (`lock.held`). Their rows go in short transactions;
        what a killed process left of them goes the next time. Raise ValueError for a `keep` of
        less than 1: the number of the newest run must not be given again.
        """
        if keep < 1:
            raise ValueError(f"{keep} runs cannot be kept")
        ended = [
            (run, info)
            for run, info in self._all_runs()
            if info.command == command and self._has_ended(info)
        ]
        return self._forget(ended[keep:])

    def forget_before(self, moment: datetime, *, dry_run: bool = False) -> int:
        """Drop the runs that began before a moment and have ended; return how many went.

        The newest run stays, for its number must not be given again.
        """
        old = [
            (run, info)
            for run, info in self._all_runs()[1:]
            if info.started is not None and info.started < moment and self._has_ended(info)
        ]
        return len(old) if dry_run else self._forget(old)

    def _all_runs(self) -> list[tuple[int, RunInfo]]:
        """The numbers of all runs and what they are, the newest first."""
        with self._reading() as connection:
            return list(map(self._numbered, queries.run_infos(connection)))

    def drop_files(self, run_id: str) -> None:
        """Delete what a run that was dropped has left beside the store: its event log and lock."""
        paths = [self.events_path(run_id)]
        if isinstance(self.place, Path):
            paths.append(lock_path(self.place, run_id))  # of one that was killed
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _forget(self, old: Sequence[tuple[int, RunInfo]]) -> int:
        """Drop runs, their rows in short transactions, and their files; return how many went."""
        with self._writing(_RUNS) as connection:
            count = queries.drop_runs(connection, [run for run, _ in old])
            forgotten = queries.forgotten(connection)
        for run in forgotten:
            more = True
            while more:
                with self._writing(_RUNS) as connection:
                    more = queries.drop_rows(connection, run)
        for _, info in old:
            self.drop_files(info.id)
        return count

    def _numbered(self, row: tuple[int, str]) -> tuple[int, RunInfo]:
        return row[0], self._decoded(row[1])

    def _has_ended(self, info: RunInfo) -> bool:
        return info.state != "running" or not is_held(self.place, info.id)

    def route_states(self) -> dict[str, RouteState]:
        """Return where each route stands that was ever changed, by its name."""
        with self._reading() as connection:
            return self._states(connection)

    def change_route(
        self, change: RouteChange, *, known: Mapping[str, RouteState] | None = None
    ) -> RouteState:
        """Change a route and enter that in the ledger; return where it stands now.

        To latch a latched route changes and enters nothing; nor does a rollback that was decided
        before a reset, by `known` as `add_evidence` has it. A reset clears the evidence of the
        route (of `*`: all) of the version. Route names are kept as `route_name` spells them.
        Raise ValueError where the share of a `set` is none.
        """
        change = bounded(change)
        with self._writing(ROUTES) as connection:
            route_queries.prepare(connection)
            states = self._states(connection)
            before = states.get(change.route) or begun(change)
            if known is not None and not is_current(change.route, known, states):
                return before
            state = changed(before, change)
            if state is None:
                return before
            route_queries.put_state(connection, state)
            route_queries.add_change(connection, change)
            if change.action == "reset":
                route_queries.clear_evidence(connection, change.version, change.route)
            return state

    def route_changes(self, limit: int = 100) -> list[RouteChange]:
        """Return the newest changes of routes, the newest first."""
        with self._reading() as connection:
            try:
                return route_queries.changes(connection, limit)
            except ValueError as error:
                raise self._damaged("change of a route", error) from None

    def add_evidence(
        self,
        deltas: Mapping[EvidenceKey, tuple[int, int]],
        *,
        known: Mapping[str, RouteState],
    ) -> None:
        """Add trials and hits to what the guards of all sidecars count together.

        `known` are the `route_states()` that the sender went by when they were counted. Those of
        a route that was reset since, and all of them after a reset of `*`, are dropped. Raise
        ValueError, and add nothing, for counts that cannot be or an unknown guard.
        """
        by_version: dict[str, dict[tuple[str, str], tuple[int, int]]] = {}
        for (version, route, guard), (n, x) in deltas.items():
            if guard not in GUARDS:
                raise ValueError(f"no guard {guard}")
            place = (route_name(route), guard)
            found = by_version.setdefault(version_name(version), {})
            others = found.get(place, (0, 0))
            found[place] = (others[0] + n, others[1] + x)
        if not by_version:
            return
        now = int(datetime.now(UTC).timestamp())
        with self._writing(ROUTES) as connection:
            route_queries.prepare(connection)
            states = self._states(connection)
            for version, found in sorted(by_version.items()):
                current = {
                    place: delta
                    for place, delta in found.items()
                    if is_current(place[0], known, states)
                }
                route_queries.add_evidence(connection, version, current, now)

    def evidence_of(self, version: str) -> dict[tuple[str, str], Buckets]:
        """Return what all sidecars have counted of a version, by route and guard."""
        with self._reading() as connection:
            try:
                return route_queries.evidence(connection, version_name(version))
            except ValueError as error:
                raise self._damaged("evidence", error) from None

    def clear_evidence(self, version: str, route: str) -> None:
        """Forget what was counted of a route of a version; with `*` of all routes.

        A reset (`change_route`) does so too, and keeps out what others had counted before it.
        """
        with self._writing(ROUTES) as connection:
            route_queries.prepare(connection)
            route_queries.clear_evidence(connection, version_name(version), route_name(route))

    def _states(self, connection: Connection) -> dict[str, RouteState]:
        try:
            return route_queries.states(connection)
        except ValueError as error:
            raise self._damaged("state of a route", error) from None

    def _damaged(self, what: str, error: ValueError) -> ShadowError:
        return ShadowError(
            f"store {self.place}: damaged {what}: {error}", "a newer shadow may read it"
        )

    def _writing(self, about: str, *, shared: bool = False) -> AbstractContextManager[Connection]:
        return writing(self._engine, self.place, about, shared=shared)

    def _reading(self) -> AbstractContextManager[Connection]:
        return reading(self._engine, self.place)

    @staticmethod
    def _enter(connection: Connection, run: int, info: RunInfo) -> None:
        row = update(tables.runs).where(tables.runs.c.run == run)
        connection.execute(row.values(info=_encoded(info)))

    def _run(self, connection: Connection, run_id: str) -> int:
        number = _number(connection, run_id)
        if number is None:
            raise ShadowError(f"store {self.place}: no run {run_id}", _RUNS_HINT)
        return number

    def _resolve(self, connection: Connection, wanted: str) -> int:
        table = tables.runs
        query = select(table.c.run, table.c.id).order_by(table.c.run.desc())
        if wanted == "latest":
            query = query.limit(1)
        else:
            query = query.where(table.c.id.startswith(wanted, autoescape=True)).limit(3)
        found = connection.execute(query).all()
        if not found:
            missing = "no runs yet" if wanted == "latest" else f"no run {wanted}"
            raise ShadowError(f"store {self.place}: {missing}", _RUNS_HINT)
        if len(found) > 1:
            names = ", ".join(row.id for row in found)
            raise ShadowError(f"run {wanted}: more than one begins so: {names}", _RUNS_HINT)
        return int(found[0].run)

    def _info(self, connection: Connection, run: int) -> RunInfo:
        table = tables.runs
        query = select(table.c.info).where(table.c.run == run)
        return self._decoded(connection.scalars(query).one())

    def _decoded(self, text: str) -> RunInfo:
        try:
            return msgspec.json.decode(text, type=RunInfo)
        except ValueError as error:
            raise ShadowError(f"store {self.place}: damaged run: {error}", _DAMAGED_HINT) from None

    def _tally(self, connection: Connection, run: int) -> Tally:
        try:
            tally = queries.merged_tally(connection, run)
        except ValueError as error:
            raise ShadowError(f"store {self.place}: damaged run: {error}", _DAMAGED_HINT) from None
        if not tally.accounted:
            raise ShadowError(
                f"store {self.place}: damaged run: its outcomes do not add up", _DAMAGED_HINT
            )
        return tally


def _number(connection: Connection, run_id: str) -> int | None:
    table = tables.runs
    query = select(table.c.run).where(table.c.id == run_id)
    return connection.scalars(query).one_or_none()


def _encoded(info: RunInfo) -> str:
    return msgspec.json.encode(info).decode()


def _occurrence(row: RowMapping) -> Occurrence:
    return Occurrence(
        seq=row["seq"],
        position=row["position"],
        exchange_id=row["exchange_id"],
        session=row["session"],
        endpoint=row["endpoint"],
        method=row["method"],
        target=row["target"],
        baseline=tables.seen_of(row, "baseline"),
        candidate=tables.seen_of(row, "candidate"),
        divergence=tables.divergence_of(row),
    )
