"""One request to an ASGI application, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from typing import Any

from shadow.sidecar.ports.status import StatusApp


class Answered:
    """What an application sent."""

    def __init__(self, sent: list[Mapping[str, Any]]) -> None:
        start, body = sent
        self.status: int = start["status"]
        self.headers: dict[bytes, bytes] = dict(start["headers"])
        self.body: bytes = body["body"]
        assert len(self.headers) == len(start["headers"])
        assert self.headers[b"cache-control"] == b"no-store"
        assert self.headers[b"x-content-type-options"] == b"nosniff"

    @property
    def json(self) -> Any:
        assert self.headers[b"content-type"] == b"application/json"
        assert self.headers[b"content-length"] == str(len(self.body)).encode()
        return json.loads(self.body)


def ask(app: StatusApp, target: str, method: str = "GET", *accept: str) -> Answered:
    """Ask for a target; what the request carries must not be read."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"accept", each.encode()) for each in accept],
    }
    sent: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    def receive() -> Awaitable[Mapping[str, Any]]:
        raise AssertionError("nothing is read")

    asyncio.run(app(scope, receive, send))
    return Answered(sent)
