"""One connection to a service: at most one request in flight, its timing, its failures."""

from __future__ import annotations

import asyncio
import os
import select
import ssl
import time
from collections.abc import Callable
from typing import cast

from shadow.model import Answer, NoAnswer, NoAnswerKind, Observation, Timing
from shadow.sending.limits import Limits
from shadow.sending.reader import AnswerReader, MalformedAnswer


class Connection(asyncio.Protocol):
    """An open connection, made by `shadow.sending.connect.connect`.

    `exchange` writes a request and returns a future of what the service did with it. When the
    answer is complete and the connection may be used again, it reports itself to `on_idle`;
    otherwise it closes. `on_lost` is called once, when it is closed and holds nothing any more.
    """

    def __init__(self, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader(limits)
        self._readable = select.poll()
        self._fd = -1
        self._pending: asyncio.Future[Observation] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._served = 0
        self._due = self._sent = 0.0
        self._idle_since = 0.0
        self.on_idle: Callable[[Connection], None] | None = None
        self.on_lost: Callable[[Connection], None] | None = None
        self.open = False
        self.stale = False
        """The last request was lost without a byte of answer, on a connection that had served
        others: most likely the service closed it as idle and never saw the request."""

    def exchange(
        self, message: bytes, *, method: str, due: float | None, deadline: float, timeout_s: float
    ) -> asyncio.Future[Observation]:
        """Write a request. The future never fails; give up on it with `abandon`.

        `due` is on `time.perf_counter`'s clock, `deadline` on the loop's; `timeout_s` is what
        `deadline` was made from, for the message.
        """
        self._reader.begin(method)
        self._pending = future = self._loop.create_future()
        self._timeout = timeout_s
        self._timer = self._loop.call_at(deadline, self._expire)
        self._sent = time.perf_counter()
        self._due = self._sent if due is None else due
        if self.open:
            self._transport.write(message)
        else:
            self._lose(None)
        return future

    def abandon(self, future: asyncio.Future[Observation]) -> None:
        """Close the connection if that exchange is still in flight on it."""
        if self._pending is future:
            self._release()
            self.abort()

    def abort(self) -> None:
        """Close at once, without waiting for anything to be written."""
        self.open = False
        self._transport.abort()

    def cancel(self) -> None:
        """Close at once and cancel what is in flight."""
        if self._pending is not None:
            self._release().cancel()
        self.abort()

    def is_quiet(self) -> bool:
        """Whether nothing lies unread: no close, no answer that nobody asked for."""
        return not self._readable.poll(0)

    def idle_s(self) -> float:
        """Return the seconds since the last answer."""
        return self._loop.time() - self._idle_since

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get ready to write at once: a request counts as sent when it is handed over."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        self._fd = transport.get_extra_info("socket").fileno()
        self._readable.register(self._fd, select.POLLIN)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Read the answer; close a connection that speaks without being asked."""
        if self._pending is None:
            self.abort()
            return
        try:
            self._reader.feed(data)
        except MalformedAnswer as error:
            self._fail("protocol", str(error))
            return
        if self._reader.complete:
            self._answer()

    def eof_received(self) -> None:
        """Close a half-closed connection at once: no service answers after that."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what is in flight and report the end."""
        self.open = False
        if self._pending is not None and isinstance(exc, OSError):
            self._read_what_arrived()
        self._lose(exc)
        if self.on_lost is not None:
            self.on_lost(self)

    def _read_what_arrived(self) -> None:
        """Read on after a failed write.

        A service may answer and close before it has read the whole request; writing on then
        fails while its answer lies unread in our socket (RFC 9112 section 9.6).
        """
        if self._transport.get_extra_info("ssl_object") is not None:
            return
        try:
            while not self._reader.complete and (data := os.read(self._fd, 65536)):
                self._reader.feed(data)
        except (OSError, MalformedAnswer):
            return

    def _expire(self) -> None:
        self._fail("timeout", f"total: {self._timeout:g} s passed {self._reader.progress()}")

    def _lose(self, exc: Exception | None) -> None:
        """Settle what is in flight on a connection that is gone."""
        if self._pending is None:
            return
        if exc is None:
            self._reader.end()
        if self._reader.complete:
            self._answer()
        elif isinstance(exc, ssl.SSLError):
            self._fail("tls", f"{exc.reason or exc} {self._reader.progress()}")
        else:
            self.stale = self._served > 0 and self._reader.received == 0
            self._fail("reset", f"{'reset' if exc else 'closed'} {self._reader.progress()}")

    def _answer(self) -> None:
        future = self._release()
        self._served += 1
        answer = Answer(response=self._reader.take(), timing=self._timing(self._reader.done))
        if not future.done():
            future.set_result(answer)
        # An early answer leaves the rest of the request unsent: that connection is spoilt.
        if self.open and self._reader.reusable and not self._transport.get_write_buffer_size():
            self._idle_since = self._loop.time()
            if self.on_idle is not None:
                self.on_idle(self)
        else:
            self.abort()

    def _fail(self, kind: NoAnswerKind, detail: str) -> None:
        future = self._release()
        if not future.done():
            timing = self._timing(time.perf_counter())
            future.set_result(NoAnswer(kind=kind, detail=detail, timing=timing))
        self.abort()

    def _timing(self, done: float) -> Timing:
        return Timing(due=self._due, sent=self._sent, done=done)

    def _release(self) -> asyncio.Future[Observation]:
        """Take the exchange off this connection."""
        future, self._pending = self._pending, None
        assert future is not None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return future
