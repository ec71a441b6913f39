"""A proxy on a raw socket: tunnels for CONNECT, forwards everything else as it came."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shadow.sending.target import Proxy, parse_proxy

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(slots=True)
class Forwarder:
    """A running proxy, and the head of the first request of each connection."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    def proxy(self, credentials: str = "", scheme: str = "http") -> Proxy:
        return parse_proxy(f"{scheme}://{credentials}127.0.0.1:{self.port}", "targets.x.proxy")


@contextlib.asynccontextmanager
async def forwarding(
    refusal: bytes = b"", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Forwarder]:
    """Run a proxy; with `refusal` it answers every connection with that."""
    running = Forwarder()
    async with asyncio.TaskGroup() as connections:
        tasks: list[asyncio.Task[None]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    await _serve(running, refusal, reader, writer)
            finally:
                writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(connections.create_task(serve(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        running.port = server.sockets[0].getsockname()[1]
        async with server:
            yield running
        for task in tasks:
            task.cancel()


async def _serve(
    running: Forwarder,
    refusal: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    running.heads.append(head)
    if refusal:
        writer.write(refusal)
        await writer.drain()
        while await reader.read(65536):
            pass
        return
    method, target = head.split(b" ")[:2]
    tunnel = method == b"CONNECT"
    to = urlsplit(b"//" + target if tunnel else target)
    assert to.hostname is not None
    their_reader, their_writer = await asyncio.open_connection(to.hostname.decode(), to.port)
    if tunnel:
        writer.write(ESTABLISHED)
    else:
        their_writer.write(head)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, their_writer))
            both.create_task(_copy(their_reader, writer))
    finally:
        their_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
