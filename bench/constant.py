"""A client that asks so many times a second, whatever the answers take (an open loop).

Each request has a moment at which it is due, and its time is counted from there: a service that
stops for a while is charged with all who would have asked meanwhile. Every worker has a connection
of its own and takes the request that is due next; it waits and reads in a plain blocking way,
which wakes it within some 0.1 ms, where an event loop's timers are as coarse as a millisecond.

python -m bench.constant URL RATE SECONDS [WARM-UP-SECONDS]
"""

from __future__ import annotations

import gc
import itertools
import json
import math
import re
import socket
import sys
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bench import measure

WORKERS: Final = 64
TIMEOUT_S: Final = 10.0
HEAD_START_S: Final = 0.1
"""Until the first request is due."""

_LENGTH: Final = re.compile(rb"\r\nContent-Length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the answers took, from when they were due, in seconds."""

    p50_s: float
    p99_s: float


def at_rate(
    url: str, rate: int, seconds: float, *, warm_up_s: float, cores: frozenset[int]
) -> Taken:
    """Ask in a process of its own. Raises FailedError where an answer is missing, or is no 200."""
    command = [sys.executable, "-m", "bench.constant", url, str(rate), str(seconds)]
    said = measure.run(
        [*command, str(warm_up_s)], cores=cores, env={"PYTHONPATH": str(measure.ROOT)}
    ).stdout
    return Taken(**json.loads(said))


class Client:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        host = f"{parts.hostname}:{parts.port}"
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._message = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii")
        self._socket = socket.create_connection((parts.hostname, parts.port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        """Ask, and read the answer to its end. Raises OSError where it is no whole 200."""
        self._socket.sendall(self._message)
        data = self._read()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._read()
        head = data[: end + 2]
        length = _LENGTH.search(head)
        if length is None or not head.startswith(b"HTTP/1.1 200 "):
            raise OSError(f"an answer that is not as wanted: {head[:200]!r}")
        left = end + 4 + int(length[1]) - len(data)
        while left > 0:
            left -= len(self._read())

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _read(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise OSError("closed before the answer was whole")
        return data


class Schedule:
    """The requests, each taken by one worker, and what they took."""

    def __init__(self, url: str, rate: int, count: int) -> None:
        self._url = url
        self._rate = rate
        self._count = count
        self._next = itertools.count()
        self._took = [0.0] * count
        self._failure: Exception | None = None
        self._begin = 0.0

    def run(self) -> list[float]:
        """Send all; return what each took, in the order in which they were due. Raises OSError."""
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(Client(self._url))) for _ in range(WORKERS)]
            self._begin = time.perf_counter() + HEAD_START_S
            workers = [threading.Thread(target=self._work, args=(each,)) for each in clients]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        if self._failure is not None:
            raise self._failure
        return self._took

    def _work(self, client: Client) -> None:
        try:
            for number in self._next:
                if number >= self._count or self._failure is not None:
                    return
                due = self._begin + number / self._rate
                wait_s = due - time.perf_counter()
                if wait_s > 0:
                    time.sleep(wait_s)
                client.ask()
                self._took[number] = time.perf_counter() - due
        except OSError as error:
            self._failure = error


def percentile(ascending: list[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed."""
    return ascending[max(1, math.ceil(len(ascending) * share)) - 1]


def main() -> int:
    """Ask, and say in JSON what the answers took."""
    url, rate, seconds, *more = sys.argv[1:]
    warm_up = round(float(more[0]) * int(rate)) if more else 0
    gc.disable()
    try:
        took = Schedule(url, int(rate), warm_up + round(float(seconds) * int(rate))).run()
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    ascending = sorted(took[warm_up:])
    print(json.dumps({"p50_s": percentile(ascending, 0.5), "p99_s": percentile(ascending, 0.99)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
