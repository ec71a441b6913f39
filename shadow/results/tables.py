"""The tables of the store, and how records become rows and rows records.

A run is known by a small number inside, so that a million rows do not repeat its id. The
columns of a divergence are named after the fields of `Divergence`, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import (
    DDL,
    Column,
    Connection,
    Dialect,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    RowMapping,
    Table,
    TypeDecorator,
    event,
    insert,
    types,
)
from sqlalchemy.dialects import sqlite

from shadow.model import Divergence, Outcome
from shadow.results.record import Record, Seen

if TYPE_CHECKING:
    import psycopg

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x53484457
"""`SHDW` in SQLite's header: tells a store from any other SQLite file."""

metadata = MetaData()


def storable(text: str) -> str:
    """Return a text as PostgreSQL can keep it, which has neither NUL nor half a surrogate pair."""
    if "\0" in text:
        text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class _Storable(TypeDecorator[str]):
    """A text in PostgreSQL."""

    impl = types.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Make it one that can be kept."""
        del dialect
        return None if value is None else storable(value)


Integer: Final = types.BigInteger().with_variant(types.Integer(), "sqlite")
"""Of 64 bits in both: SQLite's, and its own keys, are called INTEGER."""
Text: Final = types.Text().with_variant(_Storable(), "postgresql")

runs = Table(
    "runs",
    metadata,
    Column("run", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False),
    Column("info", Text, nullable=False),
)
exchanges = Table(
    "exchanges",
    metadata,
    Column("run", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("exchange_id", Text, nullable=False),
    Column("session", Text),
    Column("endpoint", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("hollow", Integer, nullable=False),
    Column("spellings", Text, nullable=False),
    Column("baseline_status", Integer),
    Column("baseline_no_answer", Text),
    Column("baseline_service_us", Integer),
    Column("baseline_response_us", Integer),
    Column("candidate_status", Integer),
    Column("candidate_no_answer", Text),
    Column("candidate_service_us", Integer),
    Column("candidate_response_us", Integer),
    PrimaryKeyConstraint("run", "seq"),
    sqlite_with_rowid=False,
)
divergences = Table(
    "divergences",
    metadata,
    Column("run", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("where", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("path_pattern", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("baseline", Text),
    Column("candidate", Text),
    Column("class_id", Text),
    Column("severity", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("rule", Text),
    Column("wrong_side", Text),
    Column("unstable", Integer, nullable=False),
    PrimaryKeyConstraint("run", "seq", "position"),
    Index("divergences_by_signature", "run", "signature"),
    sqlite_with_rowid=False,
)
segments = Table(
    "segments",
    metadata,
    Column("segment", Integer, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("cursor", Text, nullable=False),
    Column("tally", Text, nullable=False),
    Index("segments_by_run", "run", "shard"),
)
sent = Table(
    "sent",
    metadata,
    Column("run", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    PrimaryKeyConstraint("run", "shard", "ordinal"),
    sqlite_with_rowid=False,
)
"""Writes that were about to be sent: what ends a process must not let them be sent again."""
judged = Table(
    "judged",
    metadata,
    Column("run", Integer, primary_key=True),
    Column("judged", Text, nullable=False),
)
"""What the evidence of a run came to at its end: a report need not judge a million rows again."""
noise = Table(
    "noise",
    metadata,
    Column("run", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("profile", Text, nullable=False),
    PrimaryKeyConstraint("run", "shard"),
    sqlite_with_rowid=False,
)
"""What each shard has learned of the baseline's noise."""
decisions = Table(
    "decisions",
    metadata,
    Column("decision", Integer, primary_key=True),
    Column("entry", Text, nullable=False),
)
"""The ledger of the rollout's phases. It only grows, and the database itself sees to that."""
route_states = Table(
    "route_states",
    metadata,
    Column("route", Text, primary_key=True),
    Column("state", Text, nullable=False),
)
"""Where each route of the sidecar stands."""
route_changes = Table(
    "route_changes",
    metadata,
    Column("change", Integer, primary_key=True),
    Column("entry", Text, nullable=False),
)
"""Who changed a route, when and why. It only grows, like the other ledger."""
route_evidence = Table(
    "route_evidence",
    metadata,
    Column("version", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("guard", Text, nullable=False),
    Column("buckets", Text, nullable=False),
    Column("touched", Integer, nullable=False),
    PrimaryKeyConstraint("version", "route", "guard"),
    sqlite_with_rowid=False,
)
"""What the guards count; `touched` is when, in seconds since 1970."""
forgotten = Table(
    "forgotten",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False),
)
"""Runs that are no longer there, and of which rows may be."""


def _only_grows(table: Table, what: str) -> None:
    """Let the database refuse to change or remove a row."""
    name, refused = table.name, f"a {what} stays as it was entered"
    for verb in ("UPDATE", "DELETE"):
        _after(
            table,
            "sqlite",
            f"CREATE TRIGGER {name}_stay_{verb.lower()} BEFORE {verb} ON {name}"
            f" BEGIN SELECT raise(ABORT, '{refused}'); END",
        )
    _after(
        table,
        "postgresql",
        f"CREATE FUNCTION {name}_stay() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{refused}'; END $$",
    )
    _after(
        table,
        "postgresql",
        f"CREATE TRIGGER {name}_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
        f" FOR EACH STATEMENT EXECUTE PROCEDURE {name}_stay()",
    )


def _after(table: Table, dialect: str, statement: str) -> None:
    made = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves this one bare
    event.listen(table, "after_create", made.execute_if(dialect=dialect))


_only_grows(decisions, "decision")
_only_grows(route_changes, "change")


ROWS_AT_ONCE: Final = 25
"""Rows that one statement inserts: a statement costs SQLite a quarter of what a row does."""


_RARE: Final = frozenset({"baseline_no_answer", "candidate_no_answer"})
"""Columns that are mostly NULL and never empty: binding None takes SQLite's driver longer than
the rest of a row, so NULL goes in as an empty text."""


def _inserting(table: Table, rows: int) -> str:
    start = str(insert(table).compile(dialect=sqlite.dialect())).partition(" VALUES ")[0]
    names = table.columns.keys()
    places = ", ".join("NULLIF(?, '')" if name in _RARE else "?" for name in names)
    return f"{start} VALUES " + ", ".join([f"({places})"] * rows)


_INSERT: Final = {
    (table, rows): _inserting(table, rows)
    for table in (exchanges, divergences)
    for rows in (1, ROWS_AT_ONCE)
}


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows as `exchange_row` and `divergence_rows` make them.

    Raises the driver's own errors: SQLAlchemy would look at each row once more.
    """
    if connection.dialect.name == "postgresql":
        _copy_rows(connection, table, rows)
        return
    whole = len(rows) - len(rows) % ROWS_AT_ONCE
    batches = [
        tuple(chain.from_iterable(rows[at : at + ROWS_AT_ONCE]))
        for at in range(0, whole, ROWS_AT_ONCE)
    ]
    with closing(connection.connection.cursor()) as cursor:
        cursor.executemany(_INSERT[table, ROWS_AT_ONCE], batches)
        cursor.executemany(_INSERT[table, 1], rows[whole:])


def _copying(table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in table.columns.keys())  # noqa: SIM118 - not the columns
    return f"COPY {table.name} ({names}) FROM STDIN"


_COPY: Final = {table: _copying(table) for table in (exchanges, divergences)}


def _copy_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    cursor: psycopg.Cursor[Any] = connection.connection.cursor()  # type: ignore[assignment]  # its own
    with cursor, cursor.copy(_COPY[table]) as copy:
        for row in _cells(table, rows):
            copy.write_row(row)


def _cells(table: Table, rows: Sequence[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Yield rows as PostgreSQL takes them, which tells a truth value from a number."""
    rare = [place for place, name in enumerate(table.columns.keys()) if name in _RARE]
    for row in rows:
        cells = [
            storable(cell) if isinstance(cell, str) else +cell if cell is not None else None
            for cell in row
        ]
        for place in rare:
            cells[place] = cells[place] or None
        yield cells


_NOT_SEEN: Final = Seen()
_OUTCOMES: Final = {outcome: outcome.value for outcome in Outcome}  # SQLite wants plain str


def exchange_row(run: int, record: Record) -> tuple[Any, ...]:
    """Return what `insert_rows` takes for an exchange, in the order of its columns."""
    baseline, candidate = record.baseline or _NOT_SEEN, record.candidate or _NOT_SEEN
    return (
        run,
        record.seq,
        record.exchange_id,
        record.session,
        record.endpoint,
        record.method,
        record.target,
        _OUTCOMES[record.outcome],
        record.reason,
        int(record.hollow),
        " ".join(record.spellings) if record.spellings else "",
        baseline.status,
        baseline.no_answer or "",
        baseline.service_us,
        baseline.response_us,
        candidate.status,
        candidate.no_answer or "",
        candidate.service_us,
        candidate.response_us,
    )


def divergence_rows(run: int, record: Record) -> list[tuple[Any, ...]]:
    """Return what `insert_rows` takes for an exchange's divergences."""
    return [
        (run, record.seq, position, *msgspec.structs.astuple(divergence))
        for position, divergence in enumerate(record.divergences)
    ]


def seen_of(row: RowMapping, side: str) -> Seen | None:
    """Read what a side did from the columns of an exchange."""
    fields = {name: row[f"{side}_{name}"] for name in Seen.__struct_fields__}
    return None if all(value is None for value in fields.values()) else Seen(**fields)


def divergence_of(row: RowMapping) -> Divergence:
    """Read a divergence. Raise msgspec.ValidationError where the row holds no such thing."""
    fields = {name: row[name] for name in Divergence.__struct_fields__}
    return msgspec.convert(fields, Divergence, strict=False)


def records_of(
    exchange_rows: Iterable[RowMapping], divergence_rows: Iterable[RowMapping]
) -> list[Record]:
    """Join the rows of both tables, each in the order of `seq`, to records."""
    found = {
        seq: tuple(map(divergence_of, rows))
        for seq, rows in groupby(divergence_rows, key=lambda row: row["seq"])
    }
    return [_record_of(row, found.get(row["seq"], ())) for row in exchange_rows]


def _record_of(row: RowMapping, found: tuple[Divergence, ...]) -> Record:
    return Record(
        seq=row["seq"],
        exchange_id=row["exchange_id"],
        session=row["session"],
        endpoint=row["endpoint"],
        method=row["method"],
        target=row["target"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        hollow=bool(row["hollow"]),
        spellings=tuple(row["spellings"].split()),
        baseline=seen_of(row, "baseline"),
        candidate=seen_of(row, "candidate"),
        divergences=found,
    )
