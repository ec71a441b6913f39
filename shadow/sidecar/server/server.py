"""The live port: accepts clients, ends those whose time has passed, drains."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final, Self

from shadow.sidecar.server.call import Service
from shadow.sidecar.server.connection import ClientConnection, Connections
from shadow.sidecar.server.heads import Heads
from shadow.sidecar.server.limits import ServerLimits

SWEEP_S: Final = 1.0
"""How often connections are looked through for those whose time has passed."""
BACKLOG: Final = 4_096


class LiveServer:
    """Serves one listening socket: an async context manager, accepting while it is open."""

    def __init__(
        self, service: Service, listener: socket.socket, limits: ServerLimits | None = None
    ) -> None:
        self._service = service
        self._listener = listener
        self._limits = limits or ServerLimits()
        self._heads = Heads()
        self._open = Connections()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._open.all)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection, sock=self._listener, backlog=BACKLOG
        )
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._sweeper.cancel()
        for connection in list(self._open.all):
            connection.abort()
        await self._open.ended()

    async def drain(self, within_s: float) -> int:
        """Accept nobody more, let what is in flight end; return how many did not in time."""
        self._open.draining = True
        self._server.close()
        for connection in list(self._open.all):
            connection.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._open.ended()
        return len(self._open.all)

    def _connection(self) -> ClientConnection:
        return ClientConnection(self._service, self._limits, self._heads, self._open)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        now = loop.time()
        late = [each for each in self._open.all if each.deadline <= now or each.written_by <= now]
        for connection in late:
            connection.expire(now)
