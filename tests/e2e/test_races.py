"""`shadow races` and `--repeat` against the pair, with a race and with failures by chance."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services import run, trial
from tests.e2e.test_sessions import shadow

pytestmark = pytest.mark.e2e

ROUTE = ("--endpoint", "POST /v1/route")


@pytest.fixture(scope="module")
def go() -> Iterator[str]:
    with run.running(run.GO) as service:
        yield service.url


@pytest.fixture(scope="module")
def racy() -> Iterator[str]:
    with run.running(run.RUST, {"DEFECTS": "race,errors-1pct"}) as service:
        yield service.url


def races(folder: Path, go: str, rust: str, *more: str) -> tuple[int, dict[str, Any], str]:
    given = ("--go", go, "--rust", rust, "--config", str(trial.CONFIG), "--json")
    done = shadow(folder, "races", str(trial.CAPTURE), *given, *more)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_a_race_is_found_with_its_level_its_shares_and_how_to_see_it_again(
    tmp_path: Path, go: str, racy: str
) -> None:
    code, found, told = races(tmp_path, go, racy, *ROUTE, "--levels", "1,16", "--rounds", "2")
    (race,) = found["races"]
    assert code == 1
    assert (race["between"], race["example"]["path_pattern"]) == ("both", "$['cost']")
    assert (race["level"], race["alone_hits"]) == (16, 0)
    assert race["p"] < 0.001
    assert "RACE  POST /v1/route $['cost'], go against rust" in told
    words = shlex.split(race["reproduce"])[2:]
    again = shadow(
        tmp_path,
        *("races", *words, "--go", go, "--rust", racy, "--config", str(trial.CONFIG)),
    )
    assert again.returncode == 1


def test_a_pair_without_a_race_has_none(tmp_path: Path, go: str) -> None:
    code, found, told = races(tmp_path, go, go, *ROUTE, "--levels", "1,16", "--rounds", "2")
    assert (code, found["races"]) == (0, [])
    assert "nothing diverges more often under load" in told


def test_too_little_is_inconclusive_and_says_how_much_it_takes(tmp_path: Path, go: str) -> None:
    code, found, told = races(
        tmp_path, go, go, *ROUTE, "--levels", "1,4", "--rounds", "2", "--limit", "2"
    )
    assert code == 3
    assert f"--rounds {found['rounds_needed']}" in told


@pytest.mark.parametrize("levels", ["4,1", "1,x"])
def test_levels_that_are_none_are_refused(tmp_path: Path, go: str, levels: str) -> None:
    code, _, told = races(tmp_path, go, go, "--levels", levels)
    assert code == 2
    assert f"--levels {levels}" in told


def test_what_comes_and_goes_when_asked_again_is_the_candidate_s_own(
    tmp_path: Path, go: str, racy: str
) -> None:
    given = ("--go", go, "--rust", racy, "--config", str(trial.CONFIG), "--json", "--quiet")
    more = ("--repeat", "1", "--endpoint", "GET /v1/items/{id}", "--noise", "twice")
    done = shadow(tmp_path, "replay", str(trial.CAPTURE), *given, *more)
    found = {
        (each["where"], each["examples"][0]["candidate"]): each["unstable"]
        for each in trial.divergent(json.loads(done.stdout))
        if not each["class"] or each["where"] == "status"
    }
    assert found["status", "500"] is True
    assert not any(
        unstable
        for (where, value), unstable in found.items()
        if "500" not in value and where == "status"
    )
