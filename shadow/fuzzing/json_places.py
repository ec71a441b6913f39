"""Where the values of a JSON text stand, so that one of them can be changed and no other byte."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from shadow.compare.json_text import NotJsonError, read

MAX_CHARACTERS: Final = 256 * 1024
"""A longer text is not taken apart."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_SPACE: Final = " \t\n\r"

Kind = Literal["string", "number", "word", "object", "array"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value of a JSON text, from `start` up to `end`."""

    kind: Kind
    start: int
    end: int
    name: tuple[int, int] | None
    """Where its name stands, quotes included; None for what is no member of an object."""


@lru_cache(maxsize=16)
def values(text: str) -> tuple[Value, ...]:
    """Every value of a text, in the order in which they end; none where it is no JSON."""
    if len(text) > MAX_CHARACTERS:
        return ()
    try:
        read(text)
    except NotJsonError:
        return ()
    found: list[Value] = []
    opened: list[tuple[Kind, int, tuple[int, int] | None]] = []
    name: tuple[int, int] | None = None
    for token in _TOKEN.finditer(text):
        lexeme, start, end = token[0], token.start(), token.end()
        if lexeme in "{[":
            opened.append(("object" if lexeme == "{" else "array", start, name))
            name = None
        elif lexeme in "}]":
            kind, begun, of = opened.pop()
            found.append(Value(kind, begun, end, of))
        elif lexeme not in ":,":
            if lexeme[0] == '"' and name is None and opened and opened[-1][0] == "object":
                name = (start, end)
                continue
            found.append(Value(_scalar(lexeme), start, end, name))
            name = None
    return tuple(found)


def _scalar(lexeme: str) -> Kind:
    if lexeme[0] == '"':
        return "string"
    return "word" if lexeme[0] in "tfn" else "number"


def without_member(text: str, member: Value) -> str:
    """The text without a member of an object, and without the comma that parted it."""
    assert member.name is not None
    before = text[: member.name[0]]
    after = text[member.end :]
    rest = after.lstrip(_SPACE)
    if rest.startswith(","):
        return before + rest[1:].lstrip(_SPACE)
    return before.rstrip(_SPACE).removesuffix(",") + after
