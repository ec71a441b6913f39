"""What sends to one service: the seam between a replay and a transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shadow.model import Observation, Request

Done = Callable[[Observation], None]
"""Takes what a service did with one request; called once, on the event loop."""


class Service(Protocol):
    """One side of a replay. `sending.wire.Wire` is the fast one."""

    def render(self, request: Request) -> bytes:
        """Make the message of a request. Raises `rewrite.Unsendable`."""

    def start(
        self, message: bytes, *, method: str, safe: bool, due: float | None, done: Done
    ) -> None:
        """Send a message that `render` made, and call `done` with what the service did.

        `done` may be called before this returns. It is not called after `aclose`. What the
        service does is never an exception; what keeps the machine from sending at all
        (out of file descriptors) is raised by `failed`.
        """

    async def failed(self) -> None:
        """Wait for what keeps this machine from sending at all, and raise it.

        Raises UnfinishedError; returns never.
        """

    async def aclose(self) -> None:
        """Close every connection; cancels what is in flight."""
