"""Finds the scalars at some places of a JSON text; the rest is passed over at C speed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from shadow.compare.json_places import Kind, Value, values
from shadow.compare.json_text import NotJsonError, lossless
from shadow.compare.paths import ITEM, Step, pattern, steps_of

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_COLON: Final = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_KINDS: Final[dict[str, Kind]] = {'"': "string", "t": "word", "f": "word", "n": "word"}
"""By the character that a scalar begins with; the others are numbers."""


def scalars_at(text: str, patterns: Collection[str]) -> Iterable[Value]:
    """The scalars at the places of these patterns, as `values` yields them; many times as fast.

    Of a text nested hundreds deep it is all values. Raises NotJsonError.
    """
    try:
        return _scalars_at(text, tuple(patterns))
    except RecursionError:
        return values(text)
    except ValueError as error:
        raise NotJsonError(str(error)) from None


@lru_cache(maxsize=1)  # both sides of an exchange ask the same
def _scalars_at(text: str, patterns: tuple[str, ...]) -> tuple[Value, ...]:
    return _Lookup(text).run(_wanted(patterns))


class _Wanted:
    """What of a value is looked for: itself, and what is below it by the next step."""

    __slots__ = ("below", "itself")

    def __init__(self) -> None:
        self.itself = False
        self.below: dict[str, _Wanted] = {}


def _wanted(patterns: Iterable[str]) -> _Wanted:
    root = _Wanted()
    for text in patterns:
        at = root
        for step in steps_of(text):
            at = at.below.setdefault(step, _Wanted())
        at.itself = True
    return root


class _Lookup:
    """One text that is looked through."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Value] = []
        self._decode = lossless().raw_decode
        self._steps: dict[str, str] = {}
        """Of each name the step of a pattern."""

    def run(self, wanted: _Wanted) -> tuple[Value, ...]:
        """Find them. Raises ValueError where the text is not JSON, RecursionError."""
        start = self._after(_SPACE, 0)
        _, end = self._decode(self.text, start)
        if self._after(_SPACE, end) != len(self.text):
            raise NotJsonError(f"unexpected text at character {end}")
        self._value(start, wanted, None, None, 0)
        return tuple(self.found)

    # The text is JSON from here on.

    def _value(
        self,
        start: int,
        wanted: _Wanted,
        name: tuple[int, int] | None,
        step: Step | None,
        depth: int,
    ) -> int:
        """Look into the value that begins here; return where it ends."""
        first = self.text[start]
        if first == "{" and wanted.below:
            return self._members(start + 1, wanted.below, step, depth + 1)
        if first == "[" and ITEM in wanted.below:
            return self._items(start + 1, wanted.below[ITEM], step, depth + 1)
        _, end = self._decode(self.text, start)
        if wanted.itself and first not in "{[":
            kind = _KINDS.get(first, "number")
            self.found.append(Value(kind, start, end, name, step, depth))
        return end

    def _members(
        self, start: int, wanted: dict[str, _Wanted], step: Step | None, depth: int
    ) -> int:
        position = self._after(_SPACE, start)
        if self.text[position] == "}":
            return position + 1
        while True:
            begun = position
            key, position = self._decode(self.text, begun)
            name = begun, position
            position = self._after(_COLON, position)
            below = wanted.get(self._step(key))
            if below is None:
                _, position = self._decode(self.text, position)
            else:
                position = self._value(position, below, name, Step(step, key), depth)
            position = self._after(_SPACE, position)
            if self.text[position] == "}":
                return position + 1
            position = self._after(_SPACE, position + 1)

    def _items(self, start: int, wanted: _Wanted, step: Step | None, depth: int) -> int:
        position, index = self._after(_SPACE, start), 0
        if self.text[position] == "]":
            return position + 1
        while True:
            position = self._value(position, wanted, None, Step(step, index), depth)
            position = self._after(_SPACE, position)
            if self.text[position] == "]":
                return position + 1
            position, index = self._after(_SPACE, position + 1), index + 1

    def _after(self, what: re.Pattern[str], position: int) -> int:
        """Where what surely stands here ends."""
        match = what.match(self.text, position)
        assert match is not None
        return match.end()

    def _step(self, name: str) -> str:
        step = self._steps.get(name)
        if step is None:
            step = self._steps[name] = pattern((name,))[1:]
        return step
