"""What the store asks of the database, inside one transaction of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    exists,
    func,
    insert,
    inspect,
    select,
    update,
)

from shadow.model import Outcome
from shadow.results import tables
from shadow.results.evidence import Evidence
from shadow.results.record import COMPARED, Record, Revision
from shadow.results.tables import divergences, exchanges, records_of, segments
from shadow.results.tally import Tally

CHUNK: Final = 2_000
"""Exchanges read or changed at a time."""
DROPPED: Final = 10_000
"""Exchanges deleted in a transaction."""
ROWS: Final = 4_000
"""Rows of plain columns read at a time."""
MAX_SIGNATURES: Final = 10_000
"""SQLite takes at most 32,766 parameters in a statement, PostgreSQL 65,535."""

_E, _D = exchanges.c, divergences.c
_MOVE: Final = (
    update(exchanges)
    .where(_E.run == bindparam("run_"), _E.seq == bindparam("seq_"))
    .values(outcome=bindparam("outcome_"))
)
_REVISED: Final = ("class_id", "severity", "verdict", "rule", "wrong_side")
_CHANGE: Final = (
    update(divergences)
    .where(
        _D.run == bindparam("run_"),
        _D.seq == bindparam("seq_"),
        _D.position == bindparam("position_"),
    )
    .values({name: bindparam(f"{name}_") for name in _REVISED})
)


def cursors(connection: Connection, run: int) -> dict[int, str]:
    """Return the newest cursor of each shard."""
    s = segments.c
    newest = select(func.max(s.segment)).where(s.run == run).group_by(s.shard)
    rows = connection.execute(select(s.shard, s.cursor).where(s.segment.in_(newest)))
    return {row.shard: row.cursor for row in rows}


def sent(connection: Connection, run: int, shard: int) -> frozenset[int]:
    """Return the ordinals of a shard's writes that were about to be sent."""
    s = tables.sent.c
    rows = connection.scalars(select(s.ordinal).where(s.run == run, s.shard == shard))
    return frozenset(rows)


def noise(connection: Connection, run: int, shard: int) -> str | None:
    """Return the noise profile of a shard, where it has learned one."""
    n = tables.noise.c
    return connection.scalars(select(n.profile).where(n.run == run, n.shard == shard)).one_or_none()


def replace_noise(connection: Connection, run: int, shard: int, profile: str) -> None:
    """Keep a shard's noise profile in place of the one before."""
    n = tables.noise.c
    connection.execute(delete(tables.noise).where(n.run == run, n.shard == shard))
    row = {"run": run, "shard": shard, "profile": profile}
    connection.execute(insert(tables.noise), row)


def judged(connection: Connection, run: int) -> str | None:
    """Return what the evidence of a run came to, where that is kept."""
    j = tables.judged.c
    return connection.scalars(select(j.judged).where(j.run == run)).one_or_none()


def replace_judged(connection: Connection, run: int, text: str | None) -> None:
    """Keep what the evidence of a run came to, or forget it."""
    connection.execute(delete(tables.judged).where(tables.judged.c.run == run))
    if text is not None:
        connection.execute(insert(tables.judged), {"run": run, "judged": text})


def merged_tally(connection: Connection, run: int) -> Tally:
    """Return the counts of all segments. Raise ValueError where one cannot be read."""
    s, total = segments.c, Tally()
    for text in connection.scalars(select(s.tally).where(s.run == run).order_by(s.segment)):
        total.merge(Tally.from_json(text))
    return total


def replace_segments(connection: Connection, run: int, tally: Tally) -> None:
    """Let one segment hold all counts; those of the other shards keep their cursors."""
    text, empty = tally.to_json(compact=True).decode(), Tally().to_json().decode()
    rows = [
        {"run": run, "shard": shard, "cursor": cursor, "tally": empty if number else text}
        for number, (shard, cursor) in enumerate(sorted(cursors(connection, run).items()))
    ]
    connection.execute(delete(segments).where(segments.c.run == run))
    if rows:
        connection.execute(insert(segments), rows)


def decisions(connection: Connection) -> list[str]:
    """Return the entries of the ledger, oldest first; a store of an older release has none."""
    if not inspect(connection).has_table(tables.decisions.name):
        return []
    d = tables.decisions.c
    return list(connection.scalars(select(d.entry).order_by(d.decision)))


def add_decision(connection: Connection, entry: str) -> None:
    """Enter a decision behind the others."""
    tables.decisions.create(connection, checkfirst=True)
    connection.execute(insert(tables.decisions), {"entry": entry})


def run_infos(connection: Connection) -> list[tuple[int, str]]:
    """Return number and info of every run, newest first."""
    r = tables.runs.c
    rows = connection.execute(select(r.run, r.info).order_by(r.run.desc()))
    return [(row.run, row.info) for row in rows]


def drop_runs(connection: Connection, runs: Sequence[int]) -> int:
    """Take runs out of the list and remember that their rows are to go; return how many."""
    tables.forgotten.create(connection, checkfirst=True)
    count = 0
    for run in runs:
        gone = connection.execute(delete(tables.runs).where(tables.runs.c.run == run))
        if gone.rowcount:
            count += 1
            connection.execute(insert(tables.forgotten), {"run": run})
    return count


def forgotten(connection: Connection) -> list[int]:
    """Return the runs that were dropped and of which rows may be left."""
    return list(connection.scalars(select(tables.forgotten.c.run)))


def drop_rows(connection: Connection, run: int) -> bool:
    """Delete some rows of a dropped run; return whether there are more."""
    first = connection.scalars(select(func.min(_E.seq)).where(_E.run == run)).one()
    if first is not None:
        below = first + DROPPED
        connection.execute(delete(divergences).where(_D.run == run, _D.seq < below))
        connection.execute(delete(exchanges).where(_E.run == run, _E.seq < below))
        return True
    for table in (segments, tables.sent, tables.noise, tables.judged, tables.forgotten):
        connection.execute(delete(table).where(table.c.run == run))
    return False


def next_records(
    connection: Connection,
    run: int,
    after: int,
    signatures: Collection[str] | None,
    *,
    divergent: bool = False,
) -> list[Record]:
    """Return up to `CHUNK` records behind `after`; with `signatures`, that hold one of them."""
    condition = (_E.run == run) & (_E.seq > after)
    if divergent:
        condition &= _E.outcome == Outcome.DIVERGENT.value
    if signatures is not None:
        condition &= exists().where(
            _D.run == _E.run, _D.seq == _E.seq, _D.signature.in_(signatures)
        )
    return _records(connection, condition)


def all_records(
    connection: Connection, run: int, signatures: Collection[str] | None
) -> Iterator[Record]:
    """Yield every record, or those that hold one of the signatures, in order."""
    after = -1
    while batch := next_records(connection, run, after, signatures):
        yield from batch
        after = batch[-1].seq


def _records(connection: Connection, condition: ColumnElement[bool]) -> list[Record]:
    rows = connection.execute(select(exchanges).where(condition).order_by(_E.seq).limit(CHUNK))
    kept = rows.mappings().all()
    if not kept:
        return []
    seqs = [row["seq"] for row in kept]
    query = select(divergences).where(_D.run == kept[0]["run"], _D.seq.in_(seqs))
    found = connection.execute(query.order_by(_D.seq, _D.position)).mappings()
    return records_of(kept, found)


def occurrence_rows(
    connection: Connection, run: int, signature: str | None, limit: int
) -> Sequence[RowMapping]:
    """Return the first divergences of a run, in order, with their exchanges."""
    columns = [column for column in _E if column.name not in {"run", "seq"}]
    joined = divergences.join(exchanges, (_D.run == _E.run) & (_D.seq == _E.seq))
    query = select(*_D, *columns).select_from(joined).where(_D.run == run)
    if signature is not None:
        query = query.where(_D.signature == signature)
    query = query.order_by(_D.seq, _D.position).limit(limit)
    return connection.execute(query).mappings().all()


def gather(connection: Connection, run: int, evidence: Evidence, *, pairs: bool) -> None:
    """Read the pairs of latencies, the failures and the requests of a run.

    Without `pairs`, of the latencies it is only read whether there are any.
    A pair is an exchange that is not hollow, that both sides answered with a status of the same
    hundred, below 500: a quick refusal is no quick service. Failures are counted among hollow
    exchanges too, which are hollow because the baseline fails.
    """
    for sql, take in (
        (_PAIRS, evidence.add_pairs) if pairs else (_PAIRED, evidence.add_paired),
        (_FAILURES, evidence.add_failures),
        (_REQUESTS, evidence.add_requests),
    ):
        # Straight from the driver: a million rows as SQLAlchemy's take twice as long.
        with closing(_asked(connection, sql, run)) as cursor:
            while rows := cursor.fetchmany(ROWS):
                take(rows)


def _asked(connection: Connection, sql: str, run: int) -> Any:
    """Return a cursor of the driver that reads as it goes."""
    if connection.dialect.name == "postgresql":
        cursor = connection.connection.cursor("rows")  # named: the rows stay with the server
        cursor.execute(sql.replace("?", "%s"), (run,))
    else:
        cursor = connection.connection.cursor()
        cursor.execute(sql, (run,))
    return cursor


_PAIRS: Final = """
SELECT endpoint, session, baseline_service_us, baseline_response_us,
       candidate_service_us, candidate_response_us
FROM exchanges
WHERE run = ? AND hollow = 0 AND outcome <> 'skipped'
  AND baseline_status < 500 AND baseline_status / 100 = candidate_status / 100
  AND baseline_service_us >= 0 AND baseline_response_us >= 0
  AND candidate_service_us >= 0 AND candidate_response_us >= 0
ORDER BY seq
"""
_PAIRED: Final = f"SELECT EXISTS ({_PAIRS})"
_FAILURES: Final = """
SELECT endpoint, count(*) FILTER (WHERE baseline AND candidate),
       count(*) FILTER (WHERE baseline AND NOT candidate),
       count(*) FILTER (WHERE candidate AND NOT baseline)
FROM (
  SELECT endpoint, baseline_no_answer IS NOT NULL OR baseline_status >= 500 AS baseline,
         candidate_no_answer IS NOT NULL OR candidate_status >= 500 AS candidate
  FROM exchanges
  WHERE run = ? AND (baseline_no_answer IS NOT NULL OR baseline_status IS NOT NULL)
    AND (candidate_no_answer IS NOT NULL OR candidate_status IS NOT NULL)
) AS failed
WHERE baseline OR candidate
GROUP BY endpoint
"""
_REQUESTS: Final = """
SELECT endpoint, target, outcome = 'divergent' FROM exchanges
WHERE run = ? AND hollow = 0 AND outcome IN ('match', 'equivalent', 'divergent')
"""


def revise(connection: Connection, run: int, revisions: Sequence[Revision], tally: Tally) -> None:
    """Change rows and counts together.

    Raise ValueError for an exchange that is not there or an outcome that is not compared.
    """
    by_seq = {revision.seq: revision for revision in revisions}
    seqs, signatures = sorted(by_seq), set[str]()
    for start in range(0, len(seqs), CHUNK):
        wanted = seqs[start : start + CHUNK]
        records = _records(connection, (_E.run == run) & _E.seq.in_(wanted))
        if len(records) < len(wanted):
            missing = set(wanted).difference(record.seq for record in records)
            raise ValueError(f"exchange {min(missing)} is not in the run")
        pairs = [(record, by_seq[record.seq]) for record in records]
        signatures |= _change_rows(connection, run, pairs)
        for record, revision in pairs:
            if record.outcome != revision.outcome:
                tally.move(record, revision.outcome)
    everything = tally.findings_dropped > 0 or len(signatures) > MAX_SIGNATURES
    counted = None if everything else signatures
    if counted is None or counted:
        tally.recount(all_records(connection, run, counted), counted)


def _change_rows(
    connection: Connection, run: int, pairs: Sequence[tuple[Record, Revision]]
) -> set[str]:
    """Change rows; return the signatures whose findings have to be counted anew."""
    moves: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    signatures: set[str] = set()
    for record, revision in pairs:
        place = {"run_": run, "seq_": record.seq}
        if not COMPARED.issuperset({record.outcome, revision.outcome}):
            raise ValueError(f"exchange {record.seq}: {record.outcome} → {revision.outcome}")
        if record.outcome != revision.outcome:
            moves.append({**place, "outcome_": revision.outcome.value})
        for change in revision.changes:
            fields = msgspec.structs.asdict(change).items()
            changes.append({**place, **{f"{name}_": value for name, value in fields}})
            signatures.add(record.divergences[change.position].signature)
    if moves:
        connection.execute(_MOVE, moves)
    if changes:
        connection.execute(_CHANGE, changes)
    return signatures
