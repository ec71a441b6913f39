"""Values of a binary format under construction, on a stack of its own instead of recursion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from shadow.compare.codecs.values import UnreadableError
from shadow.compare.json_text import Json, repeated, to_text

RESERVED: Final = frozenset({"bytes", "ext", "float", "map", "simple", "tag", "text", "timestamp"})
"""Names that stand alone in an object for what JSON lacks."""

_LONGEST_KEY: Final = 200
"""Characters of a key that is no text; a longer one stands as its digest."""
_UNCUT: Final = 1 << 40


class _Open:
    """A container that is being read; `missing` is None where its end is marked."""

    __slots__ = ("items", "make", "missing")

    def __init__(self, make: Callable[[list[Json]], Json], missing: int | None) -> None:
        self.make = make
        self.missing = missing
        self.items: list[Json] = []


class Nest:
    """Takes values in the order of the bytes and puts each into its container."""

    def __init__(self) -> None:
        self.stack: list[_Open] = []
        self.roots: list[Json] = []
        self.repeats = False

    def add(self, value: Json) -> None:
        """Put a value into the innermost container, and close those that it completes."""
        while self.stack:
            top = self.stack[-1]
            top.items.append(value)
            if top.missing is None or len(top.items) < top.missing:
                return
            value = self.stack.pop().make(top.items)
        self.roots.append(value)

    def open(self, make: Callable[[list[Json]], Json], count: int | None) -> None:
        """Begin a container of `count` values (None: until `close`) that `make` is made of."""
        if count == 0:
            self.add(make([]))
        else:
            self.stack.append(_Open(make, count))

    def close(self) -> None:
        """End the innermost container at its mark. Raises UnreadableError where none is open."""
        if not self.stack or self.stack[-1].missing is not None:
            raise UnreadableError("an end without a beginning")
        top = self.stack.pop()
        self.add(top.make(top.items))

    def members(self, flat: list[Json]) -> Json:
        """A map from its keys and values in turn.

        It is an object where every key is text. Else it is `{"map": {…}}` with the keys as
        JSON text, and so is one that would look like another value that JSON lacks. Raises
        UnreadableError for a key without a value.
        """
        if len(flat) % 2:
            raise UnreadableError("a key without a value")
        keys = flat[::2]
        plain = all(isinstance(key, str) for key in keys)
        plain = plain and not (len(keys) == 1 and keys[0] in RESERVED)
        names = keys if plain else [_key_text(key) for key in keys]
        found: Json = dict(zip(names, flat[1::2], strict=True))
        if len(found) < len(keys):
            self.repeats = True
            found = repeated(list(zip(names, flat[1::2], strict=True)))
        return found if plain else {"map": found}


class Octets:
    """The bytes of a binary format, taken from their beginning, and what is made of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.nest = Nest()

    def take(self, count: int) -> bytes:
        """The next bytes. Raises UnreadableError where there are fewer."""
        start = self.position
        self.position += count
        if self.position > len(self.data):
            raise UnreadableError("cut short")
        return self.data[start : self.position]


def items(values: list[Json]) -> Json:
    """A list is what it holds."""
    return values


def _key_text(key: Json) -> str:
    """The JSON text of a key; a digest bounds keys within keys, whose quotes double each time."""
    text = to_text(key, _UNCUT)
    if len(text) <= _LONGEST_KEY:
        return text
    return "sha256 " + hashlib.sha256(text.encode()).hexdigest()
