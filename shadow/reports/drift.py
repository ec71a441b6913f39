"""What changed between two runs, for a person: what is new first."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shadow.model import Severity
from shadow.reports import machine
from shadow.reports.console import NARROWEST, columns, printed
from shadow.reports.evidence import percentages
from shadow.reports.provenance import build_text, commit_text, machine_text
from shadow.reports.show import colored
from shadow.reports.show import width as width_of
from shadow.reports.text import (
    DASH,
    cut_end,
    cut_path,
    milliseconds,
    pair,
    percent,
    plain,
    plural,
)
from shadow.results.drift import Drift, DriftRun, FindingDrift, LatencyDrift, ResourceDrift, drift
from shadow.results.finding import Example
from shadow.results.resolve import load_run
from shadow.results.speed.verdicts import DELTA, Change
from shadow.results.summary import Percentiles, withheld

SHOWN: Final = 20
"""Findings of a kind, and endpoints, unless all are asked for."""
_ARROW: Final = "→"
_STYLES: Final[dict[Severity, str]] = {"breaking": "red", "risky": "yellow", "benign": "cyan"}
_UNITS: Final = {
    "cpu_s_per_1000": "CPU per 1,000 requests",
    "memory_bytes": "memory, median",
    "peak_bytes": "memory, peak",
    "cpu_ratio": "CPU, candidate of baseline",
}


def show_drift(
    before: str, after: str, *, store: str, as_json: bool, show_all: bool, no_values: bool
) -> tuple[str, bool]:
    """Compare two runs; the text, and whether there is a new finding. Raises ShadowError."""
    found = drift(load_run(before, store), load_run(after, store))
    if no_values:
        found = without_values(found)
    if as_json:
        text = machine.render(found)
    else:
        out, limit = sys.stdout, None if show_all else SHOWN
        columns_of = width_of(out) if out else 100
        text = render(found, width=columns_of, color=bool(out and colored(out)), limit=limit)
    return text, bool(found.new)


def without_values(found: Drift) -> Drift:
    """Return the drift with no compared value in it."""
    return msgspec.structs.replace(
        found,
        **{
            name: tuple(
                msgspec.structs.replace(
                    each,
                    examples=tuple(withheld(shown, each.path_pattern) for shown in each.examples),
                )
                for each in getattr(found, name)
            )
            for name in ("new", "gone", "persisting")
        },
    )


def render(
    found: Drift, *, width: int = 100, color: bool = False, limit: int | None = SHOWN
) -> str:
    """Render the drift in `width` columns; `limit` bounds each list, None shows all."""
    blocks = _blocks(found, max(width, NARROWEST), limit)
    return printed(blocks, width=width, color=color)


def _blocks(found: Drift, width: int, limit: int | None) -> Iterator[RenderableType]:
    yield _headline(found)
    yield Text()
    yield _origins(found, width)
    moved = tuple(each for each in found.persisting if each.trend != "same")
    for title, listed in (("new", found.new), ("gone", found.gone), ("persisting", moved)):
        if listed:
            yield Text()
            yield from _findings(title, listed, found, width, limit)
    if found.persisting:
        yield Text()
        yield Text(_steady(found, len(moved)))
    for block in (_latency(found, limit), _resources(found), _warnings(found)):
        if block is not None:
            yield Text()
            yield block


def _headline(found: Drift) -> Text:
    style = "bold red" if found.new else "bold green"
    said = "NEW FINDINGS" if found.new else "NOTHING NEW"
    counts = f"{len(found.new):,} new, {len(found.gone):,} gone"
    return Text.assemble(
        (said, style), f"  {counts}, {plural(len(found.persisting), 'persisting finding')}"
    )


# The two runs


def _origins(found: Drift, width: int) -> Table:
    """Both runs side by side: what each was made of."""
    table = columns()
    free = (width - 13) // 2 - 2
    for heading in ("", "earlier", "later"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=free)
    one, other = found.before, found.after
    made, remade = one.provenance, other.provenance
    rows = [
        ("run", one.run_id, other.run_id),
        ("capture", _captures(one), _captures(other)),
        (_name(one.baseline.name), build_text(made.baseline), build_text(remade.baseline)),
        (_name(one.candidate.name), build_text(made.candidate), build_text(remade.candidate)),
        ("commit", commit_text(made.commit), commit_text(remade.commit)),
        ("machine", machine_text(made.machine), machine_text(remade.machine)),
        ("seed", _number(made.seed), _number(remade.seed)),
        ("compared", f"{one.compared:,}", f"{other.compared:,}"),
        ("divergent", f"{one.divergent:,}", f"{other.divergent:,}"),
    ]
    for heading, was, now in rows:
        if was != DASH or now != DASH:
            table.add_row(heading, *(Text(cut_end(plain(text), free)) for text in (was, now)))
    return table


def _name(text: str) -> str:
    return cut_end(plain(text), 10)


def _number(value: int | None) -> str:
    return DASH if value is None else str(value)


def _captures(run: DriftRun) -> str:
    names = [capture.rpartition("/")[2] for capture in run.captures]
    named = names[0] if names else DASH
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{run.provenance.digest[:8]} {named}{more}".strip()


# Findings


def _findings(
    title: str, listed: Sequence[FindingDrift], found: Drift, width: int, limit: int | None
) -> Iterator[RenderableType]:
    table = columns()
    free = width - 16 - 2 - 17 - 2
    example = max(16, free * 2 // 5) - 2
    what = free - example - 2
    table.add_column(title, width=16, no_wrap=True)
    table.add_column("seen in", width=17, no_wrap=True, justify="right")
    table.add_column("finding", width=what, no_wrap=True, overflow="ellipsis")
    table.add_column("example", width=example, no_wrap=True, overflow="ellipsis")
    sides = found.before if title == "gone" else found.after
    names = (plain(sides.baseline.name), plain(sides.candidate.name))
    for each in listed[:limit]:
        table.add_row(
            Text(each.severity, style=_STYLES[each.severity]).append(
                f"\n{plain(each.signature)}", style="dim"
            ),
            _seen(each),
            _what(each, what),
            _example(each.examples, names, example),
        )
    yield table
    if limit is not None and len(listed) > limit:
        yield Text(f"… and {len(listed) - limit:,} more (--all)")


def _seen(each: FindingDrift) -> str:
    """How many exchanges, and their shares, both before and after."""
    counts = f"{each.before:,} {_ARROW} {each.after:,}"
    return f"{counts}\n{f' {_ARROW} '.join(map(percent, each.shares))}"


def _what(each: FindingDrift, width: int) -> Text:
    text = Text().append(cut_end(plain(each.endpoint), width), "bold")
    name = plain(each.class_id or each.kind)
    path = plain(each.path_pattern)
    place = path if each.where == "body" and path else f"{each.where} {path}".rstrip()
    note = _note(each)
    lines = [f"{name} · {cut_path(place, max(8, width - len(name) - 3))}"]
    if note:
        lines.append(note)
    return text.append("".join(f"\n{cut_end(line, width)}" for line in lines))


def _note(each: FindingDrift) -> str:
    """What a reader must know before taking new for broken, or gone for mended."""
    if each.judged is not None:
        return f"{'was' if each.after else 'is now'} {each.judged}"
    if each.trend is None and not each.compared[0]:
        return "the earlier run had none of it"
    if each.trend is None and not each.compared[1]:
        return "the later run has none of it"
    return ""


def _example(examples: Sequence[Example], names: tuple[str, str], width: int) -> Text:
    if not examples:
        return Text()
    label = min(max(map(len, names)), 8)
    values = pair(examples[0].baseline, examples[0].candidate, max(4, width - label - 1))
    lines = (f"{cut_end(n, label):<{label}} {v}" for n, v in zip(names, values, strict=True))
    return Text("\n".join(lines))


def _steady(found: Drift, moved: int) -> str:
    rest = plural(len(found.persisting) - moved, "persisting finding")
    if not moved:
        return f"{rest}, none seen more or less often than chance makes it"
    return f"{rest} more, seen as often as before"


# Latencies and resources


def _latency(found: Drift, limit: int | None) -> Group | None:
    if found.latency_withheld is not None:
        return Group(
            Text(f"latencies are not compared: {_why(found.latency_withheld.text)}"),
            Text(f"{_ARROW} {plain(found.latency_withheld.advice)}"),
        )
    if not found.latency:
        return None
    moved = [each for each in found.latency if _moved(each)]
    lines: list[RenderableType] = []
    if moved:
        lines.append(_changes(moved[:limit], found))
    if limit is not None and len(moved) > limit:
        lines.append(Text(f"… and {plural(len(moved) - limit, 'endpoint')} more (--all)"))
    lines.append(Text(_unmoved(found, len(moved))))
    return Group(*lines)


def _why(text: str) -> str:
    return plain(text.removeprefix("no verdict on speed: "))


def _moved(each: LatencyDrift) -> bool:
    changes = each.changes
    verdicts = (changes.baseline.verdict, changes.candidate.verdict, changes.ratio.verdict)
    return "slower" in verdicts or "faster" in verdicts


def _changes(moved: Sequence[LatencyDrift], found: Drift) -> Table:
    names = (_name(found.after.baseline.name), _name(found.after.candidate.name))
    table = columns()
    for heading in ("service time", "p50", "p99"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=26)
    table.add_column("change (95 % CI)", overflow="fold")
    for each in moved:
        table.add_row(Text(cut_end(plain(each.endpoint), 26), style="bold"))
        rows: tuple[tuple[str, Percentiles | None, Percentiles | None, Change], ...] = (
            (names[0], each.baseline.before, each.baseline.after, each.changes.baseline),
            (names[1], each.candidate.before, each.candidate.after, each.changes.candidate),
            (f"{names[1]} / {names[0]}", None, None, each.changes.ratio),
        )
        for name, was, now, change in rows:
            times = ("", "")
            if was is not None and now is not None:
                times = (_moves(was.p50, now.p50), _moves(was.p99, now.p99))
            table.add_row(Text(f"  {name}"), *times, Text(change_text(change)))
    return table


def _moves(was: int | None, now: int | None) -> str:
    """Two durations, the unit once where it is the same."""
    one, other = milliseconds(was), milliseconds(now)
    value, _, unit = one.partition(" ")
    return f"{value if other.endswith(f' {unit}') else one} {_ARROW} {other}"


def change_text(change: Change) -> str:
    """Say a change with its 95 % interval, as `11 % slower (8 to 14 %)`, or why none is said."""
    if change.verdict == "withheld":
        return "withheld: a generator was the bottleneck"
    if change.shift is None:
        sessions = " and ".join(f"{count:,}" for count in change.sessions)
        return f"too few to say: {sessions} sessions or blocks"
    if change.verdict in ("faster", "slower"):
        value, low, high = percentages(change.shift, -1 if change.verdict == "faster" else 1)
        return f"{value} % {change.verdict} ({low}{DASH}{high} %)"
    value, low, high = percentages(change.shift, 1)
    said = "inconclusive"
    if change.verdict == "equivalent":
        said = f"as before, within {100 * DELTA:.0f} %"
    return f"{said} ({low} to {high} %)"


def _unmoved(found: Drift, moved: int) -> str:
    rest = [each for each in found.latency if not _moved(each)]
    same = sum(each.changes.ratio.verdict == "equivalent" for each in rest)
    told = f"{plural(moved, 'endpoint')} changed"
    return f"service time: {told}, {same:,} as before, {len(rest) - same:,} not decided"


def _resources(found: Drift) -> Table | None:
    if not found.resources:
        return None
    table = columns()
    for heading in ("resources", "", "earlier", "later", "change"):
        table.add_column(heading, no_wrap=True)
    names = {
        "baseline": found.after.baseline.name,
        "candidate": found.after.candidate.name,
        "ratio": "",
    }
    for each in found.resources:
        was, now = _amount(each, each.before), _amount(each, each.after)
        name = Text(_name(names[each.side]))
        table.add_row(Text(_UNITS[each.what]), name, was, now, _change(each))
    return table


def _amount(each: ResourceDrift, value: float) -> str:
    if each.what == "cpu_s_per_1000":
        return f"{value:.3g} s"
    if each.what == "cpu_ratio":
        return f"{100 * value:.0f} %"
    return f"{value / 1_000_000:,.0f} MB"


def _change(each: ResourceDrift) -> str:
    if not each.before:
        return DASH
    change = f"{100 * (each.after / each.before - 1):+.0f} %"
    return change if each.sure is None else f"{change}{'' if each.sure else ' (may be chance)'}"


def _warnings(found: Drift) -> Table | None:
    if not found.cautions:
        return None
    table = Table.grid(padding=(0, 1, 0, 0))
    for caution in found.cautions:
        table.add_row(Text("!", style="bold yellow"), Text(plain(caution.text)))
        table.add_row("", Text(f"{_ARROW} {plain(caution.advice)}"))
    return table
