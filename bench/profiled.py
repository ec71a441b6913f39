"""Where a replay spends its time: cProfile over one run against nginx."""

from __future__ import annotations

import io
import pstats
import sys
from pathlib import Path

from bench import measure, replay, upstream

LINES = 25


def write(sizes: measure.Sizes, path: Path) -> str:
    """Write the functions with the most time of their own; empty, or why there is no profile."""
    why_not = upstream.missing()
    if why_not:
        return why_not
    with replay.nginx(sizes) as (pair, _):
        stats = pair.folder / "stats"
        command = replay.shadow_command(pair, pair.capture)
        measure.run(
            [sys.executable, "-m", "cProfile", "-o", str(stats), "-m", "shadow", *command],
            cores=measure.own_core(),
            codes=(0, 1, 3),
        )
        text = io.StringIO()
        shown = pstats.Stats(str(stats), stream=text).strip_dirs()
        shown.sort_stats("tottime").print_stats(LINES)
        shown.sort_stats("cumulative").print_stats(2 * LINES)
    head = f"{sizes.replayed} exchanges against nginx, under cProfile (which slows calls down)\n"
    path.write_text(head + text.getvalue(), "utf-8")
    return ""
