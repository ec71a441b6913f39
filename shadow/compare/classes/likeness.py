"""When two JSON trees hold the same values under other names: the ground of the shape classes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any, Final

from shadow.compare.classes.base import Place
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import Number, Repeated, decimal_key

MAX_VALUES: Final = 10_000
MAX_OBJECT: Final = 1_000
"""Values, or keys, of an object that is examined anew for each difference in it."""
MAX_TEXT: Final = 10_000
Both = tuple[Any, Any]
"""(baseline value, candidate value)."""


def fold(name: str) -> str:
    """A name without case, `_` and `-`: what is left when only the naming style changes."""
    return name.lower().replace("_", "").replace("-", "")


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal; not where they are too deep to tell."""
    try:
        return bool(left == right)
    except RecursionError:
        return False


def alike(go: Any, rust: Any, most: int = MAX_VALUES) -> bool:
    """Whether two values are equal but for the naming style of keys.

    Numbers are equal as decimals, and a nil slice or map of Go is Rust's empty one, because
    each of these has a class of its own where names agree. Objects that repeat a name, and
    anything over `most` values or 10,000 characters, are not examined.
    """
    stack: list[Both] = [(go, rust)]
    seen = 0
    while stack:
        left, right = stack.pop()
        seen += 1
        parts = _parts(left, right)
        if parts is None or seen + len(stack) + len(parts) > most:
            return False
        stack.extend(parts)
    return True


def _parts(go: Any, rust: Any) -> list[Both] | None:
    """What must be alike within two values for them to be alike; None where they are not."""
    if isinstance(go, dict) and isinstance(rust, dict):
        return paired(go, rust)
    if isinstance(go, list) and isinstance(rust, list):
        return list(zip(go, rust, strict=True)) if len(go) == len(rust) else None
    return [] if _same_leaf(go, rust) else None


def _same_leaf(go: Any, rust: Any) -> bool:
    if isinstance(go, Number) and isinstance(rust, Number):
        short = max(len(go.lexeme), len(rust.lexeme)) <= MAX_TEXT
        return short and decimal_key(go.lexeme) == decimal_key(rust.lexeme)
    if isinstance(go, str) and isinstance(rust, str):
        return len(go) <= MAX_TEXT and go == rust
    if go is None and isinstance(rust, (list, dict)):
        return not rust
    return go is rust


def paired(go: dict[str, Any], rust: dict[str, Any]) -> list[Both] | None:
    """The members of two objects by folded name; None where they do not pair up."""
    if isinstance(go, Repeated) or isinstance(rust, Repeated) or len(go) != len(rust):
        return None
    pairs = [(go[key], rust[key]) for key in go if key in rust]
    left, right = one_sided(go, rust)
    ours, theirs = by_fold(left), by_fold(right)
    if len(ours) != len(left) or ours.keys() != theirs.keys():
        return None
    pairs.extend((go[ours[name]], rust[theirs[name]]) for name in ours)
    return pairs


def one_sided(go: dict[str, Any], rust: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The keys that only Go has, and those that only Rust has."""
    return [key for key in go if key not in rust], [key for key in rust if key not in go]


def by_fold(keys: Iterable[str]) -> dict[str, str]:
    """The keys by folded name, without those that are not alone with theirs."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for key in keys:
        name = fold(key)
        if name in found or not name:
            shared.add(name)
        found[name] = key
    return {name: key for name, key in found.items() if name not in shared}


def enclosing(place: Place) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The objects around a member that one side lacks; None for any other place."""
    if not place.in_json or place.around is None or not isinstance(place.key, str):
        return None
    if (place.go is ABSENT) == (place.rust is ABSENT):
        return None
    go, rust = place.around
    if isinstance(go, Repeated) or isinstance(rust, Repeated):
        return None
    return (go, rust) if max(len(go), len(rust)) <= MAX_OBJECT else None


def candidates(place: Place) -> list[Both]:
    """The pairs of values a place may belong to: its own, or the objects that hold it."""
    if not place.in_json:
        return []
    if place.go is not ABSENT and place.rust is not ABSENT:
        return [(place.go, place.rust)] if place.kind == "type_changed" else []
    around = enclosing(place)
    return [around] if around else []


def stands_elsewhere(place: Place) -> bool:
    """A member that one side lacks may stand there under another name, or one level deeper.

    True where there is too much to look at.
    """
    around = enclosing(place)
    if around is None or not isinstance(place.key, str):
        return False
    ours, theirs = one_sided(*around)
    other, keys = (around[1], theirs) if place.rust is ABSENT else (around[0], ours)
    name = fold(place.key)
    names = chain(keys, *(other[key] for key in keys if isinstance(other[key], dict)))
    near = list(islice(names, MAX_OBJECT))
    return len(near) == MAX_OBJECT or any(fold(key) == name for key in near)
