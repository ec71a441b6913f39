"""The labelled pairs as two captures, through `shadow diff`, read back from the event log."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from shadow.captures import open_writer
from shadow.model import Answer, Exchange, NoAnswer, Observation, Request
from tests.compare.classes.pairs import Labelled, load


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("pairs")
    for side in ("go", "rust"):
        with open_writer(folder / f"{side}.jsonl") as writer:
            for labelled in load():
                writer.write(exchange(labelled, side))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "shadow", "diff", "go.jsonl", "rust.jsonl"),
            *("--events", "-", "--quiet", "--all-events"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def exchange(labelled: Labelled, side: str) -> Exchange:
    pair = labelled.pair
    observation: Observation = pair.baseline if side == "go" else pair.candidate
    request = pair.request or Request(method="GET", target="/labelled")
    return Exchange(
        id=labelled.id,
        request=request,
        response=observation.response if isinstance(observation, Answer) else None,
        error=observation if isinstance(observation, NoAnswer) else None,
    )


def classes(events: list[dict[str, object]], exchange_id: str) -> set[object]:
    return {
        event["class"]
        for event in events
        if event["event"] == "shadow.divergence" and event["exchange_id"] == exchange_id
    }


@pytest.mark.parametrize("labelled", load(), ids=lambda each: f"{each.id}-{each.label}")
def test_the_event_log_names_the_class(labelled: Labelled, events: list[dict[str, object]]) -> None:
    found = classes(events, labelled.id)
    if labelled.label == "none":
        assert labelled.looks_like not in found
        assert None in found
    elif labelled.decidable != "corpus":
        assert found & {labelled.label, *labelled.accept}


def test_the_accounting_adds_up(events: list[dict[str, object]]) -> None:
    finished = events[-1]
    assert finished["event"] == "shadow.run.finished"
    outcomes = ("match", "equivalent", "divergent", "incomparable", "skipped")
    assert finished["read"] == len(load()) == sum(int(str(finished[each])) for each in outcomes)
