"""JUnit XML: one test case an endpoint, for the test tabs of CI servers.

Of the form that Jenkins publishes as an XSD (junit-10.xsd), which GitLab, GitHub actions,
Azure and Buildkite read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from shadow.reports import verdicts, wording
from shadow.reports.text import cut_end, pair, plain, plural
from shadow.results.summary import EndpointSummary, FindingSummary, Summary

_SHOWN: Final = 20  # findings in one test case
_VALUE: Final = 200
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document may hold, not even as references (section 2.2)."""


def render(summary: Summary) -> str:
    """Render the summary as one XML document."""
    suites = [_run(summary), _gates(summary), _endpoints(summary)]
    shown = [suite for suite in suites if suite is not None]
    body = "".join(suite.text for suite in shown)
    totals = (
        f"tests={_quoted(sum(suite.tests for suite in shown))}"
        f" failures={_quoted(sum(suite.failures for suite in shown))}"
        f" errors={_quoted(sum(suite.errors for suite in shown))}"
    )
    name = _quoted(f"shadow {wording.sides(summary)}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites name={name} {totals}>\n{body}</testsuites>\n"
    )


class _Suite:
    """A test suite: its cases and what became of them."""

    def __init__(self, name: str, summary: Summary, cases: Iterable[str]) -> None:
        found = list(cases)
        self.tests = len(found)
        self.failures = sum("<failure " in case for case in found)
        self.errors = sum("<error " in case for case in found)
        skipped = sum("<skipped " in case for case in found)
        stamp = summary.started.strftime("%Y-%m-%dT%H:%M:%S") if summary.started else ""
        when = f" timestamp={_quoted(stamp)}" if stamp else ""
        took = "" if summary.duration_s is None else f' time="{summary.duration_s:.3f}"'
        counts = f"tests={_quoted(self.tests)} failures={_quoted(self.failures)}"
        self.text = (
            f"<testsuite name={_quoted(name)} {counts} errors={_quoted(self.errors)}"
            f" skipped={_quoted(skipped)}{when}{took}>\n{''.join(found)}</testsuite>\n"
        )


def _run(summary: Summary) -> _Suite | None:
    """A run that is no evidence is an error, so that it does not read as green."""
    if summary.conclusion != "inconclusive" and summary.state == "finished":
        return None
    said = summary.state if summary.state != "finished" else wording.verdict(summary)
    text = "\n".join(f"{each.text}\n  {each.advice}" for each in summary.warnings)
    case = _case("the run is evidence", "run", _result("error", said, text))
    return _Suite("run", summary, [case])


def _gates(summary: Summary) -> _Suite | None:
    """The gate and its criteria; one that is not decided is an error, its criteria are skipped."""
    lines = verdicts.gates(summary)
    if not lines:
        return None
    open_ones = ["error", *["skipped"] * (len(lines) - 1)]
    cases = []
    for line, if_open in zip(lines, open_ones, strict=True):
        element = {"fail": "failure", "inconclusive": if_open}.get(line.state)
        result = _result(element, line.text, line.text) if element else ""
        cases.append(_case(line.name, "gates", result))
    return _Suite("gates", summary, cases)


def _endpoints(summary: Summary) -> _Suite:
    found = wording.by_endpoint(wording.divergent(summary))
    counted = {each.endpoint: each for each in summary.endpoints}
    names = [*counted, *(name for name in found if name not in counted)]
    cases = (
        _case(name, "endpoints", _outcome(found.get(name, []), counted.get(name), summary))
        for name in names
    )
    return _Suite("endpoints", summary, cases)


def _outcome(
    findings: list[FindingSummary], counts: EndpointSummary | None, summary: Summary
) -> str:
    if findings:
        of = f", divergent in {counts.divergent:,} of {counts.compared:,}" if counts else ""
        said = f"{plural(len(findings), 'finding')}{of}"
        return _result("failure", said, "\n\n".join(_told(findings, summary)), findings)
    if counts is not None and counts.divergent:  # its findings are beyond the limit
        return _result("failure", f"divergent in {counts.divergent:,} of {counts.compared:,}", "")
    if counts is not None and not counts.compared:
        return _result("skipped", "nothing was compared", "")
    return ""


def _told(findings: list[FindingSummary], summary: Summary) -> Iterator[str]:
    names = wording.names(summary)
    for finding in findings[:_SHOWN]:
        place = cut_end(wording.place(finding), _VALUE)
        head = f"{place}: {wording.cause(finding)}, {finding.severity}"
        lines = [f"{head}, in {wording.seen(finding)}"]
        known = wording.known(finding.class_id)
        if known:
            lines.append(f"  {known.title}")
        if finding.examples:
            example = finding.examples[0]
            values = pair(example.baseline, example.candidate, _VALUE)
            lines.append(f"  {cut_end(wording.request(example), _VALUE)}")
            lines += [f"  {name}: {value}" for name, value in zip(names, values, strict=True)]
        lines += [f"  fix in {side}: {fix}" for side, fix in wording.fixes(finding)]
        lines.append(f"  {wording.reproduce(finding, summary)}")
        yield "\n".join(lines)
    if len(findings) > _SHOWN:
        yield f"… and {plural(len(findings) - _SHOWN, 'finding')} more"


def _case(name: str, group: str, result: str) -> str:
    return (
        f"<testcase classname={_quoted(f'shadow.{group}')} name={_quoted(plain(name))}>"
        f"{result}</testcase>\n"
    )


def _result(element: str, message: str, text: str, findings: Iterable[FindingSummary] = ()) -> str:
    causes = sorted({wording.cause(finding) for finding in findings})
    kind = f" type={_quoted(cut_end(', '.join(causes), 200))}" if causes else ""
    body = escape(_xml(text))
    return f"<{element} message={_quoted(message)}{kind}>{body}</{element}>"


def _quoted(value: object) -> str:
    return quoteattr(_xml(str(value)))


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
