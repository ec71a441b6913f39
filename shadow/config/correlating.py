"""`[[correlate]]`, `[sessions]` and `[[shift]]` → how sessions are replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shadow.config.appending import append, place_of
from shadow.config.file import Config, load, named
from shadow.config.naming import endpoints
from shadow.config.tables.correlating import CorrelateTable
from shadow.endpoints import Endpoints
from shadow.errors import ConfigError
from shadow.replay.ledger import BrokenLines
from shadow.replay.options import Correlation
from shadow.replay.telling import tell
from shadow.reports.correlation import as_toml, learn
from shadow.reports.text import plural
from shadow.sessions.places import parse_place
from shadow.sessions.rules import Rule, Sink, Source, check_rule
from shadow.sessions.shifting import Shift


def correlation(config: Config) -> Correlation:
    """What is put in the place of recorded values. Raises ConfigError."""
    rules: list[Rule] = []
    for number, entry in enumerate(config.correlate):
        with named(config, "correlate", number):
            rule = _rule(entry)
            if any(rule.name == other.name for other in rules):
                raise ConfigError(
                    f"two rules are called {rule.name}", "give each [[correlate]] its own name"
                )
            rules.append(rule)
    shifts = []
    for number, each in enumerate(config.shift):
        with named(config, "shift", number):
            place = parse_place(each.place)
            shifts.append(Shift(endpoint=each.endpoint, place=place, key=each.key))
    return Correlation(rules=tuple(rules), cookies=config.sessions.cookies, shifts=tuple(shifts))


def learning(flags: Mapping[str, Any]) -> tuple[str, str]:
    """What captures show, as tables for shadow.toml, and what is told of it.

    With `append` it is added to the file instead. Raises ConfigError, CaptureError.
    """
    config = load(flags["config"])
    known = correlation(config)
    told = BrokenLines(tell).broken
    learner = learn(flags["captures"], endpoints(config), least=flags["least"], broken=told)
    text = as_toml(learner, known.rules, cookies=known.cookies)
    seen = plural(learner.sessions, "session")
    if not text:
        return "", f"nothing new in {seen}"
    if not flags["append"]:
        return text, f"learned from {seen}: read it, then put it into shadow.toml (--append)"
    path = place_of(flags["config"])
    append(path, text)
    return "", f"{path}: added what {seen} show; read it before you rely on it"


def showing(flags: Mapping[str, Any]) -> tuple[Sequence[str], Endpoints, Sequence[Rule]]:
    """What is shown of which captures. Raises ConfigError."""
    config = load(flags["config"])
    return flags["captures"], endpoints(config), correlation(config).rules


def _rule(entry: CorrelateTable) -> Rule:
    source = Source(entry.endpoint, parse_place(entry.place), entry.pattern)
    sinks = tuple(Sink(each.endpoint, parse_place(each.place)) for each in entry.sinks)
    rule = Rule(entry.name, source, sinks)
    check_rule(rule, "correlate")
    return rule
