"""Memory does not grow with the capture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def capture(path: Path, exchanges: int, *, end: str) -> Path:
    """Exchanges with ids, targets and sessions of their own."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(exchanges):
            exchange = {
                "v": 1,
                "id": f"e{number}",
                "session": f"u-{number}",
                "request": {"method": "GET", "target": f"/v1/items/{number}?page={number}"},
                "response": {"status": 200, "body": '{"pad":"' + "x" * 400 + '"}' + end},
            }
            file.write(json.dumps(exchange) + "\n")
    return path


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
# A new process is first as large as the one that makes it, so a small one does.


def peak(folder: Path, exchanges: int) -> int:
    """Peak resident kilobytes of a diff."""
    go = capture(folder / f"{exchanges}.jsonl", exchanges, end="\n")
    rust = capture(folder / f"{exchanges}.rust.jsonl", exchanges, end="")
    command = [sys.executable, "-m", "shadow", "diff", str(go), str(rust), "--quiet"]
    command += ["--store", str(folder / f"{exchanges}.sqlite")]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True
    )
    return int(measured.stdout)


def test_ten_times_the_capture_takes_the_same_memory(tmp_path: Path) -> None:
    small, large = peak(tmp_path, 4_000), peak(tmp_path, 40_000)
    assert large <= 1.15 * small
