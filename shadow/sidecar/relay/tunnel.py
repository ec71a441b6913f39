"""A connection that goes on in another protocol (WebSocket): its bytes pass, and nothing else.

Such a connection is the Go service's alone: nobody could say what a copy of it should answer.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, Literal, cast

from shadow.errors import UnfinishedError
from shadow.model import Request, header
from shadow.sending.connect import refuse_peer, tls_context
from shadow.sending.limits import Limits
from shadow.sending.reader import AnswerReader, MalformedAnswer
from shadow.sending.rewrite import Unsendable, render_upgrade
from shadow.sending.target import Target
from shadow.sidecar.server.call import Call

MAX_TUNNELS: Final = 1_000
"""Open at once; beyond, an upgrade is refused."""
CONNECT_S: Final = 5.0
AGREE_S: Final = 30.0
"""For the service to agree, or to answer in whole that it does not."""
FLUSH_S: Final = 10.0
"""That one end may take for what the other one had sent before it closed."""
STALL_S: Final = 60.0
"""That one end may take nothing of what the other one sends."""
KEEPALIVE_S: Final = 60
"""Of silence, after which the system asks whether an end is still there."""
IGNORED: Final = frozenset({"h2c", "http/2.0", "tls/1.0", "tls/1.1", "tls/1.2", "tls/1.3"})
"""Upgrades that a server may leave aside, and that we do (RFC 9113 section 3.1 gave h2c up)."""

HELD_BYTES: Final = 64 << 10
"""Of what a client sends before the service has agreed; beyond, no more is read."""
_SWITCHING: Final = b"HTTP/1.1 101"

Dug = Literal["passed", "refused", "failed", "gone"]


class _End(asyncio.Protocol):
    """One end of a tunnel; what it reads is written to the other."""

    def __init__(self, transport: asyncio.Transport | None = None) -> None:
        self.transport = transport
        self.other: _End | None = None
        self.lost: Callable[[Exception | None], None] | None = None
        self.ended = False
        """Nothing more comes from here."""
        self._stalled: asyncio.TimerHandle | None = None
        self._flushing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.pass_on(data)

    def pass_on(self, data: bytes) -> None:
        """Write to the other end."""
        if self.other is not None:
            self.other.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        return self.other is not None and not self.other.ended and self.other.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._moves()
        if self._flushing is not None:
            self._flushing.cancel()
        if self.other is not None:
            self.other.close()
        if self.lost is not None:
            self.lost(exc)

    def pause_writing(self) -> None:
        if self.other is not None and self.transport is not None:
            self.other.hold(back=True)
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._moves()
        if self.other is not None:
            self.other.hold(back=False)

    def _moves(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # For the other end.

    def _open(self) -> asyncio.Transport | None:
        transport = self.transport
        return None if transport is None or transport.is_closing() else transport

    def write(self, data: bytes) -> None:
        """Write on."""
        if transport := self._open():
            transport.write(data)

    def end(self) -> bool:
        """Write nothing more; False where the whole connection has to close for that."""
        transport = self._open()
        if transport is None or not transport.can_write_eof():
            return False
        transport.write_eof()
        return True

    def hold(self, *, back: bool) -> None:
        """Read nothing for now, or go on."""
        if transport := self._open():
            if back:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def close(self) -> None:
        """Close when all is written, if that takes no longer than `FLUSH_S`."""
        if transport := self._open():
            transport.close()
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_S, transport.abort)


class _Client(_End):
    """The end that asked. Until the service has agreed, what it sends is held.

    It might be another request, and would go past everything that a request goes through here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: bytearray | None = bytearray()

    def data_received(self, data: bytes) -> None:
        """Hold, pass on, or drop."""
        if self._held is None:
            self.pass_on(data)
            return
        self._held += data
        if len(self._held) > HELD_BYTES:
            self.hold(back=True)

    def eof_received(self) -> bool:
        """Take note of the end, which comes behind what is held."""
        if self._held is None:
            return super().eof_received()
        self.ended = True
        return True

    def let_through(self) -> None:
        """The service has agreed: what was held goes first."""
        held, self._held = self._held, None
        if held:
            self.pass_on(bytes(held))
        self.hold(back=False)
        if self.ended and self.other is not None:
            self.other.end()


class _Service(_End):
    """The end that was asked. Where it does not agree, it answers once, and all is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.method = "GET"
        self._begun = b""
        self._answer: AnswerReader | None = None
        self._agreed = False

    def data_received(self, data: bytes) -> None:
        """Read what the answer is, and pass it on."""
        if not self._agreed and self._answer is None:
            self._begun += data
            if len(self._begun) < len(_SWITCHING):
                return
            data, self._begun = self._begun, b""
            self._begin(data)
        self.pass_on(data)
        if self._answer is not None and _is_over(self._answer, data):
            self.end_both()

    def _begin(self, data: bytes) -> None:
        client = self.other
        if data.startswith(_SWITCHING) and isinstance(client, _Client):
            self._agreed = True
            client.let_through()
        else:
            self._answer = AnswerReader(Limits())
            self._answer.begin(self.method, passing=True)

    def hurry(self) -> None:
        """Wait no longer for an agreement."""
        if not self._agreed:
            self.end_both()

    def end_both(self) -> None:
        """Close, when all is written."""
        if self.other is not None:
            self.other.close()
        self.close()


def _is_over(answer: AnswerReader, data: bytes) -> bool:
    """Whether an answer ends with this part of it."""
    try:
        answer.feed(data)
    except MalformedAnswer:
        return True
    answer.take_fresh()
    return answer.complete


class Tunnels:
    """The open tunnels to one target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tls = tls_context(target)
        self.open = 0

    async def dig(self, call: Call, request: Request) -> Dug:
        """Connect a client to the target; say what came of it.

        Where it is `refused` or `failed` the call still wants its answer.
        """
        if self.open >= MAX_TUNNELS:
            return "refused"
        protocol = header(call.request.headers, "upgrade") or call.upgrade
        try:
            head = render_upgrade(request, self._target, protocol)
        except Unsendable:
            return "refused"
        self.open += 1
        dug: Dug = "failed"
        try:
            service = await _connect(self._target, self._tls)
            if service is not None:
                dug = self._join(call, service, head)
        finally:
            if dug != "passed":
                self.open -= 1
        return dug

    def _join(self, call: Call, service: _Service, head: bytes) -> Dug:
        transport = service.transport
        if transport is None or transport.is_closing():
            return "failed"
        client = _Client()
        taken = call.take_over(client)
        if taken is None:
            transport.abort()
            return "gone"
        client.transport, client.lost, client.ended = taken.transport, taken.lost, taken.ended
        service.lost = self._ended
        client.other, service.other = service, client
        for end in (taken.transport, transport):
            _watch_over(end)
        service.method = call.request.method
        asyncio.get_running_loop().call_later(AGREE_S, service.hurry)
        transport.write(head)
        if taken.held:
            client.data_received(taken.held)
        return "passed"

    def _ended(self, exc: Exception | None) -> None:
        del exc
        self.open -= 1


def _watch_over(transport: asyncio.Transport) -> None:
    """Let the system notice a peer that is gone without a word: a tunnel may be silent long."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S // 4)


async def _connect(target: Target, tls: ssl.SSLContext | None) -> _Service | None:
    """Connect to a target; None where that fails, or leads where it must not."""
    connecting = asyncio.get_running_loop().create_connection(
        _Service, target.host, target.port, ssl=tls, server_hostname=target.host if tls else None
    )
    try:
        async with asyncio.timeout(CONNECT_S):
            transport, end = await connecting
    except (OSError, TimeoutError):
        return None
    try:
        refuse_peer(target, transport.get_extra_info("peername"))
    except UnfinishedError:
        transport.abort()
        return None
    return end
