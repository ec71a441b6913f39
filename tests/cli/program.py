"""The command line as users have it, and what it leaves behind."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).parents[2]
DATA = ROOT / "replay_data"
CAPTURE = DATA / "catalogue.jsonl.gz"
RUST_CAPTURE = DATA / "catalogue.rust.jsonl.gz"
CONFIG = DATA / "shadow.toml"
OUTCOMES = ("match", "equivalent", "divergent", "incomparable", "skipped")
Exchange = dict[str, Any]


class Done:
    """A command that has ended."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out.decode("utf-8", "surrogateescape")
        self.err = err.decode("utf-8", "surrogateescape")

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shadow(Protocol):
    """Runs `shadow WORDS` to its end; the environment is this process's with changes."""

    def __call__(self, *words: object, **environment: str) -> Done: ...


class Forks:
    """Starts commands as forks of a process that has everything imported (see `forks`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._jobs, self._answers = process.stdin, process.stdout

    @contextmanager
    def running(
        self,
        folder: Path,
        *words: object,
        out: Path | None,
        err: Path | None,
        limit: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """Run a command in `folder`, its output to files, pipes or nowhere.

        `limit` is the size in bytes that no file may exceed.
        """
        job = {
            "words": list(map(str, words)),
            "cwd": str(folder),
            "environment": clean(environment or {}),
            "out": out and str(out),
            "err": err and str(err),
            "limit": limit,
        }
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        running = Running(int(self._answers.readline()), self._answers)
        try:
            yield running
        finally:
            running.code()


class Running:
    """A command that has been started."""

    def __init__(self, pid: int, answers: IO[str]) -> None:
        self.pid = pid
        self._answers = answers
        self._code: int | None = None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def code(self) -> int:
        """Wait for its end: the exit code, or the signal that ended it, negative."""
        if self._code is None:
            self._code = int(self._answers.readline())
        return self._code


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "shadow", *map(str, words)]


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what steers the program, and with these changes."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SHADOW_")}
    for name in ("NO_COLOR", "PYTHONUNBUFFERED"):
        kept.pop(name, None)
    return {**kept, **environment}


def exchanges(path: Path = CAPTURE) -> list[Exchange]:
    with gzip.open(path) as lines:
        return [json.loads(line) for line in lines]


def exchange(number: int, body: str = "{}", **request: Any) -> Exchange:
    return {
        "v": 1,
        "id": f"x{number}",
        "session": f"u-{number % 3}",
        "request": {"method": "GET", "target": f"/v1/items/{number}", **request},
        "response": {
            "status": 200,
            "headers": [["Content-Type", "application/json"]],
            "body": body,
        },
    }


def write(path: Path, lines: list[Exchange]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")
    return path


def runs(shadow: Callable[..., Done]) -> list[Any]:
    """The runs of the default store, newest first."""
    return [json.loads(line) for line in shadow("runs", "--json").out.splitlines()]


def events(folder: Path) -> list[Any]:
    """The events of the only run of the default store."""
    (path,) = (folder / ".shadow").glob("*.events.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def add_up(counts: Any) -> bool:
    """Whether every exchange that was read ended in one outcome."""
    return bool(counts["read"] == sum(counts[name] for name in OUTCOMES))
