"""Explains how the items of two lists moved, with deepdiff; the walk has already decided.

deepdiff is shown one opaque string per item (equal items share it), never the values: so
none of its equalities (1 == 1.0 == True, keys that start with `__`, -0.0 == 0.0) can hide a
difference, and its cost does not depend on what the items hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shadow.compare.json_text import Number, json_type, pairs_of

MAX_ITEMS: Final = 2_000
"""Items, on either side and after equal ends are cut off, that deepdiff is asked to align."""


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """How the items of one list became the items of the other."""

    removed: tuple[int, ...] = ()
    """Positions in the baseline whose item is gone."""
    added: tuple[int, ...] = ()
    """Positions in the candidate whose item is new."""
    changed: tuple[tuple[int, int], ...] = ()
    """Positions whose items stand for each other and differ."""


def tokens(*lists: Sequence[Any], repeats: bool = False) -> list[list[int]]:
    """The items of the lists as small integers: equal items, and only they, share one.

    `repeats` says that some object in them repeats a name.
    """
    canonical = _deep_canonical if repeats else _canonical
    seen: dict[bytes, int] = {}
    return [[seen.setdefault(canonical(item), len(seen)) for item in items] for items in lists]


def _canonical(item: Any) -> bytes:
    """Bytes that two items share exactly when they are type-strictly equal."""
    try:
        return msgspec.msgpack.encode(item, enc_hook=str, order="sorted")
    except (RecursionError, UnicodeEncodeError):
        return b"deep" + _deep_canonical(item)


def _deep_canonical(item: Any) -> bytes:
    """As `_canonical`, for items nested too deep for recursion or holding lone surrogates."""
    parts: list[str] = []
    stack: list[Any] = [item]
    while stack:
        value = stack.pop()
        if isinstance(value, _Close):
            parts.append(value.mark)
        elif isinstance(value, dict):
            parts.append("{")
            stack.append(_Close("}"))
            for key, member in sorted(pairs_of(value), key=lambda pair: pair[0], reverse=True):
                stack.append(member)
                stack.append(_Close(ascii(str(key)) + ":"))
        elif isinstance(value, list):
            parts.append("[")
            stack.append(_Close("]"))
            stack.extend(reversed(value))
        else:
            text = (
                value.lexeme
                if isinstance(value, Number)
                else ascii(str(value) if isinstance(value, str) else value)
            )
            parts.append(f"{json_type(value)} {text},")
    return "".join(parts).encode()


class _Close(msgspec.Struct, frozen=True):
    mark: str


def moved(baseline: Sequence[int], candidate: Sequence[int]) -> bool:
    """Whether some item of the baseline stands at another position in the candidate."""
    left = Counter(a for a, b in zip(baseline, candidate, strict=False) if a != b)
    left.update(baseline[len(candidate) :])
    right = {b for a, b in zip(baseline, candidate, strict=False) if a != b}
    right.update(candidate[len(baseline) :])
    return not right.isdisjoint(left)


class TooLongError(Exception):
    """The lists are longer than may be aligned."""


def align(
    baseline: Sequence[int], candidate: Sequence[int], most: int = MAX_ITEMS
) -> Alignment | None:
    """The shortest account deepdiff finds; None where the lists are over `MAX_ITEMS`.

    Raises TooLongError where they are not, and over `most`.
    """
    start = 0
    shortest = min(len(baseline), len(candidate))
    while start < shortest and baseline[start] == candidate[start]:
        start += 1
    end = 0
    while end < shortest - start and baseline[-1 - end] == candidate[-1 - end]:
        end += 1
    left = [str(token) for token in baseline[start : len(baseline) - end]]
    right = [str(token) for token in candidate[start : len(candidate) - end]]
    if max(len(left), len(right)) > MAX_ITEMS:
        return None
    if max(len(left), len(right)) > most:
        raise TooLongError
    if not left or not right:
        return Alignment(
            removed=tuple(range(start, start + len(left))),
            added=tuple(range(start, start + len(right))),
        )
    return _deepdiff(left, right, start)


def _deepdiff(left: list[str], right: list[str], offset: int) -> Alignment:
    from deepdiff import DeepDiff  # noqa: PLC0415 - takes 0.1 s to load, and few runs need it

    found = DeepDiff(left, right, view="tree")
    removed = [_position(level, "t1") for level in found.get("iterable_item_removed", ())]
    added = [_position(level, "t2") for level in found.get("iterable_item_added", ())]
    changed: list[tuple[int, int]] = []
    for level in found.get("values_changed", ()):
        if level.up.t2_child_rel is None:
            # An item removed and another added at one position: deepdiff calls it a change.
            removed.append(_position(level, "t1"))
            added.append(_position(level, "t1"))
        else:
            changed.append((_position(level, "t1"), _position(level, "t2")))
    return Alignment(
        removed=tuple(sorted(index + offset for index in removed)),
        added=tuple(sorted(index + offset for index in added)),
        changed=tuple(sorted((ours + offset, theirs + offset) for ours, theirs in changed)),
    )


def _position(level: Any, side: str) -> int:
    return int(getattr(level.up, f"{side}_child_rel").param)
