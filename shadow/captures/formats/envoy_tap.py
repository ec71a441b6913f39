"""What Envoy's tap filter writes as JSON: one document an exchange, or a document for each piece.

Bodies are `as_bytes` (base64) or `as_string`, and marked `truncated` where Envoy's bound cut them.
In a string Envoy puts a space for what is not UTF-8, so one that cannot be text is no body; and
pieces have no end, so a body shorter than its Content-Length is cut.
Headers are those of HTTP/2: lower-case names, the start of the request among them.
Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/data/tap/v3/http.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from shadow.captures.elements import Elements
from shadow.captures.records import Broken, Fidelity, Record, record_of
from shadow.captures.streams import Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_start,
    check_status,
    content_length,
    has_no_body,
)
from shadow.model import Exchange, Headers, Request, Response, isomorphic

MAX_WAITING: Final = 10_000
"""Exchanges of which more pieces may come."""
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Bytes of documents that these may come from."""

_HEAD: Final = re.compile(
    rb'\s*\{\s*"(?:http_buffered_trace|http_streamed_trace_segment)"\s*:', re.ASCII
)
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MAX_REASON_CHARS: Final = 200


class _Header(msgspec.Struct, frozen=True, gc=False):
    key: str
    value: str | None = None
    raw_value: bytes | None = None


class _Body(msgspec.Struct, frozen=True, gc=False):
    as_bytes: bytes | None = None
    as_string: str | None = None
    truncated: bool = False

    @property
    def octets(self) -> bytes:
        if self.as_string is not None:
            return self.as_string.encode("utf-8", "surrogateescape")
        return self.as_bytes or b""

    @property
    def is_cut(self) -> bool:
        return self.truncated or _NO_TEXT.search(self.as_string or "") is not None


class _Message(msgspec.Struct, frozen=True):
    headers: list[_Header] | None = None
    body: _Body | None = None
    headers_received_time: datetime | None = None


class _Buffered(msgspec.Struct, frozen=True):
    request: _Message | None = None
    response: _Message | None = None


class _Headers(msgspec.Struct, frozen=True):
    headers: list[_Header] | None = None


class _Segment(msgspec.Struct, frozen=True):
    trace_id: str | int
    request_headers: _Headers | None = None
    request_body_chunk: _Body | None = None
    response_headers: _Headers | None = None
    response_body_chunk: _Body | None = None


class _Document(msgspec.Struct, frozen=True):
    http_buffered_trace: _Buffered | None = None
    http_streamed_trace_segment: _Segment | None = None


class _Piece:
    """A request or an answer as far as it is known."""

    def __init__(self) -> None:
        self.headers: list[_Header] | None = None
        self.body = bytearray()
        self.truncated = False

    def add(self, headers: _Headers | None, chunk: _Body | None) -> None:
        if headers is not None:
            self.headers = headers.headers or []
        if chunk is not None:
            self.body += chunk.octets
            self.truncated |= chunk.is_cut

    def is_cut(self, fields: Headers) -> bool:
        """Whether its body is not whole; raises MalformedError as `content_length`."""
        return self.truncated or len(self.body) < (content_length(fields) or 0)


class _Trace:
    """An exchange that comes in pieces."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.request, self.response = _Piece(), _Piece()
        self.size = 0


class EnvoyTap:
    """Files of Envoy's tap filter or of its admin stream."""

    name = "Envoy tap"
    fidelity = Fidelity(latency=False)

    def sniff(self, head: bytes) -> bool:
        """Look for a document that begins with the name of a trace."""
        return _HEAD.match(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange a document, with the ids `tap-000001` and on.

        Pieces of one exchange are put together, in the order of their first ones; of more than
        `MAX_WAITING` or `MAX_WAITING_BYTES` the oldest is taken to be whole.
        """
        traces: dict[str, _Trace] = {}
        held = 0
        for position, document in enumerate(Elements(stream, None), 1):
            if isinstance(document, Damage):
                yield Broken(path=path, line=position, reason=document.reason)
                continue
            try:
                found = msgspec.json.decode(document, type=_Document)
            except (ValueError, RecursionError) as error:
                reason = str(error)[:_MAX_REASON_CHARS]
                yield Broken(path=path, line=position, reason=reason)
                continue
            if found.http_buffered_trace is not None:
                yield _checked(_buffered(found.http_buffered_trace), position, path)
            elif found.http_streamed_trace_segment is not None:
                held += len(document)
                _add(traces, found.http_streamed_trace_segment, position, len(document))
                while traces and (len(traces) > MAX_WAITING or held > MAX_WAITING_BYTES):
                    oldest = traces.pop(next(iter(traces)))
                    held -= oldest.size
                    yield _checked((oldest.request, oldest.response, None), oldest.position, path)
            else:
                yield Broken(path=path, line=position, reason="it is no trace of HTTP")
        for trace in traces.values():
            yield _checked((trace.request, trace.response, None), trace.position, path)


_Whole = tuple[_Piece, _Piece, datetime | None]


def _buffered(trace: _Buffered) -> _Whole:
    pieces = []
    for message in (trace.request, trace.response):
        piece = _Piece()
        if message is not None:
            piece.add(_Headers(message.headers), message.body)
        pieces.append(piece)
    moment = trace.request.headers_received_time if trace.request else None
    return pieces[0], pieces[1], moment


def _add(traces: dict[str, _Trace], segment: _Segment, position: int, size: int) -> None:
    """Put a piece, of a document of so many bytes, in its place."""
    trace = traces.setdefault(str(segment.trace_id), _Trace(position))
    trace.request.add(segment.request_headers, segment.request_body_chunk)
    trace.response.add(segment.response_headers, segment.response_body_chunk)
    trace.size += size


def _checked(whole: _Whole, position: int, path: str) -> Record:
    try:
        return _record(whole, position, path)
    except MalformedError as error:
        return Broken(path=path, line=position, reason=str(error))


def _record(whole: _Whole, position: int, path: str) -> Record:
    asked, answered, moment = whole
    pseudo, fields = _split(asked.headers)
    method, target = pseudo.get(":method", ""), pseudo.get(":path", "")
    check_start(method, target)
    if ":authority" in pseudo and not any(name == "host" for name, _ in fields):
        fields = (("Host", pseudo[":authority"]), *fields)
    check_headers(fields, "request")
    request = Request(
        method=method,
        target=target,
        headers=fields,
        body=bytes(asked.body),
        truncated=asked.is_cut(fields),
    )
    response = _response(answered, method)
    ts = moment if moment is not None and moment.tzinfo is not None else None
    exchange = Exchange(id=f"tap-{position:06}", request=request, response=response, ts=ts)
    return record_of(exchange, path, position)


def _response(piece: _Piece, method: str) -> Response | None:
    if piece.headers is None:
        return None
    pseudo, fields = _split(piece.headers)
    text = pseudo.get(":status", "")
    if not re.fullmatch("[0-9]{3}", text):
        raise MalformedError("the response has no status")
    status = int(text)
    check_status(status)
    check_headers(fields, "response")
    if has_no_body(method, status):
        return Response(status=status, headers=fields)
    return Response(
        status=status, headers=fields, body=bytes(piece.body), truncated=piece.is_cut(fields)
    )


def _split(headers: list[_Header] | None) -> tuple[dict[str, str], Headers]:
    """Return the pseudo-fields, and the others as they stand."""
    pseudo: dict[str, str] = {}
    fields: list[tuple[str, str]] = []
    for field in headers or ():
        raw = field.raw_value  # empty beside a value that is UTF-8
        value = raw.decode("latin-1") if raw else isomorphic(field.value or "")
        if field.key.startswith(":"):
            pseudo.setdefault(field.key, value)
        else:
            fields.append((field.key, value))
    return pseudo, tuple(fields)
