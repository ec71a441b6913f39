"""One request on its way through: to a service, and its answer back to the client as it comes.

Callbacks on the event loop: a task is made only where a connection has to be waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from math import inf
from time import perf_counter
from typing import Any, Final, Protocol

from shadow.model import Answer, Exchange, Headers, NoAnswer, Observation, Request, SideName
from shadow.sending.rewrite import Unsendable, render_head
from shadow.sending.service import Message, Source
from shadow.sending.wire import Wire
from shadow.sidecar.server.call import Call, answer_plainly
from shadow.sidecar.server.heads import LAST_CHUNK, chunk
from shadow.sidecar.traces import Spans

COPY_BYTES: Final = 1 << 20
"""Of a request's body, and of an answer's, that are kept to be compared."""
COPIES_BYTES: Final = 64 << 20
"""Of all bodies that come in parts at one time: a thousand open streams must not take a GiB."""
HOLD_S: Final = 1.0
"""For the body of a failure that comes in parts, before Go is asked in its place."""


class Copies:
    """The room for copies of bodies that are under way: of requests, and of answers in parts."""

    __slots__ = ("bytes", "most")

    def __init__(self, most: int = COPIES_BYTES) -> None:
        self.most = most
        self.bytes = 0

    def take(self, size: int) -> bool:
        """Take so many bytes of it, where there are as many."""
        if self.bytes + size > self.most:
            return False
        self.bytes += size
        return True

    def give(self, size: int) -> None:
        """Give them back."""
        self.bytes -= size


class Owner(Protocol):
    """Whose passages they are."""

    copies: Copies

    def wire(self, side: SideName) -> Wire:
        """Return what sends to a side."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work that waits; what goes wrong in it is told and harms nothing else."""

    def failed(self, error: Exception) -> None:
        """Tell why a request could not be sent."""

    def falls_back(self, passage: Passage, failure: Observation) -> bool:
        """Whether Go is asked after all, now that Rust has failed."""

    def request_for(self, passage: Passage) -> Request:
        """Return the request as the passage's side gets it."""

    def ended(self, passage: Passage) -> None:
        """Take a passage that has its end: the client has its answer, or has gone."""


class Passage:
    """A `sending.service.Receiver` that answers a `Call`.

    `seen` is what each side did that was asked for the client's sake; `cut` says that the
    client went before the answer was whole.
    """

    __slots__ = (
        "_begun",
        "_body",
        "_chunked",
        "_copied",
        "_copying",
        "_holding",
        "_in_parts",
        "_owner",
        "_pending",
        "_sent",
        "_source",
        "_uploading",
        "_writable",
        "call",
        "cut",
        "endpoint",
        "exchange",
        "fell_back",
        "message",
        "no_copy",
        "onward",
        "request",
        "safe",
        "seen",
        "side",
        "spans",
        "status",
        "too_long",
        "unsent",
        "waited_s",
    )

    def __init__(self, owner: Owner, call: Call, onward: Request) -> None:
        self._owner = owner
        self.call = call
        self.request = call.request
        """As the client sent it."""
        self.onward = onward
        """As the services get it."""
        self.side: SideName = "baseline"
        """Whose answer the client gets."""
        self.seen: dict[SideName, Observation] = {}
        self.status = 0
        """What the client was told; 0 where it got no answer."""
        self.exchange: Exchange | None = None
        self.endpoint = ""
        self.safe = False
        self.spans: Spans = {}
        self.no_copy = ""
        """Why the other side gets no copy, or empty."""
        self.message: Message = None
        """That of the copy, where it was made already."""
        self.cut = self.fell_back = False
        self.unsent = False
        """It could not be sent, for which no service is to blame."""
        self.too_long = False
        """The copy of the body is not whole."""
        self.waited_s = inf
        """For the head of an answer in parts; of one that came whole there was nothing else."""
        self._begun = 0.0
        self._source: Source | None = None
        self._sent = onward
        self._holding = False
        """The answer is kept from the client: another one may take its place."""
        self._uploading = self._chunked = False
        self._in_parts = False
        """The request's body is passed on as it comes, and so to one service alone."""
        self._writable = True
        self._pending = bytearray()
        """Of the body, while a connection is waited for."""
        self._body: bytearray | None = None
        """Of a body that comes in parts: the copy."""
        self._copied = 0
        """Bytes of an answer in parts that the wire keeps."""
        self._copying = True
        """It keeps the rest of it, too."""

    def go(self) -> None:
        """Send the request to its side."""
        wire, call = self._owner.wire(self.side), self.call
        self._holding = False
        self._begun = perf_counter()
        self._sent = request = self._owner.request_for(self)
        try:
            message = wire.render(request) if call.whole else self._first_part(wire, request)
        except Unsendable as unsendable:
            self.refuse(501, f"a request that cannot be passed on: {unsendable.detail}")
            return
        call.gone = self._gone
        if not call.whole:
            self._uploading = self._in_parts = True
            call.more = self._more
            call.pause()
            call.proceed()
        # A body that comes in parts cannot be sent twice.
        safe = self.safe and call.whole
        method = self.request.method
        if not wire.start(
            message, method=method, safe=safe, due=None, done=self.done, receiver=self
        ):
            self._owner.spawn(self._send(wire, message, safe=safe))

    async def _send(self, wire: Wire, message: bytes, *, safe: bool, fresh: bool = False) -> None:
        method = self.request.method
        try:
            observation: Observation = await wire.send(
                message, method=method, safe=safe, fresh=fresh, receiver=self
            )
        except Exception as error:  # noqa: BLE001 - out of file descriptors, or a bug
            self.unsent = True
            self._owner.failed(error)
            observation = NoAnswer(kind="connect", detail="it could not be sent")
        self.done(observation)

    def _first_part(self, wire: Wire, request: Request) -> bytes:
        head, self._chunked = render_head(request, wire.target)
        body = request.body
        self._body = bytearray()
        self._keep(body)
        return head + (chunk(body) if self._chunked and body else body)

    # The request's body, as it comes.

    def _more(self, data: bytes) -> None:
        """Take a part of the body from the client; an empty one is its end."""
        if data:
            self._keep(data)
            part = chunk(data) if self._chunked else data
        else:
            self._uploading = False
            part = LAST_CHUNK if self._chunked else b""
        if self._source is None:
            self._pending += part
        else:
            self._source.more(part, ended=not self._uploading)

    def _keep(self, data: bytes) -> None:
        kept, copies = self._body, self._owner.copies
        if kept is None:
            return
        if len(kept) + len(data) <= COPY_BYTES and copies.take(len(data)):
            kept += data
        else:
            copies.give(len(kept))
            self.too_long, self._body = True, None

    # What the wire calls.

    def sending(self, source: Source) -> None:
        """Take what the request goes out on."""
        self._source = source
        call = self.call
        if not call.open:
            self._gone()
        elif call.more is not None:
            pending, self._pending = bytes(self._pending), bytearray()
            source.more(pending, ended=not self._uploading)
            if self._writable:
                call.resume()

    def head(self, status: int, headers: Headers) -> None:
        """Begin the client's answer, unless Go is to be asked instead."""
        call, source = self.call, self._source
        if self.side == "candidate" and source is not None and self._may_fall_back(status):
            self._holding = True
            source.keep_only()
            asyncio.get_running_loop().call_later(HOLD_S, self._held, source)
            return
        call.writable = self._client_takes
        self.status, self.waited_s = status, perf_counter() - self._begun
        call.begin(status, headers)

    def _held(self, source: Source) -> None:
        """Wait no longer for the body of a failure."""
        if self._holding and self._source is source:
            source.give_up("timeout", f"total: {HOLD_S:g} s passed")

    def piece(self, data: bytes) -> None:
        """Hand on a part of the answer, of which the wire keeps a copy while there is room."""
        self.call.piece(data)
        if not self._copying:
            return
        size, copies = len(data), self._owner.copies
        if self._copied + size <= COPY_BYTES and copies.take(size):
            self._copied += size
        else:
            copies.give(self._copied)
            self._copied, self._copying = 0, False
            if self._source is not None:
                self._source.forget()

    def writable(self, *, now: bool) -> None:
        """Hold back the client while the service does not take what it sends."""
        self._writable = now
        if self._uploading:
            if now:
                self.call.resume()
            else:
                self.call.pause()

    def done(self, observation: Observation | None) -> None:
        """Take what the service did: the answer, or the end of one that was handed on."""
        self._source = None
        if observation is None:  # lost on a stale connection, and safe to be sent once more
            wire = self._owner.wire(self.side)
            again = self._send(wire, wire.render(self._sent), safe=True, fresh=True)
            self._owner.spawn(again)
            return
        if self.cut:
            self._ended()
            return
        self.seen[self.side] = observation
        call = self.call
        if call.streaming:
            self._end_stream(observation)
        elif self.side == "candidate" and self._falls_back(observation):
            self.fell_back, self.side = True, "baseline"
            self.go()
            return
        elif isinstance(observation, Answer):
            response = observation.response
            if response.truncated:  # a failure that was held back, and is longer than its copy
                call.drop()
            else:
                self.status = response.status
                call.answer(response.status, response.headers, response.body)
        else:
            self._no_answer(observation)
        self._ended()

    def _falls_back(self, observation: Observation) -> bool:
        status = observation.response.status if isinstance(observation, Answer) else 502
        return self._may_fall_back(status) and self._owner.falls_back(self, observation)

    def _may_fall_back(self, status: int) -> bool:
        """Whether Go may be asked, where Rust answers with this status.

        Not with a body that came in parts, though it be whole by now: they went to Rust.
        """
        return status >= 500 and self.safe and not self._in_parts and self.call.open

    def _end_stream(self, observation: Observation) -> None:
        if isinstance(observation, Answer):
            self.call.end()
        else:
            self.call.drop()

    def _no_answer(self, failure: NoAnswer) -> None:
        self.status = status = 504 if failure.kind == "timeout" else 502
        answer_plainly(self.call, status, f"the service gave no answer ({failure.kind})")

    def _client_takes(self, now: bool) -> None:  # noqa: FBT001 - a callback's argument
        if self._source is not None:
            if now:
                self._source.resume()
            else:
                self._source.pause()

    def _gone(self) -> None:
        """The client has gone. An answer that is not under way yet is still waited for."""
        source = self._source
        if self.call.streaming or self._uploading:
            self.cut = True
            if source is not None:
                source.give_up("reset", "the client left")
        elif source is not None:
            source.keep_only()

    def refuse(self, status: int, text: str) -> None:
        """Answer in place of the service."""
        self.status = status
        answer_plainly(self.call, status, text)
        self._ended()

    def _ended(self) -> None:
        call = self.call
        call.gone = call.writable = call.more = None
        self.too_long = self.too_long or self._uploading
        self._owner.copies.give(self._copied + len(self._body or b""))
        self._copied = 0
        if self._body is not None:
            self.request = _with(self.request, bytes(self._body))
            self.onward = _with(self.onward, bytes(self._body))
        self._owner.ended(self)


def _with(request: Request, body: bytes) -> Request:
    return Request(method=request.method, target=request.target, headers=request.headers, body=body)
