"""A client's connection: requests in, one answer after the other out (RFC 9112)."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
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
from shadow.sidecar.server.refusals import Refusal, check, framing_of

LINGER_S: Final = 5.0
"""That a client may go on sending what nobody reads, after its last answer."""
_READ_AHEAD: Final = 64 << 10
"""Bytes of later requests that are held unparsed while one is answered."""
_LAST_S: Final = 1.0
"""That a client may take to begin its request where it was the last to be let in."""
_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
_RESET: Final = struct.pack("ii", 1, 0)
"""For SO_LINGER: to close is to reset."""


class _Names(dict[bytes, str]):
    """Names of fields as text: most were seen before.

    At most `KEPT` of at most `LONGEST` bytes are remembered before it starts anew.
    """

    KEPT = 1_024
    LONGEST = 64

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1")
        if len(name) <= self.LONGEST:
            if len(self) >= self.KEPT:
                self.clear()
            self[name] = text
        return text


_NAMES: Final = _Names()


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

    def __init__(self, connection: ClientConnection, request: Request) -> None:
        self._connection: ClientConnection | None = connection
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

    def _leave(self) -> ClientConnection | None:
        connection, self._connection, self.open = self._connection, None, False
        return connection

    def _head(
        self, connection: ClientConnection, status: int, headers: Headers, size: int
    ) -> tuple[bytes, Framing]:
        # What the client has not sent yet would be taken for its next request.
        self.keep = self.keep and self.whole and not connection.draining
        return connection.heads.render(
            status, headers, modern=self.modern, keep=self.keep, size=size
        )

    def _finish(self, connection: ClientConnection) -> None:
        self._connection, self.open = None, False
        connection.finished(keep=self.keep)


def answer_plainly(call: Call, status: int, text: str) -> None:
    """Answer in place of a service, in a line of text."""
    body = f"shadow: {text}\n".encode()
    call.answer(status, (_TEXT, ("Content-Length", str(len(body)))), body)


class Connections:
    """The open connections of a server."""

    def __init__(self) -> None:
        self.all: set[ClientConnection] = set()
        self.draining = False
        """One that is made now was accepted just before nobody was any more."""
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

    A server looks at `deadline` and `written_by` now and then, and calls `expire`.
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
        """Those that came behind it, each whole."""
        self._coming: Call | None = None
        """The one whose body is still to come."""
        self._parked: Call | None = None
        """The same, for as long as it takes to change the parser."""
        self._refusal: Refusal | None = None
        """What is answered last, when all that came before it is."""
        self._held = bytearray()
        """What came while a request was being answered, unparsed."""
        self._fed = 0
        """Bytes that are being parsed now."""
        self._paused = self._reading_paused = False
        self._eof = False
        """The client sends nothing more."""
        self._ended = False
        """Nothing more is parsed."""
        self._closing = False
        self._untaken = 0
        """Bytes that the client had still to take when that was last looked at."""
        self.draining = False
        self.deadline = inf
        """For the client to send something."""
        self.written_by = inf
        """For the client to take something."""
        self.peer = ""
        self._new_message()

    def _new_message(self) -> None:
        self._target = b""
        self._fields: list[tuple[str, str]] = []
        self._bodiless = 0
        """Bytes that came since the last part of a body, or since the message began."""
        self._body: bytes | bytearray = b""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, where there is room."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._open.all) >= self._limits.connections:
            self._service.refused("connections")
            self.abort()
            return
        self._open.add(self)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.draining = self._open.draining
        patience_s = _LAST_S if self.draining else self._limits.idle_s
        self.deadline = self._loop.time() + patience_s

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._ended:
            return
        if self._coming is None:
            if self._call is not None or self._paused or self._held:
                self._hold_ahead(data)
                return
            if not self._bodiless:
                self.deadline = self._loop.time() + self._limits.head_s
        self._feed(data)
        if self._coming is not None and not self._reading_paused:
            self.deadline = self._loop.time() + self._limits.body_s

    def _hold_ahead(self, data: bytes) -> None:
        """Keep what a client sends before it has its answer, up to a bound."""
        self._held += data
        if len(self._held) > _READ_AHEAD:
            self._pause_reading()

    def _feed(self, data: bytes) -> None:
        self._bodiless += len(data)
        self._fed = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._broken(error)
            return
        else:
            if self._bodiless > self._limits.max_head:
                self._refuse(Refusal(431, "head-too-large"))
            return
        self._change_parser(rest)

    def _change_parser(self, rest: bytes) -> None:
        """Go on behind a request with an Upgrade: the parser takes it for the last one.

        It skips the body, too. Where there is one, another parser is told of its framing.
        """
        self._parser = httptools.HttpRequestParser(self)
        self._coming, self._parked = self._parked, None
        if self._coming is None:
            self._held += rest
            if self._call is None:
                self._loop.call_soon(self._feed_held)
            return
        framing = framing_of(self._coming.request.headers)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        if rest:
            self._feed(rest)

    def _broken(self, error: httptools.HttpParserError) -> None:
        """Refuse what the parser, or one of the methods it calls, does not take."""
        cause = error.__context__
        if isinstance(cause, Refusal):
            self._refuse(cause)
        elif isinstance(error, httptools.HttpParserCallbackError) and isinstance(cause, Exception):
            self._tell("failed to read a request", cause)
            self.abort()
        else:
            self._refuse(Refusal(400, "malformed"))

    def eof_received(self) -> bool:
        """Take note that the client sends nothing more; it may still read its answers."""
        self._eof = True
        if not self._closing:
            self._input_ended()
        return not (self._closing or self._transport.is_closing())

    def _input_ended(self) -> None:
        """Give up what is not whole, and close where nothing else is left."""
        coming, self._coming = self._coming, None
        if coming is not None:
            self._ended = True
            if coming is self._call:
                self.abort()
                return
        if self._call is None and not (self._waiting or self._held or self._refusal):
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that nobody waits any more."""
        del exc
        self._open.discard(self)
        self._ended, self.deadline, self.written_by = True, inf, inf
        self._waiting.clear()
        self._held = bytearray()
        call, self._call, self._coming = self._call, None, None
        self._parser = None  # they hold each other
        if call is not None:
            call.lose()

    def pause_writing(self) -> None:
        """The client takes nothing for now."""
        self._paused = True
        self._untaken = self._unwritten()
        self.written_by = self._loop.time() + self._limits.write_s
        if self._call is not None and self._call.writable is not None:
            self._call.writable(False)

    def resume_writing(self) -> None:
        """The client takes what is written again."""
        self._paused = False
        self.written_by = inf
        if self._call is None:
            self._next()
        elif self._call.writable is not None:
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
        # White space after a value is no part of it (RFC 9110 section 5.5).
        self._fields.append((_NAMES[name], value.rstrip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Make the call, or refuse what must not be passed on."""
        if self._coming is not None or self._ended:
            return
        parser = self._parser
        upgrading = parser.should_upgrade()
        version = parser.get_http_version()
        request = Request(
            method=parser.get_method().decode("latin-1"),
            target=self._target.decode("latin-1"),
            headers=tuple(self._fields),
        )
        limit = self._limits.max_head
        if self._bodiless + self._fed > limit and _size(request) > limit:
            raise Refusal(431, "head-too-large")
        wishes = check(request, version=version, upgrading=upgrading)
        call = Call(self, request)
        call.modern = version == "1.1"
        call.keep = parser.should_keep_alive()
        call.expects = wishes.expects
        if upgrading and framing_of(request.headers):
            self._parked = call
        else:
            call.upgrade = wishes.upgrade
            self._coming = call
        if call.expects and self._is_free():
            call.proceed()

    def on_body(self, data: bytes) -> None:
        """Keep the body, or hand it on where it is long."""
        call = self._coming
        if call is None or self._ended:
            return
        self._bodiless = 0
        if call is self._call:
            if call.more is not None:
                call.more(data)
            return
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        if len(self._body) > self._limits.body_at_once:
            if self._is_free():
                self._give(call)
            else:
                self.hold()

    def on_message_complete(self) -> None:
        """Hand on the request, or its last part."""
        call, self._coming = self._coming, None
        if call is None or self._ended:
            return
        call.whole = True
        self._ended = not call.keep
        self.deadline = inf
        if call is self._call:
            self._new_message()
            if call.more is not None:
                call.more(b"")
        else:
            self._give(call)
            self._new_message()

    # The calls.

    def _is_free(self) -> bool:
        """Whether a request may be handled now."""
        return self._call is None and not self._paused

    def _give(self, call: Call) -> None:
        """Hand a request on, or let it wait for its turn."""
        if self._body:
            call.request = _with_body(call.request, bytes(self._body))
            self._body = b""
        if self._is_free():
            self._call = call
            self._handle(call)
        elif len(self._waiting) < self._limits.pipelined:
            self._waiting.append(call)
        else:
            self._service.refused("pipelined")
            self._ended, self._waiting[-1].keep = True, False

    def _begin(self, call: Call) -> None:
        """Handle a request whose turn has come, unless its client has gone meanwhile."""
        if call.open:
            self._handle(call)

    def _handle(self, call: Call) -> None:
        try:
            self._service.handle(call)
        except Exception as error:  # noqa: BLE001 - the loop tells it; the others go on
            self._tell("failed to handle a request", error)
            call.drop()

    def _tell(self, message: str, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "protocol": self}
        )

    def finished(self, *, keep: bool) -> None:
        """Go on after an answer, or close."""
        self._call = None
        if keep and not self.draining:
            self._next()
        else:
            self._close()

    def _next(self) -> None:
        """Go on with what comes next, once the client takes what is written to it."""
        if self._paused or self._call is not None or self._closing:
            return
        if self._waiting:
            self._call = self._waiting.popleft()
            self._loop.call_soon(self._begin, self._call)
        elif self._refusal is not None:
            self._reply(self._refusal)
        elif self._ended:
            self._close()
        elif self._coming is not None:  # its body came meanwhile, or waits to be asked for
            self._coming.proceed()
            self.release()
        elif self._held:
            self._loop.call_soon(self._feed_held)
        elif self._eof:
            self._close()
        else:
            self.deadline = self._loop.time() + self._limits.idle_s
            if self._reading_paused:
                self._resume_reading()

    def _feed_held(self) -> None:
        """Read what the client had sent ahead."""
        if self._ended or not self._held or not self._is_free():
            return
        held, self._held = bytes(self._held), bytearray()
        self._resume_reading()
        self.data_received(held)
        if self._eof and not self._closing:
            self._input_ended()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, or must not be passed on, and close."""
        if self._ended:
            return
        self._ended = True
        self._service.refused(refusal.reason)
        coming, self._coming = self._coming, None
        call = self._call
        if call is not None and call is coming:  # the rest of its body is at fault
            if call.streaming:
                self.abort(reset=True)
                return
            self._call = call = None
            coming.lose()
        if call is None and not self._waiting:
            self._reply(refusal)
        else:
            self._refusal = refusal

    def _reply(self, refusal: Refusal) -> None:
        body = f"{refusal.reason}\n".encode()
        headers = (_TEXT, ("Content-Length", str(len(body))))
        head, _ = self.heads.render(
            refusal.status, headers, modern=True, keep=False, size=len(body)
        )
        self.write(head + body)
        self._close(unread=True)

    def _close(self, *, unread: bool = False) -> None:
        """Close when all is written; where something may come `unread`, when it has come.

        To close on unread bytes is to reset, and to lose the answer (RFC 9112 section 9.6).
        """
        if self._transport.is_closing():
            return
        unread = unread or bool(self._coming or self._held) or self._reading_paused
        self._ended = self._closing = True
        self._coming, self._held = None, bytearray()
        self._untaken = self._unwritten()
        patience_s = self._limits.write_s if self._untaken else LINGER_S
        self.deadline, self.written_by = self._loop.time() + patience_s, inf
        if unread and not self._eof:
            self._resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    # For the calls and the server.

    def write(self, data: bytes) -> None:
        """Write to the client."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def abort(self, *, reset: bool = False) -> None:
        """Close at once; with `reset` so that the client sees that something went wrong."""
        self._ended = True
        if reset and not self._transport.is_closing():
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def hold(self) -> None:
        """Take nothing more of a body for now; no time passes meanwhile."""
        self.deadline = inf
        self._pause_reading()

    def release(self) -> None:
        """Take the rest of a body again."""
        if self._coming is not None:
            self.deadline = self._loop.time() + self._limits.body_s
        self._resume_reading()

    def hand_over(self, protocol: asyncio.Protocol) -> Taken:
        """Leave the connection to another protocol, with what has come for it already.

        It still counts among the open ones, until `connection_lost` is called.
        """
        self._call, self._ended = None, True
        self.deadline = self.written_by = inf
        held, self._held = bytes(self._held), bytearray()
        self._resume_reading()
        self._transport.set_protocol(protocol)
        return Taken(self._transport, held, self._eof, self.connection_lost)

    def expire(self, now: float) -> None:
        """Close a connection whose time has passed."""
        if self._closing or self.written_by <= now:
            self._hurry(now)
        elif self._coming is not None or self._bodiless:
            self._refuse(Refusal(408, "slow-request"))
        else:
            self._close()

    def _hurry(self, now: float) -> None:
        """Wait on for a client that takes something, be it little; cut one that does not."""
        untaken = self._unwritten()
        if 0 < untaken < self._untaken:
            self._untaken = untaken
            patience = now + self._limits.write_s
            if self._closing:
                self.deadline = patience
            else:
                self.written_by = patience
            return
        if untaken:
            self._service.refused("slow-reader")
        self.abort()

    def _unwritten(self) -> int:
        """Bytes that the client has not taken, here and in the system's buffer."""
        size = self._transport.get_write_buffer_size()
        if not size:
            return 0
        sock: socket.socket = self._transport.get_extra_info("socket")
        try:
            queued: bytes = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return size
        return size + int.from_bytes(queued, sys.byteorder)

    def drain(self) -> None:
        """Close as soon as nothing is in flight."""
        self.draining = True
        busy = self._call or self._waiting or self._coming or self._held or self._bodiless
        if not (busy or self._ended):
            self._close()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()


def _with_body(request: Request, body: bytes) -> Request:
    return Request(method=request.method, target=request.target, headers=request.headers, body=body)


def _size(request: Request) -> int:
    """Bytes of a head, about."""
    fields = sum([len(name) + len(value) + 4 for name, value in request.headers])
    return len(request.method) + len(request.target) + fields
