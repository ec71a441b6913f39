"""The commands over a store in PostgreSQL: as over a file, and its password is never shown."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shadow.model import Outcome
from shadow.results.postgres import SCHEMA
from shadow.results.store import Store
from tests.cli.counting import Counting, counting_pair
from tests.cli.program import Done, Exchange, Forks, Shadow, events, exchange, runs, write
from tests.postgres import PASSWORD, Postgres, needs_postgres

pytestmark = needs_postgres

EXCHANGES = 140
GATED = "[gates.replay]\nmin_coverage = 0.0\n\n[phases]\norder = ['replay', 'canary']\n"

Ask = Callable[..., Done]


@pytest.fixture(scope="module")
def services() -> Iterator[Counting]:
    with counting_pair() as counting:
        yield counting


@pytest.fixture
def store(postgres: Postgres) -> str:
    url = postgres.database()
    postgres.ask(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION locked", database=url)
    return postgres.url(url.rpartition("/")[2], user="locked", password=PASSWORD)


@pytest.fixture
def ask(shadow: Shadow, store: str) -> Ask:
    """Runs a command on that store, and looks at what it says."""

    def run(*words: object) -> Done:
        done = shadow(*words, "--store", store)
        assert PASSWORD not in done.out + done.err
        assert "Traceback" not in done.err
        return done

    return run


def traffic() -> list[Exchange]:
    numbers = range(EXCHANGES)
    return [exchange(number, method="POST" if number % 5 == 3 else "GET") for number in numbers]


def test_a_run_is_kept_reported_and_gated(
    ask: Ask, store: str, tmp_path: Path, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    (tmp_path / "shadow.toml").write_text(GATED, "utf-8")
    targets = ["--go", services.urls["go"], "--rust", services.urls["rust"]]
    assert "does not exist" in ask("runs").err
    replay = ["replay", "capture.jsonl", *targets, "--allow-writes", "--workers", 2]
    assert ask(*replay, "--report", "html=report.html").code == 1
    (run,) = runs(ask)
    assert (run["state"], run["read"], run["divergent"]) == ("finished", EXCHANGES, 20)
    assert run["events"] == f".shadow/{run['id']}.events.jsonl"
    assert len([each for each in events(tmp_path) if each["event"] == "shadow.divergence"]) == 20
    assert ask(*replay, "--fail-on", "new", "--quiet").code == 0
    shown = store.replace(f":{PASSWORD}", "")
    assert shown in (tmp_path / "report.html").read_text("utf-8")
    assert shown in ask("report", "--format", "json").out
    for words in (
        ["report", "latest", "--format", "markdown"],
        ["trend"],
        ["drift", run["id"], "latest"],
        ["export", "latest", "--out", "run.run"],
        ["gate", "--phase", "replay"],
        ["phase", "promote", "--override", "--by", "ann", "--reason", "train", "--risk", "none"],
    ):
        done = ask(*words)
        assert done.code in {0, 1}, (words, done.err)
    assert "ann" in ask("phase", "status").out
    for path in (tmp_path, tmp_path / ".shadow"):
        for file in path.iterdir():
            assert file.is_dir() or PASSWORD.encode() not in file.read_bytes()


def test_a_run_that_is_killed_goes_on(
    ask: Ask, store: str, tmp_path: Path, forks: Forks, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    targets = ["--go", services.urls["go"], "--rust", services.urls["rust"]]
    words = ["replay", "capture.jsonl", *targets, "--quiet", "--allow-writes", "--store", store]
    with forks.running(tmp_path, *words, out=None, err=None) as running:
        services.acts[services.total + 90] = lambda: os.kill(running.pid, signal.SIGKILL)
        assert running.code() == -signal.SIGKILL
    services.acts.clear()
    # The server lets go of the run when it has noticed.
    while (done := ask("replay", "--resume", "latest", "--quiet")).code == 2:
        assert "is going on in another process" in done.err
    assert done.code == 1, done.err
    (run,) = runs(ask)
    assert run["state"] == "finished"
    with Store.open(store, create=False) as opened:
        records = list(opened.records(run["id"]))
        assert opened.load().tally.accounted
    assert sorted(each.exchange_id for each in records) == sorted(f"x{n}" for n in range(EXCHANGES))
    for each in records:
        expected = Outcome.DIVERGENT if int(each.exchange_id[1:]) % 7 == 0 else Outcome.MATCH
        assert each.outcome == expected or (each.reason, each.method) == ("interrupted", "POST")


def test_a_server_that_is_lost_ends_a_run_and_keeps_what_it_had(
    ask: Ask, tmp_path: Path, postgres: Postgres, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    targets = ["--go", services.urls["go"], "--rust", services.urls["rust"]]
    services.acts[services.total + 90] = postgres.stop
    done = ask("replay", "capture.jsonl", *targets, "--quiet", "--allow-writes")
    services.acts.clear()
    assert done.code == 4
    assert "cannot be reached" in done.err
    assert ask("runs").code == 4
    postgres.start()
    done = ask("replay", "--resume", "latest", "--quiet")
    assert done.code == 1, done.err
    (run,) = runs(ask)
    assert (run["state"], run["read"]) == ("finished", EXCHANGES)
