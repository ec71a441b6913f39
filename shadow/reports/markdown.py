"""The report for a pull-request comment: the verdict first, the details folded.

GitHub takes at most 65,536 characters a comment and GitLab a million, so the text is kept
below `COMMENT_BYTES`; what has no room is counted, never dropped without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shadow.reports import provenance, times, verdicts, wording
from shadow.reports.gfm import code, fenced, folded, ours, prose, table, tag
from shadow.reports.highlights import highlights
from shadow.reports.text import cut_end, pair, plain, plural
from shadow.results.summary import FindingSummary, Summary

COMMENT_BYTES: Final = 60_000
MARKER: Final = "<!-- shadow-report -->"
"""The first line: a comment that begins so is replaced by the next report."""

_TABLE_ROWS: Final = 12
_GROUPS: Final = 12  # causes shown of one endpoint
_PLACES: Final = 6  # places shown of one cause
_MISSES: Final = 20  # endpoints without room, after which no further one is tried
_TIMED: Final = 25
_LISTED: Final = 20
_VALUE: Final = 240  # characters of a compared value
_NAME: Final = 160  # characters of an endpoint, a place or a target
_TAIL_BYTES: Final = 2_500  # kept free for the last lines

_SIGNS: Final = {"divergent": "❌", "match": "✅", "inconclusive": "⚠️"}
_SEVERITIES: Final = {"breaking": "🔴 breaking", "risky": "🟠 risky", "benign": "⚪ benign"}
_STATES: Final = {"pass": "✅", "fail": "❌", "inconclusive": "⚠️", "note": ""}


def render(summary: Summary) -> str:
    """Render the summary for a comment that the next run replaces."""
    return document(summary, limit=COMMENT_BYTES, marker=MARKER)


def document(summary: Summary, *, limit: int, marker: str = "") -> str:
    """Render the summary as Markdown in at most `limit` bytes of UTF-8."""
    page = _Page(limit - _TAIL_BYTES)
    if marker:
        page.add(marker)
    page.add(f"## {_SIGNS[summary.conclusion]} {prose(wording.verdict(summary))}")
    page.add_all(_lines("gate", verdicts.gates(summary), shown=_TIMED))
    page.add(f"{_sides(summary)} · exit code {summary.exit_code}")
    page.add(code(wording.accounting(summary)))
    page.add_all(_warnings(summary))
    page.add_all(_in_short(summary))
    page.add_all(_overview(summary))
    page.add_all(_measured(summary))
    left = _details(page, summary)
    page.add_all(_rest(summary))
    page.parts.append(_end(summary, left))
    return "\n\n".join(page.parts) + "\n"


class _Page:
    """Blocks of Markdown that together stay below a number of bytes."""

    def __init__(self, limit: int) -> None:
        self.parts: list[str] = []
        self._room = limit

    def add(self, block: str) -> bool:
        """Add a block where there is room for it, and tell whether there was."""
        size = len(block.encode("utf-8", "surrogatepass")) + 2
        if size > self._room:
            return False
        self._room -= size
        self.parts.append(block)
        return True

    def add_all(self, blocks: Iterator[str]) -> None:
        for block in blocks:
            self.add(block)


def _sides(summary: Summary) -> str:
    baseline, candidate = wording.names(summary)
    return f"{code(cut_end(baseline, 60))} vs {code(cut_end(candidate, 60))}"


def _warnings(summary: Summary) -> Iterator[str]:
    """What qualifies the verdict stands beside it."""
    for caution in summary.warnings[:_LISTED]:
        advice = prose(caution.advice)
        yield f"> ⚠️ **{prose(cut_end(plain(caution.text), 500))}.** What to do: {advice}."


def _measured(summary: Summary) -> Iterator[str]:
    """What the run says of the rate of divergence, of speed and of resources."""
    rate = verdicts.rate(summary)
    if rate:
        yield f"**Divergence rate:** {prose(rate)}."
    yield from _lines("latency", verdicts.latency(summary))
    yield from _lines("resources", verdicts.resources(summary))


def _lines(title: str, lines: list[verdicts.Line], *, shown: int = verdicts.SHOWN) -> Iterator[str]:
    """The first lines as a table, and those after them in one that is folded."""
    if not lines:
        return
    yield _table(title, lines[:shown])
    rest = lines[shown:]
    if rest:
        more = len(rest) - _TIMED
        after = f"\n\n… and {more:,} more." if more > 0 else ""
        yield folded(f"{len(rest):,} more of {title}", _table(title, rest[:_TIMED]) + after)


def _table(title: str, lines: list[verdicts.Line]) -> str:
    """A row a line; without the column of verdicts where no line has one."""
    rows = [[code(cut_end(line.name, _NAME)), prose(cut_end(line.text, 500))] for line in lines]
    if not any(line.word for line in lines):
        return table([title, ""], rows)
    signs = [f"{_STATES[line.state]} {prose(line.word)}".strip() for line in lines]
    return table(["", title, ""], [[sign, *row] for sign, row in zip(signs, rows, strict=True)])


def _in_short(summary: Summary) -> Iterator[str]:
    """The few lines for a reader who reads no further."""
    found = highlights(summary)
    if found:
        yield "\n".join(
            f"- {code(cut_end(each.endpoint, 80))} {code(cut_end(each.place, 80))}"
            f" {ours(each.said)}"
            for each in found
        )


def _overview(summary: Summary) -> Iterator[str]:
    """The causes endpoint by endpoint, a row each."""
    groups = wording.groups(wording.divergent(summary))
    if not groups:
        return
    yield "### What differs"
    rows = [_row(group, summary) for group in groups[:_TABLE_ROWS]]
    yield table(["", "endpoint", "cause", "place", "exchanges"], rows)
    if len(groups) > _TABLE_ROWS:
        yield f"… and {plural(len(groups) - _TABLE_ROWS, 'cause')} more below."


def _details(page: _Page, summary: Summary) -> int:
    """Add the findings, an endpoint a block; return how many of them found no room."""
    findings = wording.divergent(summary)
    if not findings:
        return 0
    shown = misses = 0
    page.add("### Details")
    for endpoint, found in wording.by_endpoint(findings).items():
        block, count = _endpoint(endpoint, found, summary)
        if page.add(block):
            shown += count
        elif (misses := misses + 1) == _MISSES:
            break
    return len(findings) - shown


def _row(group: wording.Group, summary: Summary) -> list[str]:
    places = [code(cut_end(wording.place(each), 60)) for each in group.findings[:2]]
    more = len(group.findings) - len(places)
    where = ", ".join(places) + (f" +{more}" if more > 0 else "")
    notes = wording.remarks(group.first, cut_end(wording.names(summary)[0], 60))
    owner = f"<br>{prose(cut_end(' · '.join(notes), 120))}" if notes else ""
    return [
        _SEVERITIES[group.severity],
        code(cut_end(plain(group.endpoint), 80)) + owner,
        code(cut_end(group.cause, 60)),
        where,
        wording.count(group.first),
    ]


def _endpoint(endpoint: str, findings: list[FindingSummary], summary: Summary) -> tuple[str, int]:
    """Everything about one endpoint, folded, and how many findings that shows."""
    counts = next((each for each in summary.endpoints if each.endpoint == endpoint), None)
    seen = f", divergent in {counts.divergent:,} of {counts.compared:,}" if counts else ""
    title = (
        f"{tag('code', cut_end(plain(endpoint), _NAME))} {plural(len(findings), 'finding')}{seen}"
    )
    parts: list[str] = []
    shown = 0
    groups = wording.groups(findings)
    for group in groups[:_GROUPS]:
        parts.append(_cause(group))
        parts += [_place(finding, summary) for finding in group.findings[:_PLACES]]
        shown += min(len(group.findings), _PLACES)
    if shown < len(findings):
        parts.append(f"… and {plural(len(findings) - shown, 'finding')} more here.")
    return folded(title, "\n\n".join(parts)), shown


def _cause(group: wording.Group) -> str:
    """The cause once, with what it does to clients and the fix on either side."""
    known = wording.known(group.class_id)
    if known is None:
        may = "No known cause explains it, so it may be a bug of the rewrite."
        return f"**{code(group.cause)}** {may}"
    lines = [f"**{code(group.cause)}** {ours(known.title)}. {ours(known.impact)}".rstrip()]
    lines += [f"- fix in {side}: {ours(fix)}" for side, fix in wording.fixes(group.first)]
    return "\n".join(lines)


def _place(finding: FindingSummary, summary: Summary) -> str:
    """One place: how grave, how often, one example as a diff, and how to see it again."""
    head = f"{code(cut_end(wording.place(finding), _NAME))} · {finding.severity} · "
    lines = [head + wording.seen(finding)]
    if finding.examples:
        example = finding.examples[0]
        names = [cut_end(name, 12) for name in wording.names(summary)]
        width = max(map(len, names))
        values = pair(example.baseline, example.candidate, _VALUE)
        diff = [f"@@ {cut_end(wording.request(example), _NAME)} @@"]
        for sign, name, value in zip("-+", names, values, strict=True):
            diff.append(f"{sign} {name:<{width}} {value}".rstrip())
        lines.append(fenced(diff, "diff"))
    lines.append(code(wording.reproduce(finding, summary)))
    return "\n\n".join(lines)


def _rest(summary: Summary) -> Iterator[str]:
    """What is no divergence, folded: latencies, acceptance rules, what excused what."""
    timed = [row for row in times.rows(summary) if row.tail]
    if timed:
        yield folded("Service times, the worst tail first", _times(timed, summary))
    if summary.rules:
        rows = [
            [
                code(cut_end(plain(rule.name), 80)),
                f"{rule.divergences:,}",
                rule.state,
                code(cut_end(plain(rule.owner), 60)),
                str(rule.expires),
                prose(cut_end(plain(rule.reason), 200)),
            ]
            for rule in summary.rules[:_LISTED]
        ]
        head = ["rule", "covered", "state", "owner", "until", "reason"]
        yield folded(f"{plural(len(summary.rules), 'acceptance rule')}", table(head, rows))
    excused = _excused(summary)
    if excused:
        yield folded("Not counted as divergent", excused)
    made = provenance.rows(summary)
    if made:
        rows = [[prose(cut_end(name, 60)), code(cut_end(text, 300))] for name, text in made]
        yield folded("What was compared, and on what", table(["", ""], rows))


def _times(rows: list[times.Row], summary: Summary) -> str:
    baseline, candidate = (prose(cut_end(name, 30)) for name in wording.names(summary))
    head = ["endpoint", "pairs", *(f"{name} {baseline} → {candidate}" for name in ("p50", "p99"))]
    cells = [
        [
            code(cut_end(plain(row.endpoint), 80)),
            f"{row.candidate.count:,}",
            times.pair(row, "p50"),
            times.pair(row, "p99"),
            f"{times.times(row.ratio)} {row.tail}".strip(),
        ]
        for row in rows[:_TIMED]
    ]
    more = len(rows) - _TIMED
    after = f"\n\n… and {plural(more, 'endpoint')} more." if more > 0 else ""
    return table([*head, "ratio"], cells) + after


def _excused(summary: Summary) -> str:
    """Counts of what was equivalent, noise or accepted, and of what was not compared."""
    lines = []
    for verdict in ("equivalent", "noise", "accepted"):
        counts: dict[str, int] = {}
        for finding in summary.findings:
            if finding.verdict == verdict:
                name = finding.class_id if verdict == "equivalent" else finding.rule
                key = name or finding.kind
                counts[key] = counts.get(key, 0) + finding.divergences
        if counts:
            lines.append(f"- {verdict}: {_counted(counts)}")
    for outcome, counts in sorted(summary.reasons.items()):
        if counts:
            lines.append(f"- {prose(outcome)}: {_counted(counts)}")
    return "\n".join(lines)


def _counted(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{code(cut_end(plain(name), 60))} {count:,}" for name, count in ordered[:_LISTED]]
    more = len(ordered) - _LISTED
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def _end(summary: Summary, left: int) -> str:
    """What was left out, how to see all of it, and which run it was."""
    run = plain(summary.run_id)
    lines = []
    if left or summary.findings_dropped:
        dropped = summary.findings_dropped
        more = f" and {plural(dropped, 'divergence')} beyond the limit" if dropped else ""
        lines.append(f"**Not shown here: {plural(left, 'finding')}{more}.**")
    commands = f"All of it: {code(f'shadow report {run} --format html > report.html')}"
    if summary.divergent:
        commands += f" · a class: {code('shadow explain CLASS')}"
        commands += f" · accept a finding: {code('shadow accept SIGNATURE')}"
    lines.append(commands)
    lines.append(f"<sub>{prose(cut_end(wording.origin(summary), 300))}</sub>")
    return "\n\n".join(lines)
