"""A JSON body taken apart, so that members and items can go and what stays keeps its spelling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from shadow.compare.json_text import (
    Json,
    NotJsonError,
    Repeated,
    read_exact,
    scalar_text,
)

MAX_DEPTH: Final = 100
_WHOLE: Final = 1 << 30


class Node(msgspec.Struct, frozen=True):
    """A value: the text of a scalar, or members or items."""

    text: str = ""
    members: tuple[tuple[str, Node], ...] | None = None
    """Of an object: the text of each key, quotes included, and its value."""
    items: tuple[Node, ...] | None = None

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
        assert self.items is not None
        return Node(items=tuple(self.items[each] for each in kept))

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
        pairs = value.pairs if isinstance(value, Repeated) else list(value.items())
        return Node(members=tuple((scalar_text(k, _WHOLE), _node(v, depth + 1)) for k, v in pairs))
    if isinstance(value, list):
        return Node(items=tuple(_node(each, depth + 1) for each in value))
    return Node(text=scalar_text(value, _WHOLE))


def simpler(node: Node) -> Iterator[Node]:
    """Yield what may stand in the place of a scalar, the simplest first."""
    text = node.text
    if text.startswith('"'):
        options = ['""', f'"{text[1]}"'] if len(text) > 3 and text[1] != "\\" else ['""']
    elif text[:1] in "-0123456789":
        options = ["0", "1"]
    else:
        options = []
    yield from (Node(text=each) for each in options if each != text and len(each) <= len(text))
