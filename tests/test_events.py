"""What a killed process had logged and not committed is taken back, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ShadowError
from shadow.events import Events, withdraw
from shadow.masking import Masker
from shadow.model import Divergence, Exchange, Judgement, Outcome, Request
from shadow.results.record import Record

KINDS = ("shadow.divergence", "shadow.exchange.skipped", "shadow.exchange.incomparable")


def line(event: str, seq: int | None, run: str = "r") -> bytes:
    """An event as it is logged; what it quotes tries to pass for another one."""
    fields = {"event": event, "v": 1, "timestamp": "2026-11-22T13:44:18.488203Z", "level": "info"}
    rest: dict[str, object] = {"run_id": run} if seq is None else {"run_id": run, "seq": seq}
    odd = {"target": '/"event":"shadow.divergence","seq":0', "baseline": '\n"seq":1'}
    return json.dumps({**fields, **rest, **odd}, separators=(",", ":")).encode() + b"\n"


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9))), st.sets(st.integers(0, 9)))
def test_the_events_of_what_was_not_kept_are_taken_back(
    tmp_path_factory: pytest.TempPathFactory, logged: list[tuple[str, int]], kept: set[int]
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    milestones = [line("shadow.run.started", None), line("shadow.divergence.revised", None)]
    others = [line(KINDS[0], seq, run="other") for seq in range(10)]
    lines = [*milestones, *(line(event, seq) for event, seq in logged), *others]
    path.write_bytes(b"".join(lines))
    count = withdraw(str(path), "r", kept.__contains__)
    stay = [*milestones, *(line(e, seq) for e, seq in logged if seq in kept), *others]
    assert path.read_bytes() == b"".join(stay)
    assert count == len(lines) - len(stay)


def test_a_line_cut_short_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(KINDS[0], 1) + line(KINDS[0], 2)[:-5])
    assert withdraw(str(path), "r", lambda _: True) == 1
    assert path.read_bytes() == line(KINDS[0], 1)


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    assert withdraw("-", "r", lambda _: False) == 0
    assert withdraw(str(tmp_path / "missing"), "r", lambda _: False) == 0
    assert withdraw("/dev/null", "r", lambda _: False) == 0


def test_a_file_that_cannot_be_changed_is_said() -> None:
    with pytest.raises(ShadowError, match="cannot mend"):
        withdraw("/proc/self/exe", "r", lambda _: False)  # a program that runs


WRITES = """
import sys
from shadow.events import Events
with Events.open(sys.argv[1], sys.argv[2]) as events:
    for number in range(200):
        events.run_finished({"number": number, "long": "x" * 9_000})
"""


def test_processes_write_whole_lines_in_turns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    words = [sys.executable, "-c", WRITES, str(path)]
    processes = [subprocess.Popen([*words, name]) for name in ("a", "b", "c")]
    assert [process.wait() for process in processes] == [0, 0, 0]
    logged = [json.loads(line) for line in path.read_bytes().splitlines()]
    for name in ("a", "b", "c"):
        assert [each["number"] for each in logged if each["run_id"] == name] == list(range(200))


@pytest.mark.parametrize("trace_id", [None, "4bf92f3577b34da6a3ce929d0e0e4736"])
def test_a_divergence_names_the_trace_it_was_seen_in(tmp_path: Path, trace_id: str | None) -> None:
    divergence = Divergence(
        where="status",
        kind="value_changed",
        path="",
        path_pattern="",
        signature="0" * 16,
        baseline="200",
        candidate="500",
    )
    record = Record.of(
        Exchange(id="x", request=Request(method="GET", target="/")),
        Judgement(outcome=Outcome.DIVERGENT, divergences=(divergence,)),
        seq=0,
        endpoint="GET /",
        masker=Masker(),
    )
    path = tmp_path / "events.jsonl"
    with Events.open(str(path), "r") as events:
        events.exchange(record, trace_id)
    assert json.loads(path.read_bytes())["trace_id"] == trace_id
