"""Bytes of any kind, however they arrive, on a connection without a socket."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.model import Request
from shadow.sidecar.server.call import Call
from shadow.sidecar.server.connection import ClientConnection, Connections
from shadow.sidecar.server.heads import Heads
from shadow.sidecar.server.limits import ServerLimits
from shadow.sidecar.server.reader import _Names
from tests.sidecar.client import chunked, get, post
from tests.sidecar.live import watched

LIMITS = ServerLimits(max_head=1_000, max_fields=20, body_at_once=50, pipelined=4)


class Transport:
    """Takes what a connection writes; strict about what may be called when."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closing = self.ended = False

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 1) if name == "peername" else None

    def write(self, data: bytes) -> None:
        assert data
        assert not self.ended
        assert not self.closing
        self.written += data

    def write_eof(self) -> None:
        assert not self.closing
        self.ended = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        assert not self.closing
        self.reading = True


class Echo:
    """Answers with the body, now or later, and keeps what it was asked."""

    def __init__(self, *, later: bool) -> None:
        self.requests: list[Request] = []
        self.reasons: list[str] = []
        self._later = later

    def handle(self, call: Call) -> None:
        parts = [call.request.body]
        asked = call.request

        def more(data: bytes) -> None:
            parts.append(data)
            if not data:
                self._answer(call, asked, b"".join(parts))

        if call.whole:
            self._answer(call, asked, call.request.body)
        else:
            call.more = more

    def _answer(self, call: Call, request: Request, body: bytes) -> None:
        whole = Request(
            method=request.method, target=request.target, headers=request.headers, body=body
        )
        self.requests.append(whole)
        if self._later:
            asyncio.get_running_loop().call_soon(call.answer, 200, (), body)
        else:
            call.answer(200, (), body)

    def refused(self, reason: str) -> None:
        self.reasons.append(reason)


async def settled() -> None:
    """Let everything run that is due."""
    for _ in range(60):
        await asyncio.sleep(0)


async def fed(
    pieces: list[bytes], *, later: bool, wait: Callable[[int], bool]
) -> tuple[Echo, Transport, ClientConnection]:
    """What came of pieces; between some of them the loop runs."""
    service, transport, opened = Echo(later=later), Transport(), Connections()
    connection = ClientConnection(service, LIMITS, Heads(), opened)
    connection.connection_made(transport)  # type: ignore[arg-type]  # a double
    for number, piece in enumerate(pieces):
        while not transport.reading:
            await settled()
        if piece and not transport.closing:
            connection.data_received(piece)
        if wait(number):
            await settled()
    await settled()
    return service, transport, connection


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Data in pieces."""
    ends = sorted(min(place, len(data)) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


BODIES = st.binary(max_size=200)
TARGETS = st.sampled_from(["/", "/a?", "/%zz", "//", "http://x/y"])
FIELDS = st.lists(
    st.sampled_from(
        ["A: b", "a:\tc ", "X:", "Connection: x", "Connection: Upgrade", "Upgrade: h2c"]
    ),
    max_size=3,
)
PLAIN = st.builds(lambda target, fields: get(target, *fields), TARGETS, FIELDS)
SIZED = st.builds(lambda body, fields: post(body, *fields), BODIES, FIELDS)
CHUNKED = st.builds(
    lambda parts, fields: (
        get("/c", *fields, "Transfer-Encoding: chunked", method="POST")
        + chunked(*[part for part in parts if part])
    ),
    st.lists(BODIES, max_size=3),
    FIELDS,
)
REQUESTS = st.lists(PLAIN | SIZED | CHUNKED, min_size=1, max_size=4)
PLACES = st.lists(st.integers(0, 600), max_size=6)


@given(REQUESTS, PLACES, st.booleans(), st.lists(st.booleans(), min_size=7, max_size=7))
def test_requests_are_the_same_however_they_arrive(
    requests: list[bytes], places: list[int], later: bool, waits: list[bool]
) -> None:
    data = b"".join(requests)

    async def main() -> None:
        one_by_one, _, _ = await fed(requests, later=False, wait=lambda _: True)
        assert len(one_by_one.requests) == len(requests)
        service, transport, _ = await fed(
            cut(data, places), later=later, wait=lambda number: waits[number]
        )
        assert service.requests == one_by_one.requests
        assert not service.reasons
        assert not transport.closing
        assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(requests)
        assert transport.reading

    asyncio.run(watched(main()))


NOISE = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n", b"A: b\r\n", b"\n", b"\0", b" ", b":"),
        *(b"POST / HTTP/1.1\r\nHost: x\r\n", b"Content-Length: 5\r\n", b"0\r\n\r\n", b"5\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
        *(b"Connection: Upgrade\r\nUpgrade: x\r\n", b"HTTP/1.0\r\n", b"CONNECT a:1 ", b"\xff"),
        *(get(), get("/", "Connection: close"), post(b"x" * 60), b"x" * 300, b"hello"),
    ]
)


@pytest.mark.parametrize("sent", [get("/1", "Connection: Upgrade", "Upgrade: x"), get("/1")])
def test_what_is_held_is_read_before_what_comes_after_it(sent: bytes) -> None:
    async def main() -> None:
        service, transport = Echo(later=True), Transport()
        connection = ClientConnection(service, LIMITS, Heads(), Connections())
        connection.connection_made(transport)  # type: ignore[arg-type]  # a double
        connection.data_received(sent + get("/2")[:9])
        connection.data_received(get("/2")[9:-3])
        await asyncio.sleep(0)  # the first is answered, and what is held is due
        connection.data_received(get("/2")[-3:] + get("/3"))
        await settled()
        assert [request.target for request in service.requests] == ["/1", "/2", "/3"]

    asyncio.run(watched(main()))


def test_a_last_answer_that_is_taken_late_is_waited_for() -> None:
    async def main() -> None:
        transport = Transport()
        connection = ClientConnection(Echo(later=False), LIMITS, Heads(), Connections())
        connection.connection_made(transport)  # type: ignore[arg-type]  # a double
        connection.data_received(b"garbage\r\n")
        assert transport.written.startswith(b"HTTP/1.1 400 ")
        connection.pause_writing()
        connection.resume_writing()
        assert transport.ended
        assert not transport.closing  # the client may be sending still
        assert not connection.eof_received()

    asyncio.run(watched(main()))


def test_a_connection_that_is_lost_needs_no_collection() -> None:
    async def main() -> None:
        _, _, connection = await fed([get()], later=False, wait=lambda _: True)
        connection.connection_lost(None)
        gone = weakref.ref(connection)
        gc.disable()
        try:
            del connection
            assert gone() is None
        finally:
            gc.enable()

    asyncio.run(watched(main()))


def test_a_request_whose_turn_comes_when_its_client_has_gone() -> None:
    async def main() -> None:
        service, transport, opened = Echo(later=True), Transport(), Connections()
        connection = ClientConnection(service, LIMITS, Heads(), opened)
        connection.connection_made(transport)  # type: ignore[arg-type]  # a double
        connection.data_received(get("/1") + get("/2"))
        await asyncio.sleep(0)  # the first is answered, and the turn of the second is due
        assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == 1
        connection.connection_lost(None)
        await settled()
        assert [request.target for request in service.requests] == ["/1"]

    asyncio.run(watched(main()))


def test_names_that_are_remembered_are_bounded() -> None:
    names = _Names()
    for number in range(3 * _Names.KEPT):
        assert names[b"X-\xff%d" % number] == f"X-\xff{number}"
        assert 0 < len(names) <= _Names.KEPT
    before = len(names)
    assert names[b"x" * 65] == "x" * 65
    assert len(names) == before


@settings(max_examples=300)
@given(st.lists(NOISE | st.binary(max_size=20), max_size=12), PLACES, st.booleans(), st.booleans())
def test_any_bytes_are_answered_refused_or_waited_for(
    noise: list[bytes], places: list[int], later: bool, eof: bool
) -> None:
    data = b"".join(noise)

    async def main() -> None:
        whole, sent, _ = await fed([data], later=later, wait=lambda _: True)
        parts, transport, connection = await fed(
            cut(data, places), later=later, wait=lambda number: bool(number % 2)
        )
        # Of the last one more is read where the end of its body is not waited for.
        assert parts.requests == whole.requests
        assert parts.reasons == whole.reasons
        assert transport.written == sent.written
        if eof and not transport.closing:
            connection.eof_received()
        await settled()
        connection.expire(1e9)
        connection.drain()
        connection.connection_lost(None)

    asyncio.run(watched(main()))
