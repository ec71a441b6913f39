"""Clients that ask at a steady rate, or as fast as they are answered, and keep their connections.

Every request is accounted for: when it was due, how long it took, what came back, and from which
side: Go writes `Content-Type`, hyper `content-type`, and a sidecar leaves names as they are.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self, cast

import httptools

PATIENCE_S = 15.0
"""That a request may take before it counts as failed."""
SPARE = 2_000
"""Connections of one load."""
SIDES = {b"Content-Type": "go", b"content-type": "rust"}


class Asked(NamedTuple):
    """A request and what came of it; times are of the monotonic clock, in seconds."""

    began: float
    took: float
    status: int
    """0 where there was no whole answer."""
    side: str
    message: bytes
    error: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 400


def request(
    target: str, *fields: str, method: str = "GET", body: str = "", host: str = "shop.example"
) -> bytes:
    """A message as it goes out."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Client(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[str] | None = None
        self._status = 0
        self._side = ""
        self.begun = False
        """Something of the answer has come."""
        self.open = False

    @classmethod
    async def to(cls, port: int) -> Client:
        """Connect. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        self.begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._done(f"no answer: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._done("cut" if self.begun else "lost")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._side = self._side or SIDES.get(name, "")

    def on_message_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.open = False
            self._transport.close()
        self._done("")

    def _done(self, error: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(error)

    async def ask(self, message: bytes, due: float | None = None) -> Asked:
        """Send a request and wait for the answer to it."""
        loop = asyncio.get_running_loop()
        began = time.monotonic() if due is None else due
        if not self.open:  # closed as soon as it was accepted
            return Asked(began, 0.0, 0, "", message, "lost")
        self._status, self._side, self.begun = 0, "", False
        answer = self._answer = loop.create_future()
        self._transport.write(message)
        timer = loop.call_later(PATIENCE_S, self._done, "late")
        error = await answer
        timer.cancel()
        if error == "late":
            self.close()
        status = 0 if error else self._status
        return Asked(began, time.monotonic() - began, status, self._side, message, error)

    def close(self) -> None:
        self.open = False
        self._transport.abort()


class Load:
    """Asks at a steady rate, whatever the answers take, in a thread of its own."""

    def __init__(self, port: int, messages: Iterable[bytes], *, rate: float) -> None:
        self._port = port
        self._messages = itertools.cycle(messages)
        self._rate = rate
        self.all: list[Asked] = []
        """In the order of the answers."""
        self._more = threading.Condition()
        self._idle: deque[Client] = deque()
        self.flying = 0
        """Requests without an answer."""
        self._pausing = self._ending = False
        self._go_on = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> list[Asked]:
        """Ask no more, wait for what is under way, and return all."""
        self._ending = True
        self._thread.join(2 * PATIENCE_S)
        assert not self._thread.is_alive()
        return self.all

    # For the test's thread.

    def until(self, found: Callable[[Asked], bool], *, within: float = PATIENCE_S) -> Asked:
        """Wait for an answer from now on that is such a one, and return it."""
        start = len(self.all)
        with self._more:
            while True:
                for each in self.all[start:]:
                    if found(each):
                        return each
                start = len(self.all)
                assert self._more.wait(within), "no answer any more"

    def answers(self, count: int, *, within: float = 2 * PATIENCE_S) -> list[Asked]:
        """Wait for so many more answers, and return them."""
        start = len(self.all)
        with self._more:
            assert self._more.wait_for(lambda: len(self.all) >= start + count, within)
        return self.all[start : start + count]

    def from_now(self, count: int, *, within: float = 2 * PATIENCE_S) -> list[Asked]:
        """Wait for so many answers to requests that begin from now on, and return them."""
        now, start = time.monotonic(), len(self.all)

        def found() -> list[Asked]:
            return [each for each in self.all[start:] if each.began > now]

        with self._more:
            assert self._more.wait_for(lambda: len(found()) >= count, within)
        return found()[:count]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Ask nothing while the block runs, and wait first for what is under way."""
        self._pausing = True
        with self._more:
            assert self._more.wait_for(lambda: not self.flying, 2 * PATIENCE_S)
        try:
            yield
        finally:
            self._pausing = False

    # In its own.

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            due = time.monotonic()
            while not self._ending:
                due = max(due + 1 / self._rate, time.monotonic() - 0.1)
                await asyncio.sleep(due - time.monotonic())
                if not self._pausing:
                    self.flying += 1
                    group.create_task(self._one(next(self._messages), due))
        for client in self._idle:
            client.close()

    async def _one(self, message: bytes, due: float) -> None:
        asked = await self._asked(message, due)
        self.flying -= 1
        with self._more:
            self.all.append(asked)
            self._more.notify_all()

    async def _asked(self, message: bytes, due: float) -> Asked:
        client = None
        while self._idle and (client is None or not client.open):
            client = self._idle.pop()
        if client is None or not client.open:
            try:
                client = await Client.to(self._port)
            except OSError:
                took = time.monotonic() - due
                return Asked(due, took, 0, "", message, "refused")
        asked = await client.ask(message, due)
        if client.open:
            self._idle.append(client)
        return asked


def at_once(port: int, messages: Sequence[bytes], *, clients: int, each: int) -> list[Asked]:
    """Let so many clients connect, then ask so many times each, as fast as they are answered."""

    async def one(client: Client, number: int) -> list[Asked]:
        found = []
        for turn in range(each):
            found.append(await client.ask(messages[(number + turn * clients) % len(messages)]))
            if not client.open:
                client = await Client.to(port)
        client.close()
        return found

    async def every() -> list[Asked]:
        connected = [await Client.to(port) for _ in range(clients)]
        found = await asyncio.gather(*map(one, connected, range(clients)))
        return [asked for asked_by_one in found for asked in asked_by_one]

    return asyncio.run(every())


# What is made of them.


def failures(asked: Iterable[Asked]) -> Counter[str]:
    """What went wrong, by what it was."""
    return Counter(each.error or str(each.status) for each in asked if not each.ok)


def share_ms(asked: Iterable[Asked], share: float) -> float:
    """What this share of the requests took at most, in milliseconds."""
    took = sorted(each.took for each in asked)
    return 1000 * took[min(len(took) - 1, int(len(took) * share))]


PARTS = 5
"""In which what took long is looked at: see `felt`."""
_MORE = {0.5: (1.5, 3.0), 0.9: (2.0, 40.0)}
"""By share of the requests: the factor and the milliseconds by which they may take longer."""


def parts(asked: Sequence[Asked]) -> list[Sequence[Asked]]:
    """Cut into `PARTS` of about the same length, in order."""
    ends = [len(asked) * number // PARTS for number in range(PARTS + 1)]
    return [asked[start:end] for start, end in itertools.pairwise(ends)]


def felt(
    asked: Sequence[Asked],
    usual: Sequence[Asked],
    more: Mapping[float, tuple[float, float]] = _MORE,
) -> dict[float, list[tuple[float, float]]]:
    """Return where requests took longer than usual, in milliseconds, by parts of both.

    Only where they did in most parts: something else on the machine holds up a part or two, what
    waits for something that is broken holds up each of them.
    """
    pairs = list(zip(parts(asked), parts(usual), strict=True))
    found = {}
    for share, (factor, spare_ms) in more.items():
        took = [(share_ms(ours, share), share_ms(theirs, share)) for ours, theirs in pairs]
        longer = [ours > factor * theirs + spare_ms for ours, theirs in took]
        if sum(longer) > PARTS / 2:
            found[share] = took
    return found
