"""YAML as plain values, safely: nothing is constructed, and everything is bounded.

Scalars stay the text that they are (the failsafe schema): a header `on` is no boolean, and
`2026-08-03` no date. `!!binary` becomes bytes. An alias is the same object again, never a copy, so
that a file of a few lines cannot fill the memory.
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
MAX_ANCHORS: Final = 100_000

Item = tuple[int, Any]
"""A line, counted from 1, and the value that begins there, or the `Damage` with which all ends."""

_BINARY: Final = "tag:yaml.org,2002:binary"
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
# The parser in C is ten times as fast; both yield the same events.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Source:
    """Bytes of a capture for the parser; it ends where an item grows too long."""

    def __init__(self, stream: Chunks) -> None:
        self._stream = stream
        self._rest = b""
        self.room = MAX_RECORD_BYTES
        self.damage: Damage | None = None

    def read(self, size: int = 65_536, /) -> bytes:
        if not self._rest:
            chunk = next(self._stream, b"")
            if isinstance(chunk, Damage):
                self.damage = chunk
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        self.room -= len(data)
        if self.room < 0:
            self.damage = Damage(f"the record is longer than {MAX_RECORD_BYTES} bytes")
            return b""
        return data


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
        self._anchors: dict[str, Any] = {}
        self.line = 1

    def items(self, inside: frozenset[str]) -> Iterator[Item]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                yield from self._document(inside)

    def _next(self) -> Any:
        event = next(self._events)
        self.line = event.start_mark.line + 1
        return event

    def _document(self, inside: frozenset[str]) -> Iterator[Item]:
        root = self._next()
        line = self.line
        if not inside or not isinstance(root, yaml.MappingStartEvent):
            yield line, self._value(root)
            self._source.room = MAX_RECORD_BYTES
            return
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._value(event)
            event = self._next()
            if key in inside and isinstance(event, yaml.SequenceStartEvent):
                while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                    line = self.line
                    yield line, self._value(event)
                    self._source.room = MAX_RECORD_BYTES
            else:
                self._value(event)

    def _value(self, event: Any) -> Any:
        """Make the value that begins with an event, without recursion."""
        holders: list[tuple[Any, list[Any]]] = []
        """Open collections: the list or dict, and its keys and values so far."""
        for _ in range(MAX_NODES):
            value: Any
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if len(holders) >= MAX_DEPTH:
                    raise MalformedError("it is nested too deeply")
                made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._anchor(event.anchor, made)
                holders.append((made, []))
                event = self._next()
                continue
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                value, parts = holders.pop()
                if isinstance(value, dict):
                    value.update(_pairs(parts))
                else:
                    value.extend(parts)
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self._anchors:
                    raise MalformedError("an alias names nothing")
                value = self._anchors[event.anchor]
            else:
                value = _scalar(event)
                self._anchor(event.anchor, value)
            if not holders:
                return value
            holders[-1][1].append(value)
            event = self._next()
        raise MalformedError(f"it has more than {MAX_NODES} values")

    def _anchor(self, name: str | None, value: Any) -> None:
        if name is not None and len(self._anchors) < MAX_ANCHORS:
            self._anchors[name] = value


def _pairs(parts: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(parts[::2], parts[1::2], strict=False):
        if isinstance(key, str | bytes) or key is None:
            yield key, value


def _scalar(event: Any) -> str | bytes | None:
    if event.tag == _BINARY:
        try:
            return base64.b64decode("".join(event.value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise MalformedError("a binary value is not base64") from None
    plain: str = event.value
    return None if event.style in (None, "") and event.implicit[0] and plain in _NULL else plain
