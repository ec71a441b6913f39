"""The few lines that a reader in a hurry should see: what is wrong, and what got slower."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from shadow.masking import WITHHELD
from shadow.reports import times, wording
from shadow.reports.text import DASH, milliseconds, plain
from shadow.results.summary import Summary

_FINDINGS: Final = 4
_SLOW: Final = 3
_SLOWER: Final = 1.5
"""From which ratio of the tails an endpoint is worth a look. No verdict: that takes statistics."""
_NOTICED_US: Final = 1_000
"""Below this much added in the tail nobody is slowed down."""


class Highlight(msgspec.Struct, frozen=True, kw_only=True):
    """One line, as plain text, in its parts."""

    about: Literal["finding", "latency"]
    endpoint: str
    place: str
    said: str


def highlights(summary: Summary) -> list[Highlight]:
    """The gravest things to mend, one an endpoint and cause, and the worst tails."""
    found = [_finding(group, summary) for group in _distinct(summary)[:_FINDINGS]]
    slow = [line for row in times.rows(summary) if (line := _slow(row, summary))]
    return found + slow[:_SLOW]


def _distinct(summary: Summary) -> list[wording.Group]:
    """The groups, without those that are another face of one before: the same exchanges."""
    seen: set[tuple[str, int, str]] = set()
    found = []
    for group in wording.groups(wording.divergent(summary)):
        first = group.first
        example = first.examples[0].exchange_id if first.examples else first.signature
        face = (group.endpoint, first.exchanges, example)
        if face not in seen:
            found.append(group)
        seen.add(face)
    return found


def _finding(group: wording.Group, summary: Summary) -> Highlight:
    first = group.first
    candidate = wording.names(summary)[1]
    said = {
        "missing": f"missing from {candidate}",
        "extra": f"only in {candidate}",
    }.get(first.kind, first.kind.replace("_", " "))
    if first.where == "status" and first.examples and first.examples[0].baseline != WITHHELD:
        example = first.examples[0]
        said = f"{plain(example.baseline or DASH)} → {plain(example.candidate or DASH)}"
    known = wording.known(group.class_id)
    why = known.title if known else "no known cause"
    return Highlight(
        about="finding",
        endpoint=plain(group.endpoint),
        place=wording.place(first),
        said=f"{said} in {wording.seen(first)}: {why}",
    )


def _slow(row: times.Row, summary: Summary) -> Highlight | None:
    """What got slower: answers later than any of the baseline's, or a longer tail."""
    baseline, candidate = wording.names(summary)
    late = times.late(row)
    if late is not None:
        place = "slow answers"
        said = (
            f"{late.candidate:,} of {late.of:,} from {candidate} took over"
            f" {milliseconds(late.over_us)}, {late.baseline:,} from {baseline}"
        )
    elif row.ratio is not None and row.ratio >= _SLOWER and _is_noticed(row):
        place = row.tail
        said = f"{times.pair(row, row.tail)} ({baseline} → {candidate}), {times.times(row.ratio)}"
    else:
        return None
    return Highlight(about="latency", endpoint=plain(row.endpoint), place=place, said=said)


def _is_noticed(row: times.Row) -> bool:
    before, after = getattr(row.baseline, row.tail), getattr(row.candidate, row.tail)
    return bool(after - before >= _NOTICED_US)
