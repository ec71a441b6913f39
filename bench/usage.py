"""Runs one command and writes down what it took: its time, its CPU and its peak memory.

A process of its own, and a small one: what the kernel reports as a child's peak includes what
its parent held when it forked, and a benchmark with its data in memory holds a lot.

python -m bench.usage OUT.json COMMAND…
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """Run the command, pass on a SIGTERM, and return its exit code."""
    out, *command = sys.argv[1:]
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(pid, number))
    _, status, usage = os.wait4(pid, 0)
    told = {
        "wall_s": time.perf_counter() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        # Linux counts in kB, macOS in bytes.
        "peak_mb": usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024),
    }
    Path(out).write_text(json.dumps(told), "utf-8")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
