"""The wire transport as a transport of any `httpx.AsyncClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from shadow.model import Headers, NoAnswer, NoAnswerKind, Request
from shadow.sending.limits import Limits
from shadow.sending.no_answer import NO_CONNECTION, NO_FREE_CONNECTION, no_free_connection
from shadow.sending.rewrite import Unsendable, render
from shadow.sending.safety import Safety
from shadow.sending.target import DEFAULT_PORTS, Scheme, Target
from shadow.sending.wire import Wire

_SAFETY = Safety()

_ERRORS: dict[NoAnswerKind, type[httpx.TransportError]] = {
    "connect": httpx.ConnectError,
    "tls": httpx.ConnectError,
    "timeout": httpx.ReadTimeout,
    "reset": httpx.ReadError,
    "protocol": httpx.RemoteProtocolError,
}


class WireTransport(httpx.AsyncBaseTransport):
    """Sends what an httpx client built, over one `Wire` per origin, kept until it is closed.

    The request goes out with its fields in their order and its target as it stands in
    `request.extensions["target"]`, else as in the URL; framing and connection fields are set
    as in `rewrite.render`. The whole answer is read before the response is returned, its body
    still content-encoded. A body beyond `limits.max_body` raises `ReadError`.

    Of httpx's timeouts `pool` bounds waiting for one of the origin's `limits.connections`, and
    `read` all the rest, to the last byte (not each pause between two reads); where one is not
    given, `limits` holds, and so it does for connecting. `connect` and `write` are not looked
    at, nor are the extensions `trace` and `sni_hostname`; a response has no `network_stream`
    and only the usual `reason_phrase`.
    """

    def __init__(self, *, limits: Limits | None = None, verify_tls: bool = True) -> None:
        self._limits = limits or Limits()
        self._verify_tls = verify_tls
        self._origins: dict[tuple[str, str, int], _Origin] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; failures are httpx's own exceptions."""
        timeouts = request.extensions.get("timeout", {})
        origin = self._origin(request.url)
        recorded = Request(
            method=request.method,
            target=request.extensions.get("target", request.url.raw_path).decode("latin-1"),
            headers=_text(request.headers.raw),
            body=await request.aread(),
        )
        try:
            message = render(recorded, origin.wire.target)
        except Unsendable as error:
            raise httpx.LocalProtocolError(error.detail, request=request) from error
        async with origin.place(timeouts.get("pool"), request):
            observation = await origin.wire.send(
                message,
                method=request.method,
                safe=_SAFETY.is_safe(recorded),
                timeout=timeouts.get("read"),
            )
        if isinstance(observation, NoAnswer):
            raise _error(observation, request)
        response = observation.response
        if response.truncated:
            raise httpx.ReadError(
                f"the body is longer than {self._limits.max_body} bytes", request=request
            )
        return httpx.Response(
            response.status,
            headers=[(k.encode("latin-1"), v.encode("latin-1")) for k, v in response.headers],
            stream=httpx.ByteStream(response.body),
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        """Close every connection."""
        while self._origins:
            await self._origins.popitem()[1].wire.aclose()

    def _origin(self, url: httpx.URL) -> _Origin:
        if url.scheme not in DEFAULT_PORTS:
            raise httpx.UnsupportedProtocol(f"no transport for {url.scheme or 'an empty'} scheme")
        scheme: Scheme = "https" if url.scheme == "https" else "http"
        host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[scheme]
        key = (scheme, host, port)
        if key not in self._origins:
            target = Target(
                side="baseline",  # a target has one; nothing here looks at it
                name=host,
                scheme=scheme,
                host=host,
                port=port,
                keep_host=True,
                verify_tls=self._verify_tls,
            )
            self._origins[key] = _Origin(target, self._limits)
        return self._origins[key]


class _Origin:
    """The wire to one origin, and the places on it."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self.wire = Wire(target, limits=limits)
        self._places = asyncio.Semaphore(limits.connections)
        self._wait_s = limits.timeout_s

    @asynccontextmanager
    async def place(self, wait_s: float | None, request: httpx.Request) -> AsyncIterator[None]:
        """Hold one of the places. Raises `PoolTimeout`."""
        wait_s = self._wait_s if wait_s is None else wait_s
        try:
            async with asyncio.timeout(wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(no_free_connection(wait_s).detail, request=request) from None
        try:
            yield
        finally:
            self._places.release()


def _text(headers: list[tuple[bytes, bytes]]) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _error(failure: NoAnswer, request: httpx.Request) -> httpx.TransportError:
    kind = _ERRORS[failure.kind]
    if failure.detail.startswith(NO_CONNECTION):
        kind = httpx.ConnectTimeout
    elif failure.detail.startswith(NO_FREE_CONNECTION):
        kind = httpx.PoolTimeout
    elif failure.kind == "reset" and failure.detail.startswith("closed"):
        kind = httpx.RemoteProtocolError  # as httpx has it; a RST is a ReadError
    return kind(failure.detail, request=request)
