"""The verdicts that a run may bring beside its findings: gates, latency, resources.

A summary has them or it has not. Each is a sequence of lines with a `name` (the criterion or
the endpoint), a `state` and a `text` that says it in a sentence; a report shows a section
where there are lines, and no empty heading where there are none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from shadow.reports import wording
from shadow.reports.evidence import (
    errors_text,
    rate_text,
    resources_texts,
    speed_text,
    tail_text,
)
from shadow.reports.text import plain
from shadow.results.summary import Summary

_ORDER: Final = ("fail", "inconclusive", "note", "pass")
State = Literal["pass", "fail", "inconclusive", "note"]

_STATES: Final[dict[str, State]] = {
    "pass": "pass",
    "passed": "pass",
    "met": "pass",
    "faster": "pass",
    "equivalent": "pass",
    "fail": "fail",
    "failed": "fail",
    "missed": "fail",
    "slower": "fail",
    "inconclusive": "inconclusive",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of evidence, as plain text."""

    name: str
    state: State
    word: str
    """The state as the run called it, such as `slower`."""
    text: str


def gates(summary: Summary) -> list[Line]:
    """The criteria of the gate that the run was held to, in its order."""
    return _lines(getattr(summary, "gates", None))


def latency(summary: Summary) -> list[Line]:
    """The verdict on each endpoint's latency and failures, what is worse first, and the rate."""
    names = wording.names(summary)
    lines = [
        Line(
            name=plain(each.endpoint),
            state=_STATES.get(each.speed.verdict, "note"),
            word=each.speed.verdict,
            text="; ".join(filter(None, (speed_text(each.speed, *names), tail_text(each.speed)))),
        )
        for each in summary.endpoints
        if each.speed is not None
    ]
    lines += [
        Line(
            name=plain(each.endpoint),
            state="fail" if each.errors.verdict == "more" else "pass",
            word="failures",
            text=errors_text(each.errors, names[1]),
        )
        for each in summary.endpoints
        if each.errors is not None and each.errors.verdict != "no-difference"
    ]
    lines.sort(key=lambda line: _ORDER.index(line.state))
    everywhere = "all endpoints"
    if summary.speed_withheld is not None:
        text = plain(f"{summary.speed_withheld.text}; {summary.speed_withheld.advice}")
        lines.insert(0, Line(name=everywhere, state="inconclusive", word="withheld", text=text))
    if summary.rate is not None and summary.rate.exchanges:
        text = rate_text(summary.rate)
        lines.insert(0, Line(name=everywhere, state="note", word="rate", text=text))
    return lines


def resources(summary: Summary) -> list[Line]:
    """What either service took: CPU time and memory."""
    if summary.resources is None:
        return []
    texts = resources_texts(summary.resources, *wording.names(summary))
    parts = [text.partition(": ") for text in texts]
    return [
        Line(name=plain(name), state="note", word="", text=plain(text)) for name, _, text in parts
    ]


def _lines(found: Iterable[object] | None) -> list[Line]:
    return [
        Line(
            name=plain(str(getattr(each, "name", ""))),
            state=_STATES.get(str(getattr(each, "state", "")), "note"),
            word=plain(str(getattr(each, "state", ""))),
            text=plain(str(getattr(each, "text", ""))),
        )
        for each in found or ()
    ]
