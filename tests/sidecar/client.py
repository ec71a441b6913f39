"""A client that says on a raw socket what a test tells it to, and reads answers strictly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Self

from shadow.model import Headers


class Head(NamedTuple):
    """What comes before a body."""

    status: int
    headers: Headers

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        return Head(self.status, self.headers).all(name)


class Client:
    """One connection to a server on this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, *, receive: int = 0) -> Self:
        """Connect, with a small buffer for what is received where a size is given."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            limit = receive or 1 << 20
            return cls(*await asyncio.open_connection(sock=sock, limit=limit))
        except BaseException:
            sock.close()
            raise

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, data: bytes, *, method: str = "GET") -> Got:
        await self.send(data)
        return await self.answer(method=method)

    async def head(self) -> Head:
        """Read a head."""
        data = await self._reader.readuntil(b"\r\n\r\n")
        line, *lines = data[:-4].decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        fields = [each.split(": ", 1) for each in lines]
        return Head(int(status), tuple((name, value) for name, value in fields))

    async def answer(self, *, method: str = "GET") -> Got:
        """Read an answer. Raises IncompleteReadError or ConnectionError where it is cut."""
        head = await self.head()
        if head.status < 200 or head.status in (204, 304) or method == "HEAD":
            return Got(*head, b"")
        lengths, codings = head.all("content-length"), head.all("transfer-encoding")
        assert len(lengths) + len(codings) <= 1
        if codings:
            assert codings == ["chunked"]
            body = b"".join([chunk async for chunk in self.chunks()])
        elif lengths:
            body = await self._reader.readexactly(int(lengths[0]))
        else:
            body = await self.rest()
        return Got(*head, body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Read chunks, up to the last."""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield await self._reader.readexactly(size)
            assert await self._reader.readexactly(2) == b"\r\n"
        assert await self._reader.readexactly(2) == b"\r\n"

    async def some(self, size: int = 65536) -> bytes:
        """Read what there is; empty at the end."""
        return await self._reader.read(size)

    async def exactly(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Read until the server closes. Raises ConnectionError where that is a reset."""
        return await self._reader.read()

    async def closed(self) -> bytes:
        """Read until the connection ends in whatever way."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while piece := await self._reader.read(65536):
                data += piece
        return data

    def finish(self) -> None:
        """Send nothing more."""
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Clients:
    """Connections to one port, all closed at the end."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._all: list[Client] = []

    async def connect(self, *, receive: int = 0) -> Client:
        client = await Client.connect(self.port, receive=receive)
        self._all.append(client)
        return client

    def close(self) -> None:
        for client in self._all:
            if not client._writer.is_closing():
                client._writer.transport.abort()


def get(target: str = "/", *fields: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {target} HTTP/{version}\r\nHost: x\r\n{lines}\r\n".encode("latin-1")


def post(body: bytes, *fields: str, target: str = "/") -> bytes:
    """A request with a body of a known length."""
    return get(target, f"Content-Length: {len(body)}", *fields, method="POST") + body


def chunked(*parts: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    while not condition():  # noqa: ASYNC110 - as said
        await asyncio.sleep(0)
