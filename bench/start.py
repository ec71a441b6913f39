"""How long the command takes to start."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench import measure
from bench.figures import Bound, Figure

HELP = Bound(on="value", most=0.15)


def measured(sizes: measure.Sizes, _: Callable[[str], None]) -> list[Figure]:
    """How long `shadow --help` takes; beside it, Python that does nothing."""
    ours, bare = measure.in_turns(
        sizes.rounds,
        lambda: measure.shadow("--help").wall_s,
        lambda: measure.run([sys.executable, "-c", "pass"]).wall_s,
    )
    return [
        Figure(
            area="start",
            what="start, shadow --help",
            unit="s",
            shadow=ours,
            against="python -c pass",
            other=bare,
            bound=HELP,
        )
    ]
