"""Delta debugging: the smallest part of a list that still passes a test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Keep = Callable[[list[Item]], Awaitable[bool]]


async def smallest(items: Sequence[Item], keep: Keep[Item]) -> list[Item]:
    """Return a part of the list, in its order, of which no single item can go.

    `keep` says whether a part still does what the whole one does; the whole one is not asked
    about. Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002), with
    complements only, and one item at a time at the end: 1-minimal. It takes some n log n asks
    where few items matter, n² in the worst case.
    """
    kept = list(items)
    if kept and await keep([]):
        return []
    size = max(1, len(kept) // 2)
    while kept:
        before = len(kept)
        start = 0
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            if rest and await keep(rest):
                kept = rest
            else:
                start += size
        if size > 1:
            size = max(1, size // 2)
        elif len(kept) == before:
            break
    return kept
