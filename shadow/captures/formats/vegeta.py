"""Targets of Vegeta, as JSON lines and in its plain format.

A target is a request alone. In the plain format `@path` names a file with the body; no file that
a capture names is ever opened, so such a target is not replayed.
Source: https://github.com/tsenart/vegeta#-format
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from shadow.captures.formats.urls import split_url, url_of, utf8, with_host
from shadow.captures.records import Broken, Fidelity, Record, check_sendable, record_of
from shadow.captures.streams import MAX_RECORD_BYTES, Chunks, Damage, split_records
from shadow.captures.syntax import MalformedError, check_headers, check_start
from shadow.model import Exchange, Request, isomorphic

_JSON_LINE: Final = re.compile(rb'\s*\{(?=[^\n]*"method")(?=[^\n]*"url")(?![^\n]*"request")')
_TARGET: Final = re.compile(r"([A-Z][A-Z0-9_-]*)[ \t]+(https?://\S+)", re.IGNORECASE)
_PLAIN_HEAD: Final = re.compile(
    rb"(?:[^\S\n]*+(?:#[^\n]*+)?\n)*+[^\S\n]*+"  # blank lines and comments
    rb"[A-Z][A-Z0-9_-]*+[ \t]++https?://\S++[ \t]*+\r?(?:\n|\Z)"
)
_FIDELITY: Final = Fidelity(
    response=False, response_body=False, timing=False, latency=False, header_order=False
)
_MAX_REASON_CHARS: Final = 200


class _Target(msgspec.Struct, frozen=True, omit_defaults=True):
    method: str
    url: str
    body: bytes | None = None
    header: dict[str, list[str]] | None = None


class VegetaJsonFormat:
    """JSON lines, as `vegeta attack -format=json` reads them."""

    name = "Vegeta targets (JSON)"
    suffix = ".vegeta"
    fidelity = _FIDELITY
    start = b""
    between = b""
    end = b""

    def sniff(self, head: bytes) -> bool:
        """Look for a line with a method and a URL, and without a request in it."""
        return _JSON_LINE.match(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange without a response for each line, with the ids `vegeta-000001` on."""
        for number, line in split_records(stream, b"\n"):
            if isinstance(line, Damage):
                yield Broken(path=path, line=number, reason=line.reason)
            elif line and not line.isspace():
                try:
                    target = msgspec.json.decode(line, type=_Target)
                    yield _record(_request(target), number, path)
                except (ValueError, RecursionError) as error:
                    yield Broken(path=path, line=number, reason=str(error)[:_MAX_REASON_CHARS])

    def encode(self, exchange: Exchange) -> bytes:
        """Return the target's line.

        Raises UnwritableError where the request has no Host, or Vegeta would send another target
        or body.
        """
        request = exchange.request
        check_sendable(request)
        fields: dict[str, list[str]] = {}
        for name, value in request.headers:
            if name.lower() != "content-length":  # Vegeta sets its own
                fields.setdefault(name, []).append(utf8(value, "a header"))
        target = _Target(
            method=request.method,
            url=url_of(request),
            body=request.body or None,
            header=fields or None,
        )
        return msgspec.json.encode(target) + b"\n"


def _request(target: _Target) -> Request:
    authority, path = split_url(target.url)
    fields = [
        (name, isomorphic(value))
        for name, values in (target.header or {}).items()
        for value in values or ()
    ]
    headers = with_host(tuple(fields), authority)
    return Request(method=target.method, target=path, headers=headers, body=target.body or b"")


class VegetaPlainFormat:
    """Its plain format: a line with method and URL, header lines, and a blank line."""

    name = "Vegeta targets (plain)"
    fidelity = Fidelity(
        response=False, response_body=False, request_body=False, timing=False, latency=False
    )

    def sniff(self, head: bytes) -> bool:
        """Look for a first line, comments aside, that is a method and a URL."""
        return _PLAIN_HEAD.match(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange without a response for each target."""
        lines: list[str] = []
        begun, size = 1, 0
        for number, line in split_records(stream, b"\n"):
            if isinstance(line, Damage):
                yield from _plain(lines, begun, path)
                lines = []
                yield Broken(path=path, line=number, reason=line.reason)
                continue
            text = line.decode("latin-1").strip()
            if text.startswith("#"):
                continue
            if not text or _TARGET.fullmatch(text):
                yield from _plain(lines, begun, path)
                lines, begun, size = [], number, 0
            if text:
                lines.append(text)
                size += len(text)
            if len(lines) > _MOST_LINES or size > MAX_RECORD_BYTES:
                yield Broken(path=path, line=begun, reason="the target is too long")
                lines, size = [], 0
        yield from _plain(lines, begun, path)


_MOST_LINES: Final = 1_000


def _plain(lines: list[str], number: int, path: str) -> Iterator[Record]:
    """Yield the target that the lines make, if there are any."""
    if not lines:
        return
    try:
        yield _plain_target(lines, number, path)
    except MalformedError as error:
        yield Broken(path=path, line=number, reason=str(error))


def _plain_target(lines: list[str], number: int, path: str) -> Record:
    first = _TARGET.fullmatch(lines[0])
    if first is None:
        raise MalformedError("its first line is not METHOD URL")
    authority, target = split_url(first[2])
    fields = [line.partition(":") for line in lines[1:] if not line.startswith("@")]
    if not all(colon for _, colon, _ in fields):
        raise MalformedError("a header line has no colon")
    headers = with_host(
        tuple((name.strip(), value.strip()) for name, _, value in fields), authority
    )
    request = Request(method=first[1], target=target, headers=headers)
    elsewhere = len(fields) < len(lines) - 1
    return _record(request, number, path, "the body is in another file" if elsewhere else None)


def _record(request: Request, number: int, path: str, reason: str | None = None) -> Record:
    check_start(request.method, request.target)
    check_headers(request.headers, "request")
    return record_of(Exchange(id=f"vegeta-{number:06}", request=request), path, number, reason)
