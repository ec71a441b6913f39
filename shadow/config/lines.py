"""Where a key stands in the text of a TOML file, for messages. Approximate, never wrong by far."""

from __future__ import annotations

import re
from typing import Final

Place = tuple[str | int, ...]
"""The keys from the top of the file, and positions in arrays: `("accept", 1, "owner")`."""

_NAME: Final = r"""[\w-]+|"[^"]*"|'[^']*'"""
_NAMES: Final = rf"(?:{_NAME})(?:\s*\.\s*(?:{_NAME}))*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_NAMES})\s*\]")
_KEY: Final = re.compile(rf"\s*({_NAMES})\s*=")


def line_of(text: str, place: Place) -> int | None:
    """The line, from 1, of the key, or of the innermost table around it that is found."""
    best, found = 0, None
    table: Place = ()
    counts: dict[Place, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = here = _table(_split(header[2]), header[1] == "[[", counts)
        else:
            key = _KEY.match(line)
            if not key:
                continue
            here = table + _split(key[1])
        if len(here) > best and place[: len(here)] == here:
            best, found = len(here), number
    return found


def located(source: str, text: str, place: Place) -> str:
    """The file and, where it is found, the line of a place: `shadow.toml:12`."""
    line = line_of(text, place)
    return source if line is None else f"{source}:{line}"


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, names))


def _table(names: tuple[str, ...], one_of_many: bool, counts: dict[Place, int]) -> Place:  # noqa: FBT001 - read once, above
    """The place of a header; each `[[name]]` is the next one of its array."""
    place: Place = ()
    for position, name in enumerate(names, 1):
        place += (name,)
        last = position == len(names)
        if last and one_of_many:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place += (counts[place],)
    return place


def told(place: Place) -> str:
    """A place as people write it: `accept[1].owner`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")
