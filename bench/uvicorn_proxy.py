"""The least a proxy on uvicorn can be: httptools, uvloop, and the project's own wire.

It passes a request on and gives the answer back, whole, and does nothing else. What `shadow proxy`
is measured beside, so that what its own server saves can be seen.

python -m bench.uvicorn_proxy SERVICE-URL PORT
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import uvicorn

from shadow.model import NoAnswer, Observation, Request
from shadow.sending.loop import event_loop
from shadow.sending.target import parse_target
from shadow.sending.wire import Wire

CONNECTIONS: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})
BODILESS: Final = frozenset({"GET", "HEAD"})

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class BareProxy:
    """An ASGI application."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass one request on."""
        method: str = scope["method"]
        body = b"" if method in BODILESS else await whole(receive)
        observation = await self._ask(request_of(scope, method, body), safe=method in BODILESS)
        if isinstance(observation, NoAnswer):
            await send({"type": "http.response.start", "status": 502, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        response = observation.response
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers
            if name.lower() not in CONNECTIONS
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _ask(self, request: Request, *, safe: bool) -> Observation:
        """Send a request: by `start`, which is the cheaper way, where that can be done."""
        wire, method = self._wire, request.method
        message = wire.render(request)
        future: asyncio.Future[Observation | None] = asyncio.get_running_loop().create_future()
        if wire.start(message, method=method, safe=safe, due=None, done=future.set_result):
            observation = await future
            if observation is not None:
                return observation
        return await wire.send(message, method=method, safe=safe)


def request_of(scope: Mapping[str, Any], method: str, body: bytes) -> Request:
    """Return the request of an ASGI scope."""
    target: str = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    return Request(method=method, target=target, headers=headers, body=body)


async def whole(receive: Receive) -> bytes:
    """Read a body to its end."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body", False):
            return body


async def serve(url: str, port: int) -> None:
    """Serve until a signal comes."""
    target = parse_target(url, side="baseline", name="go", option="--go")
    async with Wire(target) as wire:
        config = uvicorn.Config(
            BareProxy(wire),
            host="127.0.0.1",
            port=port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=4096,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2])))
