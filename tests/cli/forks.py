"""Runs `shadow` in forks of one process that has imported it: half a second less for each.

Every line of standard input is a job; the answers to it are the process id and, at its end, the
exit code, a line each on standard output.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from typing import Any, NoReturn, TextIO

from shadow import cli
from shadow.config import accepting, diffing, output, replaying
from shadow.replay import diff, learning, replay
from shadow.reports import explain, show

UNEXPECTED = 99
IMPORTED = (accepting, diff, diffing, explain, learning, output, replay, replaying, show)


def main() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            run(job)
        os.write(1, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def run(job: dict[str, Any]) -> NoReturn:
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = sys.__stdout__ = _stream(1, job["out"])  # type: ignore[misc,assignment]
    sys.stderr = sys.__stderr__ = _stream(2, job["err"])  # type: ignore[misc,assignment]
    if job["limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    sys.argv = ["shadow", *job["words"]]
    try:
        cli.main()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else UNEXPECTED)
    except BaseException:  # noqa: BLE001 - never back into the loop of the parent
        traceback.print_exc()
        os._exit(UNEXPECTED)


def _stream(number: int, path: str | None) -> TextIO | None:
    """Standard output or error as Python makes it at its start: None where it is closed."""
    os.dup2(os.open(path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if path is None:
        return None
    errors = "strict" if number == 1 else "backslashreplace"
    return open(number, "w", encoding="utf-8", errors=errors, closefd=False)


if __name__ == "__main__":
    main()
