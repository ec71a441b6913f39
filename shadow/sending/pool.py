"""The open connections to one service: who has one, who waits for one."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from shadow.sending.connection import Connection
from shadow.sending.no_answer import UNSAFE_IDLE_S

_JUST_USED_S = 0.005
"""A safe request takes a connection used this recently without asking the system whether the
service has closed it meanwhile: asking is a system call, a fifth of the whole exchange."""


class Pool:
    """Hands out idle connections, last used first, and the right to open new ones.

    A *slot* is that right; there are `size` of them, and an open connection fills one until it
    is really closed. Those who find neither wait in line.
    """

    def __init__(self, size: int) -> None:
        self._slots = size
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._empty = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self._open)

    @property
    def has_room(self) -> bool:
        """Whether another connection may be opened."""
        return self._slots > 0

    @property
    def open(self) -> list[Connection]:
        """The open connections, idle or not."""
        return list(self._open)

    def take(self, *, safe: bool, now: float) -> Connection | None:
        """Return an idle connection fit for the request, if there is one; never out of turn.

        `now` is on the loop's clock. A connection falls idle only where nobody waits for one.
        """
        while self._idle:
            connection = self._idle.pop()
            if _fits(connection, safe=safe, now=now):
                return connection
            connection.abort()
        return None

    async def claim(self, *, safe: bool, fresh: bool = False) -> Connection | None:
        """Wait for a fit idle connection or for a slot, which is None.

        With `fresh` it is always a slot. Who gets a slot must `fill` it or `free` it.
        Raises `RuntimeError` after `aclose`.
        """
        clock = asyncio.get_running_loop().time
        while True:
            self._refuse_when_closed()
            if not fresh and (connection := self.take(safe=safe, now=clock())) is not None:
                return connection
            if self._slots:
                self._slots -= 1
                return None
            if fresh and self._idle:
                self._idle.pop().abort()
            handed = await self._wait()
            if handed is None or (not fresh and _fits(handed, safe=safe, now=clock())):
                return handed
            handed.abort()

    def fill(self, connection: Connection) -> None:
        """Put a new connection into the slot that was claimed for it. Raises as `claim`."""
        if self._closed:
            connection.abort()
        if not connection.open:
            self.free()
            self._refuse_when_closed()
            return  # the service accepted it and closed it at once
        self._open.add(connection)
        connection.on_idle = self._hand_over
        connection.on_lost = self._forget

    def free(self) -> None:
        """Give back a slot."""
        if waiter := self._next_waiter():
            waiter.set_result(None)
        else:
            self._slots += 1

    async def aclose(self) -> None:
        """Close every connection, whatever is in flight; returns when all are closed."""
        self._closed = True
        while waiter := self._next_waiter():
            waiter.cancel()
        for connection in list(self._open):
            connection.drop()
        while self._open:
            self._empty.clear()
            await self._empty.wait()

    async def _wait(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            elif (handed := waiter.result()) is None:
                self.free()
            else:
                self._hand_over(handed)
            raise

    def _hand_over(self, connection: Connection) -> None:
        """Give a connection that fell idle to the first in line, or keep it."""
        if self._waiters and (waiter := self._next_waiter()):
            waiter.set_result(connection)
        else:
            self._idle.append(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        with suppress(ValueError):
            self._idle.remove(connection)
        self.free()
        if not self._open:
            self._empty.set()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the connections were closed")

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None


def _fits(connection: Connection, *, safe: bool, now: float) -> bool:
    if not connection.open:
        return False
    idle_s = now - connection.idle_since
    if safe and idle_s < _JUST_USED_S:
        return True
    return connection.is_quiet() and (safe or idle_s < UNSAFE_IDLE_S)
