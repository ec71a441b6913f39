"""What a client sends, read: heads and bodies, one request after the other (RFC 9112)."""

from __future__ import annotations

from typing import Final, Protocol

import httptools

from shadow.model import Request
from shadow.sidecar.server.call import Call, Client
from shadow.sidecar.server.limits import ServerLimits
from shadow.sidecar.server.refusals import Refusal, check, framing_of


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


class Taker(Client, Protocol):
    """The connection whose requests are read."""

    call: Call | None
    """The one that is being answered."""
    ended: bool
    """Nothing more is read."""

    def is_free(self) -> bool:
        """Whether a request may be handled now."""

    def give(self, call: Call) -> None:
        """Take a request, of whose body there may be more."""

    def complete(self, call: Call) -> None:
        """Take a request that is whole, or that it is now."""

    def behind(self, rest: bytes) -> None:
        """Take what came behind a request that may change the protocol."""

    def refuse(self, refusal: Refusal) -> None:
        """Take that there is no request."""

    def failed(self, error: Exception) -> None:
        """Take that reading failed by a fault of our own."""


class Held:
    """What all connections of a server keep of bodies that are not whole yet."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class RequestReader:
    """Reads the requests of one connection."""

    __slots__ = (
        "_body",
        "_fed",
        "_fields",
        "_held",
        "_limits",
        "_parked",
        "_parser",
        "_taker",
        "_target",
        "bodiless",
        "coming",
    )

    def __init__(self, taker: Taker, limits: ServerLimits, held: Held) -> None:
        self._taker = taker
        self._limits = limits
        self._held = held
        self._parser = httptools.HttpRequestParser(self)
        self.coming: Call | None = None
        """The one whose body is still to come."""
        self._parked: Call | None = None
        """The same, for as long as it takes to change the parser."""
        self._fed = 0
        """Bytes that are being parsed now."""
        self._new_message()

    def _new_message(self) -> None:
        self._target = b""
        self._fields: list[tuple[str, str]] = []
        self.bodiless = 0
        """Bytes that came since the last part of a body, or since the message began."""
        self._body: bytes | bytearray = b""

    def forget(self) -> None:
        """Read nothing more: the connection is lost."""
        self.coming = None
        self._held.bytes -= len(self._body)
        self._body = b""
        del self._parser, self._taker  # they hold each other

    def feed(self, data: bytes) -> None:
        """Read on."""
        self.bodiless += len(data)
        self._fed = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._broken(error)
            return
        else:
            if self.bodiless > self._limits.max_head:
                self._taker.refuse(Refusal(431, "head-too-large"))
            return
        self._change_parser(rest)

    def _change_parser(self, rest: bytes) -> None:
        """Go on behind a request with an Upgrade: the parser takes it for the last one.

        It skips the body, too. Where there is one, another parser is told of its framing.
        """
        self._parser = httptools.HttpRequestParser(self)
        self.coming, self._parked = self._parked, None
        if self.coming is None:
            self._taker.behind(rest)
            return
        framing = framing_of(self.coming.request.headers)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        if rest:
            self.feed(rest)

    def _broken(self, error: httptools.HttpParserError) -> None:
        """Refuse what the parser, or one of the methods it calls, does not take."""
        cause = error.__context__
        if isinstance(cause, Refusal):
            self._taker.refuse(cause)
        elif isinstance(error, httptools.HttpParserCallbackError) and isinstance(cause, Exception):
            self._taker.failed(cause)
        else:
            self._taker.refuse(Refusal(400, "malformed"))

    # What the parser calls; it chose the names.

    def on_url(self, url: bytes) -> None:
        """Keep the request target as it stands on the wire."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; trailers are dropped."""
        if self.coming is not None:
            return
        if len(self._fields) >= self._limits.max_fields:
            raise Refusal(431, "too-many-fields")
        # White space after a value is no part of it (RFC 9110 section 5.5).
        self._fields.append((_NAMES[name], value.rstrip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Make the call, or refuse what must not be passed on."""
        if self.coming is not None or self._taker.ended:
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
        if self.bodiless + self._fed > limit and _size(request) > limit:
            raise Refusal(431, "head-too-large")
        wishes = check(request, version=version, upgrading=upgrading)
        call = Call(self._taker, request)
        call.modern = version == "1.1"
        call.keep = parser.should_keep_alive()
        call.expects = wishes.expects
        if upgrading and framing_of(request.headers):
            self._parked = call
        else:
            call.upgrade = wishes.upgrade
            self.coming = call
        if call.expects and self._taker.is_free():
            call.proceed()

    def on_body(self, data: bytes) -> None:
        """Keep the body, or hand it on where it is long."""
        call = self.coming
        if call is None or self._taker.ended:
            return
        self.bodiless = 0
        if call is self._taker.call:
            if call.more is not None:
                call.more(data)
            return
        if not self._body:
            self._body = data
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += data
        held, limits = self._held, self._limits
        held.bytes += len(data)
        if len(self._body) > limits.body_at_once or held.bytes > limits.held_bodies:
            if self._taker.is_free():
                self._fill(call)
                self._taker.give(call)
            else:
                self._taker.hold()

    def on_message_complete(self) -> None:
        """Hand on the request, or its last part."""
        call, self.coming = self.coming, None
        if call is None or self._taker.ended:
            return
        call.whole = True
        if self._body:
            self._fill(call)
        self._new_message()
        self._taker.complete(call)

    def _fill(self, call: Call) -> None:
        """Give a call what has come of its body."""
        request = call.request
        call.request = Request(
            method=request.method,
            target=request.target,
            headers=request.headers,
            body=bytes(self._body),
        )
        self._held.bytes -= len(self._body)
        self._body = b""


def _size(request: Request) -> int:
    """Bytes of a head, about."""
    fields = sum([len(name) + len(value) + 4 for name, value in request.headers])
    return len(request.method) + len(request.target) + fields
