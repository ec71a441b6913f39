"""Where the values of a JSON text stand in it, so that one can be changed and all else stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from shadow.compare.json_text import TOKEN, Json, NotJsonError, Number, read_exact, string_value
from shadow.compare.paths import Path, Step, unlink

_WORDS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """A string, number, boolean or null of a JSON text."""

    step: Step | None
    """The way to it; None is the root."""
    start: int
    end: int
    """Where its text stands."""
    value: Json
    depth: int
    """Containers around it."""

    @property
    def path(self) -> Path:
        """The whole way to it."""
        return unlink(self.step)


def leaves(text: str) -> Iterator[Leaf]:
    """Yield the scalars of a JSON text in its order, whatever its depth.

    Raises NotJsonError, before the first one, where the text is not JSON.
    """
    read_exact(text)
    at: Step | None = None
    """The way to the value that comes next."""
    open_: list[tuple[Step | None, int]] = []
    """Of each open container the way to it, and the position in a list, or -1."""
    key_next, position = False, 0
    while True:
        token = TOKEN.match(text, position)
        if token is None:
            raise NotJsonError(f"unexpected text at character {position}")
        position = token.end()
        group, lexeme = token.lastgroup or "", token[token.lastgroup or 0]
        if group == "end":
            return
        if group != "mark" and not key_next:
            value = _value(group, lexeme)
            yield Leaf(at, token.start(group), position, value, len(open_))
        elif group != "mark":
            at, key_next = Step(open_[-1][0], string_value(lexeme)), False
        elif lexeme in "{[":
            open_.append((at, -1 if lexeme == "{" else 0))
            key_next = lexeme == "{"
            at = at if key_next else Step(at, 0)
        elif lexeme in "}]":
            open_.pop()
            key_next = False
        elif lexeme == ",":
            parent, index = open_[-1]
            key_next = index < 0
            if not key_next:
                open_[-1] = (parent, index + 1)
                at = Step(parent, index + 1)


def _value(group: str, lexeme: str) -> Json:
    if group == "string":
        return string_value(lexeme)
    return Number(lexeme) if group == "number" else _WORDS[lexeme]


def edited(text: str, edit: Callable[[Leaf], str | None]) -> str:
    """Return a JSON text with the leaves for which `edit` gives another text, and all else kept.

    Raises NotJsonError.
    """
    parts, position = [], 0
    for leaf in leaves(text):
        other = edit(leaf)
        if other is not None:
            parts += [text[position : leaf.start], other]
            position = leaf.end
    return "".join([*parts, text[position:]])
