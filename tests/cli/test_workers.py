"""However many processes share the work, a run comes to the same counts and findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import (
    CAPTURE,
    CONFIG,
    OUTCOMES,
    RUST_CAPTURE,
    Shadow,
    add_up,
    events,
    exchange,
    write,
)

COUNTS = (*OUTCOMES, "read", "hollow", "broken", "divergences", "signatures")


def told(summary: Any) -> Any:
    """What must be the same: examples may be others."""
    findings = {
        (each["signature"], each["class"], each["verdict"]): (
            each["divergences"],
            each["exchanges"],
        )
        for each in summary["findings"]
    }
    endpoints = {
        each["endpoint"]: [each[name] for name in (*OUTCOMES, "hollow")]
        for each in summary["endpoints"]
    }
    return {name: summary[name] for name in COUNTS}, findings, endpoints


def divergent(summary: Any) -> set[str]:
    return {each["signature"] for each in summary["findings"] if each["verdict"] == "divergent"}


@pytest.mark.parametrize("more", [[], ["--join", "request"], ["--sample", "0.3"]])
def test_a_diff_by_several_workers(shadow: Shadow, more: list[str]) -> None:
    words = ["diff", CAPTURE, RUST_CAPTURE, "--config", CONFIG, "--quiet", "--json", *more]
    one = shadow(*words)
    three = shadow(*words, "--workers", "3")
    assert (one.code, one.err) == (three.code, three.err) == (1, "")
    assert told(one.json) == told(three.json)


@pytest.mark.e2e
def test_a_replay_by_several_workers(shadow: Shadow, tmp_path: Path, targets: list[str]) -> None:
    words = ["replay", CAPTURE, *targets, "--noise", "twice", "--quiet", "--json"]
    one = shadow(*words, "--events", "one.jsonl")
    two = shadow(*words, "--workers", "2", "--events", tmp_path / ".shadow" / "x.events.jsonl")
    assert (one.code, two.code, two.err) == (1, 1, "")
    # What is noise, and how often, is another matter in every run.
    for name in ("read", *OUTCOMES):
        assert one.json[name] == two.json[name]
    assert told(one.json)[2] == told(two.json)[2]
    assert divergent(one.json) == divergent(two.json)
    logged = [each for each in events(tmp_path) if each["event"] == "shadow.divergence"]
    assert len(logged) == two.json["divergences"]
    assert add_up(two.json)


def test_broken_lines_and_a_limit_are_counted_once(shadow: Shadow, tmp_path: Path) -> None:
    path = write(tmp_path / "capture.jsonl", [exchange(number) for number in range(60)])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:20], "{", *lines[20:40], "nonsense", *lines[40:]]) + "\n")
    for more, read in (([], 60), (["--limit", "30"], 30)):
        words = ["diff", "capture.jsonl", "capture.jsonl", "--quiet", "--json", *more]
        one, three = shadow(*words), shadow(*words, "--workers", "3")
        assert told(one.json) == told(three.json)
        assert one.json["read"] == read


def test_a_pipe_is_not_for_several_workers(shadow: Shadow, tmp_path: Path) -> None:
    write(tmp_path / "capture.jsonl", [exchange(1)])
    done = shadow("diff", "-", "capture.jsonl", "--workers", "2")
    assert (done.code, done.out) == (2, "")
    assert "a pipe can be read by one process only" in done.err


def test_what_ends_one_worker_ends_the_run(shadow: Shadow, tmp_path: Path) -> None:
    path = write(tmp_path / "capture.jsonl", [exchange(number) for number in range(60)])
    path.write_text(path.read_text() + "{\n")
    done = shadow("diff", "capture.jsonl", "capture.jsonl", "--workers", "2", "--strict")
    assert done.code == 2
    assert "capture.jsonl:61: " in done.err
    assert "hint: mend the line" in done.err
