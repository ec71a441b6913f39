"""`make bench`: shadow beside what one would use instead, as a table and as JSON.

python -m bench [--full] [--profile] [--only AREA …]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bench import compare, lag, measure, memory, profiled, proxy, replay, start, stored
from bench.figures import Figure, table

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("deepdiff", "httpx", "httptools", "msgspec", "structlog", "uvloop")

Area = Callable[[measure.Sizes, Callable[[str], None]], list[Figure]]
AREAS: dict[str, Area] = {
    "start": start.measured,
    "replay": replay.measured,
    "compare": compare.measured,
    "lag": lag.measured,
    "memory": memory.measured,
    "proxy": proxy.measured,
    "workers": stored.workers,
    "report": stored.report,
}


def main() -> int:
    """Measure, print the table, write the JSON; 1 where something could not be measured.

    What the figures say does not show in the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="larger, and a million exchanges")
    parser.add_argument("--profile", action="store_true", help="also profile a replay")
    parser.add_argument("--only", nargs="+", choices=AREAS, default=list(AREAS), metavar="AREA")
    given = parser.parse_args()
    sizes = measure.FULL if given.full else measure.DEFAULT
    console = Console(width=None if sys.stdout.isatty() else 140)
    say = Console(stderr=True).print
    RESULTS.mkdir(exist_ok=True)
    figures: list[Figure] = []
    code = 0
    for name in given.only:
        say(f"{name} …")
        try:
            figures += AREAS[name](sizes, say)
        except measure.FailedError as error:
            say(f"{name}: {error}", markup=False)
            code = 1
    console.print(table(figures, "Median (lowest to highest); ratios from this run"))
    console.print(f"JSON: {os.path.relpath(write(figures, sizes))}")
    if given.profile:
        path = RESULTS / "profile.txt"
        why_not = profiled.write(sizes, path)
        console.print(
            f"profile: left out: {why_not}" if why_not else f"profile: {os.path.relpath(path)}"
        )
    return code


def write(figures: list[Figure], sizes: measure.Sizes) -> Path:
    """Write all samples, and on what they were taken."""
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    content = {
        "at": now.isoformat(),
        "machine": {
            "cores": len(measure.cores()) or os.cpu_count(),
            "processor": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load": os.getloadavg(),
        },
        "packages": {name: version(name) for name in PACKAGES},
        "rounds": sizes.rounds,
        "figures": [figure.to_builtins() for figure in figures],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
