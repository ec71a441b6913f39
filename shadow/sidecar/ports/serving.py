"""How the small ports are served, beside whatever else runs in the loop; and `shadow serve`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shadow.errors import UnfinishedError
from shadow.results.store import Store
from shadow.sidecar.ports.gate import gate_page
from shadow.sidecar.ports.options import ServePlan
from shadow.sidecar.ports.polled import PolledGates
from shadow.sidecar.ports.status import Readiness, Receive, Scope, Send, status_app

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
CONNECTIONS: Final = 64
"""Beyond, the one that has been idle for longest is closed; where none is, the answer is 503."""
HEAD_S: Final = 10.0
"""Seconds after which a connection without a whole head of a request is closed."""
MAX_HEAD: Final = 65_536
"""Bytes of a head."""
TICK_S: Final = 1.0
"""How often the date in the answers is renewed."""

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Connection(HttpToolsProtocol):
    """Waits for a head for so long and no longer, and makes room for those that ask."""

    deadline: asyncio.TimerHandle
    is_waiting = True
    """For a head: none of its requests is being answered."""
    waits_since = 0.0
    _taken = 0  # bytes since it waits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._taken += len(data)
        if self.is_waiting and self._taken > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self.is_waiting = False
        self.deadline.cancel()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # and none was sent ahead
            self._wait()

    def _wait(self) -> None:
        self.is_waiting, self._taken = True, 0
        self.waits_since = self.loop.time()
        self.deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _make_room(self) -> None:
        idle = [
            each
            for each in self.connections
            if isinstance(each, _Connection) and each.is_waiting and each is not self
        ]
        if idle:
            oldest = min(idle, key=lambda each: each.waits_since)
            self.connections.discard(oldest)
            oldest.transport.abort()


class _Server(uvicorn.Server):
    """Ends when it is told to, and leaves the signals to others."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self.servers = []
        self._stop = stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not self._stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_S)

    def abandon(self) -> None:
        """Close what is still open, at once."""
        for each in self.servers:
            each.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


async def serve_app(app: App, listener: socket.socket, *, stop: asyncio.Event) -> None:
    """Serve an ASGI application until `stop` is set, then finish what has begun, for 5 s.

    It may be cancelled instead. Several can run in one loop; signals are left alone.
    """
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # what a client does wrong is told to the client
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS + 1,  # uvicorn refuses from that number on
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        server.abandon()


@contextlib.contextmanager
def listening(host: str, port: int, option: str = "--listen") -> Iterator[socket.socket]:
    """Listen; `option` is where the address was given. Raises UnfinishedError where it cannot."""
    try:
        host.encode("idna")  # which the system would refuse with a TypeError
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        why = str(getattr(error, "strerror", None) or error).partition(" (while ")[0]
        raise UnfinishedError(
            f"{option}: cannot listen on {host}:{port}: {why}",
            f"choose another {option} HOST:PORT",
        ) from None
    with listener:
        yield listener


def address(listener: socket.socket) -> str:
    """Return where it listens, as it stands in a URL: `127.0.0.1:9464`, `[::1]:9464`."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve(plan: ServePlan, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises UnfinishedError where it cannot listen there."""
    with (
        Store.open(plan.store, create=False) as store,
        listening(plan.host, plan.port) as listener,
    ):
        tell(f"serving on http://{address(listener)}/-/gate (Ctrl-C ends it)")
        readiness = Readiness()
        readiness.start()
        app = status_app(readiness, gate=gate_page(PolledGates(store, plan.gates)))
        asyncio.run(_until_told(app, listener))


async def _until_told(app: App, listener: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    await serve_app(app, listener, stop=stop)
