"""HAR 1.2 entries, written so that other programs can import them and nothing is lost.

What HAR has no place for stands in a member of our own, `_shadow`, which others pass over.
Source: http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from shadow import __version__
from shadow.captures.syntax import (
    check_headers,
    check_id,
    check_session,
    check_start,
    check_status,
    declared_length,
)
from shadow.model import Exchange, Headers, NoAnswer, Request, Response, header

BEGINNING = b"".join(
    [
        b'{"log":{"version":"1.2","creator":{"name":"shadow","version":"',
        __version__.encode(),
        b'"},"pages":[],"entries":[\n',
    ]
)
# Charsets in which text gives back the bytes it was decoded from; others are taken for UTF-8.
CHARSET = re.compile(
    r";\s*charset\s*=\s*\"?(us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|shift_jis|euc-jp|euc-kr"
    r"|gb2312|gbk|gb18030|big5)\b",
    re.IGNORECASE,
)
_URL_PATH = re.compile(r"/[^#]*")
_URL_HOST = re.compile(r"[^/?#]+")
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_NO_HOST = "unknown.invalid"
_UNKNOWN = -1


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """The marks on a body; they mean what they mean in `shadow.model`."""

    decoded: bool = False
    truncated: bool = False


class Shadow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What HAR has no place for, in a field of our own."""

    id: str
    session: str | None = None
    target: str | None = None
    """Where the URL says something else."""
    no_host: bool = False
    no_time: bool = False
    request: Part = Part()
    response: Part | None = None
    error: NoAnswer | None = None


def written(exchange: Exchange) -> bytes:
    """Return one entry. Raises ValueError for an exchange that could not be read back."""
    check_id(exchange.id)
    if exchange.session is not None:
        check_session(exchange.session)
    request, response = exchange.request, exchange.response
    check_start(request.method, request.target)
    entry = {
        "startedDateTime": (exchange.ts or _NO_TIME).astimezone(UTC).isoformat(),
        "time": exchange.latency_ms,
        "request": _request(request),
        "response": _response(response, exchange.error),
        "cache": {},
        "timings": {
            "send": 0,
            "wait": _UNKNOWN if exchange.latency_ms is None else exchange.latency_ms,
            "receive": 0,
        },
        "_shadow": msgspec.to_builtins(_lost(exchange)),
    }
    try:
        return msgspec.json.encode(entry)
    except UnicodeEncodeError:  # bytes that are not UTF-8, as lone surrogates
        return json.dumps(entry, separators=(",", ":")).encode()


def _lost(exchange: Exchange) -> Shadow:
    request, response = exchange.request, exchange.response
    whole = _URL_PATH.fullmatch(request.target) is not None
    return Shadow(
        id=exchange.id,
        session=exchange.session,
        target=None if whole else _text(request.target),
        no_host=header(request.headers, "host") is None,
        no_time=exchange.ts is None,
        request=Part(decoded=request.decoded, truncated=request.truncated),
        response=None
        if response is None
        else Part(decoded=response.decoded, truncated=response.truncated),
        error=exchange.error,
    )


def _request(request: Request) -> dict[str, Any]:
    host = header(request.headers, "host") or ""
    host = host if _URL_HOST.fullmatch(host) else _NO_HOST
    path = _URL_PATH.fullmatch(request.target)
    url = f"http://{_text(host)}{_text(path[0]) if path else '/'}"
    said: dict[str, Any] = {
        "method": request.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "headers": _headers(request.headers, "request"),
        "queryString": [
            {"name": name, "value": value}
            for name, value in parse_qsl(url.partition("?")[2], keep_blank_values=True)
        ],
        "cookies": [],
        "headersSize": _UNKNOWN,
        "bodySize": len(request.body),
    }
    if request.body:
        kind = header(request.headers, "content-type") or ""
        said["postData"] = {"mimeType": _text(kind), **_body(request.body, request.headers)}
    return said


def _response(response: Response | None, error: NoAnswer | None) -> dict[str, Any]:
    if response is None:
        said = _response(Response(status=100), None)
        return {**said, "status": 0, "statusText": "", "_error": error.detail if error else ""}
    check_status(response.status)
    kind = header(response.headers, "content-type") or ""
    content = {"size": len(response.body), "mimeType": _text(kind)}
    body = _body(response.body, response.headers) if response.body else {}
    return {
        "status": response.status,
        "statusText": _phrase(response.status),
        "httpVersion": "HTTP/1.1",
        "headers": _headers(response.headers, "response"),
        "cookies": [],
        "content": {**content, **body},
        "redirectURL": _text(header(response.headers, "location") or ""),
        "headersSize": _UNKNOWN,
        "bodySize": len(response.body),
    }


def _body(body: bytes, headers: Headers) -> dict[str, str]:
    """Write text as text where that gives back the same bytes, all else as base64."""
    kind = header(headers, "content-type") or ""
    plain = not CHARSET.search(kind) and declared_length(headers) in (0, len(body))
    if plain or body.isascii():
        try:
            return {"text": body.decode("utf-8")}
        except UnicodeDecodeError:
            pass
    return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _headers(headers: Headers, whose: str) -> list[dict[str, str]]:
    check_headers(headers, whose)
    return [{"name": name, "value": _text(value)} for name, value in headers]


def _text(wire: str) -> str:
    """Return an isomorphic text as Unicode; bytes that are not UTF-8 as lone surrogates."""
    return wire.encode("latin-1").decode("utf-8", "surrogateescape")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
