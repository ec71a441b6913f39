"""The report as one HTML file that needs no network: what a person opens and reads.

Everything in it is of unknown origin. Jinja2 escapes what the template prints, the findings
travel as JSON that holds no `<`, the script puts them into the page as text only, and a
Content-Security-Policy admits this one style and this one script, by their hashes.
"""

from __future__ import annotations

from typing import Any, Final

from shadow import __version__
from shadow.reports import provenance, times, verdicts, wording
from shadow.reports.evidence import share
from shadow.reports.highlights import highlights
from shadow.reports.page.document import Document
from shadow.reports.page.findings import embedded
from shadow.reports.page.plots import plot, stacked
from shadow.reports.sparklines import sparkline_svg
from shadow.reports.text import ABSENT, DASH, cut_end, milliseconds, pair, percent, plain, plural
from shadow.results.summary import EndpointSummary, FindingSummary, Summary
from shadow.results.trend import Series, Trend

FILE_BYTES: Final = 2_000_000
_FINDINGS_BYTES: Final = 1_500_000
_ENDPOINTS: Final = 250
_PLOTS: Final = 24
_PLOTTED: Final = 20  # pairs from which a distribution is one
_STATIC: Final = 25  # findings for a reader without scripts
_NAME: Final = 160
_TEXT: Final = 400
_ROWS: Final = 100
COURSE_RUNS: Final = 20
"""Runs of which a course is shown at most, this one among them."""
COURSE_FINDINGS: Final = 5
_COURSE_FEWEST: Final = 2
_HERE: Final = "shadow.reports.page"


def render(summary: Summary, *, course: Trend | None = None) -> str:
    """Render the summary as one HTML document of less than `FILE_BYTES` bytes.

    `course` is what `shadow.results.trend.course` makes of earlier runs and this one.
    """
    document = Document(
        (_HERE, "page.html"),
        styles=((_HERE, "shared.css"), (_HERE, "page.css")),
        scripts=((_HERE, "shared.js"), (_HERE, "page.js")),
    )
    return document.render(**_context(summary), course=_course(course, summary))


def _context(summary: Summary) -> dict[str, Any]:
    """Everything the template prints, as plain text and numbers."""
    baseline, candidate = (cut_end(name, 40) for name in wording.names(summary))
    data, left = embedded(summary, _FINDINGS_BYTES)
    timed = [row for row in times.rows(summary) if row.pairs >= _PLOTTED]
    return {
        "version": __version__,
        "conclusion": summary.conclusion,
        "headline": wording.headline(summary),
        "baseline": baseline,
        "candidate": candidate,
        "exit_code": summary.exit_code,
        "origin": cut_end(wording.origin(summary), 300),
        "run": plain(summary.run_id),
        "accounting": wording.accounting(summary),
        "outcomes": _outcomes(summary),
        "outcome_bar": stacked(_outcomes(summary)),
        "warnings": [
            {"text": cut_end(plain(each.text), _TEXT), "advice": plain(each.advice)}
            for each in summary.warnings[:_ROWS]
        ],
        "gates": verdicts.gates(summary)[:_ROWS],
        "rate": verdicts.rate(summary),
        "shown": verdicts.SHOWN,
        "latency": verdicts.latency(summary)[:_ROWS],
        "resources": verdicts.resources(summary)[:_ROWS],
        "highlights": highlights(summary),
        "data": data,
        "left": left,
        "static": _static(summary),
        "endpoints": [_endpoint(each) for each in _worst_first(summary)[:_ENDPOINTS]],
        "endpoints_left": max(0, len(summary.endpoints) - _ENDPOINTS),
        "plots": [_plot(row, summary) for row in timed[:_PLOTS]],
        "plots_left": max(0, len(timed) - _PLOTS),
        "rules": [_rule(rule) for rule in summary.rules[:_ROWS]],
        "excused": _excused(summary),
        "environment": _environment(summary),
    }


def _course(course: Trend | None, summary: Summary) -> dict[str, Any] | None:
    """A line a number: what it is of, its first and its last value, and the line between."""
    if course is None or len(course.runs) < _COURSE_FEWEST:
        return None
    named = {each.signature: each for each in reversed(wording.divergent(summary))}
    return {
        "runs": len(course.runs),
        "since": plain(course.runs[0].run_id),
        "rows": [_line(series, named.get(series.name)) for series in course.series],
    }


def _line(series: Series, finding: FindingSummary | None) -> dict[str, str]:
    known = [value for value in series.values if value is not None]
    ends = [share(value) for value in known[:1] + known[-1:]] or [DASH, DASH]
    endpoint = plain(finding.endpoint) if finding else "all endpoints"
    return {
        "endpoint": cut_end(endpoint, _NAME),
        "place": cut_end(wording.place(finding), _NAME) if finding else "",
        "first": ends[0],
        "last": ends[-1],
        "svg": sparkline_svg(series.values, title=f"from {ends[0]} to {ends[-1]}"),
    }


def _outcomes(summary: Summary) -> list[tuple[str, int]]:
    terms = ("match", "equivalent", "divergent", "incomparable", "skipped")
    return [(term, getattr(summary, term)) for term in terms]


def _worst_first(summary: Summary) -> list[EndpointSummary]:
    return sorted(summary.endpoints, key=lambda each: (-each.divergent, -each.exchanges))


def _endpoint(each: EndpointSummary) -> dict[str, Any]:
    counts = [
        (term, getattr(each, term))
        for term in ("match", "equivalent", "divergent", "incomparable", "skipped")
    ]
    return {
        "name": cut_end(plain(each.endpoint), _NAME),
        "exchanges": each.exchanges,
        "divergent": each.divergent,
        "share": percent(each.divergent / each.compared) if each.compared else "",
        "bar": stacked(counts),
        "p50": _two(each, "p50"),
        "p99": _two(each, "p99"),
    }


def _two(each: EndpointSummary, name: str) -> str:
    before, after = getattr(each.baseline.service, name), getattr(each.candidate.service, name)
    if before is None and after is None:
        return ""
    return f"{milliseconds(before)} → {milliseconds(after)}"


def _plot(row: times.Row, summary: Summary) -> dict[str, Any]:
    late = times.late(row)
    said = f"{row.tail} {times.times(row.ratio)}" if row.ratio else ""
    if late is not None:
        baseline, candidate = wording.names(summary)
        said = (
            f"over {milliseconds(late.over_us)}: {late.candidate:,} from {candidate},"
            f" {late.baseline:,} from {baseline}"
        )
    return {
        "name": cut_end(plain(row.endpoint), _NAME),
        "pairs": row.pairs,
        "said": said,
        "plot": plot(row.baseline, row.candidate),
        "rows": [
            {
                "name": name,
                "baseline": milliseconds(getattr(row.baseline, name)),
                "baseline_interval": _interval(row.baseline.intervals.get(name)),
                "candidate": milliseconds(getattr(row.candidate, name)),
                "candidate_interval": _interval(row.candidate.intervals.get(name)),
            }
            for name in times.PERCENTILES
        ],
    }


def _interval(ends: tuple[int, int] | None) -> str:
    return "" if ends is None else f"{milliseconds(ends[0])} to {milliseconds(ends[1])}"


def _static(summary: Summary) -> dict[str, Any]:
    """The first findings as the template prints them, for a reader without scripts."""
    findings = wording.divergent(summary)
    rows = []
    for finding in findings[:_STATIC]:
        example = finding.examples[0] if finding.examples else None
        values = pair(example.baseline, example.candidate, 200) if example else ("", "")
        rows.append(
            {
                "endpoint": cut_end(plain(finding.endpoint), _NAME),
                "place": cut_end(wording.place(finding), _NAME),
                "cause": wording.cause(finding),
                "severity": finding.severity,
                "seen": wording.seen(finding),
                "baseline": values[0] or ABSENT,
                "candidate": values[1] or ABSENT,
            }
        )
    return {"rows": rows, "left": max(0, len(findings) - _STATIC)}


def _rule(rule: Any) -> dict[str, Any]:
    example = rule.example
    values = pair(example.baseline, example.candidate, 80) if example else None
    return {
        "name": cut_end(plain(rule.name), _NAME),
        "state": "go is wrong" if rule.go_is_wrong and rule.state == "used" else rule.state,
        "covered": plural(rule.divergences, "divergence"),
        "owner": cut_end(plain(rule.owner), 80),
        "expires": str(rule.expires),
        "reason": cut_end(plain(rule.reason), _TEXT),
        "example": " → ".join(values) if values else "",
    }


def _excused(summary: Summary) -> list[tuple[str, str, int]]:
    """What was counted and is no finding: why exchanges were left out, header spellings."""
    found = [
        (outcome, cut_end(plain(reason), _NAME), count)
        for outcome, counts in sorted(summary.reasons.items())
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_ROWS]
    ]
    spelled = sorted(summary.spellings.items(), key=lambda item: (-item[1], item[0]))[:_ROWS]
    return found + [("header spelling", plain(name), count) for name, count in spelled]


def _environment(summary: Summary) -> list[tuple[str, str]]:
    sides = (summary.baseline, summary.candidate)
    found = [(plain(side.name) or "-", plain(side.url) or "a capture") for side in sides]
    found += provenance.rows(summary)
    found += [("capture", cut_end(plain(path), _TEXT)) for path in summary.captures[:20]]
    found.append(("digest of the captures", plain(summary.digest)))
    if summary.started is not None:
        found.append(("started", summary.started.strftime("%Y-%m-%d %H:%M:%S %Z")))
    found += [(f"version of {plain(name)}", plain(text)) for name, text in summary.versions.items()]
    found += [(plain(name), plain(str(value))) for name, value in sorted(summary.options.items())]
    found += [("store", plain(summary.store)), ("events", plain(summary.events))]
    return [(name, cut_end(text, _TEXT)) for name, text in found if text][:_ROWS]
