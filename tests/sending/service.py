"""A scripted service on a raw socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import httptools

from shadow.sending.target import Target, parse_target

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""The `run` fixture: runs a coroutine on one of the loops."""


class _RequestEnd:
    """Notices where a request ends."""

    def __init__(self) -> None:
        self.complete = False

    def on_message_complete(self) -> None:
        self.complete = True


class Peer:
    """The service's end of one connection."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one whole request; empty when the client closed instead."""
        end, data = _RequestEnd(), b""
        parser = httptools.HttpRequestParser(end)
        while not end.complete:
            piece = await self._reader.read(65536)
            if not piece:
                return b""
            parser.feed_data(piece)
            data += piece
        return data

    async def head(self) -> bytes:
        """Read a request's head and nothing of its body beyond."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def hello(self) -> bytes:
        """Read whatever comes first."""
        return await self._reader.read(65536)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def closed(self) -> None:
        """Wait until the client has closed."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65536):
                pass

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        linger = struct.pack("ii", 1, 0)
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Service:
    """What `serve` started: its address, and how many connections it accepted."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.scheme = scheme
        self.accepted = 0

    def target(self, host: str = "127.0.0.1", *, verify_tls: bool = True) -> Target:
        return parse_target(
            f"{self.scheme}://{host}:{self.port}",
            side="baseline",
            name="go",
            option="--go",
            verify_tls=verify_tls,
        )


@contextlib.asynccontextmanager
async def serve(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Service]:
    """Run `script` for every connection; an exception in it fails the test."""
    async with asyncio.TaskGroup() as connections:
        tasks: list[asyncio.Task[None]] = []

        async def play(peer: Peer) -> None:
            try:
                await script(peer)
            except ConnectionError:
                pass  # the client may close while the script still writes
            finally:
                peer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            service.accepted += 1
            tasks.append(connections.create_task(play(Peer(service.accepted, reader, writer))))

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        service = Service(server.sockets[0].getsockname()[1], "https" if tls else "http")
        async with server:
            yield service
        for task in tasks:
            task.cancel()


def answering(*answers: bytes) -> Script:
    """Answer the n-th request of each connection with the n-th answer, the last one for ever."""

    async def script(peer: Peer) -> None:
        for number in range(1_000_000):
            if not await peer.request():
                return
            await peer.send(answers[min(number, len(answers) - 1)])

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
