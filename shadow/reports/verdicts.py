"""The verdicts that a run may bring beside its findings: gate, rate, latency, resources.

A summary has them or it has not. Each is a sequence of lines with a `name` (the criterion or
the endpoint), a `state` and a `text` that says it in a sentence; a report shows a section
where there are lines, and no empty heading where there are none.
"""

from __future__ import annotations

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
from shadow.reports.gates import ordered, said
from shadow.reports.text import plain
from shadow.results.gates.verdicts import GateResult
from shadow.results.speed.verdicts import Speed
from shadow.results.summary import Summary

SHOWN: Final = 8
"""Lines that stand open; those after them are folded."""
_ORDER: Final = ("fail", "pass", "note", "inconclusive")
State = Literal["pass", "fail", "inconclusive", "note"]

_STATES: Final[dict[str, State]] = {
    "faster": "pass",
    "equivalent": "pass",
    "slower": "fail",
    "inconclusive": "inconclusive",
    "withheld": "inconclusive",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of evidence, as plain text."""

    name: str
    state: State
    word: str
    """The state as the run called it, such as `slower`; empty where there is nothing to say."""
    text: str


def gates(summary: Summary) -> list[Line]:
    """What the last gate that was asked said of the run: its verdict, then its criteria."""
    gate = summary.gate
    if gate is None:
        return []
    criteria = [
        Line(
            name=plain(each.name.replace("-", " ")),
            state=each.verdict,
            word=each.verdict,
            text=said(each).plain,
        )
        for each in ordered(gate)
    ]
    head = Line(
        name=f"gate {plain(gate.phase)}",
        state=gate.verdict,
        word=gate.verdict,
        text=_counted(gate),
    )
    return [head, *criteria]


def _counted(gate: GateResult) -> str:
    """How many criteria came out how: `7 of 9 criteria met, 1 missed, 1 not decided`."""
    found = [each.verdict for each in gate.criteria]
    parts = [f"{found.count('pass')} of {len(found)} criteria met"]
    for verdict, said_so in (("fail", "missed"), ("inconclusive", "not decided")):
        if verdict in found:
            parts.append(f"{found.count(verdict)} {said_so}")
    return ", ".join(parts)


def rate(summary: Summary) -> str:
    """How often exchanges diverged and how high the true rate may be; empty if not known."""
    if summary.rate is None or not summary.rate.exchanges:
        return ""
    return rate_text(summary.rate)


def latency(summary: Summary) -> list[Line]:
    """The verdict on each endpoint's latency and failures: the worse, the decided, the open."""
    names = wording.names(summary)
    lines = [
        Line(
            name=plain(each.endpoint),
            state=_STATES.get(each.speed.verdict, "note"),
            word=each.speed.verdict,
            text=_speed(each.speed, names),
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
    if summary.speed_withheld is not None:
        text = plain(f"{summary.speed_withheld.text}; {summary.speed_withheld.advice}")
        line = Line(name="all endpoints", state="inconclusive", word="withheld", text=text)
        lines.insert(0, line)
    return lines


def _speed(speed: Speed, names: tuple[str, str]) -> str:
    """What the verdict rests on, without the word that stands before the line already."""
    text = speed_text(speed, *names).removeprefix(f"{speed.verdict}: ")
    if speed.verdict in ("faster", "slower"):
        much = text.removeprefix(f"{names[1]} ").replace(f" {speed.verdict}", "", 1)
        text = f"{names[1]} by {much}"
    return "; ".join(filter(None, (text, tail_text(speed))))


def resources(summary: Summary) -> list[Line]:
    """What either service took: CPU time and memory."""
    if summary.resources is None:
        return []
    texts = resources_texts(summary.resources, *wording.names(summary))
    parts = [text.partition(": ") for text in texts]
    return [
        Line(name=plain(name), state="note", word="", text=plain(text)) for name, _, text in parts
    ]
