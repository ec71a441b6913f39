from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shadow.errors import UnfinishedError
from shadow.judge import Policy, judge
from shadow.model import Answer, Outcome
from shadow.replay import state
from shadow.replay.state import Probe, Prober, Probes, reads_only
from tests.postgres import Postgres, needs_postgres

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


def test_a_database_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SQL_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://u:s3cret@127.0.0.1:{silent.getsockname()[1]}/d"
        begun = time.monotonic()
        with pytest.raises(UnfinishedError) as ended:
            taken((url, "sqlite://"), "SELECT 1 AS a")
        assert time.monotonic() - begun < 5
    assert ended.value.message == (
        "state: orders: targets.baseline.database gave no answer in 0.2 s"
    )


class TestOnPostgres:
    pytestmark = needs_postgres

    def test_a_statement_that_waits_is_given_up_there_too(
        self, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(state, "SQL_S", 0.5)
        monkeypatch.setattr(state, "_OWN_S", 0.5)
        url = postgres.database()
        postgres.ask("CREATE TABLE orders (id int)", database=url)
        own = url.replace("postgresql:", "postgresql+psycopg:")
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE orders")
            with pytest.raises(UnfinishedError, match=r"database gave no answer in 0\.5 s"):
                taken((own, own), "SELECT id FROM orders")
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT id FROM%'"
            deadline = time.monotonic() + 5
            while postgres.ask(waiting, database=url) != [(0,)]:
                assert time.monotonic() < deadline
                time.sleep(0.02)  # the server has no other way to say that it has given up
