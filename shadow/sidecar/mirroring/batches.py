"""Work that can wait for a moment, done together.

One after the other, between two system calls, a short step of Python takes three times as long
as in a row with others of its kind: the processor has forgotten it each time. So what follows
a client's answer is gathered for some milliseconds. A batch is short, because clients wait for
the event loop meanwhile; and where some do, it waits for its turn, though not for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from typing import Final, Generic, TypeVar

DELAY_S: Final = 0.003
PAUSE_S: Final = 0.001
"""Between two looks at whether somebody waits."""
PATIENCE_S: Final = 0.02
"""That those who wait are let go first: at load there is always one."""
MOST: Final = 32
"""Items of a batch: some 0.5 ms of work."""

T = TypeVar("T")


class Batches(Generic[T]):
    """Gathers items and hands them to `work`, at most `MOST` at once. On the event loop.

    `work` returns how many of them it has done, at least one; the others come first in the next
    turn of the loop. Who is in `waiting` goes before all of them, for `PATIENCE_S`.
    """

    def __init__(self, work: Callable[[list[T]], int], waiting: Sized = ()) -> None:
        self._work = work
        self._waiting = waiting
        self._items: list[T] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """Kept: to ask for it is a system call each time (Python 3.11)."""
        self._timer: asyncio.Handle | None = None
        self._until = 0.0
        """When there is no more patience, on the loop's clock."""

    def __len__(self) -> int:
        """Count the items that wait."""
        return len(self._items)

    def add(self, item: T) -> None:
        """Take an item."""
        items = self._items
        items.append(item)
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if len(items) == 1:
            self._timer = loop.call_later(DELAY_S, self._run)
            self._until = loop.time() + PATIENCE_S
        elif len(items) == MOST:
            assert self._timer is not None
            self._timer.cancel()
            self._timer = loop.call_soon(self._run)

    def flush(self) -> None:
        """Do all of it now."""
        if self._timer is not None:
            self._timer.cancel()
        items, self._items = self._items, []
        while items:
            items = items[self._work(items) :]

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None
        if self._waiting and loop.time() < self._until:
            self._timer = loop.call_later(PAUSE_S, self._run)
            return
        items, self._items = self._items, []
        if not items:  # a flush by the work itself
            return
        until = self._until
        done = self._work(items[:MOST])
        if done < len(items):
            assert self._timer is not None
            self._timer.cancel()  # the work may have added to it
            self._items = items[done:] + self._items
            self._until = until
            self._timer = loop.call_soon(self._run)
