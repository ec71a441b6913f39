"""`--repeat` against the pair, with failures by chance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import run, trial
from tests.e2e.test_sessions import shadow

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def go() -> Iterator[str]:
    with run.running(run.GO) as service:
        yield service.url


@pytest.fixture(scope="module")
def failing() -> Iterator[str]:
    with run.running(run.RUST, {"DEFECTS": "errors-1pct"}) as service:
        yield service.url


def test_what_comes_and_goes_when_asked_again_is_the_candidate_s_own(
    tmp_path: Path, go: str, failing: str
) -> None:
    given = ("--go", go, "--rust", failing, "--config", str(trial.CONFIG), "--json", "--quiet")
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
