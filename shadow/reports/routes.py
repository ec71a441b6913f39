"""Where the routes of the sidecar stand, and who changed them, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from shadow.reports.console import columns, printed
from shadow.reports.live.view import LiveGuard, LiveRoute
from shadow.reports.text import DASH, percent, plain
from shadow.results.routes import GO_ALL, RouteChange, RouteState

_SHOWN: Final = 10
NOTHING: Final = "No route has been changed: the flags decide."


def render(
    routes: Sequence[LiveRoute],
    guards: Sequence[LiveGuard],
    changes: Sequence[RouteChange],
    *,
    width: int = 100,
    color: bool = False,
) -> str:
    """Render the routes, the guards that have evidence, and the last changes; times are UTC."""
    return printed(_blocks(routes, guards, changes), width=width, color=color)


def _blocks(
    routes: Sequence[LiveRoute], guards: Sequence[LiveGuard], changes: Sequence[RouteChange]
) -> Iterator[RenderableType]:
    if routes:
        table = columns()
        for name in ("route", "serves", "percent", "latched since", "by", "reason"):
            table.add_column(name, justify="right" if name == "percent" else "left")
        for each in routes:
            table.add_row(*_row(each))
        yield table
    else:
        yield Text(NOTHING)
    telling = sorted(guards, key=lambda each: -each.evidence)[:_SHOWN]
    if any(each.evidence for each in telling):
        yield Text()
        yield Text("guards, the nearest to tripping first", style="dim")
        for guard in telling:
            if guard.evidence:
                yield Text(_guard(guard))
    if changes:
        yield Text()
        yield Text("changes, the newest first", style="dim")
        for change in changes[:_SHOWN]:
            yield Text(changed(change))
        if len(changes) > _SHOWN:
            yield Text(f"… and {len(changes) - _SHOWN:,} more (shadow route status --json)")


def _row(each: LiveRoute) -> tuple[Text, ...]:
    style = "bold red" if each.latched else ""
    cells = (
        plain(each.route),
        _serves(each),
        DASH if each.percent is None else f"{each.percent:g}",
        when(each.since) if each.since else DASH,
        plain(each.by),
        plain(each.reason),
    )
    return tuple(Text(cell, style=style if number < 2 else "") for number, cell in enumerate(cells))


def _serves(each: LiveRoute) -> str:
    if each.latched:
        return "go, latched"
    if each.weight is not None:
        return f"rust {percent(each.weight)}" if each.weight else "go"
    return "by the flag" if each.percent is None else f"rust {each.percent:g}%"


def _guard(each: LiveGuard) -> str:
    where = "all routes" if each.route == GO_ALL else plain(each.route)
    state = "tripped" if each.tripped else f"{percent(each.evidence)} of the evidence it takes"
    return f"{each.guard} {where}: {each.x:,} of {each.n:,}, {state}"


def changed(change: RouteChange) -> str:
    """Say an entry of the ledger on one line: when, who, what, and why."""
    share = "" if change.percent is None else f" to {change.percent:g}%"
    said = f"{when(change.at)} {plain(change.by)}: {change.action} {plain(change.route)}{share}"
    return f"{said}; {plain(change.reason)}" if change.reason else said


def stands(state: RouteState) -> str:
    """Say where a route stands after a change, on one line."""
    route = "all routes" if state.route == GO_ALL else plain(state.route)
    if state.latched:
        then = "" if state.percent is None else f"; then rust serves {state.percent:g}%"
        return f"{route}: on go until shadow route reset{then}"
    if state.percent is None:
        return f"{route}: as the flag says"
    return f"{route}: rust serves {state.percent:g}%, whatever percentage the flag says"


def when(at: datetime) -> str:
    """A time as it is shown: `2026-11-22 12:05:07`."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
