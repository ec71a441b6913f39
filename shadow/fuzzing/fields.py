"""Changes to the headers that choose how a body is read and what is answered. Pure."""

from __future__ import annotations

import random
from typing import Final

from shadow.model import Headers

CONTENT_TYPES: Final = (
    None,
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=iso-8859-1",
    "application/json;charset=UTF-16",
    "application/json;",
    "APPLICATION/JSON",
    "application/vnd.api+json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "text/json",
    "application/octet-stream",
    "json",
)
"""None takes the field away."""
ACCEPTS: Final = (
    *(None, "", "*/*", "application/json", "application/json;q=0", "APPLICATION/JSON"),
    *("application/xml", "text/html,*/*;q=0.1", "text/*", "json", "application/json;v=2"),
)
ENCODINGS: Final = (
    *(None, "", "identity", "gzip", "GZIP", "br", "zstd", "deflate", "*", "*;q=0"),
    *("gzip;q=0", "gzip;q=0, identity;q=0", "identity;q=0", "gzip, br, zstd", "unknown"),
)


def content_type(headers: Headers, draw: random.Random) -> Headers:
    """Another Content-Type, or none."""
    return with_field(headers, "Content-Type", draw.choice(CONTENT_TYPES))


def accept(headers: Headers, draw: random.Random) -> Headers:
    """Another Accept or Accept-Encoding, or none."""
    if draw.random() < 0.5:
        return with_field(headers, "Accept", draw.choice(ACCEPTS))
    return with_field(headers, "Accept-Encoding", draw.choice(ENCODINGS))


def with_field(headers: Headers, name: str, value: str | None) -> Headers:
    """The headers with one field of a name, where the first one stood; with None without it."""
    changed: list[tuple[str, str]] = []
    pending = value
    for each, text in headers:
        if each.lower() != name.lower():
            changed.append((each, text))
        elif pending is not None:
            changed.append((each, pending))
            pending = None
    if pending is not None:
        changed.append((name, pending))
    return tuple(changed)
