"""A client's connection: requests in, one answer after the other out (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple, Protocol, cast

import httptools

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
from shadow.sidecar.server.limits import ServerLimits

_READ_AHEAD: Final = 64 << 10
"""Bytes of later requests that are held unparsed while one is answered."""
_CLOSE_HEADERS: Final[Headers] = (("Content-Type", "text/plain; charset=utf-8"),)


class Service(Protocol):
    """What a server hands requests to, and tells what it refused."""

    def handle(self, call: Call) -> None:
        """Take a request; sooner or later `call` is answered or dropped."""

    def refused(self, reason: str) -> None:
        """Count what was not let in: a connection, or a message that is no request."""


class Refusal(Exception):  # noqa: N818  it is the client's fault
    """A request that is answered with an error, after which the connection closes."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Taken(NamedTuple):
    """A connection that is of another protocol now."""

    transport: asyncio.Transport
    held: bytes
    """What the client had sent already."""
    lost: Callable[[Exception | None], None]
    """To be called when it is lost."""


class Call:
    """One request and the way to answer it. All of it on the event loop.

    `answer`, or `begin` and any number of `piece` and `end`, or `drop`. After the client has
    gone, or `drop`, they do nothing; `gone` is called once where the client goes first.
    """

    __slots__ = (
        "_connection",
        "_framing",
        "_keep",
        "_modern",
        "expects",
        "gone",
        "more",
        "peer",
        "request",
        "streaming",
        "upgrade",
        "whole",
        "writable",
    )

    def __init__(self, connection: ClientConnection, request: Request) -> None:
        self._connection: ClientConnection | None = connection
        self.request = request
        """Its body is what had come when the call was made."""
        self.peer = connection.peer
        self.whole = True
        """There is no more of the body to come."""
        self.expects = False
        """The client waits for `100 Continue` before it sends the body."""
        self.upgrade = ""
        """The protocol that it wants to go on with, in lower case."""
        self.streaming = False
        """An answer in parts is under way."""
        self._modern = self._keep = True
        self._framing: Framing = "none"
        self.gone: Callable[[], None] | None = None
        self.writable: Callable[[bool], None] | None = None
        """Takes whether the client takes more of the answer now."""
        self.more: Callable[[bytes], None] | None = None
        """Takes the rest of the body in parts, and an empty one at its end."""

    @property
    def open(self) -> bool:
        """Whether somebody waits for the answer."""
        return self._connection is not None

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
        self._finish(connection, close=framing == "close")

    def begin(self, status: int, headers: Headers) -> None:
        """Begin an answer whose body follows in parts."""
        connection = self._connection
        if connection is not None:
            self.streaming = True
            size = HEAD_SIZE if self.request.method == "HEAD" else UNKNOWN_SIZE
            head, self._framing = self._head(connection, status, headers, size)
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
            self._finish(connection, close=self._framing == "close")

    def drop(self) -> None:
        """Cut the connection, so that the client sees that the answer is not whole."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

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
        connection, self._connection = self._connection, None
        if connection is None:
            return None
        transport, held = connection.hand_over(protocol)
        return Taken(transport, held, connection.connection_lost)

    def _head(
        self, connection: ClientConnection, status: int, headers: Headers, size: int
    ) -> tuple[bytes, Framing]:
        # What the client has not sent yet would be taken for its next request.
        self._keep = self._keep and self.whole and not connection.draining
        return connection.heads.render(
            status, headers, modern=self._modern, keep=self._keep, size=size
        )

    def _finish(self, connection: ClientConnection, *, close: bool) -> None:
        self._connection = None
        connection.finished(close=close or not self._keep)


def answer_plainly(call: Call, status: int, text: str) -> None:
    """Answer in place of a service, in a line of text."""
    body = f"shadow: {text}\n".encode()
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
    )
    call.answer(status, headers, body)


class Connections:
    """The open connections of a server."""

    def __init__(self) -> None:
        self.all: set[ClientConnection] = set()
        self._none = asyncio.Event()

    def add(self, connection: ClientConnection) -> None:
        """Count one in."""
        self.all.add(connection)

    def discard(self, connection: ClientConnection) -> None:
        """Count one out."""
        self.all.discard(connection)
        if not self.all:
            self._none.set()

    async def ended(self) -> None:
        """Wait until there is none."""
        while self.all:
            self._none.clear()
            await self._none.wait()


class ClientConnection(asyncio.Protocol):
    """Parses what a client sends and hands on one request at a time.

    A server looks at `deadline` now and then and calls `expire`.
    """

    def __init__(
        self, service: Service, limits: ServerLimits, heads: Heads, open_: Connections
    ) -> None:
        self._service = service
        self._limits = limits
        self.heads = heads
        self._open = open_
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._call: Call | None = None
        """The one that is being answered."""
        self._waiting: deque[Call] = deque()
        self._coming: Call | None = None
        """The one whose body is still to come."""
        self._held = bytearray()
        """What came after the last of too many waiting requests."""
        self._paused = self._reading_paused = False
        self._ended = False
        """Nothing more is read: the client ended, or what it sent is no request."""
        self.draining = False
        self.deadline = inf
        self.peer = ""
        self._new_message()

    def _new_message(self) -> None:
        self._target = b""
        self._fields: list[tuple[str, str]] = []
        self._head_bytes = 0
        self._body: bytes | bytearray = b""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, where there is room."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._open.all) >= self._limits.connections:
            self._service.refused("connections")
            self._transport.abort()
            return
        self._open.add(self)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.deadline = self._loop.time() + self._limits.idle_s

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._ended:
            return
        if self._call is not None and self._coming is None:
            self._hold_ahead(data)
            return
        if self._head_bytes == 0 and self._coming is None:
            self.deadline = self._loop.time() + self._limits.head_s
        elif self._coming is not None:
            self.deadline = self._loop.time() + self._limits.body_s
        self._feed(data)

    def _hold_ahead(self, data: bytes) -> None:
        """Keep what a client sends before it has its answer, up to a bound."""
        self._held += data
        if len(self._held) > _READ_AHEAD:
            self._pause_reading()

    def _feed(self, data: bytes) -> None:
        try:
            self._head_bytes += len(data)  # counted back where a message ends
            self._parser.feed_data(data)
            if self._coming is None and self._head_bytes > self._limits.max_head:
                raise Refusal(431, "head-too-large")  # noqa: TRY301 - it has one way out
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserUpgrade as upgrade:
            # What follows is of another protocol, or the next request where none is agreed on.
            self._parser = httptools.HttpRequestParser(self)
            self._held += data[upgrade.args[0] :]
            if self._call is None:
                self._loop.call_soon(self._feed_held)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refusal) else Refusal(400, "malformed"))
        except httptools.HttpParserError:
            self._refuse(Refusal(400, "malformed"))

    def eof_received(self) -> bool:
        """Take note that the client sends nothing more; it may still read its answer."""
        self._ended = True
        if self._coming is not None:
            self.abort()
            return False
        return self._call is not None and not self._call.streaming

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that nobody waits any more."""
        del exc
        self._open.discard(self)
        self._ended, self.deadline = True, inf
        self._waiting.clear()
        call, self._call, self._coming = self._call, None, None
        if call is not None and call.open:
            call._connection = None  # noqa: SLF001 - the two are one thing
            if call.gone is not None:
                call.gone()

    def pause_writing(self) -> None:
        """The client takes nothing for now."""
        self._paused = True
        self.deadline = self._loop.time() + self._limits.write_s
        if self._call is not None and self._call.writable is not None:
            self._call.writable(False)

    def resume_writing(self) -> None:
        """The client takes what is written again."""
        self._paused = False
        idle = self._call is None and self._coming is None
        self.deadline = self._loop.time() + self._limits.idle_s if idle else inf
        if self._call is not None and self._call.writable is not None:
            self._call.writable(True)

    # What the parser calls; it chose the names.

    def on_url(self, url: bytes) -> None:
        """Keep the request target as it stands on the wire."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; trailers are dropped."""
        if self._coming is not None:
            return
        if len(self._fields) >= self._limits.max_fields:
            raise Refusal(431, "too-many-fields")
        self._fields.append((name.decode("latin-1"), value.rstrip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Make the call, or refuse what must not be passed on."""
        parser = self._parser
        request = Request(
            method=parser.get_method().decode("latin-1"),
            target=self._target.decode("latin-1"),
            headers=tuple(self._fields),
        )
        call = Call(self, request)
        call._modern = parser.get_http_version() == "1.1"  # noqa: SLF001 - as above
        call._keep = parser.should_keep_alive()  # noqa: SLF001
        _check(request, call, modern=call._modern, upgrading=parser.should_upgrade())  # noqa: SLF001
        call.whole = False
        self._coming = call
        if call.expects and self._call is None:
            call.proceed()

    def on_body(self, data: bytes) -> None:
        """Keep the body, or hand it on where it is long."""
        call = self._coming
        if call is None or self._ended:
            return
        if call.more is not None:
            call.more(data)
            return
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        if len(self._body) > self._limits.body_at_once and not self._is_waiting(call):
            self._give(call)

    def on_message_complete(self) -> None:
        """Hand on the request, or its last part."""
        call, self._coming = self._coming, None
        if not self._paused:
            self.deadline = inf
        if call is None or self._ended:
            return
        call.whole = True
        if call.more is not None:
            call.more(b"")
        elif self._is_waiting(call):
            call.request = _with_body(call.request, self._body)
        else:
            self._give(call)
        self._new_message()

    # The calls.

    def _is_waiting(self, call: Call) -> bool:
        return call is self._call or call in self._waiting

    def _give(self, call: Call) -> None:
        """Hand a request on, or let it wait for its turn."""
        call.request = _with_body(call.request, self._body)
        self._body = b""
        if self._call is None:
            self._call = call
            self._handle(call)
            return
        if len(self._waiting) >= self._limits.pipelined or not call.whole:
            raise Refusal(503, "pipelined")
        self._waiting.append(call)

    def _handle(self, call: Call) -> None:
        try:
            self._service.handle(call)
        except Exception as error:  # noqa: BLE001 - the loop tells it; the others go on
            self._loop.call_exception_handler(
                {"message": "failed to handle a request", "exception": error, "protocol": self}
            )
            call.drop()

    def finished(self, *, close: bool) -> None:
        """Go on with the next request, or close."""
        self._call = None
        if close or (self._ended and not self._waiting) or self.draining:
            self._ended = True
            self._transport.close()
            return
        if self._waiting:
            call = self._call = self._waiting.popleft()
            self._loop.call_soon(self._handle, call)
            return
        if not self._paused:
            self.deadline = self._loop.time() + self._limits.idle_s
        if self._held:
            self._loop.call_soon(self._feed_held)

    def _feed_held(self) -> None:
        """Read what the client had sent ahead."""
        if self._ended or self._call is not None or not self._held:
            return
        held, self._held = bytes(self._held), bytearray()
        self._resume_reading()
        self.data_received(held)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, or must not be passed on, and close."""
        self._service.refused(refusal.reason)
        self._ended = True
        self._coming = None
        if self._call is not None or self._waiting:
            self.abort()  # an answer is under way, and another one would be taken for it
            return
        body = f"{refusal.reason}\n".encode()
        headers = (*_CLOSE_HEADERS, ("Content-Length", str(len(body))))
        head, _ = self.heads.render(
            refusal.status, headers, modern=True, keep=False, size=len(body)
        )
        self._transport.write(head + body)
        self._transport.close()

    # For the calls and the server.

    def write(self, data: bytes) -> None:
        """Write to the client."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._ended = True
        self._transport.abort()

    def hold(self) -> None:
        """Take nothing more of a body for now; no time passes meanwhile."""
        self.deadline = inf
        self._pause_reading()

    def release(self) -> None:
        """Take the rest of a body again."""
        self.deadline = self._loop.time() + self._limits.body_s
        self._resume_reading()

    def hand_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Leave the connection to another protocol, with what has come for it already.

        It still counts among the open ones, until `connection_lost` is called.
        """
        self._call, self._ended, self.deadline = None, True, inf
        held, self._held = bytes(self._held), bytearray()
        self._resume_reading()
        self._transport.set_protocol(protocol)
        return self._transport, held

    def expire(self) -> None:
        """Close a connection whose time has passed."""
        if self._paused:
            self._service.refused("slow-reader")
            self.abort()
        elif self._coming is not None or self._head_bytes:
            self._refuse(Refusal(408, "slow-request"))
        else:
            self._ended = True
            self._transport.close()

    def drain(self) -> None:
        """Close as soon as nothing is in flight."""
        self.draining = True
        if self._call is None and self._coming is None and not self._waiting:
            self._ended = True
            self._transport.close()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()


def _with_body(request: Request, body: bytes | bytearray) -> Request:
    if not body:
        return request
    return Request(
        method=request.method, target=request.target, headers=request.headers, body=bytes(body)
    )


def _check(request: Request, call: Call, *, modern: bool, upgrading: bool) -> None:
    """Refuse what two servers may read differently. Raises Refusal.

    The parser has refused two lengths, and a length beside chunks (RFC 9112 section 6.3).
    """
    hosts = 0
    for name, value in request.headers:
        key = name.lower()
        if key == "host":
            hosts += 1
        elif key == "expect":
            if value.lower() != "100-continue":
                raise Refusal(417, "expectation")
            call.expects = modern
        elif key == "upgrade" and upgrading:
            call.upgrade = value.lower()
    if hosts > 1 or (modern and hosts == 0):
        raise Refusal(400, "host")  # RFC 9112 section 3.2
    if request.method == "CONNECT":
        raise Refusal(501, "connect")
