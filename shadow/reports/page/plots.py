"""Plots as numbers for SVG: what a template draws, in the units of its view box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from shadow.results.latency import BINS
from shadow.results.summary import Percentiles

WIDTH: Final = 360
_HALF: Final = 36  # height of either side's distribution
_BAR: Final = 100  # width of a stacked bar
_FEWEST_DECADES: Final = 1.5


def stacked(counts: Sequence[tuple[str, int]]) -> list[tuple[str, float, float]]:
    """Parts of a bar of width 100: name, left end and width, those of zero left out.

    A part that is there is at least half a unit wide, so that one of a million is seen.
    """
    total = sum(count for _, count in counts)
    if not total:
        return []
    widths = {name: max(0.5, _BAR * count / total) for name, count in counts if count}
    scale = _BAR / sum(widths.values())
    parts: list[tuple[str, float, float]] = []
    left = 0.0
    for name, width in widths.items():
        parts.append((name, round(left, 2), round(width * scale, 2)))
        left += width * scale
    return parts


def plot(baseline: Percentiles, candidate: Percentiles) -> dict[str, Any] | None:
    """Both distributions on one logarithmic axis: the baseline upward, the candidate downward.

    A bar's height is the square root of its share, so that a tail of one in a hundred is
    seen. None where nothing was timed.
    """
    if not baseline.spread or not candidate.spread:
        return None
    scale = _Scale([low for side in (baseline, candidate) for low, _ in side.spread])
    return {
        "width": WIDTH,
        "middle": _HALF + 10,
        "height": 2 * _HALF + 36,
        "bars": [*_bars(baseline, scale, "baseline"), *_bars(candidate, scale, "candidate")],
        "marks": [*_marks(baseline, scale, "baseline"), *_marks(candidate, scale, "candidate")],
        "ticks": scale.ticks(),
    }


class _Scale:
    """Durations in µs to places on the axis."""

    def __init__(self, values: Sequence[int]) -> None:
        low, high = (math.log10(end or 1) for end in (min(values), max(values)))
        high += 1 / BINS
        missing = max(0.0, _FEWEST_DECADES - (high - low)) / 2
        self._low = max(0.0, low - missing)
        self._span = max(high + missing - self._low, 0.1)

    def at(self, microseconds: float) -> float:
        """The place of a duration."""
        place = (math.log10(max(1, microseconds)) - self._low) / self._span
        return round(max(0.0, min(1.0, place)) * WIDTH, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """The powers of ten within the axis, and half-way marks where there is but one."""
        high = self._low + self._span
        steps = [10**power for power in range(math.ceil(self._low), math.floor(high) + 1)]
        if len(steps) < 2:
            powers = range(math.floor(self._low), math.ceil(high) + 1)
            every = [part * 10**power for power in powers for part in (1, 2, 5)]
            steps = [step for step in every if self._low <= math.log10(step) <= high]
        return [(self.at(step), _label(step)) for step in steps]


def _label(microseconds: int) -> str:
    for unit, size in (("s", 1_000_000), ("ms", 1_000)):
        if microseconds >= size:
            return f"{microseconds // size:,} {unit}"
    return f"{microseconds} µs"


def _bars(side: Percentiles, scale: _Scale, name: str) -> list[dict[str, Any]]:
    largest = max(count for _, count in side.spread)
    width = round(WIDTH / (BINS * scale._span), 1)  # noqa: SLF001 - both are of this module
    found = []
    for low, count in side.spread:
        height = round(max(1.5, _HALF * math.sqrt(count / largest)), 1)
        top = _HALF + 10 - height if name == "baseline" else _HALF + 10
        found.append(
            {
                "side": name,
                "x": scale.at(low),
                "y": round(top, 1),
                "width": max(1.5, width - 1),
                "height": height,
            }
        )
    return found


def _marks(side: Percentiles, scale: _Scale, name: str) -> list[dict[str, Any]]:
    """Where the percentiles are, with their intervals."""
    found = []
    for each in ("p50", "p90", "p99"):
        value = getattr(side, each)
        if value is None:
            continue
        low, high = side.intervals.get(each, (value, value))
        found.append(
            {
                "side": name,
                "name": each,
                "x": scale.at(value),
                "low": scale.at(low),
                "width": round(max(1.0, scale.at(high) - scale.at(low)), 1),
                "y": 4 if name == "baseline" else 2 * _HALF + 16,
            }
        )
    return found
