"""A connection that goes on in another protocol (WebSocket): its bytes pass, and nothing else.

Such a connection is the Go service's alone: nobody could say what a copy of it should answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from shadow.model import Request
from shadow.sending.connect import tls_context
from shadow.sending.rewrite import Unsendable, request_target
from shadow.sending.target import Target
from shadow.sidecar.server.connection import Call

MAX_TUNNELS: Final = 1_000
"""Open at once; beyond, an upgrade is refused."""
CONNECT_S: Final = 5.0
IGNORED: Final = frozenset({"h2c", "http/2.0", "tls/1.0", "tls/1.2"})
"""Upgrades that a server may leave aside, and that we do (RFC 9113 section 3.1 gave h2c up)."""


class _Pipe(asyncio.Protocol):
    """One end of a tunnel; what it reads is written to the other."""

    def __init__(self, lost: Callable[[Exception | None], None]) -> None:
        self._lost = lost
        self.other: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and not self.other.is_closing() and self.other.can_write_eof():
            self.other.write_eof()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.close()
        self._lost(exc)

    def pause_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()


class Tunnels:
    """The open tunnels to one target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tls = tls_context(target)
        self.open = 0

    async def dig(self, call: Call, request: Request) -> str:
        """Connect a client to the target; say what came of it: `passed`, `refused`, `failed`.

        Where it is not `passed` the call still wants its answer.
        """
        if self.open >= MAX_TUNNELS:
            return "refused"
        try:
            head = _head(request, self._target)
        except Unsendable:
            return "refused"
        self.open += 1
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, service = await loop.create_connection(
                    lambda: _Pipe(self._ended),
                    self._target.host,
                    self._target.port,
                    ssl=self._tls,
                    server_hostname=self._target.host if self._tls else None,
                )
        except (OSError, TimeoutError):
            self.open -= 1
            return "failed"
        self._join(call, service, head)
        return "passed"

    def _join(self, call: Call, service: _Pipe, head: bytes) -> None:
        transport = service.transport
        assert transport is not None
        client = _Pipe(self._nothing)
        taken = call.take_over(client)
        if taken is None:  # the client has gone meanwhile
            transport.close()
            return
        client._lost = taken.lost  # noqa: SLF001 - known only now
        client.transport, client.other = taken.transport, transport
        service.other = taken.transport
        transport.write(head + taken.held)

    @staticmethod
    def _nothing(exc: Exception | None) -> None:
        del exc

    def _ended(self, exc: Exception | None) -> None:
        del exc
        self.open -= 1


def _head(request: Request, target: Target) -> bytes:
    """The head as the client sent it: here the fields of the connection are what matters."""
    path = request_target(request.method, request.target, target.prefix)
    lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    return f"{request.method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
