"""A client's connection: requests in, one answer after the other out (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import Final, cast

from shadow.sidecar.server.call import TEXT, Call, Service, Taken
from shadow.sidecar.server.heads import Heads
from shadow.sidecar.server.limits import ServerLimits
from shadow.sidecar.server.reader import Held, RequestReader
from shadow.sidecar.server.refusals import Refusal
from shadow.sidecar.server.sockets import reset_when_closed, untaken

LINGER_S: Final = 5.0
"""That a client may go on sending what nobody reads, after its last answer."""
_READ_AHEAD: Final = 64 << 10
"""Bytes of later requests that are held unparsed while one is answered."""
_LAST_S: Final = 1.0
"""That a client may take to begin its request where it was the last to be let in."""


class Connections:
    """The open connections of a server."""

    def __init__(self) -> None:
        self.all: set[ClientConnection] = set()
        self.draining = False
        """One that is made now was accepted just before nobody was any more."""
        self.held = Held()
        self._none = asyncio.Event()

    def add(self, connection: ClientConnection) -> None:
        """Count one in."""
        self.all.add(connection)

    def discard(self, connection: ClientConnection) -> None:
        """Count one out."""
        self.all.discard(connection)
        if not self.all:
            self._none.set()

    async def ended(self) -> None:
        """Wait until there is none."""
        while self.all:
            self._none.clear()
            await self._none.wait()


class ClientConnection(asyncio.Protocol):
    """Has what a client sends read, and hands on one request at a time.

    A server looks at `deadline` and `written_by` now and then, and calls `expire`.
    """

    def __init__(
        self, service: Service, limits: ServerLimits, heads: Heads, open_: Connections
    ) -> None:
        self._service = service
        self._limits = limits
        self.heads = heads
        self._open = open_
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(self, limits, open_.held)
        self.call: Call | None = None
        """The one that is being answered."""
        self._waiting: deque[Call] = deque()
        """Those that came behind it, each whole."""
        self._refusal: Refusal | None = None
        """What is answered last, when all that came before it is."""
        self._held = bytearray()
        """What came while a request was being answered, unparsed."""
        self._paused = self._reading_paused = False
        self._eof = False
        """The client sends nothing more."""
        self.ended = False
        """Nothing more is read."""
        self._closing = False
        self._untaken = 0
        """Bytes that the client had still to take when that was last looked at."""
        self.draining = False
        self.deadline = inf
        """For the client to send something."""
        self.written_by = inf
        """For the client to take something."""
        self.peer = ""

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, where there is room."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._open.all) >= self._limits.connections:
            self._service.refused("connections")
            self.abort()
            return
        self._open.add(self)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.draining = self._open.draining
        patience_s = _LAST_S if self.draining else self._limits.idle_s
        self.deadline = self._loop.time() + patience_s

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self.ended:
            return
        reader = self._reader
        if reader.coming is None:
            if self.call is not None or self._paused or self._held:
                self._hold_ahead(data)
                return
            if not reader.bodiless:
                self.deadline = self._loop.time() + self._limits.head_s
        reader.feed(data)
        if reader.coming is not None and not self._reading_paused:
            self.deadline = self._loop.time() + self._limits.body_s

    def _hold_ahead(self, data: bytes) -> None:
        """Keep what a client sends before it has its answer, up to a bound."""
        self._held += data
        if len(self._held) > _READ_AHEAD:
            self._pause_reading()

    def eof_received(self) -> bool:
        """Take note that the client sends nothing more; it may still read its answers."""
        self._eof = True
        if not self._closing:
            self._input_ended()
        return not (self._closing or self._transport.is_closing())

    def _input_ended(self) -> None:
        """Give up what is not whole, and close where nothing else is left."""
        coming, self._reader.coming = self._reader.coming, None
        if coming is not None:
            self.ended = True
            if coming is self.call:
                self.abort()
                return
        if self.call is None and not (self._waiting or self._held or self._refusal):
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers that nobody waits any more."""
        del exc
        self._open.discard(self)
        self.ended, self.deadline, self.written_by = True, inf, inf
        self._waiting.clear()
        self._held = bytearray()
        call, self.call = self.call, None
        self._reader.forget()
        if call is not None:
            call.lose()

    def pause_writing(self) -> None:
        """The client takes nothing for now."""
        self._paused = True
        self._untaken = untaken(self._transport)
        self.written_by = self._loop.time() + self._limits.write_s
        if self.call is not None and self.call.writable is not None:
            self.call.writable(False)

    def resume_writing(self) -> None:
        """The client takes what is written again."""
        self._paused = False
        self.written_by = inf
        if self.call is None:
            self._next()
        elif self.call.writable is not None:
            self.call.writable(True)

    # The requests.

    def is_free(self) -> bool:
        """Whether a request may be handled now."""
        return self.call is None and not self._paused

    def give(self, call: Call) -> None:
        """Hand a request on, or let it wait for its turn."""
        if self.call is None and not self._paused:  # `is_free`, for all requests come by here
            self.call = call
            self._handle(call)
        elif len(self._waiting) < self._limits.pipelined:
            self._waiting.append(call)
        else:
            self._service.refused("pipelined")
            self.ended, self._waiting[-1].keep = True, False

    def complete(self, call: Call) -> None:
        """Hand on a request that is whole, or the end of its body."""
        self.ended = not call.keep
        self.deadline = inf
        if call is not self.call:
            self.give(call)
        elif call.more is not None:
            call.more(b"")

    def behind(self, rest: bytes) -> None:
        """Keep what came behind a request that may change the protocol."""
        self._held += rest
        if self.call is None:
            self._loop.call_soon(self._feed_held)

    def _begin(self, call: Call) -> None:
        """Handle a request whose turn has come, unless its client has gone meanwhile."""
        if call.open:
            self._handle(call)

    def _handle(self, call: Call) -> None:
        try:
            self._service.handle(call)
        except Exception as error:  # noqa: BLE001 - the loop tells it; the others go on
            self._tell("failed to handle a request", error)
            call.drop()

    def failed(self, error: Exception) -> None:
        """Close at once: a request could not be read, by a fault of our own."""
        self._tell("failed to read a request", error)
        self.abort()

    def _tell(self, message: str, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "protocol": self}
        )

    def finished(self, *, keep: bool) -> None:
        """Go on after an answer, or close."""
        self.call = None
        if keep and not self.draining:
            self._next()
        else:
            self._close()

    def _next(self) -> None:
        """Go on with what comes next, once the client takes what is written to it."""
        if self._paused or self.call is not None or self._closing:
            return
        if self._waiting:
            self.call = self._waiting.popleft()
            self._loop.call_soon(self._begin, self.call)
        elif self._refusal is not None:
            self._reply(self._refusal)
        elif self.ended:
            self._close()
        elif self._reader.coming is not None:  # its body came meanwhile, or waits to be asked for
            self._reader.coming.proceed()
            self.release()
        elif self._held:
            self._loop.call_soon(self._feed_held)
        elif self._eof:
            self._close()
        else:
            self.deadline = self._loop.time() + self._limits.idle_s
            if self._reading_paused:
                self._resume_reading()

    def _feed_held(self) -> None:
        """Read what the client had sent ahead."""
        if self.ended or not self._held or not self.is_free():
            return
        held, self._held = bytes(self._held), bytearray()
        self._resume_reading()
        self.data_received(held)
        if self._eof and not self._closing:
            self._input_ended()

    def refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, or must not be passed on, and close."""
        if self.ended:
            return
        self.ended = True
        self._service.refused(refusal.reason)
        coming, self._reader.coming = self._reader.coming, None
        call = self.call
        if call is not None and call is coming:  # the rest of its body is at fault
            if call.streaming:
                self.abort(reset=True)
                return
            self.call = call = None
            coming.lose()
        if call is None and not self._waiting:
            self._reply(refusal)
        else:
            self._refusal = refusal

    def _reply(self, refusal: Refusal) -> None:
        body = f"{refusal.reason}\n".encode()
        headers = (TEXT, ("Content-Length", str(len(body))))
        head, _ = self.heads.render(
            refusal.status, headers, modern=True, keep=False, size=len(body)
        )
        self.write(head + body)
        self._close(unread=True)

    def _close(self, *, unread: bool = False) -> None:
        """Close when all is written; where something may come `unread`, when it has come.

        To close on unread bytes is to reset, and to lose the answer (RFC 9112 section 9.6).
        """
        if self._transport.is_closing():
            return
        unread = unread or bool(self._reader.coming or self._held) or self._reading_paused
        self.ended = self._closing = True
        self._reader.coming, self._held = None, bytearray()
        self._untaken = untaken(self._transport)
        patience_s = self._limits.write_s if self._untaken else LINGER_S
        self.deadline, self.written_by = self._loop.time() + patience_s, inf
        if unread and not self._eof:
            self._resume_reading()
            self._transport.write_eof()
        else:
            self._transport.close()

    # For the calls and the server.

    def write(self, data: bytes) -> None:
        """Write to the client."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def abort(self, *, reset: bool = False) -> None:
        """Close at once; with `reset` so that the client sees that something went wrong."""
        self.ended = True
        if reset and not self._transport.is_closing():
            reset_when_closed(self._transport)
        self._transport.abort()

    def hold(self) -> None:
        """Take nothing more of a body for now; no time passes meanwhile."""
        self.deadline = inf
        self._pause_reading()

    def release(self) -> None:
        """Take the rest of a body again."""
        if self._reader.coming is not None:
            self.deadline = self._loop.time() + self._limits.body_s
        self._resume_reading()

    def hand_over(self, protocol: asyncio.Protocol) -> Taken:
        """Leave the connection to another protocol, with what has come for it already.

        It still counts among the open ones, until `connection_lost` is called.
        """
        self.call, self.ended = None, True
        self.deadline = self.written_by = inf
        held, self._held = bytes(self._held), bytearray()
        self._resume_reading()
        self._transport.set_protocol(protocol)
        return Taken(self._transport, held, self._eof, self.connection_lost)

    def expire(self, now: float) -> None:
        """Close a connection whose time has passed."""
        if self._closing or self.written_by <= now:
            self._hurry(now)
        elif self._reader.coming is not None or self._reader.bodiless:
            self.refuse(Refusal(408, "slow-request"))
        else:
            self._close()

    def _hurry(self, now: float) -> None:
        """Wait on for a client that takes something, be it little; cut one that does not."""
        left = untaken(self._transport)
        if 0 < left < self._untaken:
            self._untaken = left
            patience = now + self._limits.write_s
            if self._closing:
                self.deadline = patience
            else:
                self.written_by = patience
            return
        if left:
            self._service.refused("slow-reader")
        self.abort()

    def drain(self) -> None:
        """Close as soon as nothing is in flight."""
        self.draining = True
        busy = (
            self.call or self._waiting or self._reader.coming or self._held or self._reader.bodiless
        )
        if not (busy or self.ended):
            self._close()

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
