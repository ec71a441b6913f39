"""A JSON body taken apart, so that members and items can go and what stays keeps its spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from shadow.compare.json_text import (
    Json,
    NotJsonError,
    pairs_of,
    read_exact,
    scalar_text,
)

MAX_DEPTH: Final = 100
MAX_UNITS: Final = 256
"""Parts that a string is taken apart into; a longer one goes in pieces of several characters."""
_WHOLE: Final = 1 << 30
_UNIT: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]"
)
"""A character as it is spelled; of two surrogates neither goes without the other."""


class Node(msgspec.Struct, frozen=True):
    """A value: the text of a scalar, or members or items."""

    text: str = ""
    members: tuple[tuple[str, Node], ...] | None = None
    """Of an object: the text of each key, quotes included, and its value."""
    items: tuple[Node, ...] | None = None

    @property
    def is_container(self) -> bool:
        """An object or a list, empty ones too."""
        return self.members is not None or self.items is not None

    @property
    def children(self) -> tuple[Node, ...]:
        """The values inside of it."""
        if self.members is not None:
            return tuple(value for _, value in self.members)
        return self.items or ()

    def with_children(self, kept: list[int]) -> Node:
        """The value with only the children at these places."""
        if self.members is not None:
            return Node(members=tuple(self.members[each] for each in kept))
        return Node(items=tuple(self.children[each] for each in kept))

    def with_child(self, place: int, child: Node) -> Node:
        """The value with another child at a place."""
        if self.members is not None:
            key = self.members[place][0]
            before, after = self.members[:place], self.members[place + 1 :]
            return Node(members=(*before, (key, child), *after))
        assert self.items is not None
        return Node(items=(*self.items[:place], child, *self.items[place + 1 :]))

    def written(self) -> str:
        """The JSON text, without white space."""
        if self.members is not None:
            return "{" + ",".join(f"{key}:{value.written()}" for key, value in self.members) + "}"
        if self.items is not None:
            return "[" + ",".join(each.written() for each in self.items) + "]"
        return self.text


def tree_of(body: bytes) -> Node | None:
    """The tree of a body; None where it is no JSON container, or is nested too deep."""
    if body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        return _node(read_exact(body.decode()).value, 0)
    except (NotJsonError, UnicodeError):
        return None


def _node(value: Json, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise NotJsonError("nested too deep")
    if isinstance(value, dict):
        members = ((scalar_text(k, _WHOLE), _node(v, depth + 1)) for k, v in pairs_of(value))
        return Node(members=tuple(members))
    if isinstance(value, list):
        return Node(items=tuple(_node(each, depth + 1) for each in value))
    return Node(text=scalar_text(value, _WHOLE))


def simpler(number: Node) -> Iterator[Node]:
    """Yield what may stand in the place of a number, the simplest first: 0, then 1.

    Nothing is simpler than a 0, and for a word nothing is.
    """
    if number.text[:1] in "-0123456789" and number.text != "0":
        yield from (Node(text=each) for each in ("0", "1") if each != number.text)


def units(lexeme: str) -> list[str]:
    """The characters of a JSON string as they are spelled, at most `MAX_UNITS` pieces of them."""
    each = _UNIT.findall(lexeme[1:-1])
    size = -(-len(each) // MAX_UNITS) or 1
    return ["".join(each[start : start + size]) for start in range(0, len(each), size)]


def of_units(kept: Sequence[str]) -> Node:
    """The string of these characters."""
    return Node(text=f'"{"".join(kept)}"')
