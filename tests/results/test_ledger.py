"""The ledger of decisions, as the store keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from shadow.errors import ShadowError
from shadow.results.gates.verdicts import CriterionResult, GateResult
from shadow.results.phases import Decision
from shadow.results.runs import RunInfo
from shadow.results.store import Store

Execute = Callable[[Store, str], None]

FIRST = Decision(
    at=datetime(2026, 11, 22, 12, tzinfo=UTC), by="ada", action="promote", phase="a", to="b"
)
SECOND = msgspec.structs.replace(FIRST, action="demote", phase="b", to="a", incident="INC-7")


def test_decisions_come_back_in_their_order(store: Store) -> None:
    assert store.ledger() == []
    store.decide(FIRST, behind=0)
    store.decide(SECOND, behind=1)
    assert store.ledger() == [FIRST, SECOND]


def test_who_did_not_see_the_last_decision_does_not_decide(store: Store) -> None:
    store.decide(FIRST, behind=0)
    with pytest.raises(ShadowError, match="somebody else has decided meanwhile"):
        store.decide(SECOND, behind=0)
    assert store.ledger() == [FIRST]


@pytest.mark.parametrize("statement", ["DELETE FROM decisions", "UPDATE decisions SET entry = ''"])
def test_the_database_keeps_what_was_entered(
    store: Store, execute: Execute, statement: str
) -> None:
    store.decide(FIRST, behind=0)
    with pytest.raises(DBAPIError, match="a decision stays as it was entered"):
        execute(store, statement)
    assert store.ledger() == [FIRST]


def test_a_store_of_a_release_without_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as old:
        old.execute("DROP TABLE decisions")
    with Store.open(path, create=False) as store:
        assert store.ledger() == []
        store.decide(FIRST, behind=0)
        assert store.ledger() == [FIRST]
    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute("DELETE FROM decisions")


def test_a_damaged_decision_is_told(store: Store, execute: Execute) -> None:
    execute(store, "INSERT INTO decisions (entry) VALUES ('{}')")
    with pytest.raises(ShadowError, match="damaged decision"):
        store.ledger()


def test_a_run_keeps_what_the_last_gate_said(store: Store, info: RunInfo) -> None:
    run_id = store.start_run(info)
    criterion = CriterionResult(name="x", verdict="fail", measured=0.5, bound=0.1, unit="share")
    for phase in ("replay", "canary"):
        gate = GateResult(phase=phase, run_id=run_id, verdict="fail", criteria=(criterion,))
        store.note_gate(run_id, gate)
        assert store.load(run_id).info.gate == gate
    store.finish_run(run_id, state="finished", exit_code=1, duration_s=1)
    assert store.load(run_id).info.gate == gate
    with pytest.raises(ShadowError, match="no run nope"):
        store.note_gate("nope", gate)
