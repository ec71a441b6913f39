"""One request, and the way to answer it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from shadow.model import Headers, Request
from shadow.sidecar.server.heads import (
    CONTINUE,
    HEAD_SIZE,
    LAST_CHUNK,
    UNKNOWN_SIZE,
    Framing,
    Heads,
    chunk,
)

TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
"""The field of what is said in place of a service."""


class Service(Protocol):
    """What a server hands requests to, and tells what it refused."""

    def handle(self, call: Call) -> None:
        """Take a request; sooner or later `call` is answered or dropped."""

    def refused(self, reason: str) -> None:
        """Count what was not let in: a connection, or a message that is no request."""


class Taken(NamedTuple):
    """A connection that is of another protocol now."""

    transport: asyncio.Transport
    held: bytes
    """What the client had sent already."""
    ended: bool
    """It sends nothing more."""
    lost: Callable[[Exception | None], None]
    """To be called when it is lost."""


class Client(Protocol):
    """What a call needs of the connection that it came by."""

    heads: Heads
    peer: str
    draining: bool
    """It closes after this answer."""

    def write(self, data: bytes) -> None:
        """Write to the client."""

    def finished(self, *, keep: bool) -> None:
        """Go on after an answer, or close."""

    def abort(self, *, reset: bool = False) -> None:
        """Close at once; with `reset` so that the client sees that something went wrong."""

    def hold(self) -> None:
        """Take nothing more of a body for now."""

    def release(self) -> None:
        """Take the rest of a body again."""

    def hand_over(self, protocol: asyncio.Protocol) -> Taken:
        """Leave the connection to another protocol."""


class Call:
    """One request and the way to answer it. All of it on the event loop.

    `answer`, or `begin` and any number of `piece` and `end`, or `drop`. After the client has
    gone, or `drop`, they do nothing; `gone` is called once where the client goes first.
    """

    __slots__ = (
        "_connection",
        "_framing",
        "expects",
        "gone",
        "keep",
        "modern",
        "more",
        "open",
        "peer",
        "request",
        "streaming",
        "upgrade",
        "whole",
        "writable",
    )

    def __init__(self, connection: Client, request: Request) -> None:
        self._connection: Client | None = connection
        self._framing: Framing = "none"
        self.open = True
        """Somebody waits for the answer."""
        self.request = request
        """Its body is what had come when the call was made."""
        self.peer = connection.peer
        self.whole = False
        """There is no more of the body to come."""
        self.expects = False
        """The client waits for `100 Continue` before it sends the body."""
        self.upgrade = ""
        """The protocol that it wants to go on with, in lower case."""
        self.modern = self.keep = True
        """It speaks HTTP/1.1; the connection stays open after the answer."""
        self.streaming = False
        """An answer in parts is under way."""
        self.gone: Callable[[], None] | None = None
        self.writable: Callable[[bool], None] | None = None
        """Takes whether the client takes more of the answer now."""
        self.more: Callable[[bytes], None] | None = None
        """Takes the rest of the body in parts, and an empty one at its end."""

    def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Answer whole."""
        connection = self._connection
        if connection is None:
            return
        size = HEAD_SIZE if self.request.method == "HEAD" else len(body)
        head, framing = self._head(connection, status, headers, size)
        if framing == "none" or not body:
            message = head + LAST_CHUNK if framing == "chunked" else head
        elif framing == "chunked":
            message = head + chunk(body) + LAST_CHUNK
        else:
            message = head + body
        connection.write(message)
        self._finish(connection)

    def begin(self, status: int, headers: Headers) -> None:
        """Begin an answer whose body follows in parts."""
        connection = self._connection
        if connection is not None:
            self.streaming = True
            size = HEAD_SIZE if self.request.method == "HEAD" else UNKNOWN_SIZE
            head, self._framing = self._head(connection, status, headers, size)
            self.keep = self.keep and self._framing != "close"
            connection.write(head)

    def piece(self, data: bytes) -> None:
        """Send a part of the body; not an empty one."""
        connection = self._connection
        if connection is not None and self._framing != "none":
            connection.write(chunk(data) if self._framing == "chunked" else data)

    def end(self) -> None:
        """End an answer in parts."""
        connection = self._connection
        if connection is not None:
            if self._framing == "chunked":
                connection.write(LAST_CHUNK)
            self._finish(connection)

    def drop(self) -> None:
        """Cut the connection, so that the client sees that the answer is not whole."""
        connection = self._leave()
        if connection is not None:
            connection.abort(reset=self._framing == "close")

    def lose(self) -> None:
        """Take note that the client has gone."""
        if self._leave() is not None and self.gone is not None:
            self.gone()

    def proceed(self) -> None:
        """Tell a client that waits for it to send the body."""
        if self._connection is not None and self.expects:
            self.expects = False
            self._connection.write(CONTINUE)

    def pause(self) -> None:
        """Take nothing more of the body for now."""
        if self._connection is not None:
            self._connection.hold()

    def resume(self) -> None:
        """Take the rest of the body again."""
        if self._connection is not None:
            self._connection.release()

    def take_over(self, protocol: asyncio.Protocol) -> Taken | None:
        """Give the connection to another protocol for good; None where the client has gone."""
        connection = self._leave()
        return None if connection is None else connection.hand_over(protocol)

    def _leave(self) -> Client | None:
        connection, self._connection, self.open = self._connection, None, False
        return connection

    def _head(
        self, connection: Client, status: int, headers: Headers, size: int
    ) -> tuple[bytes, Framing]:
        # What the client has not sent yet would be taken for its next request.
        self.keep = self.keep and self.whole and not connection.draining
        return connection.heads.render(
            status, headers, modern=self.modern, keep=self.keep, size=size
        )

    def _finish(self, connection: Client) -> None:
        self._connection, self.open = None, False
        connection.finished(keep=self.keep)


def answer_plainly(call: Call, status: int, text: str) -> None:
    """Answer in place of a service, in a line of text."""
    body = f"shadow: {text}\n".encode()
    call.answer(status, (TEXT, ("Content-Length", str(len(body)))), body)
