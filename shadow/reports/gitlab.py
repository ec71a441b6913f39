"""GitLab Code Quality: one issue a finding, for the widget of a merge request.

The fields that GitLab reads of the Code Climate format:
docs.gitlab.com/ci/testing/code_quality, "Code Quality report format".
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from shadow.model import Severity
from shadow.reports import wording
from shadow.reports.files import FALLBACK, Location, location
from shadow.reports.text import cut_end, pair, plain, plural
from shadow.results.summary import FindingSummary, Summary

ISSUES: Final = 5_000
_VALUE: Final = 60
_TEXT: Final = 500
_SEVERITIES: Final[dict[Severity, str]] = {
    "breaking": "critical",
    "risky": "major",
    "benign": "minor",
}


def render(summary: Summary) -> str:
    """Render the divergent findings as one JSON list."""
    findings = wording.divergent(summary)
    issues = [_issue(finding, summary) for finding in findings[:ISSUES]]
    nowhere = Location(path=FALLBACK, known=False)
    left = max(0, len(findings) - ISSUES) + summary.findings_dropped
    if left:
        text = f"{plural(left, 'more finding')} not listed here: shadow report --all"
        issues.append(_told("shadow-not-shown", text, "info", nowhere, "not-shown"))
    if summary.conclusion == "inconclusive":
        text = f"shadow: {wording.verdict(summary)}"
        issues.append(_told("shadow-inconclusive", text, "blocker", nowhere, "inconclusive"))
    return msgspec.json.encode(issues).decode() + "\n"


def _issue(finding: FindingSummary, summary: Summary) -> dict[str, Any]:
    cause = wording.cause(finding)
    return _told(
        plain(finding.class_id or f"{wording.UNEXPLAINED}-{finding.kind.replace('_', '-')}"),
        _description(finding, summary, cause),
        _SEVERITIES[finding.severity],
        location(summary.files, finding.endpoint),
        f"{finding.signature} {finding.class_id or ''}",
    )


def _description(finding: FindingSummary, summary: Summary, cause: str) -> str:
    """One line: the widget shows no more."""
    text = f"{plain(finding.endpoint)}: {wording.place(finding)} differs ({cause})"
    if finding.examples:
        example = finding.examples[0]
        values = pair(example.baseline, example.candidate, _VALUE)
        shown = (
            f"{name} {value}" for name, value in zip(wording.names(summary), values, strict=True)
        )
        text += f": {', '.join(shown)}"
    fixes = wording.fixes(finding)
    if fixes:
        text += f"; fix in {fixes[0][0]}: {fixes[0][1]}"
    return cut_end(text, _TEXT)


def _told(name: str, text: str, severity: str, place: Location, identity: str) -> dict[str, Any]:
    return {
        "description": text,
        "check_name": name,
        # GitLab matches the issues of two branches by it, so it stays while the finding does.
        "fingerprint": hashlib.sha256(f"shadow {identity}".encode("utf-8", "replace")).hexdigest(),
        "severity": severity,
        "location": {"path": plain(place.path), "lines": {"begin": place.line}},
    }
