"""MessagePack, by value.

Integers are `1`, floats `1.0`, so the two differ; the width of either is spelling. Binary is
`{"bytes": hex}`, an extension `{"ext": [type, hex]}`, the timestamp extension in any of its
three forms `{"timestamp": [seconds, nanoseconds]}`, text that is not UTF-8 `{"text": hex}`. A
map is an object; one whose keys are not all text is `{"map": {…}}` with the keys as JSON text.
Paths: `$['items'][3]['price']`, `$['map']['7']`.

The format is https://github.com/msgpack/msgpack/blob/master/spec.md. It is read here and not by
msgspec, which drops repeated keys, cuts timestamps to microseconds and recurses.
"""

from __future__ import annotations

import struct
from typing import Final

from shadow.compare.codecs.content import Content
from shadow.compare.codecs.nesting import Octets, items
from shadow.compare.codecs.values import Meter, Tree, UnreadableError, integer, octets, real
from shadow.compare.json_text import Json

name: Final = "messagepack"

_TYPES: Final = frozenset(
    {"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"}
)
_CONSTANTS: Final[dict[int, Json]] = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS: Final = {0xCA + n: f">{form}" for n, form in enumerate("fdBHIQbhiq")}
_SIZED: Final = {
    **{0xC4 + n: ("bytes", f">{form}") for n, form in enumerate("BHI")},
    **{0xC7 + n: ("ext", f">{form}") for n, form in enumerate("BHI")},
    **{0xD9 + n: ("text", f">{form}") for n, form in enumerate("BHI")},
    **{0xDC + n: ("array", f">{form}") for n, form in enumerate("HI")},
    **{0xDE + n: ("map", f">{form}") for n, form in enumerate("HI")},
}
_TIMESTAMP: Final = -1


def claims(content: Content) -> bool:
    """Whether the body is labelled as MessagePack."""
    return content.media_type in _TYPES or content.media_type.endswith("+msgpack")


def read(content: Content, meter: Meter) -> Tree:
    """The one value of the body. Raises UnreadableError, OverBudgetError."""
    reader = _Reader(content.data)
    nest = reader.nest
    while not nest.roots:
        meter.spend()
        reader.value()
    if reader.position != len(content.data):
        raise UnreadableError(f"more bytes after the value, from byte {reader.position}")
    return Tree(value=nest.roots[0], repeats=nest.repeats)


class _Reader(Octets):
    def number(self, form: str) -> int | float:
        value: int | float = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def value(self) -> None:
        """Read one value, or the beginning of one that holds others."""
        mark = self.take(1)[0]
        if mark in _NUMBERS:
            value = self.number(_NUMBERS[mark])
            self.nest.add(real(value) if isinstance(value, float) else integer(value))
        elif mark <= 0x7F or mark >= 0xE0:
            self.nest.add(integer(mark if mark <= 0x7F else mark - 256))
        elif mark in _CONSTANTS:
            self.nest.add(_CONSTANTS[mark])
        elif mark in _SIZED:
            kind, form = _SIZED[mark]
            self.sized(kind, int(self.number(form)))
        elif mark <= 0x8F:
            self.sized("map", mark & 0x0F)
        elif mark <= 0x9F:
            self.sized("array", mark & 0x0F)
        elif mark <= 0xBF:
            self.sized("text", mark & 0x1F)
        elif mark == 0xC1:
            raise UnreadableError("byte C1, which is never used")
        else:
            self.sized("ext", 1 << (mark - 0xD4))

    def sized(self, kind: str, size: int) -> None:
        if kind == "array":
            self.nest.open(items, size)
        elif kind == "map":
            self.nest.open(self.nest.members, 2 * size)
        elif kind == "text":
            self.nest.add(text(self.take(size)))
        elif kind == "bytes":
            self.nest.add(octets(self.take(size)))
        else:
            self.nest.add(_extension(int(self.number(">b")), self.take(size)))


def text(data: bytes) -> Json:
    """Text, which ought to be UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"text": octets(data)["bytes"]}


def _extension(kind: int, data: bytes) -> Json:
    if kind == _TIMESTAMP and len(data) == 4:
        return _timestamp(int.from_bytes(data), 0)
    if kind == _TIMESTAMP and len(data) == 8:
        both = int.from_bytes(data)
        return _timestamp(both & 0x3_FFFF_FFFF, both >> 34)
    if kind == _TIMESTAMP and len(data) == 12:
        nanoseconds, seconds = struct.unpack(">Iq", data)
        return _timestamp(seconds, nanoseconds)
    return {"ext": [integer(kind), octets(data)["bytes"]]}


def _timestamp(seconds: int, nanoseconds: int) -> Json:
    return {"timestamp": [integer(seconds), integer(nanoseconds)]}
