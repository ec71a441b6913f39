"""The read-only port as an ASGI application: a table of paths, GET and HEAD, and nothing else.

`GET /-/healthz` says that the process is up, `GET /-/readyz` whether it takes traffic, and
`GET /metrics` and `GET /-/gate` are there where whoever serves has them. Whatever is wrong is
JSON: `error` and `hint`. Nothing can be changed, and what a request carries is not read.
Source of the interface: https://asgi.readthedocs.io/en/stable/specs/www.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from shadow.metrics import Metrics

MAX_QUERY: Final = 1_000
"""Bytes of a query; no phase and no run has so long a name."""
METHODS: Final = ("GET", "HEAD")

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is answered with."""

    status: int = 200
    body: bytes
    content_type: str = "application/json"
    allow: str = ""


Page = Callable[[Scope], Awaitable[Reply]]
"""Answers GET and HEAD of one path. Raises Refused."""


class Refused(Exception):  # noqa: N818 - a request, no failure
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, hint: str = "", *, allow: str = "") -> None:
        super().__init__(message)
        self.reply = Reply(
            status=status,
            body=msgspec.json.encode({"error": message, "hint": hint}),
            allow=allow,
        )


class StatusApp:
    """The application: the pages, by their paths."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = dict(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what it carries is not read."""
        del receive
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        try:
            reply = await self._answer(scope)
        except Refused as refused:
            reply = refused.reply
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", str(len(reply.body)).encode()),
        ]
        if reply.allow:
            headers.append((b"allow", reply.allow.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> Reply:
        page = self._pages.get(scope["path"])
        if page is None:
            raise Refused(404, "no such path", f"there are {', '.join(self._pages)}")
        if scope["method"] not in METHODS:
            raise Refused(405, "only GET and HEAD are served", allow=", ".join(METHODS))
        if len(scope["query_string"]) > MAX_QUERY:
            raise Refused(414, "the query is too long", f"at most {MAX_QUERY:,} bytes")
        return await page(scope)


class Readiness:
    """Whether traffic is wanted here: not while it starts, and not again once it drains.

    A store that fails or a candidate that is dead changes nothing: the live path works without.
    """

    def __init__(self) -> None:
        self.reasons: tuple[str, ...] = ("starting",)
        """Why it is not ready; none where it is."""

    def start(self) -> None:
        """Take traffic from now on, unless it drains already."""
        if self.reasons == ("starting",):
            self.reasons = ()

    def drain(self) -> None:
        """Take no new traffic, for good."""
        self.reasons = ("draining",)


def status_app(
    readiness: Readiness, *, metrics: Metrics | None = None, gate: Page | None = None
) -> StatusApp:
    """Return the application with the pages that there are."""

    async def ready(scope: Scope) -> Reply:
        del scope
        if not readiness.reasons:
            return _json(200, {"status": "ready"})
        return _json(503, {"status": "not ready", "reasons": readiness.reasons})

    pages: dict[str, Page] = {"/-/healthz": _healthy, "/-/readyz": ready}
    if metrics is not None:
        pages["/metrics"] = _metrics_page(metrics)
    if gate is not None:
        pages["/-/gate"] = gate
    return StatusApp(pages)


async def _healthy(scope: Scope) -> Reply:
    del scope
    return _json(200, {"status": "ok"})


def _json(status: int, value: Mapping[str, Any]) -> Reply:
    return Reply(status=status, body=msgspec.json.encode(value))


def _metrics_page(metrics: Metrics) -> Page:
    async def page(scope: Scope) -> Reply:
        accepted = [value for name, value in scope["headers"] if name == b"accept"]
        pieces, content_type = metrics.pieces(b",".join(accepted).decode("latin-1"))
        done: list[bytes] = []
        for piece in pieces:
            done.append(piece)
            await asyncio.sleep(0)  # a scrape keeps no request of the live path waiting
        return Reply(body=b"".join(done), content_type=content_type)

    return page
