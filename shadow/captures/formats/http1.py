"""HTTP/1 messages as raw bytes ↔ requests and responses (RFC 9112).

Order, case and multiplicity of headers are kept, framing headers included; of the body only
the chunked coding is undone. A message is as long as its record: there is no next one to find.
"""

from __future__ import annotations

import re

from shadow.captures.records import UnwritableError
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_start,
    check_status,
    content_length,
    has_no_body,
)
from shadow.model import Headers, Request, Response, header_values

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_VERSION = re.compile(r"HTTP/[0-9]\.[0-9]")
_STATUS_LINE = re.compile(r"HTTP/[0-9]\.[0-9] ([0-9]{3})(?: .*)?", re.DOTALL)
_CHUNK_SIZE = re.compile(rb"\s*([0-9A-Fa-f]{1,16})\s*(?:;.*)?", re.DOTALL)
_MAX_INTERIM = 16


def parse_request(message: bytes) -> Request:
    """Return the request of one recorded message. Raises MalformedError where it is none."""
    start, headers, rest = _split(message, "request")
    method, _, after = start.partition(" ")
    target, _, version = after.rpartition(" ")
    if not _VERSION.fullmatch(version):
        raise MalformedError("the request line does not end in an HTTP version")
    check_start(method, target)
    if content_length(headers) is None and not header_values(headers, "transfer-encoding"):
        rest = b""  # RFC 9112, section 6.3: only an answer may go on to the end
    body, truncated = _body(headers, rest)
    return Request(method=method, target=target, headers=headers, body=body, truncated=truncated)


def parse_response(message: bytes, method: str) -> Response | None:
    """Return the response to a `method` request, or None where there are only interim ones (1xx).

    Raises MalformedError where it is no response.
    """
    for _ in range(_MAX_INTERIM):
        start, headers, rest = _split(message, "response")
        match = _STATUS_LINE.fullmatch(start)
        if not match:
            raise MalformedError("the status line is not that of an HTTP response")
        status = int(match[1])
        check_status(status)
        if status == 101 or status >= 200:
            return _final(status, headers, rest, method)
        if not rest:
            return None
        message = rest
    raise MalformedError(f"there are more than {_MAX_INTERIM} interim responses")


def _final(status: int, headers: Headers, rest: bytes, method: str) -> Response:
    if has_no_body(method, status):
        return Response(status=status, headers=headers)
    body, truncated = _body(headers, rest)
    return Response(status=status, headers=headers, body=body, truncated=truncated)


def _split(message: bytes, whose: str) -> tuple[str, Headers, bytes]:
    end = _END_OF_HEAD.search(message)
    if not end:
        raise MalformedError(f"the {whose} headers do not end")
    # RFC 9112, section 2.2: a bare LF may end a line.
    start, *lines = (line.removesuffix(b"\r") for line in message[: end.start()].split(b"\n"))
    headers = tuple(_header(line) for line in _unfolded(lines))
    check_headers(headers, whose)
    return start.decode("latin-1"), headers, message[end.end() :]


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Join lines where one that starts with white space goes on the one before it."""
    folded: list[list[bytes]] = []
    for line in lines:
        if folded and line[:1] in (b" ", b"\t"):
            folded[-1].append(line.strip(b" \t"))
        else:
            folded.append([line.rstrip(b" \t")])
    return [b" ".join(parts) for parts in folded]


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.decode("latin-1").partition(":")
    if not colon:
        raise MalformedError("a header line has no colon")
    return name, value.strip(" \t")


def _body(headers: Headers, rest: bytes) -> tuple[bytes, bool]:
    """Return the body and whether it was cut."""
    codings = [
        coding.strip().lower()
        for value in header_values(headers, "transfer-encoding")
        for coding in value.split(",")
    ]
    if codings == ["chunked"]:
        return _dechunked(rest)
    if codings not in ([], ["identity"]):
        raise MalformedError("the transfer coding is not chunked")
    length = content_length(headers)
    if length is None:
        return rest, False
    return rest[:length], len(rest) < length


def _dechunked(data: bytes) -> tuple[bytes, bool]:
    """Return the body and whether its last chunk is missing; trailers are dropped."""
    parts: list[bytes] = []
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        match = _CHUNK_SIZE.fullmatch(data, at, end)
        if not match:
            raise MalformedError("the chunked body has a size that is no number")
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts), False
        at = end + 1
        parts.append(data[at : at + size])
        at += size
        if data[at : at + 1] == b"\r":
            at += 1
        if data[at : at + 1] not in (b"\n", b""):
            raise MalformedError("the chunked body has a chunk longer than its size")
        at += 1
    return b"".join(parts), True


def render_request(request: Request) -> bytes:
    """Return a recorded request as one message, its framing made true.

    Raises UnwritableError for a body that was cut, or of which the encoding was undone.
    """
    check_start(request.method, request.target)
    return _rendered(f"{request.method} {request.target} HTTP/1.1", request, "request")


def render_response(response: Response, method: str) -> bytes:
    """Return the recorded response to a `method` request; see `render_request`."""
    check_status(response.status)
    start = f"HTTP/1.1 {response.status} "
    if response.status < 200 and response.status != 101:
        raise UnwritableError("the response is an interim one")
    if has_no_body(method, response.status):
        if response.body:
            raise UnwritableError("the response has a body that it cannot have")
        return _head(start, response.headers, "response")
    return _rendered(start, response, "response")


def _rendered(start: str, message: Request | Response, whose: str) -> bytes:
    if message.truncated:
        raise UnwritableError(f"the body of the {whose} was cut")
    if message.decoded:
        raise UnwritableError(f"the encoding of the {whose}'s body was undone")
    codings = ",".join(header_values(message.headers, "transfer-encoding")).lower()
    body = message.body
    if codings.strip() == "chunked":
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        return _head(start, message.headers, whose) + body
    if codings:
        raise UnwritableError(f"the {whose} has another transfer coding than chunked")
    headers = message.headers
    declared = header_values(headers, "content-length")
    if [value.strip() for value in declared] != [str(len(body))] and (declared or body):
        headers = tuple(each for each in headers if each[0].lower() != "content-length")
        headers = (*headers, ("Content-Length", str(len(body))))
    return _head(start, headers, whose) + body


def _head(start: str, headers: Headers, whose: str) -> bytes:
    check_headers(headers, whose)
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
