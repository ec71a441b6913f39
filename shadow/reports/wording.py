"""What every format says of a run, in the same words: the verdict, the sum, places, causes.

All of it is plain text without control characters, not yet escaped for any format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from shadow.compare.classes import CLASSES
from shadow.masking import WITHHELD
from shadow.model import Severity, Where
from shadow.reports.text import DASH, percent, plain, plural
from shadow.results.finding import Example
from shadow.results.summary import FindingSummary, Summary

UNEXPLAINED: Final = "unexplained"
"""Stands for the class of a finding that no known cause explains."""
_ROOT: Final = "$"
_SEVERITIES: Final[tuple[Severity, ...]] = ("breaking", "risky", "benign")
_PLACES: Final[tuple[Where, ...]] = ("transport", "status", "body", "state", "header")
_WHERE: Final = {"status": "status", "transport": "no answer", "state": "state"}


def divergent(summary: Summary) -> list[FindingSummary]:
    """The findings that nothing excuses, the gravest first."""
    return [finding for finding in summary.findings if finding.verdict == "divergent"]


def compared(summary: Summary) -> int:
    """How many exchanges were judged."""
    return summary.match + summary.equivalent + summary.divergent


def names(summary: Summary) -> tuple[str, str]:
    """What the baseline and the candidate are called."""
    return plain(summary.baseline.name), plain(summary.candidate.name)


def headline(summary: Summary) -> str:
    """The one thing a reader must not miss, in a sentence."""
    total = compared(summary)
    if summary.conclusion == "divergent":
        found = plural(len(divergent(summary)), "finding")
        return f"{found} in {plural(total, 'compared exchange')}"
    if summary.conclusion == "match":
        return f"no divergence in {plural(total, 'compared exchange')}"
    return f"{total:,} of {plural(summary.read, 'exchange')} compared"


def verdict(summary: Summary) -> str:
    """The conclusion in a word, with what it rests on."""
    return f"{summary.conclusion.capitalize()}: {headline(summary)}"


def sides(summary: Summary) -> str:
    """Which two services: `go vs rust`."""
    return " vs ".join(names(summary))


def accounting(summary: Summary) -> str:
    """The sum that shows that nothing was lost."""
    terms = ("match", "equivalent", "divergent", "incomparable", "skipped")
    added = " + ".join(f"{term} {getattr(summary, term):,}" for term in terms)
    rest = f"hollow {summary.hollow:,} · broken {summary.broken:,}"
    return f"read {summary.read:,} = {added} · {rest}"


def place(finding: FindingSummary) -> str:
    """Where in an answer: `status`, `header etag`, `$['items'][*]['price']`, `whole body`."""
    path = plain(finding.path_pattern)
    if finding.where == "header":
        return f"header {path}"
    if finding.where == "body":
        return path if path not in ("", _ROOT) else "whole body"
    return _WHERE[finding.where]


def cause(finding: FindingSummary) -> str:
    """The class, or what kind of difference it is where no class explains it."""
    return plain(finding.class_id or f"{UNEXPLAINED} {finding.kind.replace('_', ' ')}")


def remarks(finding: FindingSummary, baseline: str) -> list[str]:
    """What else is known of it: whose it is, that Go is wrong, that it comes and goes."""
    found = [f"owner {plain(finding.owner)}"] if finding.owner else []
    if finding.wrong_side:
        found.append(f"{baseline} is wrong")
    if finding.unstable:
        found.append("unstable-candidate: it comes and goes when asked again")
    return found


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of a cause."""

    title: str
    impact: str
    fix_go: str
    fix_rust: str


def known(class_id: str | None) -> Known | None:
    """Look a class up; None where none is named or this version does not know it."""
    cls = CLASSES.get(class_id or "")
    if cls is None:
        return None
    return Known(title=cls.title, impact=cls.impact, fix_go=cls.fix_go, fix_rust=cls.fix_rust)


def seen(finding: FindingSummary) -> str:
    """In how many exchanges, and what share of the endpoint's that is."""
    return f"{plural(finding.exchanges, 'exchange')}{_share(finding)}"


def count(finding: FindingSummary) -> str:
    """The same without the noun, for a column: `553 (98.9%)`."""
    return f"{finding.exchanges:,}{_share(finding)}"


def _share(finding: FindingSummary) -> str:
    return "" if finding.share is None else f" ({percent(finding.share)})"


def request(example: Example) -> str:
    """What was asked: `GET /v1/items?page=2`; the method alone where values are withheld."""
    target = "" if example.target == WITHHELD else f" {plain(example.target)}"
    return plain(example.method) + target


def reproduce(finding: FindingSummary, summary: Summary) -> str:
    """The command that prints the requests of a finding's examples."""
    return f"shadow repro {plain(finding.signature)} --run {plain(summary.run_id)}"


def by_endpoint(findings: Iterable[FindingSummary]) -> dict[str, list[FindingSummary]]:
    """Findings by endpoint; both keep their order, so the gravest endpoint comes first."""
    groups: dict[str, list[FindingSummary]] = {}
    for finding in findings:
        groups.setdefault(finding.endpoint, []).append(finding)
    return groups


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one endpoint that have one cause: one thing to mend."""

    endpoint: str
    cause: str
    class_id: str | None
    findings: tuple[FindingSummary, ...]

    @property
    def severity(self) -> Severity:
        """The worst of its findings, which come with the gravest first."""
        return self.findings[0].severity

    @property
    def first(self) -> FindingSummary:
        """The finding that was seen most often."""
        return max(self.findings, key=lambda finding: finding.exchanges)


def groups(findings: Iterable[FindingSummary]) -> list[Group]:
    """Findings by endpoint and cause, in the order of the gravest of each.

    Of one cause the gravest places come first, then the most frequent, then what tells most.
    """
    found: dict[tuple[str, str], list[FindingSummary]] = {}
    for finding in findings:
        found.setdefault((finding.endpoint, cause(finding)), []).append(finding)
    return [
        Group(
            endpoint=endpoint,
            cause=name,
            class_id=each[0].class_id,
            findings=tuple(sorted(each, key=_telling)),
        )
        for (endpoint, name), each in found.items()
    ]


def _telling(finding: FindingSummary) -> tuple[int, int, int]:
    """Sort key of one cause's places: the gravest and most frequent, and the status first."""
    return (
        _SEVERITIES.index(finding.severity),
        -finding.exchanges,
        _PLACES.index(finding.where),
    )


def origin(summary: Summary) -> str:
    """Which run it was: `run 2026… · replay prod.jsonl.zst · 12.3 s`."""
    captures = ", ".join(plain(path) for path in summary.captures[:3])
    more = f" and {len(summary.captures) - 3} more" if len(summary.captures) > 3 else ""
    parts = [f"run {plain(summary.run_id)}", f"{plain(summary.command)} {captures}{more}".strip()]
    if summary.duration_s is not None:
        parts.append(f"{summary.duration_s:,.1f} s")
    return " · ".join(parts)


def fixes(finding: FindingSummary) -> list[tuple[str, str]]:
    """The fix on either side, where there is one: pairs of `rust` or `go` and what to do."""
    found = known(finding.class_id)
    if found is None:
        return []
    pairs = (("rust", found.fix_rust), ("go", found.fix_go))
    return [(side, fix) for side, fix in pairs if fix and fix != DASH]
