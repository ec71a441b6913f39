"""The read-only port as an ASGI application: is it up, and what does a gate say.

`GET /-/healthz` and `GET /-/gate?phase=NAME&run=RUN`, both answered with JSON. Whatever is wrong
is JSON as well: `error` and `hint`. Nothing else is served, and nothing can be changed.
Source of the interface: https://asgi.readthedocs.io/en/stable/specs/www.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from shadow.errors import ShadowError, UnfinishedError
from shadow.results.gates.verdicts import GateResult, GateVerdict

VALUES: Final[Mapping[GateVerdict, int]] = {"pass": 1, "fail": 0, "inconclusive": -1}
"""A verdict as the number that a metric is."""
MAX_QUERY: Final = 1_000
"""Bytes of a query; no phase and no run has so long a name."""
LATEST: Final = "latest"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Judge = Callable[[str, str], Awaitable[GateResult]]
"""Takes the names of a phase and of a run. Raises NotThere, or ShadowError."""


class NotThere(Exception):  # noqa: N818 - what is asked for, no failure
    """There is no such phase or run."""

    def __init__(self, error: ShadowError) -> None:
        super().__init__(error.message)
        self.error = error


class Refused(Exception):  # noqa: N818 - a request, no failure
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, hint: str = "", *, allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": message, "hint": hint}
        self.allow = allow


class Admin:
    """The application; `judge` says what a gate says."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what it carries is not read."""
        del receive
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        allow = ""
        try:
            status, body = 200, await self._answer(scope)
        except Refused as refused:
            status, body, allow = refused.status, refused.body, refused.allow
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if allow:
            headers.append((b"allow", allow.encode()))
        text = msgspec.json.encode(body)
        headers.append((b"content-length", str(len(text)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    async def _answer(self, scope: Scope) -> dict[str, Any]:
        paths = {"/-/healthz": self._health, "/-/gate": self._gate}
        answer = paths.get(scope["path"])
        if answer is None:
            raise Refused(404, "no such path", f"there are {', '.join(paths)}")
        if scope["method"] != "GET":
            raise Refused(405, "only GET is served", allow="GET")
        return await answer(scope["query_string"])

    @staticmethod
    async def _health(query: bytes) -> dict[str, Any]:
        del query
        return {"status": "ok"}

    async def _gate(self, query: bytes) -> dict[str, Any]:
        phase, run = _asked(query)
        try:
            result = await self._judge(phase, run)
        except NotThere as missing:
            raise Refused(404, missing.error.message, missing.error.hint) from None
        except UnfinishedError as error:
            raise Refused(503, error.message, error.hint) from None
        except ShadowError as error:
            raise Refused(500, error.message, error.hint) from None
        return {
            "v": 1,
            "phase": result.phase,
            "run_id": result.run_id,
            "verdict": result.verdict,
            "value": VALUES[result.verdict],
            "criteria": msgspec.to_builtins(result.criteria),
        }


def _asked(query: bytes) -> tuple[str, str]:
    """Read phase and run from a query. Raises Refused."""
    if len(query) > MAX_QUERY:
        raise Refused(414, "the query is too long", f"at most {MAX_QUERY:,} bytes")
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=None)
    unknown = sorted(given.keys() - {"phase", "run"})
    if unknown:
        raise Refused(400, f"unknown parameter {unknown[0]}", "there are phase and run")
    twice = sorted(name for name, values in given.items() if len(values) > 1)
    if twice:
        raise Refused(400, f"{twice[0]} is given twice", "give it once")
    phase = given.get("phase", [""])[0]
    if not phase:
        raise Refused(400, "phase is missing", "/-/gate?phase=canary")
    return phase, given.get("run", [LATEST])[0] or LATEST
