"""Multipart bodies (`multipart/form-data`, `multipart/byteranges` and the like), by part.

A body is the list of its parts, each `{"headers": {name: [values]}, "body": text or {"bytes":
hex}}`. Spelling are the boundary, what stands before the first and after the last part, and the
case and order of header names. Paths: `$[0]['headers']['content-type'][0]`, `$[0]['body']`.

Source of the rules: RFC 2046, section 5.1.1. A body with other line ends than CRLF is not read.
"""

from __future__ import annotations

from typing import Final

from shadow.compare.codecs.content import Content, decoded
from shadow.compare.codecs.values import Meter, Tree, UnreadableError, octets
from shadow.compare.json_text import Json

name: Final = "multipart"


def claims(content: Content) -> bool:
    """Whether the body is labelled as multipart, with a boundary."""
    return content.media_type.startswith("multipart/") and bool(content.parameters.get("boundary"))


def read(content: Content, meter: Meter) -> Tree:
    """The parts. Raises UnreadableError, OverBudgetError."""
    boundary = content.parameters["boundary"].encode("latin-1", "replace")
    _, *parts = (b"\r\n" + content.data).split(b"\r\n--" + boundary)
    if not parts or not parts.pop().startswith(b"--"):
        raise UnreadableError("no boundary ends it")
    meter.spend(len(parts))
    return Tree(value=[_part(part, meter) for part in parts])


def _part(part: bytes, meter: Meter) -> Json:
    padding, line_end, rest = part.partition(b"\r\n")
    if padding.strip(b" \t") or not line_end:
        raise UnreadableError("text behind a boundary")
    head, _, body = (b"\r\n" + rest).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")[1:]
    meter.spend(len(lines))
    headers: dict[str, list[str]] = {}
    for line in lines:
        key, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise UnreadableError("a header without a colon")
        headers.setdefault(key.strip().lower(), []).append(value.strip(" \t"))
    text = None if b"\0" in body else decoded(body, "utf-8")
    return {
        "headers": {key: headers[key] for key in sorted(headers)},
        "body": octets(body) if text is None else text,
    }
