"""The summary for a person at a terminal: the verdict first, what to do last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shadow.model import Severity, Verdict
from shadow.reports import gates
from shadow.reports.console import NARROWEST, printed
from shadow.reports.evidence import (
    errors_text,
    rate_text,
    resources_texts,
    share,
    speed_text,
    tail_text,
)
from shadow.reports.provenance import builds_text
from shadow.reports.text import (
    DASH,
    cut_end,
    cut_path,
    flow,
    milliseconds,
    pair,
    percent,
    plain,
    plural,
)
from shadow.results.latency import minimum_count
from shadow.results.summary import EndpointSummary, FindingSummary, SideLatency, Summary

SHOWN: Final = 20
"""Divergent findings, unless all are asked for."""

_SHOWN_ENDPOINTS: Final = 10
_SHOWN_NAMES: Final = 6
_SHOWN_CAUSES: Final = 8
_WITH_SIGNATURE: Final = 96  # columns from which a finding's signature has room
_PATH_ROOM: Final = 8  # below, the start of a path says as little as its end
_STYLES: Final[Mapping[Severity, str]] = {"breaking": "red", "risky": "yellow", "benign": "cyan"}
_VERDICT_STYLES: Final = {"match": "bold green", "divergent": "bold red"}


def render(
    summary: Summary, *, width: int = 100, color: bool = False, limit: int | None = SHOWN
) -> str:
    """Render the summary in `width` columns; `limit` bounds the findings, None shows all.

    Nothing of it is interpreted: neither control characters nor markup of rich.
    """
    return printed(_blocks(summary, max(width, NARROWEST), limit), width=width, color=color)


def _blocks(summary: Summary, width: int, limit: int | None) -> Iterator[RenderableType]:
    yield _verdict(summary)
    yield _origin(summary)
    yield Text()
    yield _accounting(summary, width)
    divergent = [each for each in summary.findings if each.verdict == "divergent"]
    if divergent:
        yield Text()
        yield _findings(divergent[:limit], summary, width)
        if limit is not None and len(divergent) > limit:
            more = f"… and {len(divergent) - limit:,} more (shadow report {summary.run_id} --all)"
            yield Padding(Text(more), (0, 0, 0, 2))
    yield from _section(_causes(summary, width))
    yield from _section(_others(summary))
    yield from _section(_rules(summary))
    yield from _section(_latency(summary, width))
    yield from _section(_evidence(summary, width))
    yield from _section(Group(*gates.blocks(summary.gate)) if summary.gate else None)
    yield from _section(_warnings(summary))
    yield Text()
    yield _where(summary)


def _section(block: RenderableType | None) -> Iterator[RenderableType]:
    if block is not None:
        yield Text()
        yield block


def _verdict(summary: Summary) -> Text:
    """Say the one thing a reader must not miss."""
    names = f"{plain(summary.baseline.name)} vs {plain(summary.candidate.name)}"
    compared = summary.match + summary.equivalent + summary.divergent
    if summary.conclusion == "divergent":
        count = sum(1 for each in summary.findings if each.verdict == "divergent")
        said = f"{plural(count, 'finding')} in {plural(compared, 'exchange')}"
    elif summary.conclusion == "match":
        said = f"no divergence in {plural(compared, 'exchange')}"
    else:
        said = f"{compared:,} of {plural(summary.read, 'exchange')} compared"
    style = _VERDICT_STYLES.get(summary.conclusion, "bold yellow")
    return Text.assemble((summary.conclusion.upper(), style), f"  {said} {DASH} {names}")


def _origin(summary: Summary) -> Text:
    captures = ", ".join(map(plain, summary.captures[:3]))
    more = f" and {len(summary.captures) - 3} more" if len(summary.captures) > 3 else ""
    parts = [f"run {plain(summary.run_id)}", f"{plain(summary.command)} {captures}{more}"]
    if summary.duration_s is not None:
        parts.append(f"{summary.duration_s:,.1f} s")
    lines = [" · ".join(parts)]
    if summary.provenance is not None:
        lines.append(builds_text(summary.provenance, summary.baseline.name, summary.candidate.name))
    return Text("\n".join(map(plain, filter(None, lines))), style="dim")


def _accounting(summary: Summary, width: int) -> Text:
    """Show the sum: nothing was lost."""
    first, *rest = (
        f"{term} {getattr(summary, term):,}"
        for term in ("match", "equivalent", "divergent", "incomparable", "skipped")
    )
    pieces = [f"read {summary.read:,} = {first}", *(f"+ {term}" for term in rest)]
    pieces.append(f"· hollow {summary.hollow:,} · broken {summary.broken:,}")
    return Text("\n".join(flow(pieces, width)))


def _findings(findings: Iterable[FindingSummary], summary: Summary, width: int) -> Table:
    """Lay the findings out, two lines each: what it is, and one example of both sides."""
    signature = width >= _WITH_SIGNATURE
    names = (plain(summary.baseline.name), plain(summary.candidate.name))
    label = min(max(map(len, names)), 8)
    free = width - 2 - (7 + 6 + (16 if signature else 8)) - 4 * 2
    example = max(16, free * 2 // 5)
    what = free - example
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name, columns in (("seen in", 7), ("share", 6)):
        table.add_column(name, width=columns, justify="right", no_wrap=True)
    table.add_column("severity", width=16 if signature else 8, no_wrap=True)
    table.add_column("finding", width=what, no_wrap=True, overflow="ellipsis")
    table.add_column("example", width=example, no_wrap=True, overflow="ellipsis")
    for finding in findings:
        severity = Text(finding.severity, style=_STYLES[finding.severity])
        if signature:
            severity.append(f"\n{plain(finding.signature)}", style="dim")
        table.add_row(
            f"{finding.exchanges:,}",
            percent(finding.share),
            severity,
            _what(finding, names[0], what),
            _example(finding, names, label, example),
        )
    return table


def _what(finding: FindingSummary, baseline: str, width: int) -> Text:
    """Say where it is and what: the cause, or the kind where none is known, and the place."""
    head = [plain(finding.class_id or finding.kind)]
    if finding.wrong_side:
        head.append(f"{baseline} is wrong")
    if finding.unstable:
        head.append("unstable-candidate")
    name = " · ".join(head) + " · "
    path = plain(finding.path_pattern)
    place = path if finding.where == "body" and path else f"{finding.where} {path}".rstrip()
    room = width - cell_len(name)
    if place.startswith("$") and room >= _PATH_ROOM:
        place = cut_path(place, room)
    owner = f" · {plain(finding.owner)}" if finding.owner else ""
    text = Text().append(cut_end(plain(finding.endpoint) + owner, width), "bold")
    return text.append("\n" + cut_end(name + place, width))


def _example(finding: FindingSummary, names: tuple[str, str], label: int, width: int) -> Text:
    if not finding.examples:
        return Text()
    first = finding.examples[0]
    values = pair(first.baseline, first.candidate, width - label - 1)
    lines = (f"{cut_end(n, label):<{label}} {v}" for n, v in zip(names, values, strict=True))
    return Text("\n".join(lines))


def _causes(summary: Summary, width: int) -> Table | None:
    """The named causes among the findings, each with its fix on either side."""
    if not summary.causes:
        return None
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("known cause", no_wrap=True)
    table.add_column("fix", width=max(30, width - 36), no_wrap=True, overflow="ellipsis")
    for cause in summary.causes[:_SHOWN_CAUSES]:
        table.add_row(
            Text(f"{cut_end(cause.class_id, 30)}\n{plural(cause.findings, 'finding')}"),
            Text(f"rust: {cause.fix_rust or DASH}\ngo: {cause.fix_go or DASH}"),
        )
    rest = len(summary.causes) - _SHOWN_CAUSES
    if rest > 0:
        table.add_row(f"… and {rest} more", "shadow explain CLASS")
    return table


def _rules(summary: Summary) -> Table | None:
    """The acceptance rules: what each covered, whose it is, until when, and one example."""
    if not summary.rules:
        return None
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in ("accepted by rule", "covered", "state", "owner", "until", "example"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for rule in summary.rules:
        example = rule.example
        values = pair(example.baseline, example.candidate, 16) if example else ("", "")
        table.add_row(
            Text(cut_end(plain(rule.name.removeprefix("accept:")), 34)),
            Text(f"{rule.divergences:,}"),
            Text("go is wrong" if rule.go_is_wrong and rule.state == "used" else rule.state),
            Text(cut_end(plain(rule.owner), 16)),
            Text(str(rule.expires)),
            Text(" → ".join(values) if example else DASH),
        )
    return table


def _others(summary: Summary) -> Table | None:
    """One line for each thing that is counted and no divergence."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    verdicts: tuple[tuple[Verdict, Callable[[FindingSummary], str | None]], ...] = (
        ("equivalent", lambda finding: finding.class_id),
        ("noise", lambda finding: finding.rule),
        ("accepted", lambda finding: finding.rule),
    )
    for verdict, name_of in verdicts:
        counts: dict[str, int] = {}
        found = [each for each in summary.findings if each.verdict == verdict]
        for finding in found:
            name = name_of(finding) or finding.kind
            counts[name] = counts.get(name, 0) + finding.divergences
        if found:
            what = f"in {plural(len(found), 'finding')}: {_listed(counts)}"
            table.add_row(verdict, f"{sum(counts.values()):,}", Text(what))
    if summary.spellings:
        table.add_row("headers", "", Text(_listed(summary.spellings)))
    for outcome in ("skipped", "incomparable"):
        reasons = summary.reasons.get(outcome, {})
        if reasons:
            table.add_row(outcome, f"{getattr(summary, outcome):,}", Text(_listed(reasons)))
    return table if table.row_count else None


def _listed(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{cut_end(plain(name), 40)} {count:,}" for name, count in ordered[:_SHOWN_NAMES]]
    rest = len(ordered) - _SHOWN_NAMES
    return " · ".join(shown) + (f" · {rest:,} more" if rest > 0 else "")


def _latency(summary: Summary, width: int) -> Group | None:
    """Service times of both sides."""
    if not summary.latency_baseline.service.count and not summary.latency_candidate.service.count:
        return None
    names = [cut_end(plain(side.name), 8) for side in (summary.baseline, summary.candidate)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("service time", width=max(20, width - 64), no_wrap=True, overflow="ellipsis")
    for heading in ["pairs", *(f"{p} {name}" for p in ("p50", "p99") for name in names)]:
        table.add_column(heading, justify="right", no_wrap=True, min_width=9)
    timed = [each for each in summary.endpoints if each.candidate.service.count]
    if len(timed) != 1:
        table.add_row(*_times("all endpoints", summary.latency_baseline, summary.latency_candidate))
    for each in timed[:_SHOWN_ENDPOINTS]:
        table.add_row(*_times(plain(each.endpoint), each.baseline, each.candidate))
    if len(timed) > _SHOWN_ENDPOINTS:
        table.add_row(f"… and {plural(len(timed) - _SHOWN_ENDPOINTS, 'endpoint')} more")
    needed = f"{DASH} too few pairs to say: p99 takes {minimum_count(99)}"
    short = any(each.candidate.service.p99 is None for each in timed[:_SHOWN_ENDPOINTS])
    return Group(table, Text(needed, style="dim")) if short else Group(table)


def _times(name: str, baseline: SideLatency, candidate: SideLatency) -> list[Text]:
    sides = (baseline.service, candidate.service)
    cells = [
        name,
        f"{candidate.service.count:,}",
        *(milliseconds(side.p50) for side in sides),
        *(milliseconds(side.p99) for side in sides),
    ]
    return [Text(cell) for cell in cells]


def _evidence(summary: Summary, width: int) -> Group | None:
    """What the numbers prove: an endpoint a line, those on which the candidate is worse first."""
    if summary.rate is None or not summary.rate.exchanges:
        return None
    lines: list[RenderableType] = [Text(rate_text(summary.rate))]
    if summary.speed_withheld is not None:
        withheld = summary.speed_withheld
        lines += [Text(withheld.text), Text(f"→ {withheld.advice}")]
    if summary.resources is not None:
        names = (plain(summary.baseline.name), plain(summary.candidate.name))
        lines += [Text(plain(line)) for line in resources_texts(summary.resources, *names)]
    judged = [each for each in summary.endpoints if each.speed or _fails(each)]
    if judged:
        judged.sort(key=lambda each: not (_fails(each) or _is_slower(each)))
        lines.insert(0, _speeds(judged, summary, width))
    return Group(*lines)


def _speeds(judged: Sequence[EndpointSummary], summary: Summary, width: int) -> Table:
    names = (plain(summary.baseline.name), plain(summary.candidate.name))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("speed", max_width=max(16, width // 3), no_wrap=True, overflow="ellipsis")
    table.add_column("verdict", overflow="fold")
    table.add_column("rate below", justify="right", no_wrap=True)
    for each in judged[:_SHOWN_ENDPOINTS]:
        said = [
            speed_text(each.speed, *names) if each.speed else "",
            tail_text(each.speed) if each.speed else "",
            errors_text(each.errors, names[1]) if each.errors else "",
        ]
        table.add_row(
            Text(plain(each.endpoint)),
            Text("; ".join(filter(None, said))),
            share(each.rate.upper) if each.rate and each.rate.upper is not None else DASH,
        )
    if len(judged) > _SHOWN_ENDPOINTS:
        table.add_row(f"… and {plural(len(judged) - _SHOWN_ENDPOINTS, 'endpoint')} more")
    return table


def _fails(endpoint: EndpointSummary) -> bool:
    return endpoint.errors is not None and endpoint.errors.verdict == "more"


def _is_slower(endpoint: EndpointSummary) -> bool:
    return endpoint.speed is not None and endpoint.speed.verdict == "slower"


def _warnings(summary: Summary) -> Table | None:
    if not summary.warnings:
        return None
    table = Table.grid(padding=(0, 1, 0, 0))
    for warning in summary.warnings:
        table.add_row(Text("!", style="bold yellow"), Text(plain(warning.text)))
        table.add_row("", Text(f"→ {plain(warning.advice)}"))
    return table


def _where(summary: Summary) -> Text:
    """Say where everything is, and how to see more."""
    places = (("store", summary.store), ("events", summary.events))
    lines = [" · ".join(f"{name} {plain(path)}" for name, path in places if path)]
    more = f"shadow report {plain(summary.run_id)}"
    lines.append(f"more: {more} · shadow explain SIGNATURE")
    return Text("\n".join(line for line in lines if line), style="dim")
