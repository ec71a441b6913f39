"""A run that was killed goes on: nothing is lost, sent twice or counted twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow.model import Outcome
from shadow.replay.stopping import ENDING
from shadow.results.store import Store
from tests.cli.counting import Counting, counting_pair
from tests.cli.program import (
    Exchange,
    Forks,
    Shadow,
    add_up,
    clean,
    command,
    events,
    exchange,
    runs,
    write,
)

EXCHANGES = 300
KILLS_EACH = 5
KILLED = -int(signal.SIGKILL)


@pytest.fixture(scope="module")
def pair() -> Iterator[Counting]:
    with counting_pair() as counting:
        yield counting


@pytest.fixture
def services(pair: Counting) -> Iterator[Counting]:
    yield pair
    pair.asked.clear()
    pair.acts.clear()


def traffic() -> list[Exchange]:
    """Reads and writes, some in sessions."""
    made = []
    for number in range(EXCHANGES):
        one = exchange(number, method="POST" if number % 5 == 3 else "GET")
        if number % 4 == 0:
            del one["session"]
        made.append(one)
    return made


def words(services: Counting, *more: object) -> list[object]:
    targets = ["--go", services.urls["go"], "--rust", services.urls["rust"]]
    return ["replay", "capture.jsonl", *targets, "--allow-writes", "--quiet", *more]


def at_request(services: Counting, number: int, act: Any) -> None:
    services.acts[services.total + number] = act


def check(folder: Path, services: Counting, shadow: Shadow) -> Any:
    """Every exchange has one outcome, in counts, rows and events alike; no write went twice."""
    run = runs(shadow)[0]
    assert (run["state"], run["read"], add_up(run)) == ("finished", EXCHANGES, True)
    with Store.open(folder / ".shadow" / "shadow.sqlite", create=False) as store:
        loaded = store.load(run["id"])
        records = list(store.records(run["id"]))
    assert sorted(each.exchange_id for each in records) == sorted(
        f"x{number}" for number in range(EXCHANGES)
    )
    assert Counter(each.outcome for each in records) == Counter(
        {outcome: count for outcome, count in loaded.tally.outcomes.items() if count}
    )
    logged = [each for each in events(folder) if each["event"] == "shadow.divergence"]
    kept = {each.seq: each for each in records}
    assert Counter(each["seq"] for each in logged) == Counter(
        {seq: len(each.divergences) for seq, each in kept.items() if each.divergences}
    )
    assert all(each["exchange_id"] == kept[each["seq"]].exchange_id for each in logged)
    writes = [count for (_, method, _), count in services.asked.items() if method == "POST"]
    assert set(writes) == {1}
    for each in records:
        number = int(each.exchange_id.removeprefix("x"))
        expected = Outcome.DIVERGENT if number % 7 == 0 else Outcome.MATCH
        assert each.outcome == expected or (each.reason, each.method) == ("interrupted", "POST")
    return run


@pytest.mark.parametrize("seed", range(10))
def test_a_run_that_is_killed_at_any_point_goes_on(
    shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting, seed: int
) -> None:
    chance = random.Random(seed)
    write(tmp_path / "capture.jsonl", traffic())
    resume: list[object] = ["replay", "--resume", "latest", "--quiet"]
    command = words(services, "--concurrency", chance.choice([1, 4, 16]))
    for _ in range(KILLS_EACH):
        at = chance.randrange(1, EXCHANGES // 3)
        with forks.running(tmp_path, *command, out=None, err=None) as running:
            at_request(services, at, lambda: os.kill(running.pid, signal.SIGKILL))
            code = running.code()
        services.acts.clear()
        if code != KILLED:  # it was done before that many requests
            break
        assert "killed" in shadow("runs").out
        command = resume
    if code == KILLED:
        assert shadow(*resume).code == 1
    check(tmp_path, services, shadow)
    refused = shadow(*resume)
    assert (refused.code, "the run is finished" in refused.err) == (2, True)


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def workers_of(pid: int) -> list[int]:
    """The workers, without Python's own helper process."""
    found = []
    for child in children(pid):
        with_what = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in with_what:
            found.append(child)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_worker_that_dies_is_replaced(
    shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting, seed: int
) -> None:
    chance = random.Random(seed)
    write(tmp_path / "capture.jsonl", traffic())
    told = tmp_path / "told"
    with forks.running(tmp_path, *words(services, "--workers", "2"), out=None, err=told) as running:

        def kill_one() -> None:
            os.kill(chance.choice(workers_of(running.pid)), signal.SIGKILL)

        for number in (chance.randrange(1, 100), chance.randrange(100, 300)):
            at_request(services, number, kill_one)
        assert running.code() == 1
    assert told.read_text().count("died (SIGKILL): another one goes on after") == 2
    check(tmp_path, services, shadow)


def test_a_run_whose_workers_all_die_with_it_goes_on(
    shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    command = words(services, "--workers", "3")
    with forks.running(tmp_path, *command, out=None, err=None) as running:

        def kill_all() -> None:
            for pid in (running.pid, *workers_of(running.pid)):
                os.kill(pid, signal.SIGKILL)

        at_request(services, 150, kill_all)
        assert running.code() == KILLED
    done = shadow("replay", "--resume", "latest", "--quiet")
    assert done.code == 1, done.err
    check(tmp_path, services, shadow)


def test_workers_end_with_the_run_that_started_them(
    shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    with forks.running(tmp_path, *words(services, "--workers", "2"), out=None, err=None) as running:
        at_request(services, 100, lambda: os.kill(running.pid, signal.SIGKILL))
        assert running.code() == KILLED
    # Their last outcomes are committed, then they let go of the run: only then it can go on.
    while (done := shadow("replay", "--resume", "latest", "--quiet")).code == 2:
        assert "is going on in another process" in done.err
    assert done.code == 1, done.err
    check(tmp_path, services, shadow)


def test_an_interrupted_run_goes_on_where_it_ended(
    shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    for workers in (1, 2):
        told = tmp_path / "told"
        with forks.running(
            tmp_path, *words(services, "--workers", workers), out=None, err=told
        ) as running:
            at_request(services, 120, lambda: os.kill(running.pid, signal.SIGINT))
            assert running.code() == 130
        assert told.read_text() == f"shadow: {ENDING}\n"
        run, *_ = runs(shadow)
        assert (run["state"], add_up(run)) == ("interrupted", True)
        assert 0 < run["read"] < EXCHANGES
        assert shadow("replay", "--resume", run["id"], "--quiet").code == 1
        check(tmp_path, services, shadow)
        for left in (tmp_path / ".shadow").iterdir():
            left.unlink()
        services.asked.clear()


@pytest.fixture
def killed(shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting) -> str:
    """The id of a run that was killed."""
    write(tmp_path / "capture.jsonl", traffic())
    (tmp_path / "shadow.toml").write_text("[noise]\n", "utf-8")
    with forks.running(tmp_path, *words(services), out=None, err=None) as running:
        at_request(services, 100, lambda: os.kill(running.pid, signal.SIGKILL))
        assert running.code() == KILLED
    (run,) = runs(shadow)
    return str(run["id"])


def longer_capture(folder: Path) -> list[str]:
    write(folder / "capture.jsonl", [*traffic(), exchange(EXCHANGES)])
    return []


def other_config(folder: Path) -> list[str]:
    (folder / "shadow.toml").write_text("[noise]\n# another\n", "utf-8")
    return []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (longer_capture, "the capture is another one than when the run began"),
        (other_config, "the config is another one than when the run began"),
        (lambda _: ["--seed", "7"], "the run has seed 0, not 7"),
        (lambda _: ["--workers", "2"], "the run has workers 1, not 2"),
        (lambda _: ["--rust", "http://127.0.0.1:1"], "the run has candidate http://127.0.0.1:"),
    ],
)
def test_a_run_does_not_go_on_by_something_else(
    shadow: Shadow, tmp_path: Path, killed: str, change: Any, message: str
) -> None:
    done = shadow("replay", "--resume", killed, *change(tmp_path))
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "hint: " in done.err


def test_what_no_outcome_depends_on_may_change(
    shadow: Shadow, tmp_path: Path, killed: str, services: Counting
) -> None:
    moved = (tmp_path / "capture.jsonl").rename(tmp_path / "moved.jsonl")
    done = shadow("replay", moved.name, "--resume", killed, "--concurrency", "2", "--json")
    assert done.code == 1, done.err
    assert json.loads(done.out)["read"] == EXCHANGES
    check(tmp_path, services, shadow)


def test_what_cannot_go_on_is_said(shadow: Shadow, tmp_path: Path) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    assert "does not exist" in shadow("replay", "--resume", "latest").err
    assert shadow("diff", "capture.jsonl", "capture.jsonl", "--quiet").code == 0
    done = shadow("replay", "--resume", "latest")
    assert (done.code, "is a diff, which sends nothing" in done.err) == (2, True)
    assert "no run nosuch" in shadow("replay", "--resume", "nosuch").err


def test_a_pipe_that_pauses_holds_up_nothing(
    tmp_path: Path, services: Counting, shadow: Shadow
) -> None:
    # Longer than what it takes to tell the format.
    made = [exchange(number, body=json.dumps("x" * 3_000)) for number in range(50)]
    lines = [json.dumps(each).encode() + b"\n" for each in made]
    asked = threading.Event()
    at_request(services, 100, asked.set)  # both sides, of all that is in the pipe
    given = [*words(services)]
    given[1] = "-"
    with subprocess.Popen(
        command(*given), cwd=tmp_path, env=clean({}), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(lines))
        process.stdin.flush()
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)  # the pipe stays open
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read().decode() == f"shadow: {ENDING}\n"
    (run,) = runs(shadow)
    assert (run["state"], run["read"]) == ("interrupted", 50)


def test_a_worker_that_fails_ends_the_run_with_its_error(
    shadow: Shadow, tmp_path: Path, forks: Forks, services: Counting
) -> None:
    write(tmp_path / "capture.jsonl", traffic())
    told = tmp_path / "told"
    given = words(services, "--workers", "2")
    with forks.running(tmp_path, *given, out=None, err=told, limit=100_000) as running:
        assert running.code() == 4  # no file may become larger
    assert "cannot be written" in told.read_text() or "cannot write" in told.read_text()
    assert "Traceback" not in told.read_text()
    done = shadow("replay", "--resume", "latest", "--quiet")
    assert done.code == 1, done.err
    check(tmp_path, services, shadow)
