"""An ASGI application behind uvicorn, in a thread of the test, that can end and come back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple

import uvicorn


class Answered(NamedTuple):
    """A request, and what was said to it."""

    path: str
    foreign: bool
    """Whether a page of another site has sent it."""
    status: int


class Listening:
    """An application on a port of this machine that stays the same."""

    def __init__(self, app: Any) -> None:
        self._inner = app
        self.answered: list[Answered] = []
        self._place = ("127.0.0.1", 0)
        self._server: uvicorn.Server | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{self._place[0]}:{self._place[1]}"

    @property
    def is_up(self) -> bool:
        return self._server is not None

    def start(self) -> None:
        listener = socket.create_server(self._place)
        self._place = listener.getsockname()
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        started = Event()
        server = self._server = _Server(config, started)
        self._thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        assert started.wait(10)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            if message["type"] == "http.response.start":
                foreign = (b"sec-fetch-site", b"cross-site") in scope["headers"]
                self.answered.append(Answered(scope["path"], foreign, message["status"]))
            await send(message)

        await self._inner(scope, receive, told)

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
            assert not self._thread.is_alive()
        self._server = self._thread = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Event) -> None:
        super().__init__(config)
        self._up = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up.set()


@contextmanager
def listening(app: Any) -> Iterator[Listening]:
    """Serve the application while the block runs."""
    port = Listening(app)
    port.start()
    try:
        yield port
    finally:
        port.stop()
