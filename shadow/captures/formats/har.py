"""HAR 1.2 files, as browsers and proxies export them.

A HAR tells what a browser made of an answer, not what was on the wire: bodies are decoded and
some are missing, HTTP/2 headers come with pseudo-headers. A body that is known to be missing or
cut is marked truncated. Source: http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from shadow.captures.elements import Elements
from shadow.captures.formats.har_writing import BEGINNING, CHARSET, Shadow, written
from shadow.captures.formats.plain_values import moment
from shadow.captures.records import Broken, Fidelity, Record, Unsupported
from shadow.captures.streams import Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_id,
    check_session,
    check_start,
    check_status,
    declared_length,
    has_no_body,
    reason_of,
    unreplayable,
)
from shadow.errors import CaptureError
from shadow.model import (
    Exchange,
    Headers,
    NoAnswer,
    NoAnswerKind,
    Request,
    Response,
    header,
    isomorphic,
)

_START = re.compile(rb'\s*\{\s*"log"\s*:')
_URL = re.compile(r"(https?|wss?)://(?:[^/?#]*@)?([^/?#]*)([^#]*)", re.IGNORECASE | re.DOTALL)
_BYTE_ORDER_MARK_BYTES = 3
_LOST = "\ufffd"
"""Stands in a text for bytes that were no text."""
# https://source.chromium.org/chromium/chromium/src/+/main:net/base/net_error_list.h
_BY_BROWSER = (
    *("net::ERR_ABORTED", "net::ERR_BLOCKED_BY_", "net::ERR_FAILED", "net::ERR_CACHE_MISS"),
    *("net::ERR_INTERNET_DISCONNECTED", "net::ERR_NETWORK_"),
)
_KINDS: dict[NoAnswerKind, tuple[str, ...]] = {
    "timeout": ("net::ERR_TIMED_OUT", "net::ERR_CONNECTION_TIMED_OUT"),
    "connect": ("net::ERR_CONNECTION_REFUSED", "net::ERR_CONNECTION_FAILED", "net::ERR_NAME_"),
    "tls": ("net::ERR_SSL_", "net::ERR_CERT_"),
}
# What browsers read instead of a charset, https://encoding.spec.whatwg.org/#names-and-labels
_BROWSERS = {
    "iso-8859-1": "windows-1252",
    "iso-8859-9": "windows-1254",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}


# Everything may be missing or null but what makes a request: exporters differ.
class _Header(msgspec.Struct, frozen=True, gc=False):
    name: str
    value: str | None = None


class _PostData(msgspec.Struct, frozen=True, rename={"mime_type": "mimeType"}):
    mime_type: str | None = None
    text: str | None = None
    encoding: str | None = None
    params: list[_Header] | None = None


class _Content(msgspec.Struct, frozen=True):
    size: int | float | None = None
    text: str | None = None
    encoding: str | None = None


class _Request(
    msgspec.Struct, frozen=True, rename={"body_size": "bodySize", "post_data": "postData"}
):
    method: str
    url: str
    headers: list[_Header] | None = None
    body_size: int | float | None = None
    post_data: _PostData | None = None


class _Response(msgspec.Struct, frozen=True, rename={"error": "_error"}):
    status: int | None = None
    headers: list[_Header] | None = None
    content: _Content | None = None
    error: Any = None


class _Entry(
    msgspec.Struct,
    frozen=True,
    rename={
        "started": "startedDateTime",
        "resource_type": "_resourceType",
        "messages": "_webSocketMessages",
        "shadow": "_shadow",
    },
):
    request: _Request
    response: _Response | None = None
    started: str | None = None
    time: float | None = None
    resource_type: Any = None
    messages: Any = None
    shadow: Shadow | None = None


class HarFormat:
    """HTTP Archive 1.2."""

    name = "HAR"
    suffix = ".har"
    fidelity = Fidelity(whole_body=False, header_order=False)
    start = BEGINNING
    between = b",\n"
    end = b"\n]}}\n"

    def sniff(self, head: bytes) -> bool:
        """Look for an object whose first key is `log`: every known exporter writes it so."""
        return _START.match(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield one record an entry, with the ids `har-000001` and on.

        Raises CaptureError where the document is no HAR or has no entries. One that is cut short
        gives every whole entry, and a `Broken` for the one in which it ends.
        """
        entries = Elements(stream, ("log", "entries"))
        position = 0
        for position, entry in enumerate(entries, 1):
            if isinstance(entry, Damage):
                yield Broken(path=path, line=position, reason=entry.reason)
                continue
            try:
                yield _record(_entry(entry), position, path)
            except (ValueError, RecursionError) as error:
                yield Broken(path=path, line=position, reason=reason_of(error))
        if not entries.found:
            raise CaptureError(f"{path}: is no HAR file: it has no log.entries", "export it again")
        if not position:
            raise CaptureError(f"{path}: holds no exchanges", "export it again, with its requests")

    def encode(self, exchange: Exchange) -> bytes:
        """Return an entry; what HAR has no place for stands in its member `_shadow`.

        Raises ValueError for an exchange that could not be read back.
        """
        return written(exchange)


def _entry(entry: bytes) -> _Entry:
    try:
        return msgspec.json.decode(entry, type=_Entry)
    except msgspec.ValidationError:
        raise
    except ValueError:
        # The standard library reads lone surrogates, which stand for bytes that are not UTF-8.
        return msgspec.convert(json.loads(entry), _Entry)


def _record(entry: _Entry, position: int, path: str) -> Record:
    scheme, authority, target = _split_url(entry.request.url)
    check_start(entry.request.method, target or "/")
    reason = _unsupported(entry, scheme)
    if reason is None:
        request = _request(entry.request, authority, target)
        response = _response(entry.response, request.method)
        reason = unreplayable(request, response)
        if reason is None:
            exchange = Exchange(
                id=f"har-{position:06}",
                request=request,
                response=response,
                error=_error(entry.response),
                latency_ms=None if response is None else _latency_ms(entry.time),
                ts=moment(entry.started),
            )
            return exchange if entry.shadow is None else _as_it_was(exchange, entry.shadow)
    return Unsupported(
        id=f"har-{position:06}",
        path=path,
        line=position,
        reason=reason,
        method=entry.request.method,
        target=target,
    )


def _as_it_was(exchange: Exchange, lost: Shadow) -> Exchange:
    """Return an exchange that we have written, with what HAR had no place for."""
    check_id(lost.id)
    if lost.session is not None:
        check_session(lost.session)
    request, response = exchange.request, exchange.response
    target = request.target if lost.target is None else isomorphic(lost.target)
    check_start(request.method, target)
    headers = request.headers
    if lost.no_host:
        headers = tuple(field for field in headers if field[0].lower() != "host")
    request = Request(
        method=request.method,
        target=target,
        headers=headers,
        body=request.body,
        decoded=lost.request.decoded,
        truncated=lost.request.truncated,
    )
    if response is not None and lost.response is not None:
        response = msgspec.structs.replace(
            response, decoded=lost.response.decoded, truncated=lost.response.truncated
        )
    return Exchange(
        id=lost.id,
        request=request,
        response=response,
        error=lost.error if response is None else None,
        latency_ms=exchange.latency_ms,
        session=lost.session,
        ts=None if lost.no_time else exchange.ts,
    )


def _split_url(url: str) -> tuple[str, str, str]:
    """Return scheme, authority without user, and target as spelled; empty if not of the web."""
    match = _URL.match(url)
    if not match:
        return "", "", ""
    rest = match[3]
    return match[1].lower(), match[2], isomorphic(rest if rest.startswith("/") else f"/{rest}")


def _unsupported(entry: _Entry, scheme: str) -> str | None:
    if scheme in ("ws", "wss") or entry.messages is not None or entry.resource_type == "websocket":
        return "a websocket"
    return None if scheme else "the URL is not http or https"


def _request(part: _Request, authority: str, target: str) -> Request:
    headers = _headers(part.headers)
    if header(headers, "host") is None:
        pseudo = [field.value for field in part.headers or () if field.name == ":authority"]
        headers = (("Host", isomorphic(pseudo[0] or authority if pseudo else authority)), *headers)
    check_headers(headers, "request")
    body = _posted(part.post_data, headers)
    return Request(
        method=part.method,
        target=target,
        headers=headers,
        body=body or b"",
        decoded=_is_encoded(headers),
        truncated=body is None or _is_less(body, part, headers),
    )


def _response(part: _Response | None, method: str) -> Response | None:
    if part is None or (part.status or 0) <= 0:
        return None
    status = part.status or 0
    check_status(status)
    headers = _headers(part.headers)
    check_headers(headers, "response")
    content = part.content or _Content()
    if has_no_body(method, status):  # Chrome gives a 304 the body of its cache
        return Response(status=status, headers=headers)
    body = _bytes(content.text or "", content.encoding, headers)
    return Response(
        status=status,
        headers=headers,
        body=body,
        decoded=_is_encoded(headers),
        truncated=_is_cut(body, content, headers),
    )


def _error(part: _Response | None) -> NoAnswer | None:
    if part is None or (part.status or 0) > 0:
        return None
    detail = part.error if isinstance(part.error, str) else ""
    if detail.startswith(_BY_BROWSER):
        return None  # it says nothing about the service
    kinds = (kind for kind, names in _KINDS.items() if detail.startswith(names))
    return NoAnswer(kind=next(kinds, "reset"), detail=detail)


def _headers(fields: list[_Header] | None) -> Headers:
    return tuple(
        (field.name, isomorphic(value))
        for field in fields or ()
        if not field.name.startswith(":")
        for value in (field.value or "").split("\n")  # Chrome joins repeated headers so
    )


def _is_encoded(headers: Headers) -> bool:
    return header(headers, "content-encoding") not in (None, "", "identity")


def _is_less(body: bytes, part: _Request, headers: Headers) -> bool:
    """Whether a request body is not all of what was sent."""
    length = declared_length(headers)
    expected = max(part.body_size or 0, length)
    if not body:
        return expected > 0
    text = part.post_data.text if part.post_data else None
    if not text or _is_encoded(headers):
        return False
    return len(body) < expected or (_LOST in text and length not in (0, len(body)))


def _is_cut(body: bytes, content: _Content, headers: Headers) -> bool:
    """Whether a response body is not all of what was answered."""
    size = content.size or 0
    if not body:  # Chrome gives the body of a redirect the size 0
        return size > 0 or declared_length(headers) > 0
    missing = size - len(body)
    if _is_encoded(headers):  # mitmproxy's size is the encoded one, hardly more than the other
        return missing > 64 + len(body) / 256
    if missing == _BYTE_ORDER_MARK_BYTES and content.encoding != "base64":
        return False  # browsers leave it out
    return missing > 0 or (size > 0 and missing < 0 and _LOST in (content.text or ""))


def _posted(part: _PostData | None, headers: Headers) -> bytes | None:
    """Return the request body, or None where the file has only its meaning."""
    if part is None:
        return b""
    content_type = header(headers, "content-type") or part.mime_type or ""
    if part.text:
        return _bytes(part.text, part.encoding, (*headers, ("content-type", content_type)))
    if not part.params:
        return b""
    if not content_type.lower().startswith("application/x-www-form-urlencoded"):
        return None  # the parts of a multipart body are not its bytes
    return urlencode([(param.name, param.value or "") for param in part.params]).encode()


def _bytes(text: str, encoding: str | None, headers: Headers) -> bytes:
    """Return what a text was on the wire: of those it may have been, the one of its length."""
    if encoding == "base64":
        try:
            return binascii.a2b_base64("".join(text.split()), strict_mode=True)
        except binascii.Error as error:
            raise MalformedError(f"a body is not base64: {error}") from error
    found = CHARSET.search(header(headers, "content-type") or "")
    charset = found[1].lower() if found else "utf-8"
    length = 0 if _is_encoded(headers) else declared_length(headers)
    first = None
    # The charset may be wrong, or not the one that the recorder decoded by.
    for name in (charset, _BROWSERS.get(charset), "utf-8", "windows-1252", "iso-8859-1"):
        body = _in_charset(text, name)
        if body is not None and length in (0, len(body)):
            return body
        first = body if first is None else first
    if first is None:
        raise MalformedError("a body holds lone surrogates, so its bytes are unknown")
    return first


def _in_charset(text: str, charset: str | None) -> bytes | None:
    try:
        return text.encode(charset) if charset else None
    except (LookupError, UnicodeEncodeError):
        return None


def _latency_ms(time: float | None) -> float | None:
    return time if time is not None and 0 <= time < math.inf else None
