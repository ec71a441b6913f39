"""HTTP/2 and proxies: a service reached through httpx's own transport, called directly.

No client stands between: nothing is redirected, stored, decoded or added, and nothing is read
from the environment. It is the slow path: some twenty times slower than `wire.Wire`.

Each connection carries one request at a time, also with HTTP/2: a failure then costs no other
request, and a connection that something went wrong on is closed. (httpcore 1.0 neither resets
a stream that was given up nor gives back its part of the flow-control window, and one failed
read ends every request on the connection. It also reads no answer before the whole request is
sent: an early one to a body that is larger than the service's window is a timeout here.)

What HTTP/2 cannot carry is left out or refused: names go in lower case, `Host` is `:authority`,
and there are no connection fields and no chunks.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import httpx
from msgspec.structs import replace

from shadow.model import Answer, Headers, NoAnswer, Observation, Request, Response
from shadow.sending.connect import refuse_peer, tls_context
from shadow.sending.limits import Limits
from shadow.sending.no_answer import (
    NOT_REPEATED,
    UNSAFE_IDLE_S,
    connect_failure,
    no_connection,
    no_free_connection,
    timed,
)
from shadow.sending.rewrite import Unsendable, render
from shadow.sending.service import Done
from shadow.sending.target import Target
from shadow.sending.trace import RequestTrace, ended, failures, system_error

_REQUESTS: Final = 500
"""Requests on one HTTP/2 connection. A server says GOAWAY before it answers the last one it
takes (nginx's thousandth), and h2 cannot read an answer after that."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

_CLOSED = ("Server disconnected", "peer closed connection")
"""How httpcore and h11 begin to say that a connection was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request as it goes out, before a version of HTTP gives it its form."""

    method: str
    target: str
    fields: list[tuple[bytes, bytes]]
    body: bytes


class HttpxService:
    """Sends to one target over HTTP/2, or through a proxy. It is a `service.Service`."""

    def __init__(self, target: Target, *, limits: Limits | None = None) -> None:
        self.target = target
        self._limits = limits or Limits()
        self._tls = tls_context(target)
        self._hop = target.hop
        self._proxy = _proxy(target)
        self._forwarded = target.proxy is not None and target.scheme == "http"
        self._slots = asyncio.Semaphore(self._limits.connections)
        self._idle: list[_Connection] = []
        self._sending: set[asyncio.Task[Any]] = set()
        self._quiet = asyncio.Event()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; cancels what is in flight, and returns when all are closed."""
        self._closed = True
        for task in self._sending:
            task.cancel()
        while self._sending:
            self._quiet.clear()
            await self._quiet.wait()
        while self._idle:
            await self._idle.pop().transport.aclose()

    def render(self, request: Request) -> Message:
        """Make the message of a request, by the rules of `rewrite`. Raises `Unsendable`."""
        head = render(request, self.target).partition(b"\r\n\r\n")[0].decode("latin-1")
        line, *lines = head.split("\r\n")
        method, target, _ = line.split(" ")
        fields = [name_and_value.partition(": ")[::2] for name_and_value in lines]
        _refuse_uncarried(method, target, tuple(fields))
        return Message(
            method=method,
            target=target,
            fields=[(name.encode(), value.encode("latin-1")) for name, value in fields],
            body=request.body,
        )

    def start(
        self, message: Message, *, method: str, safe: bool, due: float | None, done: Done
    ) -> bool:
        """Do nothing: there is no short cut here."""
        del message, method, safe, due, done
        return False

    async def send(
        self,
        message: Message,
        *,
        method: str,
        safe: bool,
        due: float | None = None,
        fresh: bool = False,
    ) -> Observation:
        """Send a message and observe what the service does; as `Wire.send`.

        A `safe` request that was lost on a reused connection, before the head of an answer, is
        sent once more on a new one. Raises `UnfinishedError` when this machine is out of file
        descriptors.
        """
        del method  # the message has it
        if self._closed:
            raise RuntimeError("the connections were closed")
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        try:
            return await self._in_turn(message, safe=safe, due=due, fresh=fresh)
        finally:
            self._sending.discard(task)
            self._quiet.set()

    async def _in_turn(
        self, message: Message, *, safe: bool, due: float | None, fresh: bool
    ) -> Observation:
        started = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + self._limits.timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            return timed(no_free_connection(self._limits.timeout_s), due, started)
        try:
            connection = None if fresh else await self._take(safe=safe)
            observation, lost = await self._exchange(message, connection, deadline, due)
            if lost and safe:
                observation, _ = await self._exchange(message, None, deadline, due)
            elif lost and isinstance(observation, NoAnswer):
                detail = f"{observation.detail}; {NOT_REPEATED}"
                observation = replace(observation, detail=detail)
            return observation
        finally:
            self._slots.release()

    async def _take(self, *, safe: bool) -> _Connection | None:
        """Return the connection used last, if it is fit for the request."""
        if not self._idle:
            return None
        connection = self._idle.pop()
        idle_s = asyncio.get_running_loop().time() - connection.used
        if (safe or idle_s < UNSAFE_IDLE_S) and connection.served < _REQUESTS:
            return connection
        await connection.transport.aclose()
        return None

    async def _exchange(
        self, message: Message, connection: _Connection | None, deadline: float, due: float | None
    ) -> tuple[Observation, bool]:
        """Send on one connection. True: it was a reused one, which lost the request."""
        connection = connection or _Connection(self._transport())
        trace = RequestTrace(connected=partial(refuse_peer, self.target.hop))
        try:
            observation = await self._observe(message, connection.transport, trace, deadline)
        except BaseException:
            await connection.close(trace)
            raise
        if isinstance(observation, Answer) and not observation.response.truncated:
            connection.used = asyncio.get_running_loop().time()
            connection.served += 1
            self._idle.append(connection)
        else:
            await connection.close(trace)
        lost = isinstance(observation, NoAnswer) and trace.was_lost(observation)
        return timed(observation, due, trace.sent, trace.done), lost

    async def _observe(
        self, message: Message, transport: httpx.AsyncHTTPTransport, trace: RequestTrace, by: float
    ) -> Observation:
        try:
            async with asyncio.timeout_at(by) as trace.scope:
                trace.limit(by, self._limits.connect_s)
                response = await transport.handle_async_request(self._request(message, trace))
                trace.head(response)
                refusal = self._refusal(response)
                if refusal is not None:
                    return refusal
                return Answer(response=await self._read(response, trace))
        except TimeoutError:
            return self._timeout(trace)
        except failures() as error:
            return self._failure(error, trace)

    async def _read(self, response: httpx.Response, trace: RequestTrace) -> Response:
        """Read the body as it came over the connection, up to the bound."""
        truncated = False
        assert isinstance(response.stream, httpx.AsyncByteStream)
        try:
            async for data in response.stream:
                room = self._limits.max_body - len(trace.body)
                trace.body += data[:room]
                if len(data) > room:
                    truncated = True
                    break
            trace.done = time.perf_counter()
        finally:
            await response.stream.aclose()
        return Response(
            status=response.status_code,
            headers=_text(response.headers.raw),
            body=bytes(trace.body),
            truncated=truncated,
        )

    def _refusal(self, response: httpx.Response) -> NoAnswer | None:
        """Tell what is no answer of the service to this request."""
        version = response.extensions["http_version"].decode("latin-1")
        if self.target.http2 and version != "HTTP/2":
            detail = f"the service chose {version}, not HTTP/2"
            return NoAnswer(kind="protocol", detail=detail)
        if response.status_code < 200:
            detail = f"status {response.status_code}, which answers no request of ours"
            return NoAnswer(kind="protocol", detail=detail)
        if self._forwarded and response.status_code == 407:
            return self._refused_by_proxy("407 Proxy Authentication Required")
        return None

    def _timeout(self, trace: RequestTrace) -> NoAnswer:
        if trace.connect_s is not None:
            return no_connection(trace.connect_s)
        waited = f"{self._limits.timeout_s:g} s"
        return NoAnswer(kind="timeout", detail=f"total: {waited} passed {trace.progress()}")

    def _failure(self, error: Exception, trace: RequestTrace) -> NoAnswer:
        """Say what went wrong, with the words that the wire has for it."""
        if isinstance(error, httpx.ProxyError):
            return self._refused_by_proxy(str(error))
        system = system_error(error)
        if trace.connect_s is not None:
            return self._not_connected(error, system, trace)
        if isinstance(system, ssl.SSLError):
            detail = f"{system.reason or system} {trace.progress()}"
            return NoAnswer(kind="tls", detail=detail)
        event = ended(error)
        if event is not None:
            trace.stream_was_reset = event.stream_id is not None
            detail = f"reset ({event.code}) {trace.progress()}"
        elif str(error).startswith(_CLOSED):
            detail = f"closed {trace.progress()}"
        elif isinstance(error, httpx.NetworkError):
            detail = f"reset {trace.progress()}"
        else:
            return NoAnswer(kind="protocol", detail=str(error) or type(error).__name__)
        return NoAnswer(kind="reset", detail=detail)

    def _not_connected(
        self, error: Exception, system: OSError | None, trace: RequestTrace
    ) -> NoAnswer:
        beyond = trace.through_proxy
        where = self.target if beyond else self._hop
        failure = connect_failure(system or ConnectionResetError(str(error)), where)
        if self.target.proxy is None or beyond:
            return failure
        return replace(failure, kind="connect", detail=f"proxy {failure.detail}")

    def _refused_by_proxy(self, reason: str) -> NoAnswer:
        assert self.target.proxy is not None
        detail = f"proxy {self.target.proxy.authority}: {reason}"
        return NoAnswer(kind="connect", detail=detail)

    def _transport(self) -> httpx.AsyncHTTPTransport:
        """Make room for one connection; opening it is left to its first request."""
        plain = self.target.scheme == "http"
        return httpx.AsyncHTTPTransport(
            verify=self._tls or False,
            trust_env=False,
            http1=not (self.target.http2 and plain),  # else no knowledge beforehand: no HTTP/2
            http2=self.target.http2,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            proxy=self._proxy,
        )

    def _request(self, message: Message, trace: RequestTrace) -> httpx.Request:
        request = httpx.Request(
            message.method,
            httpx.URL(f"{self.target.scheme}://{self.target.authority}"),
            headers=message.fields,
            stream=httpx.ByteStream(message.body),
            extensions={"trace": trace.step, "timeout": {}},
        )
        request.method = message.method  # httpx turned it into upper case
        # Not by the extension `target`: httpcore gives that to the proxy's CONNECT as well.
        path = "" if self._forwarded and message.target == "*" else message.target
        request.url = _ExactURL(request.url, path.encode("latin-1"))
        return request


class _ExactURL(httpx.URL):
    """A URL whose path and query are sent as they are, not normalised."""

    def __init__(self, url: httpx.URL, raw_path: bytes) -> None:
        super().__init__(url)
        self._exact = raw_path

    @property
    def raw_path(self) -> bytes:
        return self._exact


@dataclass(slots=True)
class _Connection:
    """One connection, or the room for one."""

    transport: httpx.AsyncHTTPTransport
    used: float = 0.0
    served: int = 0

    async def close(self, trace: RequestTrace) -> None:
        await self.transport.aclose()
        if trace.stream is not None:
            # Given up in a TLS handshake, httpcore leaves it open.
            await trace.stream.aclose()


def _refuse_uncarried(method: str, target: str, fields: Headers) -> None:
    """Refuse what h11 and h2 do, and the wire does not. Raises `Unsendable`."""
    if not _TOKEN.fullmatch(method):
        raise Unsendable("unsupported", f"not a method: {method!a}")
    if not _VISIBLE.fullmatch(target):
        raise Unsendable("unsupported", f"not an ASCII request target: {target[:100]!a}")
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise Unsendable("unsupported", f"not a header name: {name!a}")
        if not _VALUE.fullmatch(value):
            raise Unsendable("unsupported", f"header {name} holds a control character")
    if [name.lower() for name, _ in fields].count("host") > 1:
        raise Unsendable("unsupported", "more than one Host")


def _proxy(target: Target) -> httpx.Proxy | None:
    proxy = target.proxy
    if proxy is None:
        return None
    auth = (proxy.username, proxy.password) if proxy.username or proxy.password else None
    return httpx.Proxy(proxy.url, auth=auth, ssl_context=tls_context(target.hop))


def _text(fields: list[tuple[bytes, bytes]]) -> Headers:
    return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields])
