"""Finds in the sessions of a capture which answers make values that later requests carry.

A value counts where it is specific, an answer was the first to show it, and a later request of
the session carries it. A rule counts where enough sessions show it and where the values are
the session's own: those of a catalogue come in many sessions alike, and need no rule.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from shadow.model import Exchange, Request, Response
from shadow.sessions.pieces import SEGMENT, SHORTEST, is_specific, level_of, pieces
from shadow.sessions.places import Kind, Place, rewritten, values_of
from shadow.sessions.rules import ANY, MAX_PATTERN, Rule, Sink, Source

SESSIONS: Final = 2_000
"""Sessions that are followed at once."""
VALUES: Final = 20_000
"""Values of a session that are remembered."""
ALL_VALUES: Final = 500_000
"""Values of all sessions that are followed; beyond, the one longest without a request ends."""
MOST_RULES: Final = 10_000
"""Pairs of a source and a sink that are counted."""
MOST_SOURCES: Final = 50_000
"""Sources that are counted."""
MOST_AROUND: Final = 1_000
"""Characters around a value that is a part of a text; in a longer one it is not looked for."""
SHARED: Final = 0.1
"""Share of a source's values that may come in more than one session."""
EVERYWHERE: Final = 3
"""Endpoints from which on a header or a cookie is taken to go to every one."""
_KNOWN_VALUES: Final = 1_000_000
REQUEST_KINDS: Final[frozenset[Kind]] = frozenset(
    {"json", "form", "header", "cookie", "query", "path"}
)
_OF_ANSWERS: Final[frozenset[Kind]] = frozenset({"json", "header", "cookie"})
_NOT_CARRIED: Final = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "cache-control", "connection"),
        *("content-length", "content-type", "date", "host", "user-agent", "via"),
        *("x-forwarded-for", "x-request-id", "x-b3-traceid", "x-b3-spanid"),
        *("traceparent", "tracestate", "if-modified-since", "if-unmodified-since"),
    }
)
"""Request headers that say nothing of an earlier answer."""
_NOT_MADE: Final = frozenset(
    {"content-length", "content-type", "date", "last-modified", "server", "x-request-id", "vary"}
)
"""Response headers that make no value."""


class Evidence(msgspec.Struct, kw_only=True):
    """What a capture shows of a rule."""

    sessions: int = 0
    """Sessions in which a request carried a value of it."""
    uses: int = 0
    """Requests that carried one."""
    made: int = 0
    """Values that the source gave."""


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its evidence."""

    rule: Rule
    evidence: Evidence


class _Following:
    """One session while it is read."""

    def __init__(self) -> None:
        self.made: OrderedDict[str, Source] = OrderedDict()
        """By value, where it was first given."""
        self.sent: set[str] = set()
        """Values that requests brought first: no answer made them."""
        self.used: set[tuple[Source, Sink]] = set()

    @property
    def size(self) -> int:
        """How many values it holds."""
        return len(self.made) + len(self.sent)


class Learner:
    """Takes the exchanges of a capture one by one, and then says what it found."""

    def __init__(self, endpoint: Callable[[Request], str], *, least: int | None = None) -> None:
        """Name endpoints by `endpoint`; `least` sessions must show a rule, 2 by default.

        Where there is only one session, one is enough.
        """
        self._endpoint = endpoint
        self._least = least
        self._sessions: OrderedDict[str, _Following] = OrderedDict()
        self._held = 0
        """Values of the sessions that are followed."""
        self._seen: set[str] = set()
        self._uses: Counter[tuple[Source, Sink]] = Counter()
        self._in_sessions: Counter[tuple[Source, Sink]] = Counter()
        self._users: Counter[Source] = Counter()
        """Sessions that use a source at all."""
        self._values: dict[str, str] = {}
        """The session that a value was first made in."""
        self._made: Counter[Source] = Counter()
        self._shared: Counter[Source] = Counter()
        self._cookies: Counter[str] = Counter()

    @property
    def sessions(self) -> int:
        """How many sessions were seen."""
        return len(self._seen)

    @property
    def cookies(self) -> int:
        """How many requests carry a cookie that their session was given before."""
        return sum(self._cookies.values())

    def see(self, exchange: Exchange, default_session: str) -> set[tuple[Source, Sink]]:
        """Take the next exchange; one without a session is of `default_session`.

        Returns what its request carries of earlier answers of the session.
        """
        name = exchange.session or default_session
        if len(self._seen) < _KNOWN_VALUES:
            self._seen.add(name)
        session = self._sessions.setdefault(name, _Following())
        self._sessions.move_to_end(name)
        while len(self._sessions) > SESSIONS or self._held > ALL_VALUES:
            _, ended = self._sessions.popitem(last=False)
            self._held -= ended.size
        before = session.size
        endpoint = self._endpoint(exchange.request)
        carried = self._carried(exchange.request, endpoint, session)
        if exchange.response is not None and exchange.response.status < 400:
            self._given(exchange.response, endpoint, session, name)
        if name in self._sessions:
            self._held += session.size - before
        return carried

    def _carried(
        self, request: Request, endpoint: str, session: _Following
    ) -> set[tuple[Source, Sink]]:
        used: set[tuple[Source, Sink]] = set()

        def look(place: Place, text: str) -> None:
            if len(text) < SHORTEST or (place.kind == "header" and place.name in _NOT_CARRIED):
                return
            for start, end in pieces(text):
                source = session.made.get(text[start:end])
                if source is not None:
                    used.add((source, Sink(endpoint, place)))
                    break
                if len(session.sent) < VALUES and is_specific(text[start:end]):
                    session.sent.add(text[start:end])

        rewritten(request, REQUEST_KINDS, look)
        for pair in sorted(used):
            if pair not in self._uses and len(self._uses) >= MOST_RULES:
                continue
            self._uses[pair] += 1
            if _is_of_a_jar(*pair):
                self._cookies[pair[1].place.name] += 1
            if pair not in session.used:
                self._users[pair[0]] += not any(pair[0] == source for source, _ in session.used)
                session.used.add(pair)
                self._in_sessions[pair] += 1
        return used

    def _given(self, response: Response, endpoint: str, session: _Following, name: str) -> None:
        for found in values_of(response, _OF_ANSWERS, shortest=SHORTEST):
            if found.place.kind == "header" and found.place.name in _NOT_MADE:
                continue
            for start, end in pieces(found.text):
                value = found.text[start:end]
                if value in session.made or value in session.sent or not is_specific(value):
                    continue
                if len(session.made) >= VALUES:
                    return
                if len(found.text) - (end - start) > MOST_AROUND:
                    continue
                source = Source(endpoint, found.place, _around(found.text, start, end))
                if not self._may_count(source):
                    continue
                session.made[value] = source
                if "%" in value:  # a client may read it, and escape it in another way
                    session.made.setdefault(unquote(value), source)
                self._count(value, source, name)

    def _may_count(self, source: Source) -> bool:
        """Whether a source can be one of a rule, and there is room for it."""
        known = source in self._made or len(self._made) < MOST_SOURCES
        return known and len(source.pattern or "") <= MAX_PATTERN

    def _count(self, value: str, source: Source, session: str) -> None:
        self._made[source] += 1
        first = self._values.get(value)
        if first is None and len(self._values) < _KNOWN_VALUES:
            self._values[value] = session
        elif first is not None and first != session:
            self._shared[source] += 1

    def learned(self) -> list[Learned]:
        """The rules that enough sessions show."""
        enough = min(2, self.sessions) if self._least is None else self._least
        pairs = [
            pair
            for pair, count in self._in_sessions.items()
            if count >= enough and self._shared[pair[0]] <= SHARED * self._made[pair[0]]
        ]
        by_source: dict[Source, list[Sink]] = {}
        for source, sink in sorted(pairs):
            if not _is_of_a_jar(source, sink):
                by_source.setdefault(source, []).append(sink)
        names = _names(by_source)
        return [
            Learned(
                rule=Rule(names[source], source, _gathered(sinks)),
                evidence=Evidence(
                    sessions=self._users[source],
                    uses=sum(self._uses[source, sink] for sink in sinks),
                    made=self._made[source],
                ),
            )
            for source, sinks in by_source.items()
        ]


def _is_of_a_jar(source: Source, sink: Sink) -> bool:
    return source.place.kind == "cookie" and sink.place.kind == "cookie"


_PARTS: Final = (r"[^;,\s]+", r"[^?&#;,\s]+", r"[^/?&;,\s]+")
"""What a value of a level may consist of, as it stands in a pattern."""
_DIGITS: Final = re.compile(r"([0-9]+)")


def _around(text: str, start: int, end: int) -> str | None:
    """The pattern that finds a value where it is a part of a text; None for the whole."""
    if (start, end) == (0, len(text)):
        return None
    before, after = _escaped(text[:start]), _escaped(text[end:])
    return f"^{before}({_PARTS[level_of(text, start, end)]}){after}$"


def _escaped(text: str) -> str:
    """A text as a pattern: other values and numbers in it may be others, and are not told."""
    parts, position = [], 0
    for match in SEGMENT.finditer(text):
        if is_specific(match[0]):
            parts += [_numbered(text[position : match.start()]), _PARTS[-1]]
            position = match.end()
    return "".join([*parts, _numbered(text[position:])])


def _numbered(text: str) -> str:
    runs = _DIGITS.split(text)
    return "".join(["[0-9]+" if at % 2 else _literal(run) for at, run in enumerate(runs)])


def _literal(text: str) -> str:
    kept = (each if _stands_for_itself(each) else f"\\{each}" for each in text)
    return "".join(kept)


def _stands_for_itself(each: str) -> bool:
    """Whether a character needs no escape; RE2 refuses one before what is not ASCII."""
    return not each.isascii() or each.isalnum() or each in "/_-="


def _gathered(sinks: Iterable[Sink]) -> tuple[Sink, ...]:
    """Sinks, where a header or a cookie goes to so many endpoints that it goes to all."""
    endpoints: dict[Place, set[str]] = {}
    for sink in sinks:
        endpoints.setdefault(sink.place, set()).add(sink.endpoint)
    gathered = []
    for place, names in sorted(endpoints.items()):
        everywhere = place.kind in ("header", "cookie") and len(names) >= EVERYWHERE
        gathered += [Sink(ANY, place)] if everywhere else [Sink(n, place) for n in sorted(names)]
    return tuple(gathered)


def _names(sources: Mapping[Source, object]) -> dict[Source, str]:
    """A name for each source: of its member or field, and of its endpoint where two share it."""
    names: dict[Source, str] = {}
    taken: set[str] = set()
    for source in sources:
        short = _word(source.place.name.rstrip("]'").rpartition("'")[2] or source.place.name)
        of = _word(source.endpoint.rpartition("/")[2].strip("{}") or source.endpoint)
        options = (short, f"{of}-{short}", *(f"{of}-{short}-{n}" for n in range(2, MOST_RULES)))
        names[source] = next(each for each in options if each not in taken)
        taken.add(names[source])
    return names


def _word(text: str) -> str:
    kept = "".join([each if each.isascii() and each.isalnum() else "-" for each in text])
    return kept.strip("-")[:40] or "value"
