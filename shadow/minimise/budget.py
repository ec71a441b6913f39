"""How much asking a minimisation may cost, and what it has been told already."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
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


class Spending:
    """What of a budget has been used."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._clock = clock
        self._began = clock()
        self.requests = 0

    def take(self, requests: int) -> None:
        """Count requests that are about to be sent. Raises OverBudgetError, and counts none."""
        left = self.left()
        if requests > left.requests or left.seconds < 0:
            raise OverBudgetError
        self.requests += requests

    def left(self) -> Budget:
        """What may still be used."""
        spent = self._clock() - self._began
        return Budget(
            requests=self._budget.requests - self.requests, seconds=self._budget.seconds - spent
        )


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
        self._spending = Spending(budget, clock)
        self._tries = tries
        self._known: dict[bytes, bool] = {}

    @property
    def requests(self) -> int:
        """What it took so far, to each side."""
        return self._spending.requests

    async def shows(self, session: Sequence[Exchange]) -> bool:
        """Whether the session shows it. Raises OverBudgetError."""
        key = _digest(session)
        known = self._known.get(key)
        if known is not None:
            return known
        shown = False
        for _ in range(self._tries):
            self._spending.take(len(session))
            shown = await self._shows(session)
            if shown:
                break
        if len(self._known) < _KNOWN:
            self._known[key] = shown
        return shown


def _digest(session: Sequence[Exchange]) -> bytes:
    """What tells sessions apart: their text would fill the memory, with bodies of megabytes."""
    digest = blake2b(digest_size=16)
    for each in session:
        digest.update(f"{each.id!r} {each.request!r}\n".encode())
    return digest.digest()
