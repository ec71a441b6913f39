"""The verdict of a gate, a criterion a line: measured, bound, and what would decide it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shadow.reports.console import printed
from shadow.reports.evidence import share
from shadow.reports.text import DASH, plain, plural
from shadow.results.gates.verdicts import CriterionResult, GateResult, GateVerdict

_STYLES: Final[dict[GateVerdict, str]] = {
    "pass": "green",
    "fail": "bold red",
    "inconclusive": "yellow",
}
_ORDER: Final[tuple[GateVerdict, ...]] = ("fail", "inconclusive", "pass")
_AT_LEAST: Final = frozenset({"exchanges", "coverage"})
"""Criteria with a lower bound."""


def render(gate: GateResult, *, width: int = 100, color: bool = False) -> str:
    """Render a gate on its own, in `width` columns."""
    return printed(blocks(gate), width=width, color=color)


def blocks(gate: GateResult) -> Iterator[RenderableType]:
    """Yield the heading and the criteria."""
    yield heading(gate)
    yield criteria(gate)


def heading(gate: GateResult) -> Text:
    """Say the verdict."""
    return Text.assemble(
        f"gate {plain(gate.phase)}  ",
        (gate.verdict.upper(), _STYLES[gate.verdict]),
        f"  run {plain(gate.run_id)}",
    )


def ordered(gate: GateResult) -> list[CriterionResult]:
    """The criteria, the missed ones first, then those not decided."""
    return sorted(gate.criteria, key=lambda each: _ORDER.index(each.verdict))


def criteria(gate: GateResult) -> Table:
    """Lay the criteria out, a row each."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in ordered(gate):
        name = plain(each.name.replace("-", " "))
        table.add_row(Text(each.verdict, style=_STYLES[each.verdict]), name, said(each))
    return table


def said(each: CriterionResult) -> Text:
    """Say one criterion: `0.02 % (0.001 to 0.08 %), at most 0.1 %; about 900 more exchanges`."""
    parts = [_numbers(each), _needed(each), plain(each.note)]
    if each.endpoint is not None:
        parts.append(plain(each.endpoint))
    return Text("; ".join(filter(None, parts)))


def _numbers(each: CriterionResult) -> str:
    if each.bound is None:
        return ""
    limit = "at least" if each.name in _AT_LEAST else "at most"
    bound = f"{limit} {value(each, each.bound)}"
    if each.measured is None:
        return bound
    measured = value(each, each.measured)
    if each.low is not None and each.high is not None:
        sure = "95 % bounds" if each.unit == "share" else "95 % CI"
        measured += f" ({sure} {value(each, each.low)}{DASH}{value(each, each.high)})"
    return f"{measured}, {bound}"


def value(each: CriterionResult, number: float) -> str:
    """Format a number in the unit of its criterion: `0.30 %`, `1.08`, `2,995`."""
    if each.unit == "share":
        return share(number) if number < 1 else "100 %"
    if each.unit == "ratio":
        return f"{number:.3g}"
    return f"{number:,.0f}"


def _needed(each: CriterionResult) -> str:
    """Say how many more exchanges would decide it."""
    if each.more is None and each.more_at_rate is None:
        return ""
    if each.unit != "share" or each.name in _AT_LEAST:
        return "about " + plural(each.more or 0, "more exchange")
    parts = [f"{plural(each.more, 'more exchange')} if all are clean"] if each.more else []
    if each.more_at_rate is not None and each.more_at_rate != each.more:
        parts.append(f"about {each.more_at_rate:,} at this rate")
    return ", ".join(parts)
