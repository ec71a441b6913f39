"""What a capture shows of rules that are there: how often they hold, and where they do not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from shadow.model import Exchange, Request
from shadow.sessions.learning import REQUEST_KINDS, SESSIONS, VALUES
from shadow.sessions.pieces import is_specific, pieces
from shadow.sessions.places import Place, rewritten
from shadow.sessions.rules import Rules, made_by

_MOST_ELSEWHERE: Final = 100


class Check(msgspec.Struct, kw_only=True):
    """What a capture shows of one rule."""

    made: int = 0
    """Values that the source gave."""
    sessions: int = 0
    """Sessions in which it gave one."""
    uses: int = 0
    """Requests that carried one at a sink."""
    strange: int = 0
    """Requests whose value at a sink is like one and was given by no answer of the session."""
    elsewhere: set[str] = set()
    """Places that carried one and are no sink, each with its endpoint; bounded."""


class _Session:
    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        """By value, the rule that made it."""
        self.rules: set[str] = set()


class Checker:
    """Takes the exchanges of a capture one by one."""

    def __init__(self, rules: Rules, endpoint: Callable[[Request], str]) -> None:
        self._rules = rules
        self._endpoint = endpoint
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self.checks = {rule.name: Check() for rule in rules.all}
        """By the rule's name."""

    def see(self, exchange: Exchange, default_session: str) -> None:
        """Take the next exchange; one without a session is of `default_session`."""
        name = exchange.session or default_session
        session = self._sessions.setdefault(name, _Session())
        self._sessions.move_to_end(name)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        endpoint = self._endpoint(exchange.request)
        self._carried(exchange.request, endpoint, session)
        if exchange.response is None:
            return
        for rule, found in made_by(self._rules, exchange.response, endpoint):
            if found.text in session.made or len(session.made) >= VALUES:
                continue
            session.made[found.text] = rule
            check = self.checks[rule]
            check.made += 1
            check.sessions += rule not in session.rules
            session.rules.add(rule)

    def _carried(self, request: Request, endpoint: str, session: _Session) -> None:
        sinks = self._rules.sinks_at(endpoint)
        used: set[str] = set()
        strange: set[str] = set()

        def look(place: Place, text: str) -> None:
            wanted = sinks.get(place, frozenset())
            held = [text[start:end] for start, end in pieces(text)]
            rules = {session.made[each] for each in held if each in session.made}
            used.update(rules & wanted)
            for rule in rules - wanted:
                elsewhere = self.checks[rule].elsewhere
                if len(elsewhere) < _MOST_ELSEWHERE:
                    elsewhere.add(f"{endpoint} {place}")
            if not rules and any(map(is_specific, held)):
                strange.update(wanted)

        rewritten(request, REQUEST_KINDS, look)
        for rule in used:
            self.checks[rule].uses += 1
        for rule in strange - used:
            self.checks[rule].strange += 1
