"""YAML as plain values, safely: nothing is constructed, and everything is bounded.

Scalars stay the text that they are (the failsafe schema): a header `on` is no boolean, and
`2026-08-03` no date. `!!binary` becomes bytes, and so does `!binary`, as Ruby writes it. An alias
is the same object again, never a copy, and what all of them stand for is bounded, so that a file of
a few lines cannot fill the memory of whoever takes copies.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

import yaml

from shadow.captures.streams import MAX_RECORD_BYTES, Chunks, Damage
from shadow.captures.syntax import MalformedError

MAX_DEPTH: Final = 64
MAX_NODES: Final = 500_000
"""Values of one item."""
MAX_SHARED: Final = 64 * 1024 * 1024
"""Characters that the anchors of a document hold, and that the aliases of an item stand for.

The aliases of all items stand for as many, and for as many more as the file has.
"""
MAX_DIRECTIVES: Final = 1_000
"""`%TAG` of a document: the parser compares each with all of them."""

Item = tuple[int, Any]
"""A line, counted from 1, and the value that begins there, or the `Damage` with which all ends."""

_BINARY: Final = frozenset({"tag:yaml.org,2002:binary", "!binary"})
_ANCHOR_SIZE: Final = 500  # of an anchor itself, with its name
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
# The parser in C is ten times as fast; both yield the same events.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Source:
    """Bytes of a capture for the parser; it ends where an item grows too long."""

    def __init__(self, stream: Chunks) -> None:
        self._stream = stream
        self._rest = b""
        self._at = 0
        self.damage: Damage | None = None
        self.begin_item()

    def begin_item(self) -> None:
        self._room = MAX_RECORD_BYTES
        self._directives = 0

    def read(self, size: int = 65_536, /) -> bytes:
        if self._at >= len(self._rest):
            chunk = next(self._stream, b"")
            if isinstance(chunk, Damage):
                self.damage = chunk
                return b""
            self._rest, self._at = chunk, 0
        data = self._rest[self._at : self._at + size]
        self._at += len(data)
        self._room -= len(data)
        self._directives += data.count(b"%TAG")
        if self._room < 0:
            self.damage = Damage(f"the record is longer than {MAX_RECORD_BYTES} bytes")
        elif self._directives > MAX_DIRECTIVES:
            self.damage = Damage(f"it has more than {MAX_DIRECTIVES} directives")
        elif b"\0" in data:  # UTF-16, in which nothing could be counted
            self.damage = Damage("it is not YAML in UTF-8")
        return data if self.damage is None else b""


def items(stream: Chunks, inside: frozenset[str] = frozenset()) -> Iterator[Item]:
    """Yield each document, as a dict of its members; null is None, other scalars are text.

    Where a document has a list as a member whose name is `inside`, its items are yielded one by
    one, and what else the document has is not. Raises nothing: a `Damage` comes last.
    """
    source = _Source(stream)
    reader = _Reader(source)
    try:
        yield from reader.items(inside)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark is not None else reader.line
        yield line, source.damage or Damage(f"it is not YAML: {getattr(error, 'problem', '')}")
    except (MalformedError, RecursionError, UnicodeDecodeError, ValueError) as error:
        reason = str(error) if isinstance(error, MalformedError) else "it is not YAML"
        yield reader.line, source.damage or Damage(reason)
    else:
        if source.damage is not None:
            yield reader.line, source.damage


class _Reader:
    """Makes values of the parser's events."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._events: Iterator[Any] = iter(yaml.parse(source, Loader=_Loader))
        self._anchors: dict[str, tuple[Any, int]] = {}
        """Values with their sizes: what they were written with, aliases in full."""
        self._anchored = self._aliased = 0
        self._allowed = MAX_SHARED
        """What aliases may still stand for."""
        self._at = self._item_at = 0
        self.line = 1

    def items(self, inside: frozenset[str]) -> Iterator[Item]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                self._anchored = 0
                yield from self._document(inside)

    def _next(self) -> Any:
        event = next(self._events)
        self.line, self._at = event.start_mark.line + 1, event.start_mark.index
        return event

    def _document(self, inside: frozenset[str]) -> Iterator[Item]:
        root = self._next()
        line = self.line
        if not inside or not isinstance(root, yaml.MappingStartEvent):
            yield line, self._value(root)
            self._begin_item()
            return
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._value(event)
            event = self._next()
            if key in inside and isinstance(event, yaml.SequenceStartEvent):
                while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                    line = self.line
                    yield line, self._value(event)
                    self._begin_item()
            else:
                self._value(event)

    def _begin_item(self) -> None:
        self._source.begin_item()
        self._allowed = min(MAX_SHARED, self._allowed + self._at - self._item_at)
        self._item_at = self._at

    def _value(self, event: Any) -> Any:
        """Make the value that begins with an event, without recursion."""
        holders: list[tuple[Any, list[Any], str | None, int]] = []
        """Open collections: the list or dict, its keys and values so far, anchor and begin."""
        for _ in range(MAX_NODES):
            value: Any
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if len(holders) >= MAX_DEPTH:
                    raise MalformedError("it is nested too deeply")
                made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                holders.append((made, [], event.anchor, self._at + self._aliased))
                event = self._next()
                continue
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                value, parts, anchor, begun = holders.pop()
                if isinstance(value, dict):
                    value.update(_pairs(parts))
                else:
                    value.extend(parts)
                self._anchor(anchor, value, self._at + self._aliased - begun)
            elif isinstance(event, yaml.AliasEvent):
                value = self._alias(event)
            else:
                value = _scalar(event)
                size = event.end_mark.index - event.start_mark.index
                self._anchor(event.anchor, value, size)
            if not holders:
                return value
            holders[-1][1].append(value)
            event = self._next()
        raise MalformedError(f"it has more than {MAX_NODES} values")

    def _anchor(self, name: str | None, value: Any, size: int) -> None:
        if name is None:
            return
        self._anchored += size + _ANCHOR_SIZE
        if self._anchored > MAX_SHARED:
            raise MalformedError("its anchors hold too much")
        self._anchors[name] = value, size

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise MalformedError("an alias names nothing")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        self._allowed -= size
        if self._allowed < 0:
            raise MalformedError("its aliases stand for too much")
        return value


def _pairs(parts: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(parts[::2], parts[1::2], strict=False):
        if isinstance(key, str | bytes) or key is None:
            yield key, value


def _scalar(event: Any) -> str | bytes | None:
    if event.tag in _BINARY:
        try:
            return base64.b64decode("".join(event.value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise MalformedError("a binary value is not base64") from None
    plain: str = event.value
    return None if event.style in (None, "") and event.implicit[0] and plain in _NULL else plain
