"""Changes to one place of a JSON text; everything else keeps its spelling. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from shadow.compare import json_places
from shadow.compare.json_places import Kind, Value, without_member
from shadow.compare.json_text import NotJsonError, is_encodable, string_value
from shadow.fuzzing import edges

Edit = Callable[[str, random.Random], str | None]
"""Makes another text of one, or None where there is nothing that it could change."""
MAX_CHARACTERS: Final = 256 * 1024
"""A longer text is not taken apart."""
THOUSANDS: Final = 2_000
"""Items of a long list."""
MAX_ADDED: Final = 256 * 1024
"""Characters that a long list may have."""


@lru_cache(maxsize=16)
def values(text: str) -> tuple[Value, ...]:
    """Every value of a text, in the order in which they end; none where it is no JSON."""
    try:
        return tuple(json_places.values(text)) if len(text) <= MAX_CHARACTERS else ()
    except NotJsonError:
        return ()


def number(text: str, draw: random.Random) -> str | None:
    """A number becomes another one."""
    place = _one_of(text, draw, "number")
    return None if place is None else _put(text, place, edges.number(_at(text, place), draw))


def string(text: str, draw: random.Random) -> str | None:
    """A string becomes another one."""
    return _other_string(text, _one_of(text, draw, "string"), edges.string, draw)


def date(text: str, draw: random.Random) -> str | None:
    """A string that is a date becomes another date."""
    dates = [
        each
        for each in values(text)
        if each.kind == "string" and edges.is_date(text[each.start + 1 : each.end - 1])
    ]
    return _other_string(text, draw.choice(dates) if dates else None, edges.date, draw)


def null(text: str, draw: random.Random) -> str | None:
    """Any value becomes null."""
    place = _one_of(text, draw)
    return None if place is None else _put(text, place, "null")


def array(text: str, draw: random.Random) -> str | None:
    """A list becomes empty, null, or thousands of its first item."""
    place = _one_of(text, draw, "array")
    if place is None:
        return None
    choices = ["[]", "null", "[null]"]
    inside = (each for each in values(text) if place.start < each.start and each.end < place.end)
    first = next((each for each in inside if each.depth == place.depth + 1), None)
    if first is not None:
        item = _at(text, first)
        choices.append("[" + ",".join([item] * min(THOUSANDS, MAX_ADDED // (len(item) + 1))) + "]")
    return _put(text, place, draw.choice(choices))


def missing_key(text: str, draw: random.Random) -> str | None:
    """A member goes."""
    member = _member(text, draw)
    return None if member is None else without_member(text, member)


def extra_key(text: str, draw: random.Random) -> str | None:
    """An object gets a member that nobody knows."""
    place = _one_of(text, draw, "object")
    if place is None:
        return None
    inside = text[place.start + 1 : place.end - 1].strip()
    added = draw.choice(('"extra":1', '"":null', '"__proto__":{}', '"extra":{"a":[1]}'))
    return text[: place.start + 1] + added + ("," if inside else "") + text[place.start + 1 :]


def duplicate_key(text: str, draw: random.Random) -> str | None:
    """A member stands twice, the second time with another value, or with the same one."""
    member = _member(text, draw)
    if member is None or member.name is None:
        return None
    again = draw.choice((_at(text, member), "null", "0", '""', "[]"))
    name = text[slice(*member.name)]
    return f"{text[: member.end]},{name}:{again}{text[member.end :]}"


def key_case(text: str, draw: random.Random) -> str | None:
    """A name is written in other letters: upper, lower, or its first one."""
    member = _member(text, draw)
    if member is None or member.name is None:
        return None
    start, end = member.name
    name = text[start + 1 : end - 1]
    if "\\" in name:
        return None  # the letters of an escape mean something
    cased = draw.choice((name.upper(), name.lower(), name[:1].swapcase() + name[1:]))
    return f"{text[: start + 1]}{cased}{text[end - 1 :]}"


def literal(text: str, draw: random.Random) -> str:
    """A string as JSON: as it is or all in escapes, a lone surrogate always as one."""
    spelled = json.dumps(text, ensure_ascii=draw.random() < 0.5)
    return spelled if is_encodable(spelled) else json.dumps(text)


def _one_of(text: str, draw: random.Random, kind: Kind | None = None) -> Value | None:
    found = [each for each in values(text) if kind in (None, each.kind)]
    return draw.choice(found) if found else None


def _member(text: str, draw: random.Random) -> Value | None:
    found = [each for each in values(text) if each.name is not None]
    return draw.choice(found) if found else None


def _at(text: str, place: Value) -> str:
    return text[place.start : place.end]


def _other_string(
    text: str, place: Value | None, other: edges.Edge, draw: random.Random
) -> str | None:
    if place is None:
        return None
    return _put(text, place, literal(other(string_value(_at(text, place)), draw), draw))


def _put(text: str, place: Value, new: str) -> str:
    return text[: place.start] + new + text[place.end :]
