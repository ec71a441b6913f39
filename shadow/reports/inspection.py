"""`shadow inspect`: reads captures once and tells what they hold, for a person or a program."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shadow.captures import STDIN, digest, open_capture
from shadow.captures.records import Fidelity
from shadow.endpoints import Endpoints
from shadow.masking import NOTHING_MORE, Hidden
from shadow.reports import machine
from shadow.reports.console import NARROWEST, columns, printed
from shadow.reports.show import colored, readable_path
from shadow.reports.show import width as width_of
from shadow.reports.text import DASH, cut_end, milliseconds, percent, plain, plural
from shadow.results.inspection import Bodies, EndpointInspection, Inspection, Inspector, Source
from shadow.results.latency import minimum_count
from shadow.sending.safety import Safety
from shadow.sessions.forecast import Forecast
from shadow.sessions.hollow import REMEDIES

SHOWN: Final = 15
"""Endpoints, unless all are asked for."""
_SHOWN_NAMES: Final = 8
_FIT_STYLES: Final = {"yes": "green", "partly": "yellow", "no": "red"}


def inspect(
    paths: Sequence[str],
    endpoints: Endpoints,
    safety: Safety,
    hidden: Hidden,
    *,
    as_json: bool,
    show_all: bool,
) -> str:
    """Read captures and say what is in them. Raises CaptureError."""
    found = read(paths, endpoints, safety, hidden)
    if as_json:
        return machine.render(found)
    out = sys.stdout
    return render(
        found,
        width=width_of(out) if out else 100,
        color=bool(out and colored(out)),
        limit=None if show_all else SHOWN,
    )


def read(
    paths: Sequence[str], endpoints: Endpoints, safety: Safety, hidden: Hidden = NOTHING_MORE
) -> Inspection:
    """Read captures once, and again for their digest where they are files."""
    inspector = Inspector(endpoints, safety, hidden)
    sources = []
    pipes = any(path == STDIN or Path(path).is_fifo() for path in paths)
    for path in paths:
        with open_capture(path) as capture:
            kind = capture.format
            sources.append(
                Source(path=readable_path(path), format=kind.name, fidelity=kind.fidelity)
            )
            for record in capture:
                inspector.add(record)
    return inspector.result(sources, "" if pipes else digest(paths))


def render(
    found: Inspection, *, width: int = 100, color: bool = False, limit: int | None = SHOWN
) -> str:
    """Render it in `width` columns; `limit` bounds the endpoints, None shows all."""
    return printed(_blocks(found, max(width, NARROWEST), limit), width=width, color=color)


def _blocks(found: Inspection, width: int, limit: int | None) -> Iterator[RenderableType]:
    for source in found.sources:
        yield Text.assemble((plain(source.path), "bold"), f"  {source.format}")
        yield Text(f"  {_fidelity(source.fidelity)}", style="dim")
    yield Text()
    yield _contents(found)
    yield Text()
    yield _fit(found)
    if found.hollow:
        yield Text()
        yield from _hollow(found.hollow)
    if found.endpoints:
        yield Text()
        yield _endpoints(found.endpoints[:limit], width)
        rest = 0 if limit is None else len(found.endpoints) - limit
        if rest > 0:
            yield Text(f"… and {plural(rest, 'endpoint')} more (--all)")
        yield Text(_below(found), style="dim")
    if found.broken_reasons:
        yield Text()
        yield from (Text(f"broken: {plain(reason)}") for reason in found.broken_reasons)
    if found.digest:
        yield Text()
        yield Text(f"digest {found.digest}", style="dim")


def _fidelity(fidelity: Fidelity) -> str:
    """What the format keeps at its best, and what it never does."""
    told = {
        "responses": fidelity.response,
        "response bodies": fidelity.response_body,
        "request bodies": fidelity.request_body,
        "bodies as on the wire": fidelity.whole_body,
        "headers": fidelity.headers,
        "header order": fidelity.header_order,
        "repeated headers": fidelity.header_repeats,
        "times": fidelity.timing,
        "latencies": fidelity.latency,
    }
    kept = ", ".join(name for name, is_kept in told.items() if is_kept)
    lost = ", ".join(name for name, is_kept in told.items() if not is_kept)
    return f"keeps {kept}; not {lost}" if lost else "keeps everything"


def _contents(found: Inspection) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    unread = f" · broken {found.broken:,} · unsupported {found.unsupported:,}"
    rows = [
        ("exchanges", f"{found.exchanges:,}{unread}"),
        ("recorded", _recorded(found)),
        ("sessions", _sessions(found)),
        ("methods", _listed(found.methods)),
        ("statuses", _listed(found.statuses)),
        ("safe", f"reads {found.safe:,}, writes {found.writes:,}"),
        ("requests", _bodies(found.requests)),
        ("responses", _bodies(found.responses)),
    ]
    if found.unsupported_reasons:
        rows.append(("unsupported", _listed(found.unsupported_reasons)))
    if found.repeated_ids:
        rows.append(("ids", f"{found.repeated_ids:,} exchanges have the id of another one"))
    for heading, text in rows:
        table.add_row(heading, Text(text))
    return table


def _recorded(found: Inspection) -> str:
    line = found.timeline
    if line.first is None or line.last is None:
        return "no times"
    said = f"{_moment(line.first)} to {_moment(line.last)} ({_span(line.span_s)})"
    if line.rate is not None:
        said += f", {line.rate:,.3g} a second"
    if line.peak is not None:
        said += f", at most {line.peak:,.3g} (in {line.window_s} s)"
    if line.timed < found.exchanges:
        said += f"; {found.exchanges - line.timed:,} without a time"
    return said


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def _sessions(found: Inspection) -> str:
    sessions = found.sessions
    if not sessions.count:
        return "none"
    more = "more than " if sessions.more else ""
    said = f"{more}{sessions.count:,}, the longest of {plural(sessions.longest, 'exchange')}"
    return said + (f"; {sessions.without:,} exchanges without one" if sessions.without else "")


def _listed(counts: Mapping[str, int]) -> str:
    items = list(counts.items())
    shown = [f"{cut_end(plain(name), 40)} {count:,}" for name, count in items[:_SHOWN_NAMES]]
    rest = len(items) - _SHOWN_NAMES
    return (" · ".join(shown) + (f" · {rest:,} more" if rest > 0 else "")) or DASH


def _bodies(bodies: Bodies) -> str:
    shown = [("p50", bodies.p50), ("p90", bodies.p90), ("p99", bodies.p99)]
    sizes = [f"{name} {size_text(size)}" for name, size in shown if size is not None]
    said = [f"{size_text(bodies.bytes)} in all", *sizes]
    if bodies.largest:
        said.append(f"largest {size_text(bodies.largest)}")
    for name in ("empty", "truncated", "decoded"):
        count = getattr(bodies, name)
        if count:
            said.append(f"{name} {count:,}")
    if bodies.encodings:
        said.append(_listed(bodies.encodings))
    return " · ".join(said)


def size_text(count: int | None) -> str:
    """Format bytes in three digits or so: `512 B`, `4.1 kB`, `12 MB`."""
    if count is None:
        return DASH
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" and value < 10 else f"{value:.0f} {unit}"


def _fit(found: Inspection) -> Table:
    table = columns()
    table.add_column("fit for", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for each in found.fit:
        table.add_row(each.job, Text(each.fit, style=_FIT_STYLES[each.fit]), Text(each.why))
    return table


def _hollow(found: Sequence[Forecast]) -> Iterator[RenderableType]:
    """What a replay may be refused, by cause, with what mends it."""
    for cause in dict.fromkeys(each.cause for each in found):
        remedy = REMEDIES[cause]
        where = [each for each in found if each.cause == cause]
        named = ", ".join(f"{plain(each.endpoint)} {each.exchanges:,}" for each in where[:5])
        more = f" and {plural(len(where) - 5, 'endpoint')} more" if len(where) > 5 else ""
        yield Text(f"may be hollow when replayed, where {remedy.text}: {named}{more}", "yellow")
        yield Text(f"  → {remedy.advice}", style="dim")


def _endpoints(found: Sequence[EndpointInspection], width: int) -> Table:
    """The candidates for a rewrite: where the service spends its time."""
    wide = width >= 110
    table = columns()
    room = max(20, width - (92 if wide else 58))
    table.add_column("service time by endpoint", width=room, no_wrap=True, overflow="ellipsis")
    headings = ["share", "time", "exchanges", *("p50", "p90", "p99")]
    for heading in headings + (["response", "failed"] if wide else []):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found:
        latency = each.latency
        cells = [
            percent(each.time_share),
            _time(each.time_us),
            f"{each.exchanges:,}",
            *map(milliseconds, (latency.p50, latency.p90, latency.p99)),
        ]
        if wide:
            cells += [size_text(each.response_bytes), f"{each.failed:,}"]
        name = plain(each.endpoint) + ("" if each.safe else " (write)")
        table.add_row(Text(cut_end(name, room)), *cells)
    return table


def _time(microseconds: int) -> str:
    return milliseconds(microseconds) if microseconds else DASH


def _below(found: Inspection) -> str:
    if not found.timed:
        return "no latency is recorded: ranked by exchanges"
    said = "ranked by recorded service time: the first ones gain most from a rewrite"
    if any(each.latency.p99 is None for each in found.endpoints):
        said += f"; {DASH} too few: p99 takes {minimum_count(99)}, p90 {minimum_count(90)}"
    return said
