"""A live port over services of a test, without what judges and keeps."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from shadow.model import Observation, Request, SideName
from shadow.sending.limits import Limits
from shadow.sending.target import Target
from shadow.sending.wire import Wire
from shadow.sidecar.relay.forwarding import Forwarding
from shadow.sidecar.relay.passage import Copies, Passage
from shadow.sidecar.server import server
from shadow.sidecar.server.call import Call, Service
from shadow.sidecar.server.limits import ServerLimits
from shadow.sidecar.server.server import LiveServer
from shadow.sidecar.tasks import Tasks
from tests.sidecar.client import Clients


class Served(Clients):
    """A live port, and what connects to it."""

    def __init__(self, port: int, server: LiveServer) -> None:
        super().__init__(port)
        self.server = server


@contextlib.asynccontextmanager
async def serving(service: Service, limits: ServerLimits | None = None) -> AsyncIterator[Served]:
    """Serve on a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    async with LiveServer(service, listener, limits) as opened:
        served = Served(listener.getsockname()[1], opened)
        try:
            yield served
        finally:
            served.close()


class Calls:
    """A service that does with each call what a test says; by default it answers `ok`."""

    def __init__(self, handle: Callable[[Call], None] | None = None) -> None:
        self.all: list[Call] = []
        self.reasons: list[str] = []
        self._handle = handle or ok
        self._came = asyncio.Event()

    def handle(self, call: Call) -> None:
        self.all.append(call)
        self._came.set()
        self._handle(call)

    def refused(self, reason: str) -> None:
        self.reasons.append(reason)
        self._came.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a call, or a refusal, that makes it true."""
        while not condition():
            self._came.clear()
            await self._came.wait()

    async def call(self, number: int = 1) -> Call:
        """Wait for the n-th call."""
        await self.until(lambda: len(self.all) >= number)
        return self.all[number - 1]


def ok(call: Call) -> None:
    call.answer(200, (("Content-Length", "2"),), b"ok")


def leave(call: Call) -> None:
    """Leave a call to the test."""


@dataclass
class Ended:
    """What the owner of a passage is told at its end."""

    status: int
    seen: dict[SideName, Observation]
    side: SideName
    request: Request
    cut: bool
    fell_back: bool
    too_long: bool


class Owner:
    """Owns passages as a proxy does."""

    def __init__(self, wires: dict[SideName, Wire], tasks: Tasks) -> None:
        self._wires = wires
        self._tasks = tasks
        self._forwarding = Forwarding("me")
        self.side: SideName = "baseline"
        """Which one serves."""
        self.budget = 1_000
        self.copies = Copies()
        self.reasons: list[str] = []
        self.failures: list[Exception] = []
        self.ended_: list[Ended] = []
        self._news = asyncio.Event()

    def handle(self, call: Call) -> None:
        passage = Passage(self, call, self._forwarding.onward(call.request, call.peer))
        passage.side = self.side
        passage.safe = call.request.method in ("GET", "HEAD", "OPTIONS")
        passage.go()

    def refused(self, reason: str) -> None:
        self.reasons.append(reason)

    def wire(self, side: SideName) -> Wire:
        return self._wires[side]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.spawn(work)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    def falls_back(self, passage: Passage, failure: Observation) -> bool:
        self.budget -= 1
        return self.budget >= 0

    def request_for(self, passage: Passage) -> Request:
        return passage.onward

    def ended(self, passage: Passage) -> None:
        self.ended_.append(
            Ended(
                passage.status,
                dict(passage.seen),
                passage.side,
                passage.request,
                passage.cut,
                passage.fell_back,
                passage.too_long,
            )
        )
        self._news.set()

    async def end(self, number: int = 1) -> Ended:
        """Wait for the end of the n-th passage that has one."""
        while len(self.ended_) < number:
            self._news.clear()
            await self._news.wait()
        return self.ended_[number - 1]


class Proxied(Served):
    """A live port before services."""

    def __init__(self, port: int, server: LiveServer, owner: Owner) -> None:
        super().__init__(port, server)
        self.owner = owner


@contextlib.asynccontextmanager
async def proxying(
    go: Target,
    rust: Target | None = None,
    *,
    limits: ServerLimits | None = None,
    timeout_s: float = 10.0,
    copy: int = 1 << 20,
    connections: int = 64,
) -> AsyncIterator[Proxied]:
    """Pass requests on to a service, and answers back. A task that fails fails the test."""
    wires = Limits(max_body=copy, timeout_s=timeout_s, connections=connections)
    errors: list[BaseException] = []
    async with contextlib.AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(Tasks(errors.append))
        sides: dict[SideName, Wire] = {}
        sides["baseline"] = await stack.enter_async_context(Wire(go, limits=wires))
        if rust is not None:
            sides["candidate"] = await stack.enter_async_context(Wire(rust, limits=wires))
        owner = Owner(sides, tasks)
        served = await stack.enter_async_context(serving(owner, limits))
        proxied = Proxied(served.port, served.server, owner)
        stack.callback(proxied.close)
        yield proxied
    assert not errors


async def watched(work: Coroutine[Any, Any, Any]) -> Any:
    """Do some work; what reaches the loop's exception handler fails it, and so does a halt."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with asyncio.timeout(LONGEST_S):
        result = await work
    await asyncio.sleep(0)
    assert not complaints
    return result


LONGEST_S = 30.0
SWEEP_S = 0.02


def sweep_often(patch: Any) -> None:
    """Look for late clients more often than a test has to wait."""
    patch.setattr(server, "SWEEP_S", SWEEP_S)
