"""The small ports of a sidecar, and the life of its process: ready, draining, gone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final, Self

from shadow.errors import where
from shadow.sidecar.plans import Address
from shadow.sidecar.ports.serving import App, address, listening, serve_app
from shadow.sidecar.ports.status import Readiness
from shadow.sidecar.server.server import LiveServer

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Ports:
    """The sockets of a sidecar, opened before anything else is: an address may be taken.

    A context manager. Raises UnfinishedError, naming the option, where it cannot listen.
    """

    def __init__(
        self, live: Address, *, status: Address | None = None, admin: Address | None = None
    ) -> None:
        self._asked = {"--listen": live, "--status": status, "--admin": admin}
        self._stack = contextlib.ExitStack()
        self._open: dict[str, socket.socket] = {}

    def __enter__(self) -> Self:
        _allow_connections()
        try:
            for option, place in self._asked.items():
                if place is not None:
                    opened = listening(*place, option)
                    self._open[option] = self._stack.enter_context(opened)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def live(self) -> socket.socket:
        """Where clients come in."""
        return self._open["--listen"]

    @property
    def status(self) -> socket.socket | None:
        """Where a kubelet and a scraper look."""
        return self._open.get("--status")

    @property
    def admin(self) -> socket.socket | None:
        """Where operators change routes."""
        return self._open.get("--admin")

    def told(self, what: str) -> Iterator[str]:
        """Say in a line each where it listens."""
        yield f"{what} on http://{address(self.live)}"
        if self.status is not None:
            yield f"status and metrics on http://{address(self.status)}/metrics"
        if self.admin is not None:
            yield f"admin port and live page on http://{address(self.admin)}/-/live"


def _allow_connections() -> None:
    """Have as many files open as the system lets this process; by itself it is often 1,024.

    A client takes up to three of them, and without one it is refused, or answered with 502.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # where most is more than there can be
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.asynccontextmanager
async def served(
    app: App | None, listener: socket.socket | None, tell: Callable[[str], None]
) -> AsyncIterator[None]:
    """Serve an application while the block runs; nothing where there is no port for it.

    Where that fails it is told, and the block runs on.
    """
    if app is None or listener is None:
        yield
        return
    stop = asyncio.Event()

    async def serve() -> None:
        try:
            await serve_app(app, listener, stop=stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the live path goes on
            tell(f"the port {address(listener)} is served no more: {where(error)}")

    async with asyncio.TaskGroup() as group:
        group.create_task(serve())
        try:
            yield
        finally:
            stop.set()


class Told:
    """What the signals say: SIGINT or SIGTERM ends it, a second one ends it without patience.

    A context manager, inside the event loop and around everything else there: what is written at
    the end must not be ended by a third one.
    """

    def __init__(self) -> None:
        self._end = asyncio.Event()
        self._at_once = asyncio.Event()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _heard(self) -> None:
        (self._at_once if self._end.is_set() else self._end).set()

    async def end(self) -> None:
        """Wait for the first signal."""
        await self._end.wait()

    async def unless_at_once(self, work: Coroutine[Any, Any, int]) -> int | None:
        """Do some work, unless a second signal comes first: None."""
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work)
            waiting = group.create_task(self._at_once.wait())
            await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not working.done():
                working.cancel()
                return None
            return working.result()


async def serve_until_told(
    told: Told,
    server: LiveServer,
    readiness: Readiness,
    *,
    drain_s: float,
    tell: Callable[[str], None],
) -> None:
    """Be ready until a signal comes; then let what is in flight end, for so long."""
    _settle_memory()
    readiness.start()
    await told.end()
    readiness.drain()
    tell("draining")
    left = await told.unless_at_once(server.drain(drain_s))
    if left:
        tell(f"{left} connections did not end within {drain_s:g} s")


def _settle_memory() -> None:
    """Spare the live path the looking through of all that is there for good, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
