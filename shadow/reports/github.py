"""For GitHub Actions: the step summary, and annotations on files of the pull request.

GitHub keeps a step summary of up to 1 MiB and shows at most 10 annotations of a type a step
(docs.github.com, workflow commands and limits).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from shadow.model import Severity
from shadow.reports import markdown, verdicts, wording
from shadow.reports.files import location
from shadow.reports.highlights import highlights
from shadow.reports.text import cut_end, pair, plain, plural
from shadow.results.summary import Summary

SUMMARY_BYTES: Final = 1_000_000
ANNOTATIONS: Final = 10
"""Of each type, the last of which counts those that found no room."""

_VALUE: Final = 200
Type = Literal["error", "warning", "notice"]
_TYPES: Final[dict[Severity, Type]] = {
    "breaking": "error",
    "risky": "warning",
    "benign": "notice",
}


def step_summary(summary: Summary) -> str:
    """Render what belongs into the file that `$GITHUB_STEP_SUMMARY` names."""
    return markdown.document(summary, limit=SUMMARY_BYTES)


def workflow_commands(summary: Summary) -> str:
    """Render workflow commands, one a line, to be printed on the step's stdout."""
    return "".join(f"{line}\n" for line in _lines(summary))


def _lines(summary: Summary) -> Iterator[str]:
    """The commands of each type; what has no room is counted by the last of them."""
    groups: dict[Type, list[wording.Group]] = {"error": [], "warning": [], "notice": []}
    for group in wording.groups(wording.divergent(summary)):
        groups[_TYPES[group.severity]].append(group)
    for kind, found in groups.items():
        first = list(_first(kind, summary))
        room = ANNOTATIONS - len(first)
        shown = found if len(found) <= room else found[: room - 1]
        yield from first
        yield from (_annotation(group, summary) for group in shown)
        if len(shown) < len(found):
            rest = plural(len(found) - len(shown), "more cause")
            text = f"{rest} not shown here: shadow report {plain(summary.run_id)} --all"
            yield _command(kind, text, title="shadow: more")


def _first(kind: Type, summary: Summary) -> Iterator[str]:
    """What is no finding: a gate that is not passed, a run that says nothing, slow endpoints."""
    yield from _gate(kind, summary)
    if kind == "error" and summary.conclusion == "inconclusive":
        text = f"{wording.verdict(summary)}: see the warnings of the report"
        yield _command("error", text, title="shadow: inconclusive")
    if kind == "notice":
        for each in highlights(summary):
            if each.about == "latency":
                text = f"{each.endpoint}: {each.said}"
                yield _command("notice", cut_end(text, 600), title=f"shadow: {each.place}")


def _gate(kind: Type, summary: Summary) -> Iterator[str]:
    """The gate with the criteria that it was not passed for."""
    wanted = {"error": "fail", "warning": "inconclusive"}.get(kind)
    lines = verdicts.gates(summary)
    if not lines or lines[0].state != wanted:
        return
    head, *criteria = lines
    missed = [f"{line.name}: {line.text}" for line in criteria if line.state == wanted]
    text = "\n".join(cut_end(line, 600) for line in (head.text, *missed))
    yield _command(kind, text, title=cut_end(f"shadow: {head.name}, {head.word}", 120))


def _annotation(group: wording.Group, summary: Summary) -> str:
    """One endpoint's divergences of one cause."""
    first, names = group.first, wording.names(summary)
    others = len(group.findings) - 1
    more = f" and {plural(others, 'more place')}" if others else ""
    known = wording.known(group.class_id)
    lines = [
        f"{plain(group.endpoint)}: {wording.place(first)}{more}, in {wording.seen(first)}",
        *([f"{known.title}."] if known else ["No known cause explains it."]),
    ]
    if first.examples:
        example = first.examples[0]
        values = pair(example.baseline, example.candidate, _VALUE)
        lines += [f"{name}: {value}" for name, value in zip(names, values, strict=True)]
    lines += [f"fix in {side}: {fix}" for side, fix in wording.fixes(first)]
    lines.append(wording.reproduce(first, summary))
    place = location(summary.files, group.endpoint)
    title = cut_end(f"{group.severity}: {group.cause}", 120)
    text = "\n".join(cut_end(line, 600) for line in lines)
    kind = _TYPES[group.severity]
    if not place.known:
        return _command(kind, text, title=title)
    return _command(kind, text, title=title, file=plain(place.path), line=str(place.line))


def _command(kind: Type, text: str, **properties: str) -> str:
    """A workflow command; what its syntax means something by is percent-encoded."""
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {given}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
