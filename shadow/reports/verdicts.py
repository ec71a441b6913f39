"""The verdicts that a run may bring beside its findings: gates, latency, resources.

A summary has them or it has not. Each is a sequence of lines with a `name` (the criterion or
the endpoint), a `state` and a `text` that says it in a sentence; a report shows a section
where there are lines, and no empty heading where there are none.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from shadow.reports.text import plain
from shadow.results.summary import Summary

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
    """The verdict on each endpoint's latency, with its interval."""
    return _lines(getattr(summary, "latency", None))


def resources(summary: Summary) -> list[Line]:
    """What either service took: CPU time and memory."""
    return _lines(getattr(summary, "resources", None))


def _lines(found: object) -> list[Line]:
    if not isinstance(found, tuple | list):
        return []
    return [
        Line(
            name=plain(str(getattr(each, "name", ""))),
            state=_STATES.get(str(getattr(each, "state", "")), "note"),
            word=plain(str(getattr(each, "state", ""))),
            text=plain(str(getattr(each, "text", ""))),
        )
        for each in found
    ]
