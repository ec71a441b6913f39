"""`shadow trend`: numbers over runs as sparklines in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shadow.errors import ShadowError
from shadow.reports import machine
from shadow.reports.console import NARROWEST, columns, printed
from shadow.reports.evidence import share as share_text
from shadow.reports.show import colored
from shadow.reports.show import width as width_of
from shadow.reports.sparklines import sparkline
from shadow.reports.text import DASH, cut_end, milliseconds, plain, plural
from shadow.results.database import place_of
from shadow.results.resolve import load_run
from shadow.results.runs import Run
from shadow.results.store import Store
from shadow.results.trend import Trend, Unit, trend

_SHOWN_RUNS: Final = 10
_NUMBERS: Final = 46  # columns of four numbers and what parts them


def show_trend(
    what: str | None,
    *,
    also: Sequence[str],
    store: str,
    limit: int,
    all_captures: bool,
    as_json: bool,
) -> str:
    """The course over the newest runs of the store and over exported ones. Raises ShadowError."""
    runs, left_out = _runs(also, store, limit, all_captures=all_captures)
    found = trend(runs, what)
    if as_json:
        return machine.render(found)
    out = sys.stdout
    text = render(found, width=width_of(out) if out else 100, color=bool(out and colored(out)))
    if left_out:
        text += f"{plural(left_out, 'run')} of other captures left out (--all-captures)\n"
    return text


def _runs(
    also: Sequence[str], store: str, limit: int, *, all_captures: bool
) -> tuple[list[Run], int]:
    """The finished runs, oldest first, and how many were left out for their capture."""
    found = {run.info.id: run for run in (load_run(path, store).run for path in also)}
    place = place_of(store)
    if not isinstance(place, Path) or place.exists() or not also:
        with Store.open(place, create=False) as opened:
            infos = [info for info in opened.runs() if info.state == "finished"]
            wanted = infos[0].digest if infos else ""
            same = [info for info in infos if all_captures or info.digest == wanted]
            for info in same[:limit]:
                found.setdefault(info.id, opened.load(info.id))
    runs = sorted(found.values(), key=_when)
    if not runs:
        raise ShadowError(f"store {place}: no finished runs yet", "shadow runs lists all of them")
    digest = runs[-1].info.digest
    same_capture = [run for run in runs if all_captures or run.info.digest == digest]
    return same_capture, len(runs) - len(same_capture)


def _when(run: Run) -> tuple[float, str]:
    started: datetime | None = run.info.started
    return (started.timestamp() if started else 0.0, run.info.id)


def render(found: Trend, *, width: int = 100, color: bool = False) -> str:
    """Render the course in `width` columns: each number's line, first and last value, range."""
    return printed(_blocks(found, max(width, NARROWEST)), width=width, color=color)


def _blocks(found: Trend, width: int) -> Iterator[RenderableType]:
    yield Text.assemble((plain(found.subject), "bold"), f"  over {plural(len(found.runs), 'run')}")
    yield Text()
    yield _lines(found, width)
    yield Text()
    yield _origins(found, width)


def _lines(found: Trend, width: int) -> Table:
    table = columns()
    longest = max((cell_len(plain(series.name)) for series in found.series), default=0)
    name = min(longest, max(16, width // 3))
    length = max(10, width - name - _NUMBERS)
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=name)
    for heading in ("first", "last", "lowest", "highest"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for series in found.series:
        known = [value for value in series.values if value is not None]
        ends = (known[0], known[-1], min(known), max(known)) if known else ()
        cells = [value_text(value, series.unit) for value in ends] or [DASH] * 4
        table.add_row(
            Text(cut_end(plain(series.name), name)),
            *cells,
            Text(sparkline(series.values[-length:]), style="cyan"),
        )
    return table


def value_text(value: float | None, unit: Unit) -> str:
    """Format one value in its unit."""
    if value is None:
        return DASH
    if unit == "us":
        return milliseconds(round(value))
    return f"{value:,.0f}" if unit == "count" else share_text(value)


def _origins(found: Trend, width: int) -> Table:
    """Which runs these are: the newest, oldest first."""
    table = columns()
    for heading in ("run", "started (UTC)", "baseline", "candidate", "commit"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    room = max(8, (width - 68) // 2)
    if len(found.runs) > _SHOWN_RUNS:
        table.add_row(f"… {len(found.runs) - _SHOWN_RUNS:,} before")
    for run in found.runs[-_SHOWN_RUNS:]:
        table.add_row(
            Text(plain(run.run_id)),
            f"{run.started:%Y-%m-%d %H:%M}" if run.started else DASH,
            Text(cut_end(plain(run.baseline), room) or DASH),
            Text(cut_end(plain(run.candidate), room) or DASH),
            Text(plain(run.commit[:12]) or DASH),
        )
    return table
