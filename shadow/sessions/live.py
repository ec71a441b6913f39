"""A session as it is replayed: each side's own values in the place of the recorded ones."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from shadow.compare.headers import Cookie
from shadow.compare.kinds import value_of
from shadow.model import Answer, Exchange, Observation, Request, Response, header_values
from shadow.sessions.jar import MAX_COOKIES, Jar
from shadow.sessions.mapping import Broken, Mapping
from shadow.sessions.pieces import are_specific, is_specific, replaced
from shadow.sessions.places import Found, Kind, Place, rewritten_at, values_of
from shadow.sessions.rules import Rules, made_by
from shadow.sessions.shifting import Shifts

SESSIONS: Final = 20_000
"""Sessions whose values are known at once; one that goes on after more is not sent on."""
MAX_VALUES: Final = 10_000
"""Values of a session; of those beyond, the oldest are forgotten."""
_MOST_FORGOTTEN: Final = 1_000_000
_MOST_FOREIGN: Final = 1_000
_RANDOM: Final = re.compile(r"[A-Za-z0-9_-]+").fullmatch
"""Of random values of one length some have digits only, some none, some look like 6774e971."""
_FREE: Final = "text:free"
_COOKIES: Final[frozenset[Kind]] = frozenset({"cookie"})
COOKIES: Final = "cookies"
"""The rule's name by which cookies are mapped."""

Lack = Literal["no-value", "not-sent"]
"""Why there is no live value: a side's answer did not give it, or its request was not sent."""


class Lacking(msgspec.Struct, frozen=True):
    """A value that a request carries and a side does not have."""

    rule: str
    why: Lack
    made_in: str
    """The id of the exchange whose answer should have given it."""


class Prepared(msgspec.Struct, frozen=True):
    """What each side is sent, or what is lacking for it."""

    requests: tuple[Request, Request]
    lacking: Lacking | None = None


class _Value(msgspec.Struct, frozen=True):
    """One value: what each side gave for what was recorded."""

    live: tuple[str | None, str | None]
    why: Lack
    made_in: str

    def unescaped(self) -> _Value:
        """The value of a URL as a client reads it, who may escape it in another way."""
        mine, other = (None if each is None else unquote(each) for each in self.live)
        return _Value((mine, other), self.why, self.made_in)


class _Session:
    """What is known of one session."""

    def __init__(self) -> None:
        self.values: OrderedDict[tuple[str, str], _Value] = OrderedDict()
        """By rule and recorded text."""
        self.forgotten: set[str] = set()
        """Rules of which there were too many values."""
        self.mapping = Mapping()
        self.lost: dict[str, Lacking] = {}
        """Cookies like tokens that recorded answers set, by name: of a jar without them."""
        self.jars = (Jar(), Jar())
        self.recorded_jar = Jar()

    def keep(self, rule: str, recorded: str, value: _Value) -> None:
        """Keep a value; what a side gave for it before stands where it gives nothing now."""
        known = self.values.get((rule, recorded))
        if known is not None:
            mine, other = (
                now if now is not None else before
                for now, before in zip(value.live, known.live, strict=True)
            )
            value = msgspec.structs.replace(value, live=(mine, other))
        self.values[rule, recorded] = value
        self.values.move_to_end((rule, recorded))
        if len(self.values) > MAX_VALUES:
            (gone, _), _ = self.values.popitem(last=False)
            self.forgotten.add(gone)

    def lose(self, answer: Response, why: Lack, made_in: str) -> None:
        """Take that a recorded answer set cookies that a side may not have."""
        for cookie in _tokens_set(answer):
            if cookie.name in self.lost or len(self.lost) < MAX_COOKIES:
                self.lost[cookie.name] = Lacking(COOKIES, why, made_in)


class Correlator:
    """Knows the sessions that go on, and what each side gave in them."""

    def __init__(
        self, rules: Rules, *, cookies: bool = False, shifts: Shifts | None = None
    ) -> None:
        self._rules = rules
        self._cookies = cookies
        self._shifts = shifts or Shifts((), timedelta())
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._forgotten: set[str] = set()
        self._foreign: set[str] = set()
        """Cookies that the services do not set: a balancer did, when it was recorded."""

    def prepare(self, exchange: Exchange, endpoint: str) -> Prepared:
        """What each side is sent for an exchange, by what it gave in the session before."""
        request = exchange.request
        if exchange.session is None:
            request = self._shifts.shifted(request, endpoint)
            return Prepared((request, request))
        if exchange.session in self._forgotten:
            return Prepared((request, request), Lacking("", "no-value", ""))
        session = self._session(exchange.session)
        requests = []
        for side in (0, 1):
            own, lacking = self._carried(request, session, endpoint, side)
            if lacking is not None:
                return Prepared((request, request), lacking)
            if self._cookies:
                lacking = self._lacking_cookie(session, request, own, side)
                if lacking is not None:
                    return Prepared((request, request), lacking)
                headers = session.jars[side].sent(own.headers, own.target, session.recorded_jar)
                if headers != own.headers:
                    own = msgspec.structs.replace(own, headers=headers)
            requests.append(own)
        return Prepared((requests[0], requests[1]))

    def _carried(
        self, request: Request, session: _Session, endpoint: str, side: int
    ) -> tuple[Request, Lacking | None]:
        """The request with a side's own values, and the first one that it lacks.

        Recorded times are moved where no value of the session stands: its own are of now.
        """
        places, times = self._rules.sinks_at(endpoint), self._shifts.at(endpoint)
        if not (places and session.values) and not times:
            return request, None
        lacking: list[Lacking] = []

        def edit(place: Place, text: str) -> str | None:
            rules = places.get(place, frozenset())
            instead = replaced(text, lambda part: own(rules, part, text)) if rules else None
            if instead is not None:
                return instead
            lacking.extend(Lacking(rule, "no-value", "") for rule in rules & session.forgotten)
            return self._shifts.edited(times.get(place), text)

        def own(rules: frozenset[str], part: str, text: str) -> str | None:
            for rule in sorted(rules):
                value = session.values.get((rule, part))
                if value is None:
                    continue
                if part != text and not are_specific(part, value.live[side] or part):
                    continue
                session.values.move_to_end((rule, part))
                if value.live[side] is None:
                    lacking.append(Lacking(rule, value.why, value.made_in))
                return value.live[side]
            return None

        moved = rewritten_at(request, {**places, **times}, edit)
        return moved, lacking[0] if lacking else None

    def _lacking_cookie(
        self, session: _Session, recorded: Request, own: Request, side: int
    ) -> Lacking | None:
        """The first recorded cookie in a side's request that the side should have set itself."""
        if not session.lost:
            return None
        known = _cookies(recorded)
        for name, value in _cookies(own).items():
            if name in session.jars[side] or name in self._foreign or known.get(name) != value:
                continue
            if name in session.lost:
                return session.lost[name]
        return None

    def latest(self, session: str | None) -> tuple[dict[str, str], dict[str, str]]:
        """What each side gave last in a session, by rule."""
        found: tuple[dict[str, str], dict[str, str]] = ({}, {})
        known = self._sessions.get(session) if session is not None else None
        for (rule, _), value in known.values.items() if known is not None else ():
            for side, live in zip(found, value.live, strict=True):
                if live is not None:
                    side[rule] = live
        return found

    def mapping(self, session: str | None) -> Mapping | None:
        """The pairs of a session, for the judge; None where none is known."""
        known = self._sessions.get(session) if session is not None else None
        if known is not None:
            known.mapping.begin()
        return None if known is None else known.mapping

    def unsent(self, exchange: Exchange, endpoint: str, why: Lack) -> None:
        """Take that an exchange is not sent, or was by another process: it gave no value."""
        if exchange.session is None or exchange.response is None:
            return
        session = self._session(exchange.session)
        if self._cookies:
            session.recorded_jar.take(exchange.response)
            session.lose(exchange.response, why, exchange.id)
        for rule, found in made_by(self._rules, exchange.response, endpoint):
            for text in {found.text, unquote(found.text)}:
                session.keep(rule, text, _Value((None, None), why, exchange.id))

    def observed(
        self, exchange: Exchange, endpoint: str, observations: Sequence[Observation | None]
    ) -> Mapping | None:
        """Take what both sides did; the pairs of the session, for the judge.

        None for an exchange without a session.
        """
        if exchange.session is None:
            return None
        session = self._session(exchange.session)
        session.mapping.begin()
        recorded = exchange.response
        answers = [_response(each) for each in observations]
        if self._cookies:
            self._bake(session, exchange, answers)
            self._pair_cookies(session.mapping, answers)
        theirs = [{} if each is None else self._by_place(each, endpoint) for each in answers]
        for name, own, other in _paired(theirs[0], theirs[1]):
            _pair(session.mapping, name, own, other)
        if recorded is not None:
            was = self._by_place(recorded, endpoint)
            self._replace(session, exchange.id, was, theirs)
        return session.mapping

    def again(
        self, exchange: Exchange, endpoint: str, baseline: Observation, candidate: Observation
    ) -> Mapping | None:
        """The pairs for one more answer of the candidate to the exchange just observed.

        What the exchange makes it may make anew each time: a login gives another token.
        """
        if exchange.session is None:
            return None
        mapping = self._session(exchange.session).mapping.before()
        answers = [_response(baseline), _response(candidate)]
        if self._cookies:
            self._pair_cookies(mapping, answers)
        mine, others = ({} if each is None else self._by_place(each, endpoint) for each in answers)
        for name, own, other in _paired(mine, others):
            _pair(mapping, name, own, other)
        return mapping

    def _replace(
        self,
        session: _Session,
        exchange_id: str,
        was: dict[tuple[str, str], Found],
        now: Sequence[dict[tuple[str, str], Found]],
    ) -> None:
        """Keep what stands for each recorded value now.

        A side that still shows a recorded value somewhere at the place means that by it: items
        of a list may have other positions.
        """
        shown = [{(key[0], found.text) for key, found in each.items()} for each in now]
        for key, found in was.items():
            live: list[str | None] = [
                found.text if (key[0], found.text) in shown[side] else _text(now[side].get(key))
                for side in (0, 1)
            ]
            value = _Value((live[0], live[1]), "no-value", exchange_id)
            session.keep(key[0], found.text, value)
            if unquote(found.text) != found.text:
                session.keep(key[0], unquote(found.text), value.unescaped())

    def _bake(
        self, session: _Session, exchange: Exchange, answers: Sequence[Response | None]
    ) -> None:
        """Take the cookies that were set."""
        for jar, answer in zip(session.jars, answers, strict=True):
            if answer is not None:
                jar.take(answer)
        recorded = exchange.response
        if recorded is None:
            return
        session.recorded_jar.take(recorded)
        session.lose(recorded, "no-value", exchange.id)
        live = [each for each in answers if each is not recorded]
        if any(each is None or each.status >= 400 for each in live):
            return
        for cookie in _tokens_set(recorded):
            given = any(
                cookie.name in jar
                for jar, each in zip(session.jars, answers, strict=True)
                if each is not recorded
            )
            if not given and len(self._foreign) < _MOST_FOREIGN:
                self._foreign.add(cookie.name)

    def _pair_cookies(self, mapping: Mapping, answers: Sequence[Response | None]) -> None:
        """Pair the cookies of both sides that are like ids."""
        first, second = answers
        if first is None or second is None:
            return
        mine = {each.which: each for each in values_of(first, _COOKIES)}
        for other in values_of(second, _COOKIES):
            own = mine.get(other.which)
            if own is not None and are_specific(own.text, other.text):
                _pair(mapping, COOKIES, own, other.text)

    def _by_place(self, response: Response, endpoint: str) -> dict[tuple[str, str], Found]:
        """What `made_by` says, by rule and which one at its place."""
        return {
            (rule, found.which): found for rule, found in made_by(self._rules, response, endpoint)
        }

    def _session(self, name: str) -> _Session:
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = _Session()
            if len(self._sessions) > SESSIONS:
                gone, _ = self._sessions.popitem(last=False)
                if len(self._forgotten) < _MOST_FORGOTTEN:
                    self._forgotten.add(gone)
        else:
            self._sessions.move_to_end(name)
        return session


def _pair(mapping: Mapping, name: str, own: Found, other: str) -> None:
    if not _same_kind(own.text, other) or mapping.add(name, own, other):
        return
    place = own.place
    is_json = place.kind == "json"
    named = f"set-cookie/{place.name}" if place.kind == "cookie" else place.name
    mapping.broken.append(
        Broken(
            where="body" if is_json else "header",
            path=own.path,
            name=None if is_json else named,
            baseline=own.text,
            candidate=other,
        )
    )


def _tokens_set(answer: Response) -> list[Cookie]:
    """The cookies like tokens that an answer sets."""
    cookies = [Cookie(text) for text in header_values(answer.headers, "set-cookie")]
    return [each for each in cookies if is_specific(each.value)]


def _cookies(request: Request) -> dict[str, str]:
    """What a request carries of cookies, by name."""
    pairs = ";".join(header_values(request.headers, "cookie")).split(";")
    return {name.strip(): value for name, _, value in (each.partition("=") for each in pairs)}


def _paired(
    baseline: dict[tuple[str, str], Found], candidate: dict[tuple[str, str], Found]
) -> Iterator[tuple[str, Found, str]]:
    """What both sides gave at the same place, by rule.

    What both sides show in a list is the same thing, wherever it stands there: its order is not
    to be explained away.
    """
    mine = {(name, found.text) for (name, _), found in baseline.items()}
    others = {(name, found.text) for (name, _), found in candidate.items()}
    for (name, which), found in baseline.items():
        other = candidate.get((name, which))
        if (name, found.text) in others:
            yield name, found, found.text
        elif other is not None and (name, other.text) not in mine:
            yield name, found, other.text


def _same_kind(baseline: str, candidate: str) -> bool:
    """Whether two values may stand for one thing: garbage does not stand for a token."""
    mine, other = (value_of(each, is_json=False) for each in (baseline, candidate))
    if mine.kind == other.kind != _FREE or (mine.is_token and other.is_token):
        return True
    if len(baseline) == len(candidate) and all(map(_RANDOM, (baseline, candidate))):
        return are_specific(baseline, candidate) or mine.kind == other.kind
    return mine.kind == other.kind and is_specific(baseline) == is_specific(candidate)


def _response(observation: Observation | None) -> Response | None:
    return observation.response if isinstance(observation, Answer) else None


def _text(found: Found | None) -> str | None:
    return None if found is None else found.text
