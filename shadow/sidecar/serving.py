"""`shadow serve`: the read-only port, until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from shadow.errors import UnfinishedError
from shadow.results.store import Store
from shadow.sidecar.admin import Admin
from shadow.sidecar.options import ServePlan
from shadow.sidecar.polled import PolledGates

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
REQUESTS_AT_ONCE: Final = 64
"""Beyond, a request is answered with 503."""


class _Server(uvicorn.Server):
    """Leaves the signals to `serve`: a server that is told to end has not failed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(plan: ServePlan, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises UnfinishedError where it cannot listen there."""
    with (
        Store.open(plan.store, create=False) as store,
        _listening(plan.host, plan.port) as listener,
    ):
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        tell(f"serving on http://{shown}:{port}/-/gate (Ctrl-C ends it)")
        asyncio.run(_serve(Admin(PolledGates(store, plan.gates)), listener))


async def _serve(app: Admin, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what a client does wrong is told to the client
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=REQUESTS_AT_ONCE,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)

    def end() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    await server.serve(sockets=[listener])


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise UnfinishedError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            "choose another --listen HOST:PORT",
        ) from None
    with listener:
        yield listener
