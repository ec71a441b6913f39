"""Where a replay spends its time: cProfile over one run against nginx and one on the pair."""

from __future__ import annotations

import pstats
import sys
from pathlib import Path

from bench import measure, replay, upstream

LINES = 25

Place = tuple[str, int, str]
"""File, line, function."""
Spent = tuple[int, int, float, float, object]
"""Primitive calls, calls, seconds of its own, seconds with what it calls, callers."""


def write(sizes: measure.Sizes, path: Path) -> str:
    """Write the functions with the most time of their own; empty, or why there is no profile."""
    why_not = upstream.missing() or replay.pair_missing()
    if why_not:
        return why_not
    with replay.nginx(sizes) as (pair, _):
        fast = told(profile(pair), sizes.replayed, "nginx, equal answers")
    with replay.demo(sizes) as pair:
        real = told(profile(pair), sizes.replayed_on_pair, "the demo pair")
    path.write_text(f"{fast}\n\n{real}", "utf-8")
    return ""


def profile(pair: replay.Pair) -> dict[Place, Spent]:
    """What each function spent in one replay."""
    stats = pair.folder / "stats"
    measure.run(
        [
            *(sys.executable, "-m", "cProfile", "-o", str(stats)),
            *("-m", "shadow", *replay.shadow_command(pair, pair.capture)),
        ],
        cores=measure.own_core(),
        codes=(0, 1, 3),
    )
    spent: dict[Place, Spent] = vars(pstats.Stats(str(stats)))["stats"]
    return spent


def told(spent: dict[Place, Spent], exchanges: int, against: str) -> str:
    """The functions as a text, in µs an exchange: by time of their own, then by time in all."""
    lines = [
        f"{exchanges} exchanges against {against}. cProfile makes calls dearer, so read shares.",
        "The event loop's own line is waiting, reading from sockets, and what C calls from it.",
    ]
    often = {place: each for place, each in spent.items() if each[1] >= exchanges / 2}
    for title, column, shown in (("own time", 2, spent), ("time in all", 3, often)):
        ranked = sorted(shown.items(), key=lambda entry: -float(str(entry[1][column])))
        lines += ["", f"By {title}, an exchange:", f"{'calls':>8} {'own µs':>8} {'all µs':>8}"]
        for (file, line, function), (_, calls, own, in_all, _) in ranked[:LINES]:
            place = function if file == "~" else f"{_short(file)}:{line} {function}"
            numbers = (calls / exchanges, own / exchanges * 1e6, in_all / exchanges * 1e6)
            lines.append(" ".join(f"{number:8.2f}" for number in numbers) + f"  {place}")
    return "\n".join(lines) + "\n"


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-2:])
