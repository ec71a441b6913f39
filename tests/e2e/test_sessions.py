"""Sessions that log in, create, read, patch and delete, where each side makes up its own values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services import run, trial

pytestmark = pytest.mark.e2e

CAPTURE = trial.ROOT / "replay_data" / "sessions.jsonl.gz"
RANDOM = {"TOKENS": "random", "IDS": "random"}
BY_ID = '[[compare.lists]]\nendpoint = "GET /v1/items"\npath = "$.items"\nkey = "id"\n'


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[str, str]]:
    with run.running(run.GO, RANDOM) as go, run.running(run.RUST, RANDOM) as rust:
        yield go.url, rust.url


def shadow(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shadow", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


def replayed(folder: Path, pair: tuple[str, str], *words: str) -> dict[str, Any]:
    sides = ("--go", pair[0], "--rust", pair[1])
    done = shadow(folder, "replay", str(CAPTURE), *sides, "--json", "--quiet", *words)
    assert done.returncode in (0, 1, 3), done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose shadow.toml has the plan that the capture shows."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "shadow.toml").write_text(trial.CONFIG.read_text("utf-8") + BY_ID, "utf-8")
    done = shadow(folder, "sessions", "learn", str(CAPTURE), "--append")
    assert done.returncode == 0, done.stderr
    return folder


def test_without_a_plan_the_run_is_hollow_and_says_why(
    tmp_path: Path, pair: tuple[str, str]
) -> None:
    (tmp_path / "shadow.toml").write_text(trial.CONFIG.read_text("utf-8"), "utf-8")
    summary = replayed(tmp_path, pair, "--allow-writes", "--fail-on", "never")
    assert summary["exit_code"] == 3
    assert summary["hollow"] > summary["read"] / 2
    cautions = {each["code"]: each for each in summary["warnings"]}
    assert "shadow sessions learn" in cautions["hollow-expired-token"]["advice"]
    assert "POST /v1/items 40" in cautions["hollow-expired-token"]["text"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_the_learned_plan_every_session_runs_to_its_end(
    learned: Path, pair: tuple[str, str], workers: str
) -> None:
    more = ("--allow-writes", "--noise", "twice", "--workers", workers)
    summary = replayed(learned, pair, *more)
    assert summary["hollow"] == summary["incomparable"] == summary["skipped"] == 0
    rules = {each["rule"] for each in summary["findings"] if each["rule"]}
    assert {"correlate:id", "correlate:token"} <= rules
    # What is left are the natural divergences of the pair, each with a class.
    assert {each["class"] for each in trial.divergent(summary)} <= {
        *("nil-slice-null", "float-integral-point", "omitempty-missing-vs-null"),
        *("time-fraction-digits", "time-zone-normalised"),
    }


def test_without_the_writes_what_hangs_on_them_is_not_sent(
    learned: Path, pair: tuple[str, str]
) -> None:
    summary = replayed(learned, pair)
    skipped = summary["reasons"]["skipped"]
    assert skipped["not-sent (id)"] == 80 - 40
    assert summary["hollow"] == 0


def test_a_live_value_never_reaches_the_store_or_the_events(
    learned: Path, pair: tuple[str, str], tmp_path: Path
) -> None:
    store, events = tmp_path / "store.sqlite", tmp_path / "events.jsonl"
    more = ("--allow-writes", "--store", str(store), "--events", str(events))
    replayed(learned, pair, *more)
    told = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    tokens = [each for each in told if each.get("path") == "$['token']"]
    assert len(tokens) == 20
    assert all(each["baseline"].startswith('"[masked:') for each in tokens)


def test_a_wrong_amount_behind_a_right_answer_is_seen_where_it_is_read(
    learned: Path,
) -> None:
    defect = {**RANDOM, "DEFECTS": "wrong-amount"}
    with run.running(run.GO, RANDOM) as go, run.running(run.RUST, defect) as rust:
        summary = replayed(learned, (go.url, rust.url), "--allow-writes", "--noise", "twice")
    places = {trial.place(each) for each in trial.divergent(summary) if not each["class"]}
    assert ("GET /v1/items/{id}", "body", "$['price_cents']") in places
    assert {endpoint for endpoint, _, _ in places} <= {
        *("GET /v1/items", "GET /v1/items/{id}", "PATCH /v1/items/{id}")
    }


PROBE = """
[targets.baseline.hooks]
reset = "POST /admin/reset"
[targets.candidate.hooks]
reset = "POST /admin/reset"
[[state]]
name = "drafts"
request = "GET /v1/items?owner=me"
headers = { Authorization = "Bearer {token}" }
[[compare.lists]]
endpoint = "STATE drafts"
path = "$.items"
key = "id"
"""


def test_a_probe_finds_a_write_that_answers_201_and_stores_the_wrong_amount(
    learned: Path, tmp_path: Path
) -> None:
    plan = (learned / "shadow.toml").read_text("utf-8")
    (tmp_path / "shadow.toml").write_text(plan + PROBE, "utf-8")
    defect = {**RANDOM, "DEFECTS": "wrong-amount"}
    with run.running(run.GO, RANDOM) as go, run.running(run.RUST, defect) as rust:
        summary = replayed(tmp_path, (go.url, rust.url), "--allow-writes")
    (state,) = [
        each for each in trial.divergent(summary) if each["where"] == "state" and not each["class"]
    ]
    assert state["path_pattern"] == "$['items'][*]['price_cents']"
    assert state["exchanges"] == 20  # one for each session
    assert all(each["exchange_id"].endswith("+drafts") for each in state["examples"])
    (log,) = (tmp_path / ".shadow").glob("*.hooks.log")
    assert log.read_text("utf-8").count("POST /admin/reset: 204") == 2
