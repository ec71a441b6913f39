"""The tables of the store, and how records become rows and rows records.

A run is known by a small number inside, so that a million rows do not repeat its id. The
columns of a divergence are named after the fields of `Divergence`, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Column,
    Index,
    Insert,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    RowMapping,
    Table,
    Text,
    insert,
)
from sqlalchemy.dialects import sqlite

from shadow.model import Divergence, Outcome
from shadow.results.record import Record, Seen

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x53484457
"""`SHDW` in SQLite's header: tells a store from any other SQLite file."""

metadata = MetaData()

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


def _compiled(statement: Insert) -> str:
    return str(statement.compile(dialect=sqlite.dialect()))


INSERT_EXCHANGE: Final = _compiled(insert(exchanges))
INSERT_DIVERGENCE: Final = _compiled(insert(divergences))

_NOT_SEEN: Final = (None, None, None, None)


def exchange_row(run: int, record: Record) -> tuple[Any, ...]:
    """Return the values of an exchange in the order of its columns."""
    return (
        run,
        record.seq,
        record.exchange_id,
        record.session,
        record.endpoint,
        record.method,
        record.target,
        record.outcome.value,
        record.reason,
        int(record.hollow),
        " ".join(record.spellings),
        *(_NOT_SEEN if record.baseline is None else msgspec.structs.astuple(record.baseline)),
        *(_NOT_SEEN if record.candidate is None else msgspec.structs.astuple(record.candidate)),
    )


def divergence_rows(run: int, record: Record) -> list[tuple[Any, ...]]:
    """Return the values of an exchange's divergences in the order of their columns."""
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
