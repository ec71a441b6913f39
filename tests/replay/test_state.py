from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from shadow.errors import UnfinishedError
from shadow.judge import Policy, judge
from shadow.model import Answer, Outcome
from shadow.replay import state
from shadow.replay.state import Probe, Prober, Probes, reads_only

SQL = "SELECT id, amount FROM orders WHERE owner = :session ORDER BY id"


def database(path: Path, rows: list[tuple[int, float, str]]) -> str:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, amount REAL, owner TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def taken(urls: tuple[str, str], sql: str = SQL, session: str = "u-1") -> list[Answer]:
    probe = Probe(name="orders", sql=sql)
    services: Any = (None, None)
    prober = Prober(Probes(probes=(probe,), databases=urls), services, None)
    found = asyncio.run(prober.take(probe, session))
    assert all(isinstance(each, Answer) for each in found)
    return list(found)  # type: ignore[arg-type]  # as asserted


def test_rows_of_a_session_are_compared_as_json(tmp_path: Path) -> None:
    urls = (
        database(tmp_path / "go", [(1, 5.0, "u-1"), (2, 1.0, "u-2")]),
        database(tmp_path / "rust", [(1, 5.5, "u-1"), (2, 9.0, "u-2")]),
    )
    go, rust = taken(urls)
    assert json.loads(go.response.body) == [{"id": 1, "amount": 5.0}]
    exchange = Probe(name="orders", sql=SQL).exchange("u-1", "x7")
    judgement = judge(exchange, "STATE orders", go, rust, Policy())
    assert judgement.outcome == Outcome.DIVERGENT
    assert [(each.where, each.path) for each in judgement.divergences] == [
        ("state", "$[0]['amount']")
    ]
    assert (exchange.id, exchange.session) == ("x7+orders", "u-1")


def test_a_probe_changes_nothing(tmp_path: Path) -> None:
    url = database(tmp_path / "go", [(1, 5.0, "u-1")])
    sql = "WITH gone AS (SELECT 1) SELECT count(*) AS n FROM orders"
    assert json.loads(taken((url, url), sql)[0].response.body) == [{"n": 1}]


def test_two_columns_of_one_name_are_refused_for_one_would_not_be_compared() -> None:
    with pytest.raises(UnfinishedError, match="two columns called 'a'"):
        taken(("sqlite://", "sqlite://"), "SELECT 1 AS a, 2 AS a")


def test_what_json_has_no_number_for_is_not_null() -> None:
    answer, _ = taken(("sqlite://", "sqlite://"), "SELECT 9e999 AS a, NULL AS b, 1.5 AS c")
    assert json.loads(answer.response.body) == [{"a": "inf", "b": None, "c": 1.5}]


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT 1", True),
        ("  with a as (select 1) select * from a;", True),
        ("DELETE FROM orders", False),
        ("SELECT 1; DROP TABLE orders", False),
        ("", False),
    ],
)
def test_only_a_single_select_is_taken(sql: str, reads: bool) -> None:
    assert reads_only(sql) is reads


def test_a_database_that_cannot_be_asked_is_named_without_its_url() -> None:
    for url in ("sqlite:////no/such/dir/s3cret.db", "nosuch://u:s3cret@h/d", "s3cret"):
        with pytest.raises(UnfinishedError) as refused:
            taken((url, url))
        assert "s3cret" not in f"{refused.value.message} {refused.value.hint}"


def test_a_table_without_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_ROWS", 3)
    url = database(tmp_path / "go", [(n, 1.0, "u-1") for n in range(10)])
    rows = json.loads(taken((url, url))[0].response.body)
    assert len(rows) == 4
    assert rows[-1] == {"": "more than 3 rows"}
