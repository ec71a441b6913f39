"""The admin port as an ASGI application: where routes stand, changes of them, the live page.

| | |
| --- | --- |
| `GET /-/routes` | states, shares in force, standings of the guards |
| `POST /-/routes/set` | `{"route": "*", "percent": 5, "reason": "…"}` |
| `POST /-/routes/unset` | `{"route": "*"}`: the flag decides again |
| `POST /-/routes/abort` | `{"reason": "…"}`, also with a `route`: Go now, latched |
| `POST /-/routes/reset` | `{"route": "*", "reason": "…"}` |
| `GET /-/changes?limit=100` | the ledger, newest first |
| `GET /-/live`, `GET /-/live.json` | the page for a browser, and what it polls |

Every path needs the token, a change in the `Authorization` field; whatever is wrong is JSON,
`error` and `hint`. Source of the interface: https://asgi.readthedocs.io/en/stable/specs/www.html
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qs

import msgspec

from shadow.errors import ConfigError, ShadowError, UnfinishedError
from shadow.printable import printable
from shadow.reports.live import LivePage, live_json
from shadow.reports.live.view import Live, LiveRoutes
from shadow.results.routes import GO_ALL, RouteChange, RouteState
from shadow.rollout.routes import CHANGES, Asked, Changes, Moved, asked
from shadow.sending.admin_client import OPERATOR
from shadow.sidecar.ports.door import Answer, Door, Headers, header
from shadow.sidecar.ports.status import MAX_QUERY, Receive, Refused, Reply, Scope, Send

MAX_BODY: Final = 16 * 1024
MAX_CHANGES: Final = 1_000
BODY_S: Final = 10.0
"""Seconds that a body may take."""
FRESH_S: Final = 0.5
"""Seconds that a moment of the live page serves everybody who asks, at least."""
SHARE: Final = 0.01
"""Of the time, that goes into making them: clients wait for the same event loop."""

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_FORM: Final = "application/x-www-form-urlencoded"
_LIVE: Final = "/-/live"
_LOGIN: Final = "/-/login"
_FIELD_ERROR: Final = 300

Change = Callable[[RouteChange], Awaitable[RouteState]]
"""Makes a change, in the ledger too, and returns what the route is now. Raises ShadowError."""
_Body = TypeVar("_Body", bound=msgspec.Struct)


class LiveView(Protocol):
    """What the port shows. Its methods are called on the event loop, and often."""

    def live(self) -> Live:
        """Everything the live page shows, as it is now."""

    def routes(self) -> LiveRoutes:
        """Where routes and guards stand."""

    def endpoints(self) -> Collection[str]:
        """The names of all endpoints that are known."""

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        """The ledger, newest first. Raises ShadowError."""


class _Set(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    route: str
    percent: float
    reason: str = ""


class _Unset(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    route: str
    reason: str = ""


class _Abort(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    route: str = GO_ALL
    reason: str


class _Reset(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    route: str
    reason: str


_ACTIONS: Final[dict[Asked, type[_Set | _Unset | _Abort | _Reset]]] = {
    "set": _Set,
    "unset": _Unset,
    "abort": _Abort,
    "reset": _Reset,
}


class Control:
    """The application. `door` says who may ask, `view` what there is, `change` changes a route."""

    def __init__(
        self,
        door: Door,
        view: LiveView,
        change: Change,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door, self._view, self._change, self._clock = door, view, change, clock
        self._page = LivePage()
        self._moment: tuple[float, bytes] = (-math.inf, b"")
        """The live page's data, and until when they serve."""
        self._pages: dict[str, Callable[[Scope], Awaitable[Reply]]] = {
            "/-/routes": self._routes,
            "/-/changes": self._changes,
            _LIVE: self._live,
            f"{_LIVE}.json": self._live_json,
        }
        self._acts: dict[str, Asked] = {f"/-/routes/{action}": action for action in _ACTIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        try:
            reply = await self._answer(scope, receive)
        except Refused as refused:
            reply = refused.reply
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.encode(), value.encode()) for name, value in _fields(reply)],
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        headers, path, method = scope["headers"], scope["path"], scope["method"]
        self._door.check_host(headers)
        if method != "GET":
            self._door.check_origin(headers)
        if path == _LOGIN:
            return await self._login(scope, receive)
        admitted = self._door.has_token(headers)
        if not (admitted or (method == "GET" and self._door.has_session(headers))):
            page = self._login_page() if (method, path) == ("GET", _LIVE) else None
            raise self._door.refuse(_client(scope), page=page)
        if path in self._pages:
            _allow(method, "GET")
            if len(scope["query_string"]) > MAX_QUERY:
                raise Refused(414, "the query is too long", f"at most {MAX_QUERY:,} bytes")
            return await self._pages[path](scope)
        if path in self._acts:
            _allow(method, "POST")
            return await self._act(self._acts[path], headers, receive)
        raise Refused(404, "no such path", f"there are {', '.join([*self._pages, *self._acts])}")

    # What there is

    async def _routes(self, scope: Scope) -> Reply:
        del scope
        return _json({"v": 1, **msgspec.to_builtins(self._view.routes())})

    async def _changes(self, scope: Scope) -> Reply:
        limit = _limit(scope)
        try:
            found = await self._view.changes(limit)
        except ShadowError as error:
            raise _unable(error) from None
        return _json({"v": 1, **msgspec.to_builtins(Changes(changes=tuple(found[:limit])))})

    async def _live(self, scope: Scope) -> Reply:
        del scope
        return _html(self._page.html(self._view.live()), self._page.policy)

    async def _live_json(self, scope: Scope) -> Reply:
        del scope
        until, text = self._moment
        begun = self._clock()
        if begun >= until:
            text = live_json(self._view.live())
            made = self._clock()
            self._moment = (made + max(FRESH_S, (made - begun) / SHARE), text)
        return Reply(body=text)

    # Changes

    async def _act(self, action: Asked, headers: Headers, receive: Receive) -> Reply:
        body = _decoded(await _body(headers, receive, _JSON), _ACTIONS[action])
        given = msgspec.structs.asdict(body)
        name = header(headers, OPERATOR.lower().encode()) or ""
        try:
            change = asked(action, by=f"admin:{name}" if name else "admin", **given)
        except ConfigError as error:
            raise Refused(400, error.message, error.hint) from None
        try:
            state = await self._change(change)
        except ShadowError as error:
            raise _unable(error) from None
        latched = [each.route for each in self._view.routes().routes if each.latched]
        # To find the nearest of thousands of names takes half a second.
        moved = await asyncio.to_thread(
            Moved.of, change, state, endpoints=tuple(self._view.endpoints()), latched=latched
        )
        return _json({"v": 1, **msgspec.to_builtins(moved)})

    # A browser

    def _login_page(self, *, wrong: bool = False) -> Answer:
        return _html(self._page.login(wrong=wrong), self._page.login_policy)

    async def _login(self, scope: Scope, receive: Receive) -> Reply:
        _allow(scope["method"], "POST")
        form = (await _body(scope["headers"], receive, _FORM)).decode("latin-1")
        try:
            given = parse_qs(form, max_num_fields=5).get("token", [""])[0]
        except ValueError:
            given = ""
        if not self._door.is_token(given.strip()):
            raise self._door.refuse(_client(scope), page=self._login_page(wrong=True))
        fields = (("location", _LIVE), ("set-cookie", self._door.session_cookie()))
        return Answer(status=303, body=b"", headers=fields)


def _fields(reply: Reply) -> list[tuple[str, str]]:
    """The header fields of a reply: nothing of it is kept, framed or taken for another type."""
    fields = [
        ("content-type", reply.content_type),
        ("content-length", str(len(reply.body))),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
    ]
    if reply.allow:
        fields.append(("allow", reply.allow))
    return fields + list(getattr(reply, "headers", ()))


def _json(value: dict[str, Any]) -> Reply:
    return Reply(body=msgspec.json.encode(value))


def _html(text: str, policy: str) -> Answer:
    return Answer(
        body=text.encode(),
        content_type=_HTML,
        headers=(
            ("content-security-policy", policy),
            # With `no-referrer` the log-in would come from the origin `null`.
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ),
    )


def _unable(error: ShadowError) -> Refused:
    """A failure of ours as an answer: 503 where it may pass."""
    status = 503 if isinstance(error, UnfinishedError) else 500
    return Refused(status, error.message, error.hint)


def _allow(method: str, only: str) -> None:
    if method != only:
        raise Refused(405, f"only {only} is served here", allow=only)


def _client(scope: Scope) -> str:
    """The address of whoever asks."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _limit(scope: Scope) -> int:
    """Read `limit` from the query. Raises Refused."""
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    unknown = sorted(given.keys() - {"limit"})
    if unknown:
        raise Refused(400, f"unknown parameter {unknown[0]}", "there is limit")
    values = given.get("limit", [str(CHANGES)])
    text = values[0]
    is_number = len(values) == 1 and text.isascii() and text.isdigit() and len(text) <= 6
    if not is_number or not 1 <= int(text) <= MAX_CHANGES:
        raise Refused(400, "limit is no number in range", f"1 to {MAX_CHANGES:,}")
    return int(text)


async def _body(headers: Headers, receive: Receive, content_type: str) -> bytes:
    """Read a body of a type, of at most `MAX_BODY` bytes, in `BODY_S`. Raises Refused."""
    given = (header(headers, b"content-type") or "").partition(";")[0].strip().lower()
    if given != content_type:
        raise Refused(415, f"the body is not {content_type}", f"Content-Type: {content_type}")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the body broke off", "send it whole")
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise Refused(413, "the body is too long", f"at most {MAX_BODY:,} bytes")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408, "the body did not come", f"within {BODY_S:.0f} s") from None


def _decoded(body: bytes, kind: type[_Body]) -> _Body:
    """Read strict JSON: no member twice, none that is not known. Raises Refused."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_constant)
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError) as error:
        said = printable(str(error))[:_FIELD_ERROR]
        members = ", ".join(field.name for field in msgspec.structs.fields(kind))
        raise Refused(400, f"the body is wrong: {said}", f"an object with {members}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is given twice")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
