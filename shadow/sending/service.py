"""What sends to one service: the seam between a replay and a transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, Self

from shadow.model import Headers, NoAnswerKind, Observation, Request

Message = Any
"""What a service's `render` made, for its own `start` and `send`: nobody else looks inside."""

Done = Callable[[Observation | None], None]
"""Takes what a service did with one request, once and on the event loop.

None: the request was lost on a reused connection without a byte of answer, and is safe to send
once more, with `send(…, fresh=True)`.
"""


class Source(Protocol):
    """A request on its way, for who takes its answer as it comes."""

    def more(self, data: bytes, *, ended: bool) -> None:
        """Write on: a further part of the request, framed by the caller, and whether it ends so.

        Until it has ended the service is given all the time that its client takes, and an answer
        before that ends the connection.
        """

    def pause(self) -> None:
        """Take nothing more of the answer for now; no time passes meanwhile."""

    def resume(self) -> None:
        """Take the answer again."""

    def keep_only(self) -> None:
        """Hand on nothing more: the answer goes to `Done` alone, up to the copy of it.

        It has the time that is left now, for all of it.
        """

    def forget(self) -> None:
        """Hand the answer on and keep no copy of its body: `Done` takes it as truncated."""

    def give_up(self, kind: NoAnswerKind, detail: str) -> None:
        """Close the connection; `Done` is called at once, and takes this for what came of it."""


class Receiver(Protocol):
    """Takes an answer as it comes. One that comes in one piece goes to `Done` alone.

    Where `head` was called, `Done` follows with a copy of all of it, or with what cut it short.
    """

    def sending(self, source: Source) -> None:
        """Take what the request goes out on; again where it is sent once more."""

    def head(self, status: int, headers: Headers) -> None:
        """Take the head of an answer whose body is still coming."""

    def piece(self, data: bytes) -> None:
        """Take a part of the body, decoded from its transfer-coding; never an empty one."""

    def writable(self, *, now: bool) -> None:
        """Hold back further parts of the request, or go on with them."""


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
