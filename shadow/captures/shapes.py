"""What kind of request one is, whatever its values: requests of one shape take one way of a code.

The shape is made of the names of the query's parameters, the headers that change what a service
does, the media type, and of the body the members of JSON with the types of their values, or the
fields of a form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from shadow.model import FORM, Request, media_type

_TELLING: Final = frozenset(
    {
        *("accept-encoding", "authorization", "content-encoding", "cookie", "expect"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
        *("origin", "range", "x-http-method-override"),
    }
)
"""Headers whose presence is part of the shape."""
_MAX_NODES: Final = 4_096
"""Values of one body that are looked at."""
_MAX_PATH: Final = 512
_DIGEST_BYTES: Final = 12


def shape_of(request: Request) -> bytes:
    """Return a digest of the request's shape; requests of one shape have one."""
    parts = [
        request.method,
        *sorted(_names(request.target.partition("?")[2])),
        "",
        *sorted({name.lower() for name, _ in request.headers} & _TELLING),
        "",
        *_body(request),
    ]
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _names(query: str) -> set[str]:
    """Return the names in a query or a form, which may be isomorphic text."""
    return {unquote_plus(pair.partition("=")[0]) for pair in query.split("&")[:_MAX_NODES] if pair}


def _body(request: Request) -> list[str]:
    if not request.body:
        return ["cut"] if request.truncated else []
    media = media_type(request.headers)
    if media == FORM:
        return [media, *sorted(_names(request.body.decode("latin-1")))]
    try:
        value = msgspec.json.decode(request.body)
    except (ValueError, RecursionError):
        return [media, "octets"]
    return [media, *sorted(set(_members(value)))]


def _members(value: Any) -> Iterator[str]:
    """Yield the path and the type of each value; all items of a list have one path."""
    pending: list[tuple[str, Any]] = [("", value)]
    for _ in range(_MAX_NODES):
        if not pending:
            return
        path, found = pending.pop()
        yield f"{path} {type(found).__name__}"
        room = _MAX_NODES - len(pending)
        if isinstance(found, dict):
            pending += [(f"{path}.{name}"[:_MAX_PATH], found[name]) for name in list(found)[:room]]
        elif isinstance(found, list):
            pending += [(f"{path}[]"[:_MAX_PATH], item) for item in found[:room]]
