"""How far a request through httpx's transport came, and what its errors say."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import httpx

from shadow.model import NoAnswer


class _Stream(Protocol):
    """The end of httpcore's connection that we know of."""

    async def aclose(self) -> None: ...


class Ended(NamedTuple):
    """The end of a stream, or of the connection where `stream_id` is None."""

    code: str
    stream_id: int | None


@dataclass(slots=True)
class RequestTrace:
    """How far one request came, as httpx's extension `trace` tells it."""

    sent: float = field(default_factory=time.perf_counter)
    done: float = 0.0
    scope: asyncio.Timeout | None = None
    connect_s: float | None = None
    """The bound on connecting, while that goes on."""
    through_proxy: bool = False
    stream_was_reset: bool = False
    """The service ended this one stream: it saw the request."""
    connected: Callable[[Any], None] = lambda _: None
    """Told the address that a connection led to; what it raises ends the request."""
    stream: _Stream | None = None
    body: bytearray = field(default_factory=bytearray)
    _answering: bool = False
    _length: str = ""
    _by: float = 0.0
    _longest_s: float = 0.0

    def limit(self, by: float, connect_s: float) -> None:
        """Bound the whole, and connecting once that begins; `by` is on the loop's clock."""
        self._by, self._longest_s = by, connect_s

    async def step(self, event: str, info: dict[str, Any]) -> None:
        """Take note of a step: `connection.connect_tcp.started` and the like."""
        assert self.scope is not None
        match event.partition(".")[2]:
            case "connect_tcp.started":
                now = asyncio.get_running_loop().time()
                self.connect_s = max(0.0, min(self._longest_s, self._by - now))
                self.scope.reschedule(now + self.connect_s)
            case "connect_tcp.complete":
                self.stream = info["return_value"]
                self.connected(info["return_value"].get_extra_info("server_addr"))
            case "start_tls.started" if event.startswith("proxy."):
                self.through_proxy = True
            case "send_request_headers.started" if info["request"].method != b"CONNECT":
                self.connect_s = None
                self.scope.reschedule(self._by)
                self.sent = time.perf_counter()

    def head(self, response: httpx.Response) -> None:
        """Take note of the head of the answer."""
        self._answering = True
        self._length = response.headers.get("content-length", "")

    def was_lost(self, failure: NoAnswer) -> bool:
        """Whether a reused connection failed before the head of an answer."""
        unseen = not (self.stream_was_reset or self._answering)
        return failure.kind == "reset" and self.stream is None and unseen

    def progress(self) -> str:
        """Say how far the answer came, for a failure's detail."""
        if not self._answering:
            return "before the head of an answer"
        of = f" of {self._length}" if self._length else ""
        return f"after {len(self.body)}{of} bytes of body"


def failures() -> tuple[type[Exception], ...]:
    """What httpx's transport raises; errors of h2 while a body is read come as they are."""
    raised: tuple[type[Exception], ...] = (httpx.TransportError, OSError)
    if find_spec("h2") is not None:
        from h2.exceptions import H2Error  # noqa: PLC0415 - only with the extra `http2`

        raised = (*raised, H2Error)
    return raised


def system_error(error: BaseException) -> OSError | None:
    """Find what the operating system or TLS said, below what was made of it."""
    found = None
    below: BaseException | None = error
    for _ in range(20):
        if below is None:
            break
        if isinstance(below, BaseExceptionGroup):
            below = below.exceptions[0]
        if isinstance(below, OSError) and (below.errno or isinstance(below, ssl.SSLError)):
            found = below
        below = below.__cause__ or below.__context__
    return found


def ended(error: Exception) -> Ended | None:
    """The RST_STREAM or GOAWAY that httpcore raises as h2 has it."""
    for argument in getattr(error.__cause__, "args", ()):
        code = getattr(argument, "error_code", None)
        if code is not None and not isinstance(argument, Exception):
            stream_id = getattr(argument, "stream_id", None)
            return Ended(str(getattr(code, "name", code)), stream_id)
    return None
