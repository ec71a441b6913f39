"""What was measured, beside what was wanted: one figure a row, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from rich.table import Table

Unit = Literal["/s", "s", "MB"]
Samples = tuple[float, ...]
TIMES: Final = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a figure has to reach: a ratio, or a value in its own unit."""

    on: Literal["ratio", "value"]
    least: float | None = None
    most: float | None = None

    def holds(self, number: float) -> bool:
        """Whether a number is within the bound."""
        return (self.least is None or number >= self.least) and (
            self.most is None or number <= self.most
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured: samples of shadow, and of what stands beside it, from one run."""

    area: str
    what: str
    unit: Unit
    shadow: Samples
    against: str = ""
    """What `other` is; empty where nothing stands beside it."""
    other: Samples = ()
    bound: Bound | None = None
    """What has to be reached; None where nothing was promised."""
    note: str = ""
    wrong: str = ""
    """What shadow got wrong; then nothing is reached, however fast."""

    @property
    def value(self) -> float:
        """The median of shadow's samples."""
        return statistics.median(self.shadow)

    @property
    def ratio(self) -> float | None:
        """How many times as good as the other: of rates shadow/other, else other/shadow.

        Of memory it is shadow/other: how many times as much.
        """
        if not self.other:
            return None
        other = statistics.median(self.other)
        return other / self.value if self.unit == "s" else self.value / other

    @property
    def reached(self) -> bool | None:
        """Whether what was wanted is reached; None where nothing was."""
        if self.wrong:
            return False
        number = self.ratio if self.bound and self.bound.on == "ratio" else self.value
        return None if self.bound is None or number is None else self.bound.holds(number)

    def to_builtins(self) -> dict[str, Any]:
        """Everything, with medians, ratio and verdict, for JSON."""
        found = asdict(self)
        found["shadow_median"] = self.value
        found["other_median"] = statistics.median(self.other) if self.other else None
        return {**found, "ratio": self.ratio, "reached": self.reached}


def table(figures: Sequence[Figure], title: str) -> Table:
    """A row a figure; medians, with lowest and highest in brackets."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("what")
    shown.add_column("shadow", justify="right")
    shown.add_column("beside it", justify="right")
    shown.add_column("ratio", justify="right")
    shown.add_column("wanted", justify="right")
    shown.add_column("reached")
    for figure in figures:
        other = f"{spread(figure.other, figure.unit)}\n{figure.against}" if figure.other else ""
        shown.add_row(
            "\n".join(filter(None, (figure.what, figure.note, figure.wrong))),
            spread(figure.shadow, figure.unit),
            other or figure.against,
            "" if figure.ratio is None else f"{short(figure.ratio)} {TIMES}",
            wanted(figure),
            {True: "yes", False: "NO", None: ""}[figure.reached],
        )
    return shown


def wanted(figure: Figure) -> str:
    """The bound in words."""
    bound = figure.bound
    if bound is None:
        return ""

    def told(number: float) -> str:
        return f"{short(number)} {TIMES}" if bound.on == "ratio" else amount(number, figure.unit)

    return f"≥ {told(bound.least)}" if bound.least is not None else f"≤ {told(bound.most or 0)}"


def spread(samples: Samples, unit: Unit) -> str:
    """Median, then lowest to highest; one sample stands alone."""
    if not samples:
        return ""
    middle = amount(statistics.median(samples), unit)
    if len(samples) == 1:
        return middle
    return f"{middle}\n({amount(min(samples), unit)} to {amount(max(samples), unit)})"


def amount(number: float, unit: Unit) -> str:
    """A number with its unit; times in the unit that reads best."""
    if unit == "/s":
        return f"{short(number)}/s"
    if unit == "MB":
        return f"{short(number)} MB"
    for factor, name in ((1, "s"), (1e3, "ms")):
        if number * factor >= 1:
            return f"{short(number * factor)} {name}"
    return f"{short(number * 1e6)} µs"


def short(number: float) -> str:
    """Three digits that count; whole numbers from a hundred on, with thousands apart."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"
