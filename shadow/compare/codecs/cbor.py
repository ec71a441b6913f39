"""CBOR (RFC 8949), by value.

Integers are `1`, floats `1.0`, so the two differ; the width of either, indefinite lengths and
bignums of small numbers are spelling. A byte string is `{"bytes": hex}`, a tag `{"tag": [number,
value]}`, `undefined` and other simple values `{"simple": number}`, text that is not UTF-8
`{"text": hex}`. A map is an object; one whose keys are not all text is `{"map": {…}}` with the
keys as JSON text. `application/cbor-seq` (RFC 8742) is a list of its items. Paths:
`$['items'][3]['price']`, `$['map']['7']`, `$['at']['tag'][1]`.

It is read here and not by cbor2, which drops repeated keys and what follows the value, and makes
cycles of shared references.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from shadow.compare.codecs.content import Content
from shadow.compare.codecs.messagepack import text
from shadow.compare.codecs.nesting import Octets, items
from shadow.compare.codecs.values import Meter, Tree, UnreadableError, integer, octets, real
from shadow.compare.json_text import Json

name: Final = "cbor"

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE: Final = 31
_SIMPLE_VALUES: Final[dict[int, Json]] = {20: False, 21: True, 22: None}
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_BIGNUM_TAGS: Final = (2, 3)
_LONGEST_BIGNUM: Final = 128
"""Hex digits of a bignum that is shown as a number: printing one is quadratic."""


def claims(content: Content) -> bool:
    """Whether the body is labelled as CBOR."""
    return content.media_type in ("application/cbor", "application/cbor-seq") or (
        content.media_type.endswith(("+cbor", "+cbor-seq"))
    )


def read(content: Content, meter: Meter) -> Tree:
    """The one value of the body, or the list of a sequence.

    Raises UnreadableError, OverBudgetError.
    """
    reader = _Reader(content.data, meter)
    nest = reader.nest
    sequence = content.media_type.endswith("cbor-seq")
    while nest.stack or reader.position < len(content.data) or not (nest.roots or sequence):
        if nest.roots and not sequence:
            raise UnreadableError(f"more bytes after the value, from byte {reader.position}")
        meter.spend()
        reader.value()
    return Tree(value=nest.roots if sequence else nest.roots[0], repeats=nest.repeats)


class _Reader(Octets):
    def __init__(self, data: bytes, meter: Meter) -> None:
        super().__init__(data)
        self.meter = meter

    def head(self) -> tuple[int, int, int]:
        """Major type, additional information, and the argument that follows it."""
        first = self.take(1)[0]
        major, info = first >> 5, first & 0x1F
        if info < 24 or info == _INDEFINITE:
            return major, info, info
        if info > 27:
            raise UnreadableError(f"byte {first:02x}, which is never used")
        return major, info, int.from_bytes(self.take(1 << (info - 24)))

    def value(self) -> None:
        """Read one value, or the beginning of one that holds others."""
        major, info, argument = self.head()
        if major == _SIMPLE:
            self.simple(info, argument)
        elif major in (_BYTES, _TEXT):
            data = self.chunks(major) if info == _INDEFINITE else self.take(argument)
            self.nest.add(text(data) if major == _TEXT else octets(data))
        elif major in (_ARRAY, _MAP):
            make = items if major == _ARRAY else self.nest.members
            count = argument if major == _ARRAY else 2 * argument
            self.nest.open(make, None if info == _INDEFINITE else count)
        elif info == _INDEFINITE:
            raise UnreadableError("a number of indefinite length")
        elif major == _TAG:
            self.nest.open(_tagged(argument), 1)
        else:
            self.nest.add(integer(argument if major == _UINT else -1 - argument))

    def simple(self, info: int, argument: int) -> None:
        if info == _INDEFINITE:
            self.nest.close()
        elif info in _FLOATS:
            width = 1 << (info - 24)
            number: float = struct.unpack(_FLOATS[info], argument.to_bytes(width))[0]
            self.nest.add(real(number))
        elif info == 24 and argument < 32:
            raise UnreadableError(f"simple value {argument} in two bytes")
        elif argument in _SIMPLE_VALUES:
            self.nest.add(_SIMPLE_VALUES[argument])
        else:
            self.nest.add({"simple": integer(argument)})

    def chunks(self, major: int) -> bytes:
        """The parts of a string of indefinite length, joined."""
        parts: list[bytes] = []
        while True:
            self.meter.spend()
            kind, info, size = self.head()
            if (kind, info) == (_SIMPLE, _INDEFINITE):
                return b"".join(parts)
            if kind != major or info == _INDEFINITE:
                raise UnreadableError("a string with a part of another kind")
            parts.append(self.take(size))


def _tagged(number: int) -> Callable[[list[Json]], Json]:
    def make(values: list[Json]) -> Json:
        value = values[0]
        digits = value.get("bytes") if isinstance(value, dict) and len(value) == 1 else None
        if number in _BIGNUM_TAGS and isinstance(digits, str) and len(digits) <= _LONGEST_BIGNUM:
            magnitude = int(digits or "0", 16)
            return integer(magnitude if number == _BIGNUM_TAGS[0] else -1 - magnitude)
        return {"tag": [integer(number), value]}

    return make
