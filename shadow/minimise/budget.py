"""How much asking a minimisation may cost, and what it has been told already."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from shadow.model import Exchange

Oracle = Callable[[Sequence[Exchange]], Awaitable[bool]]
"""Whether a session still shows what it is minimised for."""
_KNOWN: Final = 100_000


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Requests, to each side, and seconds."""

    requests: int = 1_000
    seconds: float = 120.0


class OverBudgetError(Exception):
    """Nothing more may be asked: the smallest so far is the result."""


class Asking:
    """Asks the oracle within a budget, each session once, as often as a flaky one takes."""

    def __init__(
        self,
        shows: Oracle,
        budget: Budget,
        *,
        tries: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a session for one that no longer shows after so many `tries`."""
        self._shows = shows
        self._budget = budget
        self._tries = tries
        self._clock = clock
        self._began = clock()
        self._known: dict[tuple[str, ...], bool] = {}
        self.requests = 0

    async def shows(self, session: Sequence[Exchange]) -> bool:
        """Whether the session shows it. Raises OverBudgetError."""
        key = tuple(f"{each.id}\0{each.request!r}" for each in session)
        known = self._known.get(key)
        if known is not None:
            return known
        shown = False
        for _ in range(self._tries):
            spent = self._clock() - self._began
            if self.requests + len(session) > self._budget.requests or spent > self._budget.seconds:
                raise OverBudgetError
            self.requests += len(session)
            shown = await self._shows(session)
            if shown:
                break
        if len(self._known) < _KNOWN:
            self._known[key] = shown
        return shown
