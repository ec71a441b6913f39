"""Bytes of a connection become answers (RFC 9112). No sockets here: bytes in, a response out."""

from __future__ import annotations

import time

import httptools

from shadow.model import Headers, Response, header, header_values
from shadow.sending.limits import Limits

_MAX_FIELDS = 2_000
"""Header fields of one answer; a field of four bytes costs some 200 in memory."""

_MAX_HEADS = 256
_MAX_HEAD_BYTES = 2_048
_VAIN = 64
_END_OF_HEAD = b"\r\n\r\n"
_BODILESS = (204, 304)


class MalformedAnswer(Exception):  # noqa: N818  it becomes a NoAnswer, it is not our fault
    """What arrived is not an HTTP/1 answer, or is beyond a bound."""


class Heads:
    """Heads of answers that the parser has read, and what it made of them.

    A service begins most of its answers with one of a few heads. What a head means follows from
    its bytes alone, so an answer that arrives in one piece with a known one, and with exactly
    as many bytes behind it as that announces, needs no parser. At most `_MAX_HEADS` of at most
    `_MAX_HEAD_BYTES` are known; then it starts anew, since old ones hold an old Date. Where no
    head comes twice, since each holds an id, only one in `_VAIN` is still looked up.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, Headers, int]] = {}
        self._vain = 0
        """How many answers came since one began with a known head."""

    def recall(self, data: bytes) -> tuple[int, Headers, bytes] | None:
        """Return status, fields and body of an answer with a known head."""
        self._vain += 1
        if self._vain > _VAIN and self._vain % _VAIN:
            return None
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        known = self._known.get(data[:end])
        if known is None or len(data) - end != known[2]:
            return None
        self._vain = 0
        return known[0], known[1], data[end:]

    def learn(self, data: bytes, status: int, headers: Headers, size: int) -> None:
        """Take the head of a whole answer, if nothing but its body of `size` bytes follows it."""
        if self._vain > _VAIN and self._vain % _VAIN:
            return
        end = len(data) - size
        if end <= _MAX_HEAD_BYTES and data.find(_END_OF_HEAD) + len(_END_OF_HEAD) == end:
            if len(self._known) >= _MAX_HEADS:
                self._known.clear()
            self._known[data[:end]] = (status, headers, size)


class AnswerReader:
    """Reads the answers on one connection, one after the other.

    `begin` once per request, then `feed` until `complete`; `end` when the service closes.
    Interim answers (100, 103) and trailers are read and dropped. After completion, `reusable`
    says whether the connection may carry another request: false when the service is going to
    close it, and when bytes came that nobody asked for. Readers for one target may share `heads`.
    """

    def __init__(self, limits: Limits, heads: Heads | None = None) -> None:
        self._max_body = limits.max_body
        self._max_header = limits.max_header
        self._heads = Heads() if heads is None else heads
        self._parser: httptools.HttpResponseParser | None = None
        """Made where it is needed; the two hold each other until `release`."""
        self._stale_parser = False
        self.begin("GET")

    def begin(self, method: str, *, passing: bool = False) -> None:
        """Expect the answer to a request with this method.

        With `passing` the body is also handed on as it comes, by `take_fresh`, and so it has no
        bound: only the copy that is kept of it has one.
        """
        if self._stale_parser:
            self.release()
        self._method = method
        self._fields: list[tuple[str, str]] = []
        self._headers: Headers = ()
        self._body: bytes | bytearray = b""
        self._status = 0
        self._final = False
        self._until_close = False
        self._persistent = False
        self._surplus = False
        self._without_body = 0
        self._refusal = ""
        self._passing = passing
        self._fresh: list[bytes] = []
        self._dropped = 0
        """Bytes of the body that are not in the copy."""
        self.received = 0
        self.complete = False
        self.truncated = False
        self.done = 0.0

    def feed(self, data: bytes) -> None:
        """Read on. Raises `MalformedAnswer` unless the answer is already complete."""
        first = not self.received
        self.received += len(data)
        if first and self._method != "HEAD":
            known = self._heads.recall(data)
            if known is not None and len(known[2]) <= self._max_body:
                self._status, self._headers, self._body = known
                self._final = self._persistent = self.complete = True
                self.done = time.perf_counter()
                return
        self._parse(data)
        if first and self.complete and self.reusable:
            self._learn(data)

    def _learn(self, data: bytes) -> None:
        """Keep the head of an answer that came whole, on a connection that stays open.

        Where no fewer bytes stand behind the head than the body has, a length was announced:
        chunks take more, and what lasts until the close leaves nothing open.
        """
        if self._method != "HEAD" and self._status not in _BODILESS:
            self._heads.learn(data, self._status, self._headers, len(self._body))

    def _parse(self, data: bytes) -> None:
        self._without_body += len(data)
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.complete:
                self._surplus = True
            elif not self._refusal:
                self._refusal = str(error)
        if self._without_body > self._max_header and not (self.complete or self._refusal):
            self._refusal = f"more than {self._max_header} bytes that are no body"
        if self._refusal:
            raise MalformedAnswer(self._refusal)

    def end(self) -> None:
        """Take note that the service closed: this completes an answer that lasts until then."""
        if self._until_close and not self.complete:
            self._finish()

    def release(self) -> None:
        """Let go of the parser, with which this is a cycle; at the end of a connection."""
        self._parser = None
        self._stale_parser = False

    @property
    def reusable(self) -> bool:
        """Whether the connection is at the start of a next answer."""
        whole = self._passing or not self.truncated
        return self._persistent and not self._surplus and whole

    @property
    def head(self) -> tuple[int, Headers] | None:
        """Status and fields, once the head of the answer is complete."""
        return (self._status, self._headers) if self._final else None

    def keep_only(self) -> None:
        """Hand on nothing more: the body is read up to the bound on the copy of it."""
        self._passing, self._fresh = False, []

    def forget(self) -> None:
        """Keep no copy of a body that is handed on, neither of what has come nor of the rest."""
        self._dropped += len(self._body)
        self._body, self.truncated = b"", True

    def take_fresh(self) -> bytes:
        """Hand over the body that has come since the last time; with `passing` only."""
        fresh, self._fresh = self._fresh, []
        return fresh[0] if len(fresh) == 1 else b"".join(fresh)

    def take(self) -> Response:
        """Hand over the complete answer; an idle connection must not hold its memory."""
        body, self._body = self._body, b""
        return Response(
            status=self._status,
            headers=self._headers,
            body=bytes(body),
            truncated=self.truncated,
        )

    def progress(self) -> str:
        """Say how far the answer came, for a failure's detail."""
        if not self.received:
            return "before the first byte of an answer"
        if not self._final:
            return f"inside the head of the answer, after {self.received} bytes"
        length = header(self._headers, "content-length")
        of = f" of {length}" if length is not None else ""
        return f"after {len(self._body) + self._dropped}{of} bytes of body"

    # What the parser calls; it chose the names.

    def on_message_begin(self) -> None:
        """Notice a second answer to one request."""
        if self.complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; trailers are dropped."""
        if self._final:
            return
        fields = self._fields
        if len(fields) < _MAX_FIELDS:
            # White space after a value is no part of it (RFC 9110 section 5.5).
            fields.append((name.decode("latin-1"), value.rstrip(b" \t").decode("latin-1")))
        else:
            self._refusal = f"more than {_MAX_FIELDS} header fields"

    def on_headers_complete(self) -> None:
        """Decide whether a body follows, where it ends, and what becomes of the connection."""
        if self.complete:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200:
            self._fields.clear()
            if status < 100 or status == 101:
                self._refusal = f"status {status:03d}, which answers no request of ours"
            return
        self._final = True
        self._status = status
        self._headers = tuple(self._fields)
        self._persistent = self._parser.should_keep_alive()
        if self._method == "HEAD" or status in _BODILESS:
            self._end_at_head()
        elif not self._persistent:
            self._refuse_version()
            self._until_close = not self._is_framed()

    def on_body(self, data: bytes) -> None:
        """Keep the body, up to the bound."""
        if self.complete:
            self._surplus = True
            return
        if not self._final:
            return
        self._without_body = 0
        if self._passing:
            self._fresh.append(data)
        if self.truncated:
            self._dropped += len(data)
            if not self._passing:  # any more
                self._finish()
            return
        room = self._max_body - len(self._body)
        piece = data if len(data) <= room else data[:room]
        if not self._body:
            self._body = piece  # most bodies arrive in one
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += piece
        if len(data) > room:
            self.truncated = True
            if self._passing:
                self._dropped = len(self._body) + len(data) - room
                self._body = b""  # a part of it is of no use, and many last for long
            else:
                self._finish()

    def on_message_complete(self) -> None:
        """Take the time of the last byte."""
        if self._final and not self.complete:
            self._finish()

    def _finish(self) -> None:
        self.done = time.perf_counter()
        self.complete = True

    def _end_at_head(self) -> None:
        """Complete an answer that has no body, whatever its head announces (RFC 9112 6.3)."""
        if self._method == "HEAD":
            # The parser does not know it was a HEAD: it waits for a body and must be replaced,
            # and it calls an answer without a length one that lasts until the close.
            self._stale_parser = True
            self._refuse_version()
            tokens = self._tokens("connection")
            assert self._parser is not None
            if self._parser.get_http_version() == "1.1":
                self._persistent = "close" not in tokens
            else:
                self._persistent = "keep-alive" in tokens
        announced = self._tokens("transfer-encoding")
        if self._status == 204:
            announced += self._tokens("content-length")
        if announced:
            # Wrong here; a service that gets this wrong may well send the body too.
            self._persistent = False
        self._finish()

    def _is_framed(self) -> bool:
        codings = self._tokens("transfer-encoding")
        return codings[-1] == "chunked" if codings else bool(self._tokens("content-length"))

    def _refuse_version(self) -> None:
        assert self._parser is not None
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self._refusal = f"HTTP version {version}"

    def _tokens(self, name: str) -> list[str]:
        values = header_values(self._headers, name)
        return [token.strip().lower() for token in ",".join(values).split(",") if token.strip()]
