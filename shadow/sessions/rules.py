"""Which values of which answers later requests carry, as it stands in the config."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec
import re2

from shadow.errors import ConfigError
from shadow.model import Response
from shadow.sessions.places import Found, Kind, Place, values_of

ANY: Final = "*"
"""Every endpoint."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MAX_PATTERN: Final = 500
_FOR_SOURCES: Final = frozenset({"json", "header", "cookie"})


class Source(msgspec.Struct, frozen=True, order=True):
    """Where a value is made: a place of an endpoint's answer."""

    endpoint: str
    place: Place
    pattern: str | None = None
    """An RE2 expression; its group is the value, where that is only a part of the text."""


class Sink(msgspec.Struct, frozen=True, order=True):
    """Where a value goes: a place of an endpoint's requests; of every one, for `*`."""

    endpoint: str
    place: Place


class Rule(msgspec.Struct, frozen=True):
    """Requests carry at the sinks what an answer gave at the source, in the same session."""

    name: str
    source: Source
    sinks: tuple[Sink, ...]


class Rules:
    """The rules of a replay, by endpoint."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Take rules that are checked. Raises ConfigError for a pattern that RE2 refuses."""
        self.all = tuple(rules)
        self._sinks: dict[str, dict[Place, set[str]]] = {}
        self._sources: dict[str, list[tuple[Rule, re.Pattern[str] | None]]] = {}
        for rule in self.all:
            compiled = compiled_pattern(rule.source.pattern, f"correlate {rule.name}")
            self._sources.setdefault(rule.source.endpoint, []).append((rule, compiled))
            for sink in rule.sinks:
                self._sinks.setdefault(sink.endpoint, {}).setdefault(sink.place, set()).add(
                    rule.name
                )

    def __reduce__(self) -> tuple[type[Rules], tuple[tuple[Rule, ...]]]:
        """Go to another process as what they were made from."""
        return (Rules, (self.all,))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.all)

    def sinks_at(self, endpoint: str) -> dict[Place, frozenset[str]]:
        """The places of an endpoint's requests that carry values, and by which rules."""
        found: dict[Place, frozenset[str]] = {}
        for each in (self._sinks.get(ANY, {}), self._sinks.get(endpoint, {})):
            for place, names in each.items():
                found[place] = found.get(place, frozenset()) | names
        return found

    def sources_at(self, endpoint: str) -> list[tuple[Rule, re.Pattern[str] | None]]:
        """The rules whose values an endpoint's answers make, each with its pattern."""
        return self._sources.get(endpoint, []) + self._sources.get(ANY, [])


def compiled_pattern(pattern: str | None, option: str) -> re.Pattern[str] | None:
    """Compile the pattern of a source. Raises ConfigError."""
    if pattern is None:
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled: re.Pattern[str] = re2.compile(pattern[: MAX_PATTERN + 1], options)
    except re2.error as error:
        raise ConfigError(
            f"{option}: pattern {pattern!a} is no regular expression: {error}",
            "it is in the syntax of RE2",
        ) from None
    if compiled.groups != 1 or len(pattern) > MAX_PATTERN:
        raise ConfigError(
            f"{option}: pattern {pattern!a} needs one group, which is the value",
            "write it like /v1/items/([^/?]+)",
        )
    return compiled


def check_rule(rule: Rule, option: str) -> None:
    """Refuse what can be no rule. Raises ConfigError, beginning with `option`."""
    if not NAME.fullmatch(rule.name):
        raise ConfigError(
            f"{option}: name {rule.name!a} is no name", "use letters, digits, - and _"
        )
    if rule.source.place.kind not in _FOR_SOURCES:
        raise ConfigError(
            f"{option}: {rule.source.place} is no place of an answer",
            "an answer has $.json, header:NAME and cookie:NAME",
        )
    compiled_pattern(rule.source.pattern, option)


def kinds_of(places: Iterable[Place]) -> frozenset[Kind]:
    """The kinds of these places."""
    return frozenset(place.kind for place in places)


def made_by(rules: Rules, response: Response, endpoint: str) -> list[tuple[str, Found]]:
    """The values that an answer of an endpoint makes, each with the name of its rule."""
    sources = rules.sources_at(endpoint)
    if not sources:
        return []
    values = list(values_of(response, kinds_of(rule.source.place for rule, _ in sources)))
    made = []
    for rule, pattern in sources:
        for found in values:
            if found.place != rule.source.place:
                continue
            if pattern is None:
                made.append((rule.name, found))
            elif match := pattern.search(found.text):
                made.append((rule.name, msgspec.structs.replace(found, text=match[1])))
    return made
