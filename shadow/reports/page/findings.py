"""The findings as compact JSON, for the script of the page, within a number of bytes.

Rows are lists, and what repeats (endpoints, causes, rules) stands once in a table and is
named by its number. Examples get what room the rows leave, the gravest findings first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, get_args

from shadow.masking import WITHHELD
from shadow.model import Where
from shadow.reports import wording
from shadow.reports.page.document import embedded_json
from shadow.reports.text import cut_end, cut_path, pair, plain
from shadow.results.finding import Example
from shadow.results.summary import FindingSummary, Summary

_WHERE: Final = get_args(Where)
_SEVERITIES: Final = ("breaking", "risky", "benign")
_VERDICTS: Final = ("divergent", "noise", "accepted", "equivalent")
_FEW: Final = 300  # findings up to which values are embedded whole
_WIDE: Final = 1_000
_NARROW: Final = 140
_TARGET: Final = 80
_ROWS_SHARE: Final = 0.75  # of the bytes; the rest is for examples
_NAME: Final = 200


def embedded(summary: Summary, limit: int) -> tuple[str, int]:
    """Return the JSON, without any `<`, and how many findings found no room."""
    names, urls = wording.names(summary), (summary.baseline.url, summary.candidate.url)
    data = compact(summary.findings, limit, names=names, urls=urls, run=summary.run_id)
    return embedded_json(data), len(summary.findings) - len(data["findings"])


def compact(
    findings: Sequence[FindingSummary],
    limit: int,
    *,
    names: Sequence[str],
    urls: Sequence[str],
    run: str,
) -> dict[str, Any]:
    """Return what the script of a page makes rows of: as many findings as have room.

    `names` and `urls` are those of both sides.
    """
    tables = _Tables()
    rows: list[list[Any]] = []
    room = int(limit * _ROWS_SHARE)
    name = max(40, min(_NAME, room // max(1, len(findings)) - 70))
    for finding in findings:
        row, added = _row(finding, tables, name)
        room -= added + _size(row)
        if room < 0:
            break
        rows.append(row)
    _add_examples(rows, findings, room + int(limit * (1 - _ROWS_SHARE)))
    return {
        "names": [cut_end(each, 40) for each in names],
        "urls": [plain(each) for each in urls],
        "run": plain(run),
        "where": _WHERE,
        "severities": _SEVERITIES,
        "verdicts": _VERDICTS,
        **tables.as_data(),
        "findings": rows,
    }


class _Tables:
    """What rows name by number; each entry is kept once."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Any]] = {
            name: [] for name in ("endpoints", "causes", "rules", "owners")
        }
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, table: str, key: str | None, make: Callable[[str], Any]) -> tuple[int, int]:
        """The number of an entry, -1 for none, and how many bytes it takes if it is new."""
        if key is None:
            return -1, 0
        number = self._numbers.get((table, key))
        if number is not None:
            return number, 0
        entry, entries = make(key), self._entries[table]
        entries.append(entry)
        self._numbers[table, key] = len(entries) - 1
        return len(entries) - 1, _size(entry)

    def as_data(self) -> dict[str, list[Any]]:
        """The tables by name."""
        return dict(self._entries)


def _row(finding: FindingSummary, tables: _Tables, name: int) -> tuple[list[Any], int]:
    """One finding without its examples, and the bytes that it adds to the tables."""
    endpoint, one = tables.number("endpoints", finding.endpoint, lambda key: _cut(key, name))
    cause, two = tables.number("causes", wording.cause(finding), lambda _: _cause(finding))
    rule, three = tables.number("rules", finding.rule, lambda key: _cut(key, name))
    owner, four = tables.number("owners", finding.owner, lambda key: _cut(key, name))
    row = [
        plain(finding.signature),
        endpoint,
        _WHERE.index(finding.where),
        cut_path(plain(finding.path_pattern), name),
        cause,
        _SEVERITIES.index(finding.severity),
        _VERDICTS.index(finding.verdict),
        rule,
        owner,
        (1 if finding.wrong_side else 0) + (2 if finding.unstable else 0),
        finding.exchanges,
        None if finding.share is None else round(finding.share, 4),
    ]
    return row, one + two + three + four


def _cut(text: str, width: int) -> str:
    return cut_end(plain(text), width)


def _cause(finding: FindingSummary) -> list[str]:
    """A cause as the page explains it: id, title, impact, fix in Rust, fix in Go."""
    known = wording.known(finding.class_id)
    name = wording.cause(finding)
    if known is None:
        return [name]
    return [name, known.title, known.impact, known.fix_rust, known.fix_go]


def _add_examples(rows: list[list[Any]], findings: Iterable[FindingSummary], room: int) -> None:
    """Add the first example of each finding, then the others, as far as there is room."""
    width = _WIDE if len(rows) <= _FEW else _NARROW
    pairs = list(zip(rows, findings, strict=False))
    for row, _ in pairs:
        row.append([])
    for number in range(3):
        for row, finding in pairs:
            if number >= len(finding.examples):
                continue
            example = _example(finding.examples[number], width)
            room -= _size(example)
            if room < 0:
                return
            row[-1].append(example)


def _example(example: Example, width: int) -> list[Any]:
    baseline, candidate = pair(example.baseline, example.candidate, width)
    return [
        _cut(example.exchange_id, 80),
        _cut(example.method, 20),
        "" if example.target == WITHHELD else _cut(example.target, max(_TARGET, width // 2)),
        cut_path(plain(example.path), _NAME),
        None if example.baseline is None else baseline,
        None if example.candidate is None else candidate,
        example.baseline_status,
        example.candidate_status,
    ]


def _size(value: Any) -> int:
    return len(embedded_json(value).encode()) + 1
