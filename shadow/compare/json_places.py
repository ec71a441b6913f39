"""Where the values of a JSON text stand in it, so that one can be changed and all else stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, cast

import msgspec

from shadow.compare.json_text import TOKEN, read, string_value
from shadow.compare.paths import Path, Step, unlink

_SPACE: Final = " \t\n\r"

Kind = Literal["string", "number", "word", "object", "array"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value of a JSON text, from `start` up to `end`."""

    kind: Kind
    start: int
    end: int
    name: tuple[int, int] | None
    """Where its name stands, quotes included; None for what is no member of an object."""
    step: Step | None
    """The way to it; None is the root."""
    depth: int
    """Containers around it."""

    @property
    def path(self) -> Path:
        """The whole way to it."""
        return unlink(self.step)


def values(text: str) -> Iterator[Value]:
    """Yield every value of a JSON text, in the order in which they end, whatever their depth.

    Raises NotJsonError, before the first one, where the text is not JSON.
    """
    read(text)
    opened: list[tuple[Kind, int, tuple[int, int] | None, Step | None]] = []
    step: Step | None = None
    name: tuple[int, int] | None = None
    for token in TOKEN.finditer(text):
        kind = token.lastgroup or ""
        lexeme, (start, end) = token[kind], token.span(kind)
        if kind == "end":
            return
        if lexeme in ("{", "["):
            opened.append(("object" if lexeme == "{" else "array", start, name, step))
            step, name = Step(step, 0), None
        elif lexeme in ("}", "]"):
            container, begun, name, step = opened.pop()
            yield Value(container, begun, end, name, step, len(opened))
            name = None
        elif lexeme == ",":
            if step is not None and isinstance(step.key, int):  # else a name comes, with its step
                step = Step(step.parent, step.key + 1)
        elif kind == "string" and name is None and opened and opened[-1][0] == "object":
            step, name = Step(opened[-1][3], string_value(lexeme)), (start, end)
        elif kind != "mark":
            yield Value(cast("Kind", kind), start, end, name, step, len(opened))
            name = None


def without_member(text: str, member: Value) -> str:
    """The text without a member of an object, and without the comma that parted it."""
    assert member.name is not None
    before = text[: member.name[0]]
    after = text[member.end :]
    rest = after.lstrip(_SPACE)
    if rest.startswith(","):
        return before + rest[1:].lstrip(_SPACE)
    return before.rstrip(_SPACE).removesuffix(",") + after


def edited(
    text: str, edit: Callable[[Value, str], str | None], found: Iterable[Value] | None = None
) -> str:
    """Return a JSON text with the scalars for which `edit` gives another text, and all else kept.

    `edit` is asked with the value and its text, about those `found` or about all. Raises
    NotJsonError.
    """
    parts, position = [], 0
    for value in values(text) if found is None else found:
        if value.kind in ("object", "array"):
            continue
        other = edit(value, text[value.start : value.end])
        if other is not None:
            parts += [text[position : value.start], other]
            position = value.end
    return "".join([*parts, text[position:]])
