"""A pair of services that count what each was asked, and act at a request of their choice."""

from __future__ import annotations

import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Counting:
    """Both sides; a request is known by its method and target."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str, str]] = Counter()
        """By side, method and target."""
        self.acts: dict[int, Callable[[], object]] = {}
        """What is done before the answer to the n-th request, counted over both sides."""
        self._lock = threading.Lock()
        self.urls: dict[str, str] = {}

    @property
    def total(self) -> int:
        return self.asked.total()

    def answer(self, side: str, method: str, target: str) -> bytes:
        with self._lock:
            self.asked[side, method, target] += 1
            act = self.acts.pop(self.asked.total(), None)
        if act is not None:
            act()
        number = int(target.rpartition("/")[2])
        body = b'{"price":%d}' % (number + (side == "rust" and number % 7 == 0))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return head.encode() + b"\r\n\r\n" + body


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        try:
            while line := self.rfile.readline():
                method, target, _ = line.decode().split()
                length = 0
                while (field := self.rfile.readline().strip().lower()) != b"":
                    if field.startswith(b"content-length:"):
                        length = int(field.partition(b":")[2])
                self.rfile.read(length)
                self.wfile.write(self.server.counting.answer(self.server.side, method, target))
        except (ConnectionError, ValueError):
            return  # the program was killed in the middle


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, side: str, counting: Counting) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.side, self.counting = side, counting


@contextmanager
def counting_pair() -> Iterator[Counting]:
    """Both services, until the block ends."""
    counting = Counting()
    servers = [_Server(side, counting) for side in ("go", "rust")]
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        thread.start()
        counting.urls[server.side] = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield counting
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
