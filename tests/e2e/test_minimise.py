"""Planted defects, each found and brought down to the one thing that matters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services import run, trial
from shadow.captures import read
from shadow.model import Exchange
from tests.e2e.test_sessions import shadow

pytestmark = pytest.mark.e2e

DEFECTS = "wrong-currency,stuck,errors-1pct,race,lost-field"


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, dict[trial.Place, str]]]:
    """A folder with a run against the defects, and the signatures by place."""
    folder = tmp_path_factory.mktemp("found")
    (folder / "shadow.toml").write_text(trial.CONFIG.read_text("utf-8"), "utf-8")
    with run.running(run.GO) as go, run.running(run.RUST, {"DEFECTS": DEFECTS}) as rust:
        done = shadow(
            folder,
            *("replay", str(trial.CAPTURE), "--go", go.url, "--rust", rust.url, "--json"),
            *("--timeout", "2", "--quiet", "--concurrency", "32"),
        )
        assert done.returncode == 1, done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        findings = trial.divergent(summary)
        places = {trial.place(each): each["signature"] for each in findings}
        for each in findings:
            if each["where"] == "status":
                given = each["examples"][0]["candidate"]
                places[each["endpoint"], "status", given] = each["signature"]
        yield folder, places


def smallest(folder: Path, signature: str, *more: str) -> tuple[str, list[Exchange]]:
    out = folder / f"{signature}.jsonl"
    given = ("--capture", str(trial.CAPTURE), "--minimise", "--out", str(out))
    done = shadow(folder, "repro", signature, *given, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout, [each for each in read([str(out)]) if isinstance(each, Exchange)]


def test_the_wrong_currency_of_one_article(found: tuple[Path, dict[trial.Place, str]]) -> None:
    folder, places = found
    signature = places["POST /v1/quote", "body", "$['lines'][*]['currency']"]
    said, (exchange,) = smallest(folder, signature)
    assert exchange.request.body == b'{"lines":[{"sku":"SKU-00007","quantity":1}]}'
    assert "# one request;" in said
    assert '"EUR" | "USD"' in said
    assert "# it showed in 10 of 10 tries" in said
    assert "# left out: " in said


def test_the_word_that_is_never_answered(found: tuple[Path, dict[trial.Place, str]]) -> None:
    folder, places = found
    signature = places["GET /v1/search", "transport", ""]
    said, (exchange,) = smallest(folder, signature, "--timeout", "0.5")
    assert exchange.request.target == "/v1/search?q=obsidian"
    assert "# → no answer: timeout" in said


def test_no_more_is_asked_than_was_allowed(found: tuple[Path, dict[trial.Place, str]]) -> None:
    folder, places = found
    signature = places["GET /v1/search", "transport", ""]
    more = ("--timeout", "0.3", "--max-requests", "12")
    said, _ = smallest(folder, signature, *more)
    asked = re.search(r"(\d+) requests? asked", said)
    assert asked is not None
    assert int(asked[1]) <= 12
    assert "of 10 tries" not in said  # which would be more than 12 requests


def test_the_lost_field_takes_no_header(found: tuple[Path, dict[trial.Place, str]]) -> None:
    folder, places = found
    _, (exchange,) = smallest(folder, places["GET /v1/items/{id}", "body", "$['currency']"])
    assert [name for name, _ in exchange.request.headers] == ["Host"]


def test_one_failure_in_a_hundred_is_called_flaky(
    found: tuple[Path, dict[trial.Place, str]],
) -> None:
    folder, places = found
    signature = places["GET /v1/items/{id}", "status", "500"]
    said, (exchange,) = smallest(folder, signature, "--max-requests", "4000")
    assert "flaky: it showed in" in said
    assert [name for name, _ in exchange.request.headers] == ["Host"]


def test_a_race_shows_with_others_beside_it_only(
    found: tuple[Path, dict[trial.Place, str]],
) -> None:
    folder, places = found
    signature = places["POST /v1/route", "body", "$['cost']"]
    given = ("repro", signature, "--capture", str(trial.CAPTURE), "--minimise")
    alone = shadow(folder, *given, "--max-requests", "200")
    assert alone.returncode == 4
    assert "shadow races" in alone.stderr
    said, (exchange,) = smallest(folder, signature, "--concurrency", "16", "--max-requests", "5000")
    assert "with 15 requests of its endpoint beside it" in said
    assert set(json.loads(exchange.request.body)) == {"from", "to"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "its capture is missing"),
        (("--capture", "nowhere.jsonl"), "nowhere.jsonl"),
    ],
)
def test_what_is_missing_is_named(
    found: tuple[Path, dict[trial.Place, str]], words: tuple[str, ...], says: str
) -> None:
    folder, places = found
    done = shadow(folder, "repro", next(iter(places.values())), "--minimise", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
