"""How far a shard of a run has got. Pure.

Outcomes come in another order than the capture's: sessions wait, services are slow. So a cursor
is the length of the beginning that is done, and what is done beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec


class _Wire(msgspec.Struct, frozen=True, kw_only=True):
    done: int
    beyond: list[tuple[int, int]] = []
    """First and last of each stretch."""
    kept: int


class Cursor:
    """Which records of a shard have their outcome, by their ordinal in it, from 0."""

    def __init__(self) -> None:
        self.kept = 0
        """Exchanges with an outcome; the records that could not be read are not among them."""
        self._done = 0
        self._beyond: set[int] = set()

    def __contains__(self, ordinal: object) -> bool:
        return isinstance(ordinal, int) and (ordinal < self._done or ordinal in self._beyond)

    @property
    def at_start(self) -> bool:
        """Nothing is done yet."""
        return not self._done and not self._beyond

    def pass_by(self, ordinal: int) -> None:
        """Note that a record has its outcome."""
        if ordinal != self._done:
            self._beyond.add(ordinal)
            return
        self._done += 1
        while self._done in self._beyond:
            self._beyond.remove(self._done)
            self._done += 1

    def to_text(self) -> str:
        """Write it down, for the store."""
        wire = _Wire(done=self._done, beyond=list(self._stretches()), kept=self.kept)
        return msgspec.json.encode(wire).decode()

    @classmethod
    def from_text(cls, text: str) -> Cursor:
        """Read `to_text`. Raises ValueError (msgspec's are) for anything else."""
        wire = msgspec.json.decode(text, type=_Wire)
        cursor = cls()
        cursor.kept, cursor._done = wire.kept, wire.done
        for first, last in wire.beyond:
            cursor._beyond.update(range(first, last + 1))
        return cursor

    def _stretches(self) -> Iterator[tuple[int, int]]:
        ordinals = sorted(self._beyond)
        if not ordinals:
            return
        first = ordinals[0]
        for ordinal, following in pairwise(ordinals):
            if following != ordinal + 1:
                yield first, ordinal
                first = following
        yield first, ordinals[-1]
