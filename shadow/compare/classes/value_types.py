"""The types of the two values at a place: they say cheaply which classes can be there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from shadow.compare.classes.base import Place
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import Number, Repeated

_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LONGEST_TIME: Final = 35
_TYPES: Final[dict[type, str]] = {
    Number: "number",
    bool: "boolean",
    type(None): "null",
    dict: "object",
    Repeated: "object",
    list: "array",
    type(ABSENT): "absent",
}
STRINGS: Final = ("string", "time", "uuid")
ANY: Final = (*STRINGS, *dict.fromkeys(_TYPES.values()))


def types_at(place: Place) -> str:
    """What classes tell places apart by: the types of both values in JSON, like `time null`.

    Outside JSON it is `header`, `status`, `transport`, or `text` for a whole body; and
    `spelling`, which every class looks at, for two spellings of one value. Two times in one
    zone and of other seconds are `times apart`: no notation makes one moment of them.
    """
    if place.kind == "spelling":
        return "spelling"
    if not place.in_json:
        return "text" if place.where == "body" else place.where
    ours, theirs = _type_of(place.go), _type_of(place.rust)
    if ours == theirs == "time" and _are_apart(place.go, place.rust):
        return "times apart"
    return f"{ours} {theirs}"


_SECONDS: Final = len("2006-01-02T15:04:05")
_ZULU: Final = "Z"
_OFFSET: Final = len("+07:00")


def _are_apart(go: str, rust: str) -> bool:
    if go[:_SECONDS] == rust[:_SECONDS]:
        return False
    if go.endswith(_ZULU) or rust.endswith(_ZULU):
        return go[-1] == rust[-1]
    return go[-_OFFSET:] == rust[-_OFFSET:]


def _type_of(value: Any) -> str:
    """`time` is an RFC 3339 text, `uuid` one in lower case; else the JSON type, or `absent`."""
    known = _TYPES.get(type(value))
    if known is not None:
        return known
    if len(value) <= _LONGEST_TIME and _TIME.fullmatch(value):
        return "time"
    return "uuid" if _UUID.fullmatch(value) else "string"


def between(go: Sequence[str], rust: Sequence[str]) -> frozenset[str]:
    """Places with a value of one of the first types in Go, and of one of the others in Rust."""
    return frozenset(f"{ours} {theirs}" for ours in go for theirs in rust)


def among(some: Sequence[str], others: Sequence[str]) -> frozenset[str]:
    """The same, whichever side has which."""
    return between(some, others) | between(others, some)


TEXTS: Final = among(STRINGS, STRINGS) - {"time time", "uuid uuid"}
"""Two strings that are not both times, and not both UUIDs."""
NUMBERS: Final = frozenset({"number number"})
ONE_SIDED: Final = among(ANY, ("absent",))
HEADER: Final = frozenset({"header"})
SPELLED: Final = frozenset({"spelling"})
