"""What an interruption leaves: an exit code, a summary, and counts that add up."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.program import (
    CAPTURE,
    CONFIG,
    RUST_CAPTURE,
    Forks,
    Running,
    Shadow,
    add_up,
    exchange,
    runs,
    write,
)


class Started:
    """A command that runs, its output in pipes."""

    def __init__(self, running: Running, out: IO[bytes], err: IO[bytes]) -> None:
        self.running = running
        self.out = out
        self.err = err

    def lines(self, count: int) -> list[Any]:
        """The next events."""
        return [json.loads(self.out.readline()) for _ in range(count)]


@pytest.fixture
def started(tmp_path: Path, said: Path, forks: Forks) -> Any:
    pipes = said / "out", said / "err"

    @contextmanager
    def start(*words: object) -> Iterator[Started]:
        for pipe in pipes:
            os.mkfifo(pipe)
        with (
            forks.running(tmp_path, *words, out=pipes[0], err=pipes[1]) as running,
            pipes[0].open("rb") as out,
            pipes[1].open("rb") as err,
        ):
            yield Started(running, out, err)
        for pipe in pipes:
            pipe.unlink()

    return start


@pytest.fixture
def paced(targets: list[str]) -> list[object]:
    return ["replay", CAPTURE, *targets, "--rate", "200", "--events", "-"]


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_of_a_hook_ends_with_the_run_that_waits_for_it(
    tmp_path: Path, started: Any, paced: list[str], number: signal.Signals
) -> None:
    pid = tmp_path / "pid"
    hook = ["sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600"]
    text = f"[targets.baseline.hooks]\nbefore_run = {json.dumps(hook)}\ntimeout_s = 60\n"
    (tmp_path / "hooks.toml").write_text(text, "utf-8")
    with started(*paced, "--config", "hooks.toml", "--allow-commands") as command:
        wait_for(pid)
        command.running.send(number)
        assert "interrupted" in command.err.read().decode()
        assert command.running.code() == 130
    stat = Path("/proc") / pid.read_text("utf-8").strip() / "stat"
    assert not stat.exists() or stat.read_text("utf-8").rpartition(")")[2].split()[0] == "Z"


def wait_for(path: Path) -> None:
    """Wait until the file is there."""
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_interrupted(
    shadow: Shadow, started: Any, paced: list[str], number: signal.Signals
) -> None:
    with started(*paced) as command:
        command.lines(100)
        command.running.send(number)
        *_, finished = map(json.loads, command.out)
        told = command.err.read().decode()
        assert command.running.code() == 130
    assert finished["event"] == "shadow.run.finished"
    assert finished["exit_code"] == 130
    assert 0 < finished["read"] < 2000
    assert add_up(finished)
    assert "the run is interrupted" in told
    assert f"read {finished['read']:,} = match" in told
    assert "Traceback" not in told
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"], run["read"]) == ("interrupted", 130, finished["read"])
    assert "the run is interrupted" in shadow("report").out


@pytest.mark.e2e
def test_a_replay_that_is_killed(shadow: Shadow, started: Any, paced: list[str]) -> None:
    with started(*paced) as command:
        command.lines(300)
        command.running.send(signal.SIGKILL)
        assert command.running.code() == -signal.SIGKILL
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"]) == ("killed", None)
    assert 0 < run["read"] < 2000
    assert add_up(run)
    assert "killed" in shadow("runs").out
    report = shadow("report", "--format", "json").json
    assert add_up(report)
    assert report["divergences"] == sum(each["divergences"] for each in report["findings"])
    assert shadow("diff", CAPTURE, CAPTURE, "--limit", "5", "--quiet").code == 0
    assert [each["state"] for each in runs(shadow)] == ["finished", "killed"]


def test_a_diff_that_is_interrupted(shadow: Shadow, started: Any) -> None:
    words = ["diff", CAPTURE, RUST_CAPTURE, "--config", CONFIG, "--events", "-"]
    with started(*words) as command:
        command.lines(50)  # and it waits for more of them to be read
        command.running.send(signal.SIGINT)
        *_, finished = map(json.loads, command.out)
        told = command.err.read().decode()
        assert command.running.code() == 130
    assert (finished["event"], finished["exit_code"]) == ("shadow.run.finished", 130)
    assert 0 < finished["read"] < 2000
    assert add_up(finished)
    assert "the run is interrupted" in told
    (run,) = runs(shadow)
    assert (run["state"], run["read"]) == ("interrupted", finished["read"])


@contextmanager
def a_service_that_never_answers() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def test_a_second_interruption_ends_at_once(shadow: Shadow, tmp_path: Path, started: Any) -> None:
    write(tmp_path / "go.jsonl", [exchange(number) for number in range(5)])
    with a_service_that_never_answers() as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        words = ["replay", "go.jsonl", "--go", "recorded", "--rust", url, "--concurrency", "1"]
        with started(*words) as command:
            probe, _ = server.accept()
            probe.close()
            peer, _ = server.accept()
            with peer:
                assert peer.recv(4096).startswith(b"GET /v1/items/0 ")
                command.running.send(signal.SIGINT)
                told = command.err.readline()
                assert told.startswith(b"shadow: ending when what is in flight has ended")
                command.running.send(signal.SIGINT)
                told = command.err.read().decode()  # the request may take 30 s
                assert peer.recv(1) == b""
            assert command.running.code() == 130
    assert "the run is interrupted" in told
    assert "Traceback" not in told
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"]) == ("interrupted", 130)
    assert run["duration_s"] < 15
    assert add_up(run)


def test_an_interruption_before_anything_was_read(tmp_path: Path, started: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "rust.jsonl", [exchange(1)])
    with (
        started("diff", "pipe", "rust.jsonl") as command,
        (tmp_path / "pipe").open("wb"),  # opens once the command has opened it
    ):
        command.running.send(signal.SIGINT)
        told = command.err.read().decode()
        assert command.running.code() == 130
    assert told.strip() == "shadow: interrupted"
    assert not (tmp_path / ".shadow").exists()
