"""Services that misbehave, in place of one of the two and on its port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from shadow.sending.loop import event_loop

ANSWER_500 = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nsorry"
CUT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
NONSENSE = b"\x00\x01 this is no HTTP \xff\r\n\r\n"
START_S = 10.0


class _Misbehaving(asyncio.Protocol):
    def __init__(self, said: bytes, *, drops: bool, all_: set[asyncio.Transport]) -> None:
        self._said, self._drops, self._all = said, drops, all_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._all.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._said:
            self._transport.write(self._said * data.count(b"\r\n\r\n"))
        if self._drops:
            self._transport.close()


@contextmanager
def misbehaving(port: int, said: bytes, *, drops: bool = False) -> Iterator[None]:
    """Say the same to each request without a body; drop the connection after it, if so told."""
    listening = threading.Event()
    loop = event_loop()  # asyncio's own may lose what it accepts while it closes
    stop = asyncio.Event()

    async def serve() -> None:
        open_: set[asyncio.Transport] = set()
        server = await loop.create_server(
            lambda: _Misbehaving(said, drops=drops, all_=open_), "127.0.0.1", port
        )
        listening.set()
        await stop.wait()
        server.close()
        while open_:
            for each in list(open_):
                each.abort()
            await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert listening.wait(START_S)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
