"""What sends to one service: the seam between a replay and a transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

from shadow.model import Observation, Request

Message = Any
"""What a service's `render` made, for its own `start` and `send`: nobody else looks inside."""

Done = Callable[[Observation | None], None]
"""Takes what a service did with one request, once and on the event loop.

None: the request was lost on a reused connection without a byte of answer, and is safe to send
once more, with `send(…, fresh=True)`.
"""


class Service(Protocol):
    """One side of a replay, an async context manager.

    `wire.Wire` is the fast one, `through_httpx.HttpxService` the one for HTTP/2 and proxies;
    `choice.open_service` knows which a target needs.
    """

    def render(self, request: Request) -> Message:
        """Make the message of a request. Raises `rewrite.Unsendable`."""

    def start(
        self, message: Message, *, method: str, safe: bool, due: float | None, done: Done
    ) -> bool:
        """Send a message at once, where a connection is free now; else do nothing: False.

        `done` is called later, or before this returns; never after `aclose`.
        """

    async def send(
        self,
        message: Message,
        *,
        method: str,
        safe: bool,
        due: float | None = None,
        fresh: bool = False,
    ) -> Observation:
        """Send a message, waiting for a connection (a new one, with `fresh`) where it must.

        What the service does is never an exception. Raises UnfinishedError when this machine
        is out of file descriptors.
        """

    async def __aenter__(self) -> Self:
        """Get ready."""

    async def __aexit__(self, *_: object) -> None:
        """Close every connection; what is in flight is cancelled."""
