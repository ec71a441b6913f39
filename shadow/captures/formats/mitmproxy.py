"""Flow files of mitmproxy (`mitmdump -w`): one netstring of typed values a flow.

A typed netstring is `LENGTH:DATA` and a character for the type of the data. mitmproxy's own
package brings dozens of others at pinned versions, so the format is read here.
Sources: https://docs.mitmproxy.org/stable/api/mitmproxy/io.html, https://tnetstrings.info
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shadow.captures.records import Broken, Fidelity, Record, Unsupported, record_of
from shadow.captures.streams import MAX_RECORD_BYTES, Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_start,
    check_status,
    has_no_body,
)
from shadow.model import Exchange, Headers, NoAnswer, Request, Response, header

MAX_DEPTH: Final = 32
OLDEST: Final = 8
"""The version of flows that mitmproxy 6 wrote, in 2020; later ones added members."""

_HEAD: Final = re.compile(rb"[1-9][0-9]{1,9}:[1-9][0-9]{0,2}:[a-z_]{2,40}[;,]")
_LENGTH: Final = re.compile(rb"([0-9]{1,12}):")
_LONGEST_LENGTH: Final = 12
_BY_CLIENT: Final = ("Client disconnected", "stream reset by client", "Connection killed")
"""How errors begin that say nothing about the service; the last is a person's, in mitmproxy."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MitmproxyFlows:
    """HTTP flows; those of other protocols and websockets are unsupported."""

    name = "mitmproxy flows"
    fidelity = Fidelity()

    def sniff(self, head: bytes) -> bool:
        """Look for a netstring that begins with the name of a member."""
        return _HEAD.match(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange a flow, with the ids `flow-000001` and on."""
        for position, flow in enumerate(_Flows(stream), 1):
            if isinstance(flow, Damage):
                yield Broken(path=path, line=position, reason=flow.reason)
                continue
            try:
                yield _record(_value(flow, MAX_DEPTH), position, path)
            except MalformedError as error:
                yield Broken(path=path, line=position, reason=str(error))


class _Flows:
    """Iterates over netstrings, each with its type; a `Damage` for what is none, or cut."""

    def __init__(self, stream: Chunks) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._ended: Damage | None = None

    def __iter__(self) -> Iterator[bytes | Damage]:
        while self._has(1):
            while (length := _LENGTH.match(self._buffer)) is None:
                if len(self._buffer) > _LONGEST_LENGTH or not self._has(len(self._buffer) + 1):
                    yield self._ended or Damage("it is no flow of mitmproxy")
                    return
            whole = length.end() + int(length[1]) + 1
            if whole > MAX_RECORD_BYTES:
                yield Damage(f"the record is longer than {MAX_RECORD_BYTES} bytes")
                self._pass(whole)
            elif self._has(whole):
                yield bytes(self._buffer[:whole])
                del self._buffer[:whole]
            else:
                yield self._ended or Damage("the file ends in the middle of a flow")
                return
        if self._ended is not None:
            yield self._ended

    def _has(self, size: int) -> bool:
        """Read until so many bytes are there; whether they are."""
        while len(self._buffer) < size:
            chunk = next(self._stream, None)
            if isinstance(chunk, Damage):
                self._ended = chunk
            if chunk is None or isinstance(chunk, Damage):
                return False
            self._buffer += chunk
        return True

    def _pass(self, size: int) -> None:
        """Pass over so many bytes, without keeping them."""
        while size > len(self._buffer):
            size -= len(self._buffer)
            self._buffer.clear()
            if not self._has(1):
                return
        del self._buffer[:size]


def _value(data: bytes, depth: int) -> Any:
    """Return what a netstring holds: dict, list, text, bytes, number, bool or None."""
    found, end = _value_at(data, 0, depth)
    if end != len(data):
        raise MalformedError("there is something behind a value")
    return found


def _value_at(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    length = _LENGTH.match(data, at)
    if length is None or depth < 0:
        raise MalformedError("a value has no length" if depth >= 0 else "it is nested too deeply")
    start = length.end()
    end = start + int(length[1])
    kind = data[end : end + 1]
    if not kind:
        raise MalformedError("a value is longer than what holds it")
    if kind in (b"}", b"]"):
        values = []
        while start < end:
            value, start = _value_at(data, start, depth - 1)
            values.append(value)
        if start != end:
            raise MalformedError("a value is longer than what holds it")
        return (_dict(values) if kind == b"}" else values), end + 1
    return _scalar(data[start:end], kind), end + 1


def _dict(values: list[Any]) -> dict[str, Any]:
    found = {}
    for name, value in zip(values[::2], values[1::2], strict=False):
        found[name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)] = value
    return found


def _scalar(data: bytes, kind: bytes) -> Any:
    try:
        if kind == b",":
            return data
        if kind == b";":
            return data.decode()
        if kind == b"#":
            return int(data[:40])
        if kind == b"^":
            return float(data)
        if kind == b"!":
            return data == b"true"
        if kind == b"~":
            return None
    except ValueError as error:
        raise MalformedError("a value is not of its type") from error
    raise MalformedError("a value has no known type")


def _record(flow: Any, position: int, path: str) -> Record:
    if not isinstance(flow, dict):
        raise MalformedError("a flow is no dictionary")
    version = flow.get("version")
    if not isinstance(version, int) or version < OLDEST:
        raise MalformedError(
            "it was written by mitmproxy 5 or older: read and save it with a newer"
        )
    asked, answered = flow.get("request"), flow.get("response")
    identity = f"flow-{position:06}"
    if flow.get("type") != "http" or not isinstance(asked, dict):
        return Unsupported(
            id=identity, path=path, line=position, reason="no HTTP flow", method="-", target="-"
        )
    request = _request(asked)
    response = _response(answered, request.method) if isinstance(answered, dict) else None
    exchange = Exchange(
        id=identity,
        request=request,
        response=response,
        error=_error(flow.get("error")) if response is None else None,
        latency_ms=None if response is None else _latency_ms(asked, answered or {}),
        ts=_moment(asked.get("timestamp_start")),
    )
    return record_of(exchange, path, position, "a websocket" if flow.get("websocket") else None)


def _request(part: dict[str, Any]) -> Request:
    method, target = _text(part.get("method")), _text(part.get("path"))
    check_start(method, target)
    headers = _headers(part.get("headers"), "request")
    if header(headers, "host") is None:
        headers = (("Host", _text(part.get("authority")) or _authority(part)), *headers)
    check_headers(headers, "request")
    content = part.get("content")
    return Request(
        method=method,
        target=target,
        headers=headers,
        body=content if isinstance(content, bytes) else b"",
        truncated=content is None,
    )


def _authority(part: dict[str, Any]) -> str:
    host, port = _text(part.get("host")), part.get("port")
    usual = 443 if part.get("scheme") == b"https" else 80
    return host if port == usual or not isinstance(port, int) else f"{host}:{port}"


def _response(part: dict[str, Any], method: str) -> Response:
    status = part.get("status_code")
    if not isinstance(status, int):
        raise MalformedError("the status is no number")
    check_status(status)
    headers = _headers(part.get("headers"), "response")
    if has_no_body(method, status):
        return Response(status=status, headers=headers)
    content = part.get("content")
    body = content if isinstance(content, bytes) else b""
    return Response(status=status, headers=headers, body=body, truncated=content is None)


def _headers(fields: Any, whose: str) -> Headers:
    if not isinstance(fields, list) or not all(
        isinstance(field, list) and len(field) == 2 for field in fields
    ):
        raise MalformedError(f"the {whose} headers are no pairs")
    headers = tuple((_text(name), _text(value)) for name, value in fields)
    check_headers(headers, whose)
    return headers


def _error(part: Any) -> NoAnswer | None:
    if not isinstance(part, dict):
        return None
    detail = str(part.get("msg") or "")[:200]
    return None if detail.startswith(_BY_CLIENT) else NoAnswer(kind="reset", detail=detail)


def _text(value: Any) -> str:
    """Return bytes, or text, as an isomorphic string; nothing for nothing."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value.encode().decode("latin-1")
    if value is None:
        return ""
    raise MalformedError("a part of the request is no text")


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, float | int) or not math.isfinite(value):
        return None
    try:
        return _EPOCH + timedelta(microseconds=round(value * 1e6))
    except OverflowError:
        return None


def _latency_ms(asked: dict[str, Any], answered: dict[str, Any]) -> float | None:
    begun, done = asked.get("timestamp_start"), answered.get("timestamp_end")
    if not isinstance(begun, float | int) or not isinstance(done, float | int):
        return None
    took = round((done - begun) * 1000, 3)
    return took if 0 <= took < math.inf else None
