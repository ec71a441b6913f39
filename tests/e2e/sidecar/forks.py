"""Runs commands of `shadow`, any number at once, as forks of one process that has imported them.

A packet on standard input is a job: to start a command, whose output goes to the descriptors that
come along, or to wait for one that has ended. The answer is its process id, or its exit code.
What still runs when the packets end is killed.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from shadow import cli
from shadow.config import live, output, replaying
from shadow.replay import replay
from shadow.reports import show
from shadow.results import postgres
from shadow.rollout import routes
from shadow.sidecar import proxying, recording, sinking

PACKET = 1 << 16
UNEXPECTED = 99
IMPORTED = (
    *(live, output, postgres, proxying, recording, replay),
    *(replaying, routes, show, sinking),
)


def main() -> None:
    jobs = socket.socket(fileno=0)
    children: set[int] = set()
    while True:
        packet, descriptors, _, _ = socket.recv_fds(jobs, PACKET, 2)
        if not packet:
            break
        job = json.loads(packet)
        if "wait" in job:
            _, status = os.waitpid(job["wait"], 0)
            children.discard(job["wait"])
            jobs.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            run(job, *descriptors)
        children.add(child)
        for each in descriptors:
            os.close(each)
        jobs.send(str(child).encode())
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def run(job: dict[str, Any], out: int, err: int) -> NoReturn:
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, descriptor in ((1, out), (2, err)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = sys.__stdout__ = _stream(1, "strict")  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = _stream(2, "backslashreplace")  # type: ignore[misc, assignment]
    for name, most in job["limits"].items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
    sys.argv = ["shadow", *job["words"]]
    try:
        cli.main()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else UNEXPECTED)
    except BaseException:  # noqa: BLE001 - never back into the loop of the parent
        traceback.print_exc()
        os._exit(UNEXPECTED)


def _stream(number: int, errors: str) -> TextIO:
    """Standard output or error, which go elsewhere now."""
    return open(number, "w", encoding="utf-8", errors=errors, buffering=1, closefd=False)


if __name__ == "__main__":
    main()
