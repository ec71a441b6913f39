"""SARIF 2.1.0 (OASIS, docs.oasis-open.org/sarif/sarif/v2.1.0): findings for code scanning.

A class is a rule with its help text, a divergent finding is a result. What is excused is no
result. GitHub takes at most 5,000 results of a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

import msgspec

from shadow import __version__
from shadow.model import Severity
from shadow.reports import wording
from shadow.reports.files import location
from shadow.reports.gfm import ours
from shadow.reports.text import cut_end, pair, plain, plural
from shadow.results.summary import FindingSummary, Summary

RESULTS: Final = 5_000
_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final[dict[Severity, str]] = {"breaking": "error", "risky": "warning", "benign": "note"}
_VALUE: Final = 200
_TEXT: Final = 400


def render(summary: Summary) -> str:
    """Render the divergent findings as one SARIF log with one run."""
    findings = wording.divergent(summary)
    shown = findings[:RESULTS]
    ids = list(dict.fromkeys(_rule_id(finding) for finding in shown))
    index = {name: number for number, name in enumerate(ids)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "shadow",
                "semanticVersion": __version__,
                "rules": [_rule(name, shown) for name in ids],
            }
        },
        "automationDetails": {
            "id": f"shadow/{quote(wording.sides(summary), safe='', errors='replace')}/"
        },
        "invocations": [_invocation(summary, len(findings) - len(shown))],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index, summary) for finding in shown],
        "properties": {
            "conclusion": summary.conclusion,
            "runId": plain(summary.run_id),
            "read": summary.read,
            "divergent": summary.divergent,
            "notShown": len(findings) - len(shown) + summary.findings_dropped,
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.encode(log).decode() + "\n"


def _rule_id(finding: FindingSummary) -> str:
    return plain(finding.class_id or f"{wording.UNEXPLAINED}-{finding.kind.replace('_', '-')}")


def _rule(name: str, findings: Iterable[FindingSummary]) -> dict[str, Any]:
    first = next(finding for finding in findings if _rule_id(finding) == name)
    known = wording.known(first.class_id)
    words = name.replace("-", " ")
    title = known.title if known else f"{words[:1].upper()}{words[1:]}"
    impact = known.impact if known else "No known cause explains it: it may be a bug."
    fixes = [f"Fix in {side}: {fix}" for side, fix in wording.fixes(first)]
    text = [f"{title}.", impact, *fixes, f"More: shadow explain {name}" if known else ""]
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": f"{title}. {impact}".strip()},
        "help": {
            "text": "\n".join(line for line in text if line),
            "markdown": "\n\n".join(ours(line) for line in text if line),
        },
        "defaultConfiguration": {"level": _LEVELS[first.severity]},
        "properties": {"tags": ["divergence", first.severity]},
    }


def _result(finding: FindingSummary, index: dict[str, int], summary: Summary) -> dict[str, Any]:
    rule = _rule_id(finding)
    place = location(summary.files, finding.endpoint)
    endpoint = cut_end(plain(finding.endpoint), _TEXT)
    place_name = cut_end(wording.place(finding), _TEXT)
    return {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding, summary)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": quote(place.path, errors="replace"),
                        "uriBaseId": "%SRCROOT%",
                    },
                    "region": {"startLine": place.line},
                },
                "logicalLocations": [
                    {
                        "name": endpoint,
                        "fullyQualifiedName": f"{endpoint} {place_name}",
                        "kind": "member",
                    }
                ],
            }
        ],
        "partialFingerprints": {
            "shadowFinding/v1": f"{plain(finding.signature)}/{rule}",
        },
        "occurrenceCount": max(1, finding.divergences),
        "properties": {
            "endpoint": endpoint,
            "place": place_name,
            "severity": finding.severity,
            "exchanges": finding.exchanges,
            "share": finding.share,
            **({"owner": plain(finding.owner)} if finding.owner else {}),
        },
    }


def _message(finding: FindingSummary, summary: Summary) -> str:
    lines = [f"{plain(finding.endpoint)}: {wording.place(finding)} in {wording.seen(finding)}"]
    if finding.examples:
        example = finding.examples[0]
        values = pair(example.baseline, example.candidate, _VALUE)
        for name, value in zip(wording.names(summary), values, strict=True):
            lines.append(f"{name}: {value}")
    lines.append(wording.reproduce(finding, summary))
    return "\n".join(_literal(cut_end(line, _TEXT)) for line in lines)


def _literal(text: str) -> str:
    """Text that no viewer takes for a link `[text](uri)` or for a placeholder `{0}`.

    The specification (sections 3.11.5 and 3.11.6) has escapes for both, but viewers show them
    as they stand, so a space breaks what would be one.
    """
    text = text.replace("](", "] (")
    pieces = text.split("{")
    return "{".join(
        f" {piece}" if number and piece[:1].isdigit() else piece
        for number, piece in enumerate(pieces)
    )


def _invocation(summary: Summary, left: int) -> dict[str, Any]:
    """How the run ended, with its warnings; what is left out is among them."""
    notes = [f"{plain(each.text)}: {plain(each.advice)}" for each in summary.warnings]
    left += summary.findings_dropped
    if left:
        notes.append(f"{plural(left, 'more finding')} not in this log: shadow report --all")
    invocation: dict[str, Any] = {
        "executionSuccessful": summary.state == "finished",
        "exitCode": summary.exit_code,
        "toolExecutionNotifications": [
            {"level": "warning", "message": {"text": _literal(note)}} for note in notes
        ],
    }
    if summary.started is not None:
        invocation["startTimeUtc"] = summary.started.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return invocation
