"""`shadow explain`: a class as a page, a finding with its examples."""

from __future__ import annotations

import difflib
import re
import textwrap

from shadow.compare.classes import CLASSES
from shadow.compare.classes.base import DivergenceClass
from shadow.compare.classes.examples import Example
from shadow.errors import ShadowError
from shadow.model import NoAnswer, Observation
from shadow.printable import printable
from shadow.results.finding import Finding
from shadow.results.resolve import load_run

_SIGNATURE = re.compile(r"[0-9a-f]{4,16}")


def explain(what: str | None, *, run: str, store: str) -> str:
    """The page of a class or of a finding, or the list of classes. Raises ShadowError."""
    if what is None:
        return listing()
    if what in CLASSES:
        return page(CLASSES[what])
    if _SIGNATURE.fullmatch(what):
        findings = load_run(run, store, evidence=False).run.tally.findings
        found = [finding for finding in findings if finding.signature.startswith(what)]
        if found:
            return "\n".join(finding_page(finding) for finding in found)
        raise ShadowError(f"run {run} has no finding {what}", "shadow report lists its findings")
    near = difflib.get_close_matches(what, CLASSES, n=1)
    hint = f"did you mean {near[0]}?" if near else "shadow explain lists the classes"
    raise ShadowError(f"{_plain(what)} is neither a class nor a signature", hint)


def listing() -> str:
    """Every class with its title, a line each."""
    width = max(map(len, CLASSES))
    return "".join(f"{cls.id:<{width}}  {cls.policy:<5}  {cls.title}\n" for cls in CLASSES.values())


def page(cls: DivergenceClass) -> str:
    """Everything about one class."""
    lines = [
        f"{cls.id}: {cls.title}",
        "",
        *_field("Go", cls.go),
        *_field("Rust", cls.rust),
        *_field("Impact", cls.impact),
        *_field("Fix in Go", cls.fix_go),
        *_field("Fix in Rust", cls.fix_rust),
        *_field("Severity", cls.severity),
        *_field("Policy", _POLICIES[cls.policy]),
        *_field("Decided from", _NEEDS[cls.needs]),
    ]
    if cls.valid:
        lines += ["", "An example:", *_example(cls.valid[0])]
    if cls.invalid:
        lines += ["", "Not an example:", *_example(cls.invalid[0])]
    return "\n".join(lines) + "\n"


_POLICIES = {
    "fail": "fail: the exchange is divergent, unless a rule accepts it",
    "allow": "allow: another spelling of an equal value, the exchange is equivalent",
}
_NEEDS = {
    "pair": "the two answers",
    "request": "the two answers and the request",
    "corpus": "all samples of the place over a run",
    "never": "nothing: it is a hint, and never named automatically",
}


def _field(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text or "-", 98, initial_indent=f"{name:<14}", subsequent_indent=" " * 14
    ) or [name]


def _example(example: Example) -> list[str]:
    if example.samples:
        pairs = example.samples[:4]
        return [f"  go    {go}\n  rust  {rust}" for go, rust in pairs]
    lines = []
    if example.request is not None:
        lines.append(f"  asked {example.request.method} {_plain(example.request.target)}")
    for side, observation in (("go", example.go), ("rust", example.rust)):
        if observation is not None:
            lines.append(f"  {side:<5} {_told(observation)}")
    return lines


def _told(observation: Observation) -> str:
    if isinstance(observation, NoAnswer):
        return f"no answer: {observation.kind} {observation.detail}".rstrip()
    response = observation.response
    body = response.body.decode("utf-8", "replace")
    shown = body if len(body) <= 300 else body[:300] + "…"
    headers = " · ".join(f"{name}: {value}" for name, value in response.headers)
    return _plain(f"{response.status}  {headers}  {shown!r}")


def finding_page(finding: Finding) -> str:
    """One finding of a run, with its examples and its class."""
    lines = [
        f"{finding.signature}  {finding.verdict} · {finding.severity}",
        _plain(f"{finding.endpoint}  {finding.kind} at {finding.where} {finding.path_pattern}"),
        f"seen in {finding.exchanges:,} exchanges, {finding.divergences:,} times",
    ]
    if finding.rule:
        lines.append(f"excused by {_plain(finding.rule)}")
    for example in finding.examples:
        lines += [
            "",
            _plain(f"  {example.method} {example.target}  (exchange {example.exchange_id})"),
            f"  at {_plain(example.path)}",
            f"  go    {_plain(example.baseline) if example.baseline is not None else '(absent)'}",
            f"  rust  {_plain(example.candidate) if example.candidate is not None else '(absent)'}",
        ]
    text = "\n".join(lines) + "\n"
    cls = CLASSES.get(finding.class_id or "")
    if cls is None:
        return text + "\nNo known cause explains it.\n"
    return text + "\n" + page(cls)


def _plain(text: str) -> str:
    """Text of a capture or an answer, without control characters."""
    return printable(text, "?")
