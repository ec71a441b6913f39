"""Starts one of the two services on a free port and stops it again."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shadow.errors import UnfinishedError

BUILD_DIR = Path(__file__).resolve().parent.parent / ".build"
GO = BUILD_DIR / "go-catalogue"
RUST = BUILD_DIR / "rust-catalogue"

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
ANNOUNCEMENT = "listening on "


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service: where it listens and its process id."""

    url: str
    pid: int


@contextmanager
def running(binary: Path, env: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Start `binary` with `env` added to the environment; stop it when the block ends.

    Raises UnfinishedError when it is not built or does not announce its address.
    """
    if not binary.exists():
        raise UnfinishedError(f"{binary} does not exist", hint="run services/build.sh")
    environment = {**os.environ, "ADDR": "127.0.0.1:0", **(env or {})}
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(  # noqa: S603 - the path is ours
            [str(binary)], env=environment, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        try:
            address = _announced(process)
            if not address:
                process.kill()
                process.wait()
                complaints.seek(0)
                reason = complaints.read(500).strip() or "it did not announce its address"
                raise UnfinishedError(f"{binary.name} did not start: {reason}")
            yield Service(url=f"http://{address}", pid=process.pid)
        finally:
            _stop(process)


def _announced(process: subprocess.Popen[str]) -> str:
    """The address on the first line of stdout; empty when none comes in time."""
    if process.stdout is None:
        return ""
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline().strip() if ready else ""
    return line.removeprefix(ANNOUNCEMENT) if line.startswith(ANNOUNCEMENT) else ""


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
