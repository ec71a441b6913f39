"""`shadow sessions`: the rules of a plan as a person reads them, and as shadow.toml holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from shadow.captures import Broken, read
from shadow.endpoints import Endpoints
from shadow.model import Exchange
from shadow.reports.text import plain, plural
from shadow.sessions.checking import Check, Checker
from shadow.sessions.learning import Learned, Learner
from shadow.sessions.rules import Rule, Rules


def learn(
    captures: Sequence[str],
    endpoints: Endpoints,
    *,
    least: int | None,
    broken: Callable[[Broken], None],
) -> Learner:
    """Read captures for what their sessions show. Raises CaptureError.

    `least` is how many sessions must show a rule; see `Learner.learned`. `broken` is given each
    line that cannot be read.
    """
    learner = Learner(lambda request: endpoints.name(request.method, request.target), least=least)
    for path in captures:
        for record in read([path]):
            if isinstance(record, Exchange):
                learner.see(record, f"\0{path}")
            elif isinstance(record, Broken):
                broken(record)
    return learner


def as_toml(learner: Learner, known: Iterable[Rule] = (), *, cookies: bool = False) -> str:
    """What was learned, as tables of shadow.toml; empty where nothing is new.

    What `known` rules do already is left out, and so is the jar where `cookies` has it.
    """
    have = {rule.source for rule in known}
    names = {rule.name for rule in known}
    parts = [
        _table(_renamed(each, names)) for each in learner.learned() if each.rule.source not in have
    ]
    if learner.cookies and not cookies:
        parts.insert(
            0,
            f"[sessions]\n# {plural(learner.cookies, 'request')} of the capture carry a cookie"
            " that the session was given before\ncookies = true\n",
        )
    return "\n".join(parts)


def _renamed(learned: Learned, taken: set[str]) -> Learned:
    rule = learned.rule
    number, name = 2, rule.name
    while name in taken:
        name, number = f"{rule.name}-{number}", number + 1
    return Learned(rule=Rule(name, rule.source, rule.sinks), evidence=learned.evidence)


def _table(learned: Learned) -> str:
    rule, seen = learned.rule, learned.evidence
    carried = f"{plural(seen.uses, 'request')} of {plural(seen.sessions, 'session')}"
    lines = [
        "[[correlate]]",
        f"# {carried} carry one of the {seen.made:,} that answers gave",
        f"name = {_quoted(rule.name)}",
        f"endpoint = {_quoted(rule.source.endpoint)}",
        f"place = {_quoted(str(rule.source.place))}",
    ]
    if rule.source.pattern is not None:
        lines.append(f"pattern = {_quoted(rule.source.pattern)}")
    lines.append("sinks = [")
    for sink in rule.sinks:
        endpoint = "" if sink.endpoint == "*" else f", endpoint = {_quoted(sink.endpoint)}"
        lines.append(f"  {{ place = {_quoted(str(sink.place))}{endpoint} }},")
    return "\n".join([*lines, "]", ""])


def _quoted(text: str) -> str:
    """A basic string of TOML: what is no printable ASCII is escaped."""
    return json.dumps(text).replace("\x7f", "\\u007f")


def show(captures: Sequence[str], endpoints: Endpoints, rules: Sequence[Rule]) -> str:
    """The rules of the config, each with what the captures show of it. Raises CaptureError."""
    if not rules:
        return "no [[correlate]] in shadow.toml: shadow sessions learn CAPTURE writes some\n"
    checker = Checker(Rules(rules), lambda request: endpoints.name(request.method, request.target))
    for path in captures:
        for record in read([path]):
            if isinstance(record, Exchange):
                checker.see(record, f"\0{path}")
    lines = []
    for rule in rules:
        place = plain(f"{rule.source.endpoint} {rule.source.place}")
        lines.append(f"{rule.name}: {place}")
        lines += [f"  to {plain(f'{each.endpoint} {each.place}')}" for each in rule.sinks]
        if captures:
            lines += [f"  {each}" for each in _told(checker.checks[rule.name])]
    return "\n".join(lines) + "\n"


def _told(check: Check) -> list[str]:
    made = f"{plural(check.made, 'value')} in {plural(check.sessions, 'session')}"
    told = [f"{made}, carried by {plural(check.uses, 'request')}"]
    if check.strange:
        told.append(
            f"{plural(check.strange, 'request')} carry one that no answer of the session gave:"
            " it is sent as recorded"
        )
    if check.elsewhere:
        named = ", ".join(plain(each) for each in sorted(check.elsewhere)[:5])
        told.append(f"also carried at {named}, which is no sink of it")
    return told
