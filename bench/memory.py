"""Peak memory of a replay as the capture grows: it must not grow with it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import measure, replay, traffic, upstream
from bench.figures import Bound, Figure

WITHIN = Bound(on="ratio", most=1.15)


def measured(sizes: measure.Sizes, say: Callable[[str], None]) -> list[Figure]:
    """The peak at each size, beside that of the smallest. One run each."""
    why_not = upstream.missing()
    if why_not:
        say(f"memory: left out: {why_not}")
        return []
    with upstream.running(*traffic.bodies()) as server:
        peaks = {count: (peak(server, count),) for count in sizes.memory}
    smallest = min(peaks)
    return [
        Figure(
            area="memory",
            what=f"memory, replay of {count:,} exchanges, peak",
            unit="MB",
            shadow=found,
            against="" if count == smallest else f"the same for {smallest:,}",
            other=() if count == smallest else peaks[smallest],
            bound=WITHIN if count == sizes.memory_bound_at else None,
            note="one exchange in a hundred diverges" if count == smallest else "",
        )
        for count, found in peaks.items()
    ]


def peak(server: upstream.Upstream, count: int) -> float:
    """Peak memory of one replay in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = replay.Pair(
            folder=folder,
            baseline=server.baseline,
            candidate=server.candidate,
            capture=traffic.write(folder / "all.jsonl", traffic.requests(count, odd=True)),
        )
        ran = measure.shadow(*replay.shadow_command(pair, pair.capture))
        summary = json.loads(ran.stdout)
    odd = len(range(0, count, traffic.ODD_EVERY))
    if summary["read"] != count or summary["divergent"] != odd:
        raise measure.FailedError(f"of {count} exchanges {odd} diverge, shadow said {summary}")
    return ran.peak_mb
