"""What a replay of a capture would probably be refused, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from shadow.model import Exchange, Request
from shadow.sessions.hollow import Cause, carries_credentials
from shadow.sessions.learning import Learner
from shadow.sessions.rules import Source

LOOKED_AT: Final = 2_000
"""Exchanges from the start of a capture that are looked at."""
_MAX_NAMES: Final = 5_000
_SAYS_WHO: Final = ("header", "cookie")


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges of an endpoint that may come out hollow, and why."""

    cause: Cause
    endpoint: str
    exchanges: int


class Forecaster:
    """Takes the first exchanges of a capture one by one."""

    def __init__(
        self, endpoint: Callable[[Request], str], is_safe: Callable[[Request], bool]
    ) -> None:
        self._endpoint = endpoint
        self._is_safe = is_safe
        self._learner = Learner(endpoint)
        self._tokens: Counter[str] = Counter()
        self._writes: Counter[str] = Counter()
        self._ids: Counter[tuple[Source, str]] = Counter()
        self.looked_at = 0

    def see(self, exchange: Exchange) -> None:
        """Take the next exchange."""
        if self.looked_at >= LOOKED_AT:
            return
        self.looked_at += 1
        carried = self._learner.see(exchange, "")
        if exchange.response is None or exchange.response.status >= 400:
            return
        request = exchange.request
        endpoint = self._endpoint(request)
        if carries_credentials(request):
            _count(self._tokens, endpoint)
        for source in {source for source, sink in carried if sink.place.kind not in _SAYS_WHO}:
            if len(self._ids) < _MAX_NAMES:
                self._ids[source, endpoint] += 1
        if not self._is_safe(request):
            _count(self._writes, endpoint)

    def forecasts(self) -> tuple[Forecast, ...]:
        """What may come out hollow, by cause, the most first."""
        own = {each.rule.source for each in self._learner.learned()}
        ids: Counter[str] = Counter()
        for (source, endpoint), count in self._ids.items():
            if source in own:
                ids[endpoint] = max(ids[endpoint], count)
        found: list[tuple[Cause, Counter[str]]] = [
            ("expired-token", self._tokens),
            ("missing-id", ids),
            ("state", self._writes),
        ]
        return tuple(
            Forecast(cause=cause, endpoint=endpoint, exchanges=count)
            for cause, counts in found
            for endpoint, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        )


def _count(counts: Counter[str], endpoint: str) -> None:
    if endpoint in counts or len(counts) < _MAX_NAMES:
        counts[endpoint] += 1
