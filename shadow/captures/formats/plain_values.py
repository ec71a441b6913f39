"""Parts of requests and answers out of the plain values of a YAML or JSON file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from shadow.captures.syntax import MalformedError, check_headers, check_status
from shadow.model import Headers, Response, header, isomorphic


def member(value: Any, *names: str) -> Any:
    """Return what a path of members leads to, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any, what: str) -> str:
    """Return a value that must be text. Raises MalformedError."""
    if not isinstance(value, str):
        raise MalformedError(f"{what} is missing, or no text")
    return value


def status_of(value: Any) -> int:
    """Return a status. Raises MalformedError."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        return int(value)
    raise MalformedError("the status is not three digits")


def octets(value: Any) -> bytes:
    """Return a body that is text, bytes or nothing. Raises MalformedError for any other."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise MalformedError("a body is neither text nor binary")


def fields(value: Any) -> Headers:
    """Return headers out of a mapping of names to a value or a list of them."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise MalformedError("the headers are no mapping")
    return tuple(_fields(value))


def _fields(mapping: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for name, values in mapping.items():
        for value in values if isinstance(values, list) else [values]:
            yield _wire(name), _wire(value)


def _wire(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str | None):
        raise MalformedError("a header is no text")
    return isomorphic(value or "")


def is_decoded(headers: Headers, body: bytes, *, textual: bool) -> bool:
    """Whether the recorder had undone the Content-Encoding that the headers still name."""
    coding = (header(headers, "content-encoding") or "identity").strip().lower()
    if coding == "identity" or not body:
        return False
    if coding in ("gzip", "x-gzip"):
        return not body.startswith(b"\x1f\x8b")
    return textual


def head_of(status: Any, headers: Any) -> Response:
    """Return an answer without a body. Raises MalformedError."""
    head = Response(status=status_of(status), headers=fields(headers))
    check_status(head.status)
    check_headers(head.headers, "response")
    return head


def with_body(head: Response, body: bytes, *, textual: bool) -> Response:
    """Return an answer with its body, which the file may have as text."""
    decoded = is_decoded(head.headers, body, textual=textual)
    return msgspec.structs.replace(head, body=body, decoded=decoded)


def moment(value: Any) -> datetime | None:
    """Return an RFC 3339 time in UTC; None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None
