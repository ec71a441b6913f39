"""One connection to a service: at most one request in flight, its timing, its failures."""

from __future__ import annotations

import asyncio
import os
import select
import ssl
import time
from collections.abc import Callable
from math import inf
from typing import cast

from shadow.model import Answer, NoAnswer, NoAnswerKind, Observation, Timing
from shadow.sending.limits import Limits
from shadow.sending.no_answer import NOT_REPEATED
from shadow.sending.reader import AnswerReader, Heads, MalformedAnswer
from shadow.sending.service import Done, Receiver


class Connection(asyncio.Protocol):
    """An open connection, made by `shadow.sending.connect.connect`.

    `exchange` writes a request and says later what the service did with it. When the answer is
    complete and the connection may be used again, it reports itself to `on_idle`; otherwise it
    closes. `on_lost` is called once, when it is closed and holds nothing any more.
    """

    def __init__(self, limits: Limits, heads: Heads | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = AnswerReader(limits, heads)
        self._readable = select.poll()
        self._fd = -1
        self._done: Done | None = None
        self._receiver: Receiver | None = None
        self._passing = False
        """The head of the answer has gone to the receiver."""
        self._paused, self._paused_at = False, 0.0
        """The receiver takes nothing for now, and since when."""
        self._unfinished = False
        """A part of the request is still to come."""
        self._clogged = False
        """The service does not take what is written."""
        self._safe = False
        self._timeout_s = 0.0
        self._served = False
        self._due = self._sent = 0.0
        self.deadline = inf
        """When `expire` is due, on the loop's clock; infinite while nothing is in flight."""
        self.idle_since = 0.0
        """When the last answer was complete, on the loop's clock."""
        self.on_idle: Callable[[Connection], None] | None = None
        self.on_lost: Callable[[Connection], None] | None = None
        self.open = False

    def exchange(
        self,
        message: bytes,
        *,
        method: str,
        safe: bool,
        due: float | None,
        deadline: float,
        timeout_s: float,
        done: Done,
        receiver: Receiver | None = None,
    ) -> None:
        """Write a request; `done` takes what came of it, unless `abandon` or `drop` come first.

        A `receiver` takes an answer that comes in parts as they come; then the deadline is one
        for each part.

        `done` takes None where a safe request was lost without a byte of answer, on a
        connection that had served others: most likely the service closed it as idle and never
        saw the request. `due` is on `time.perf_counter`'s clock. The caller calls `expire` at
        `deadline`, which is on the loop's; `timeout_s` is what it was made from, for the message.
        """
        self._done = done
        self._receiver, self._passing = receiver, False
        self._reader.begin(method, passing=receiver is not None)
        self._safe = safe
        self._timeout_s = timeout_s
        self.deadline = deadline
        self._sent = time.perf_counter()
        self._due = self._sent if due is None else due
        self._unfinished = self._clogged = False
        if self.open:
            self._transport.write(message)
            if receiver is not None:
                receiver.sending(self)
        else:
            self._lose(None)

    def abandon(self, done: Done) -> None:
        """Close the connection if that exchange is still in flight on it."""
        if self._done is done:
            self.drop()

    def abort(self) -> None:
        """Close at once, without waiting for anything to be written."""
        self.open = False
        self._transport.abort()

    def drop(self) -> None:
        """Close at once; nobody is told what came of a request in flight."""
        self._done, self._receiver, self.deadline = None, None, inf
        self.abort()

    # For a receiver: a `service.Source`.

    def more(self, data: bytes, *, ended: bool) -> None:
        """Write on; the request's time begins anew."""
        if self.open and self._done is not None:
            self._unfinished = not ended
            self._begin_anew()
            if ended:  # only now it is sent
                self._sent = self._due = time.perf_counter()
            if data:
                self._transport.write(data)

    def pause(self) -> None:
        """Read nothing for now; the answer's time stands still."""
        if self.open and self._done is not None and not self._paused:
            self._paused, self._paused_at = True, time.perf_counter()
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; the answer's time begins anew."""
        if self._paused:
            self._paused = False
            if self.open and self._done is not None:
                waited_s = time.perf_counter() - self._paused_at
                self._sent += waited_s  # none of it is the service's
                self._due += waited_s
                self._begin_anew()
                self._transport.resume_reading()

    def keep_only(self) -> None:
        """Read the rest of the answer for `done` alone, in the time that is left."""
        if self._done is not None:
            self.resume()
            self._receiver, self._passing = None, False
            self._reader.keep_only()

    def forget(self) -> None:
        """Keep no copy of the answer's body."""
        if self._passing:
            self._reader.forget()

    def give_up(self, kind: NoAnswerKind, detail: str) -> None:
        """Close the connection, and say so."""
        if self._done is not None:
            self._fail(kind, f"{detail} {self._reader.progress()}")

    def pause_writing(self) -> None:
        """What is written is not taken at once."""
        self._clogged = True
        if self._receiver is not None:
            self._receiver.writable(now=False)

    def resume_writing(self) -> None:
        """All that was written is gone."""
        self._clogged = False
        if self._receiver is not None:
            self._begin_anew()
            self._receiver.writable(now=True)

    def expire(self) -> None:
        """Give up on the request in flight, unless it is its client that keeps the service waiting.

        Then its time begins anew.
        """
        if self._paused or (self._unfinished and not self._clogged):
            self._begin_anew()
        else:
            self._fail("timeout", f"total: {self._timeout_s:g} s passed {self._reader.progress()}")

    def _begin_anew(self) -> None:
        self.deadline = self._loop.time() + self._timeout_s

    def is_quiet(self) -> bool:
        """Whether nothing lies unread: no close, no answer that nobody asked for."""
        return not self._readable.poll(0)

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
        if self._done is None:
            self.abort()
            return
        try:
            self._reader.feed(data)
        except MalformedAnswer as error:
            self._fail("protocol", str(error))
            return
        if self._reader.complete:
            self._answer()
        elif self._receiver is not None and self._reader.head is not None:
            self._begin_anew()
            self._pass_on()

    def eof_received(self) -> None:
        """Close a half-closed connection at once: no service answers after that."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle what is in flight and report the end."""
        self.open = False
        if self._done is not None and isinstance(exc, OSError):
            self._read_what_arrived()
        self._lose(exc)
        self._reader.release()
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

    def _lose(self, exc: Exception | None) -> None:
        """Settle what is in flight on a connection that is gone."""
        if self._done is None:
            return
        if exc is None:
            self._reader.end()
        if self._reader.complete:
            self._answer()
        elif isinstance(exc, ssl.SSLError):
            self._fail("tls", f"{exc.reason or exc} {self._reader.progress()}")
        else:
            detail = f"{'reset' if exc else 'closed'} {self._reader.progress()}"
            stale = self._served and not self._reader.received
            if stale and self._safe:
                self._settle(None)
            else:
                self._fail("reset", f"{detail}; {NOT_REPEATED}" if stale else detail)

    def _pass_on(self) -> None:
        """Give the receiver what has come of an answer."""
        receiver, head = self._receiver, self._reader.head
        assert receiver is not None
        if not self._passing and head is not None:
            self._passing = True
            receiver.head(*head)
        fresh = self._reader.take_fresh()
        if fresh and self._receiver is not None:  # it may have had enough
            receiver.piece(fresh)

    def _answer(self) -> None:
        reader = self._reader
        if self._passing or (reader.truncated and self._receiver is not None):
            self._pass_on()
            if self._done is None:  # the receiver has had enough
                return
        timing = Timing(due=self._due, sent=self._sent, done=reader.done)
        self._served = True
        # An early answer leaves the rest of the request unsent: that connection is spoilt.
        unsent = self._unfinished or self._transport.get_write_buffer_size()
        reusable = self.open and reader.reusable and not unsent
        self._settle(Answer(response=reader.take(), timing=timing), reusable=reusable)

    def _fail(self, kind: NoAnswerKind, detail: str) -> None:
        timing = Timing(due=self._due, sent=self._sent, done=time.perf_counter())
        self._settle(NoAnswer(kind=kind, detail=detail, timing=timing))

    def _settle(self, observation: Observation | None, *, reusable: bool = False) -> None:
        """Take the exchange off this connection, and only then say what came of it.

        So a request that is started by `done` finds the connection ready, and whatever `done`
        raises is the caller's matter alone.
        """
        done, self._done, self.deadline = self._done, None, inf
        self._receiver = None
        assert done is not None
        if reusable:
            if self._paused:  # the last part was one too many at once
                self._paused = False
                self._transport.resume_reading()
            self.idle_since = self._loop.time()
            if self.on_idle is not None:
                self.on_idle(self)
        else:
            self.abort()
        try:
            done(observation)
        except Exception as error:  # noqa: BLE001  the loop tells it
            self._loop.call_exception_handler(
                {"message": "failed to take an observation", "exception": error, "protocol": self}
            )
