"""Work that can wait for a moment, done together.

One after the other, between two system calls, a short step of Python takes three times as long
as in a row with others of its kind: the processor has forgotten it each time. So what follows
a client's answer is gathered for some milliseconds. A batch is short, because clients wait for
the event loop meanwhile; and where some do, it waits for its turn, though not for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final, Generic, TypeVar

DELAY_S: Final = 0.003
PATIENCE_S: Final = 0.02
"""That those who wait are let go first: at load there is always one."""
MOST: Final = 32
"""Items of a batch: some 0.5 ms of work."""

T = TypeVar("T")


H = TypeVar("H", bound=Hashable)


class Clients(Generic[H]):
    """Those who wait for an answer: a set that tells when the last one has gone."""

    def __init__(self) -> None:
        self._clients: set[H] = set()
        self._then: list[Callable[[], None]] = []

    def __len__(self) -> int:
        """Count them."""
        return len(self._clients)

    def __contains__(self, client: object) -> bool:
        """Say whether one of them waits."""
        return client in self._clients

    def __iter__(self) -> Iterator[H]:
        """Return each of them, as they are now."""
        return iter(list(self._clients))

    def add(self, client: H) -> None:
        """Take one who waits."""
        self._clients.add(client)

    def discard(self, client: H) -> None:
        """Let one go."""
        self._clients.discard(client)
        if self._then and not self._clients:
            then, self._then = self._then, []
            for call in then:
                call()

    def when_none(self, call: Callable[[], None]) -> None:
        """Call it once, when the next time the last one has gone."""
        self._then.append(call)


class Batches(Generic[T]):
    """Gathers items and hands them to `work`, at most `MOST` at once. On the event loop.

    `work` returns how many of them it has done, at least one; the others come first in the next
    turn of the loop. Who is in `waiting` goes before all of them, for `PATIENCE_S`.
    """

    def __init__(self, work: Callable[[list[T]], int], waiting: Clients[Any] | None = None) -> None:
        self._work = work
        self._waiting: Clients[Any] = Clients() if waiting is None else waiting
        self._is_held = False
        """It is told when nobody waits any more."""
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
            self._timer = loop.call_at(self._until, self._run)
            if not self._is_held:
                self._is_held = True
                self._waiting.when_none(self._go_on)
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

    def _go_on(self) -> None:
        self._is_held = False
        if self._items:
            assert self._timer is not None
            assert self._loop is not None
            self._timer.cancel()
            self._timer = self._loop.call_soon(self._run)
