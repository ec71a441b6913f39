"""What goes wrong beside the live path, told to the operator, but not again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from shadow.errors import ShadowError, where

TOLD_S: Final = 60.0
"""Seconds in which one kind of complaint is told once."""
KINDS: Final = 100
"""Kinds that are told apart; beyond, they count as one."""


class Complaints:
    """Tells each kind of trouble at most once a minute. From any thread."""

    def __init__(
        self, tell: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._told: dict[str, float] = {}
        """When each kind was told last."""

    def __call__(self, message: str, kind: str = "") -> None:
        """Tell it; without a `kind`, messages that are the same are of one."""
        kind = kind or message
        if kind not in self._told and len(self._told) >= KINDS:
            kind = ""
        now = self._clock()
        if now - self._told.get(kind, -TOLD_S) >= TOLD_S:
            self._told[kind] = now
            self._tell(message)

    def failed(self, error: BaseException) -> None:
        """Tell of an error, without what it quotes of a request."""
        if isinstance(error, ShadowError):
            self(f"{error.message}; traffic goes on")
        else:
            self(f"a bug in shadow: {where(error)}; traffic goes on")

    def went_wrong(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell of what went wrong in a callback: an event loop's exception handler."""
        del loop
        error = context.get("exception")
        if error is None:
            self(f"a bug in shadow: {context['message']}; traffic goes on")
        else:
            self.failed(error)
