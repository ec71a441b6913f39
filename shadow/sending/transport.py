"""The wire transport as a transport of any `httpx.AsyncClient`."""

from __future__ import annotations

import httpx

from shadow.model import Headers, NoAnswer, NoAnswerKind, Request
from shadow.sending.connect import TIMED_OUT
from shadow.sending.limits import Limits
from shadow.sending.rewrite import Unsendable, render
from shadow.sending.safety import Safety
from shadow.sending.target import DEFAULT_PORTS, Scheme, Target
from shadow.sending.wire import NO_FREE_CONNECTION, Wire

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
    still content-encoded, so httpx's `read` timeout bounds the whole exchange; without one,
    and for connecting, `limits` holds. A body beyond `limits.max_body` raises `ReadError`.
    """

    def __init__(self, *, limits: Limits | None = None, verify_tls: bool = True) -> None:
        self._limits = limits or Limits()
        self._verify_tls = verify_tls
        self._wires: dict[tuple[str, str, int], Wire] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; failures are httpx's own exceptions."""
        wire = self._wire(request.url)
        recorded = Request(
            method=request.method,
            target=request.extensions.get("target", request.url.raw_path).decode("latin-1"),
            headers=_text(request.headers.raw),
            body=await request.aread(),
        )
        try:
            message = render(recorded, wire.target)
        except Unsendable as error:
            raise httpx.LocalProtocolError(error.detail, request=request) from error
        observation = await wire.send(
            message,
            method=request.method,
            safe=_SAFETY.is_safe(recorded),
            timeout=request.extensions.get("timeout", {}).get("read"),
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
        )

    async def aclose(self) -> None:
        """Close every connection."""
        while self._wires:
            await self._wires.popitem()[1].aclose()

    def _wire(self, url: httpx.URL) -> Wire:
        if url.scheme not in DEFAULT_PORTS:
            raise httpx.UnsupportedProtocol(f"no transport for {url.scheme or 'an empty'} scheme")
        scheme: Scheme = "https" if url.scheme == "https" else "http"
        host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[scheme]
        origin = (scheme, host, port)
        if origin not in self._wires:
            target = Target(
                side="baseline",  # a target has one; nothing here looks at it
                name=host,
                scheme=scheme,
                host=host,
                port=port,
                keep_host=True,
                verify_tls=self._verify_tls,
            )
            self._wires[origin] = Wire(target, limits=self._limits)
        return self._wires[origin]


def _text(headers: list[tuple[bytes, bytes]]) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _error(failure: NoAnswer, request: httpx.Request) -> httpx.TransportError:
    kind = _ERRORS[failure.kind]
    if failure.detail.startswith(TIMED_OUT):
        kind = httpx.ConnectTimeout
    elif failure.detail.startswith(NO_FREE_CONNECTION):
        kind = httpx.PoolTimeout
    return kind(failure.detail, request=request)
