"""A run with as many findings as a run can have, with values as long as they get."""

from __future__ import annotations

import msgspec

from shadow.results.finding import Example
from shadow.results.summary import FindingSummary, Summary

SEVERITIES = ("breaking", "risky", "benign")
CLASSES = ("nil-slice-null", "float-integral-point", "query-typed-param", None)


def with_findings(summary: Summary, count: int, *, endpoints: int = 500) -> Summary:
    """The summary with so many divergent findings, each with three examples of 1 kB a side."""
    findings = tuple(
        sorted(
            (_finding(number, endpoints) for number in range(count)),
            key=lambda finding: SEVERITIES.index(finding.severity),
        )
    )
    return msgspec.structs.replace(
        summary, findings=findings, findings_dropped=7, conclusion="divergent"
    )


def _finding(number: int, endpoints: int) -> FindingSummary:
    endpoint = f"GET /v1/area-{number % endpoints}/things/{{id}}"
    severity = SEVERITIES[number % endpoints % 3]
    return FindingSummary(
        signature=f"{number:016x}",
        endpoint=endpoint,
        where="body",
        kind="value_changed",
        path_pattern=f"$['items'][*]['member_{number}']['of']['some']['depth']",
        class_id=CLASSES[number % 4],
        severity=severity,  # type: ignore[arg-type]  # one of the three
        verdict="divergent",
        rule=None,
        owner=None,
        wrong_side=None,
        unstable=False,
        exchanges=count_of(number),
        divergences=count_of(number),
        share=0.25,
        examples=tuple(_example(number, seq) for seq in range(3)),
    )


def count_of(number: int) -> int:
    return 10_000 - number


def _example(number: int, seq: int) -> Example:
    return Example(
        seq=seq,
        exchange_id=f"x{number}-{seq}",
        method="GET",
        target=f"/v1/area/things/{number}?page={seq}&filter=" + "é" * 200,
        path=f"$['items'][{seq}]['member_{number}']['of']['some']['depth']",
        baseline=f'"{"a" * 400}{number}{"b" * 500}"',
        candidate=f'"{"a" * 400}{number + 1}{"b" * 500}"',
        baseline_status=200,
        candidate_status=200,
    )


def widest(summary: Summary) -> Summary:
    """As many findings and endpoints as a run can have, with names that take most room."""
    replace, wide = msgspec.structs.replace, "漢" * 160
    full = with_findings(summary, 10_000)
    findings = tuple(
        replace(
            finding,
            endpoint=f"GET /{number % 5000}{wide}",
            path_pattern=f"$['{number}{wide}']",
            owner=f"{number}{wide}",
            examples=tuple(
                replace(each, target=f"/{wide}", baseline="<" * 1000, candidate="<" * 999)
                for each in finding.examples
            ),
        )
        for number, finding in enumerate(full.findings)
    )
    endpoints = tuple(
        replace(full.endpoints[number % len(full.endpoints)], endpoint=f"GET /{number}{wide}")
        for number in range(5000)
    )
    return replace(full, findings=findings, endpoints=endpoints)
