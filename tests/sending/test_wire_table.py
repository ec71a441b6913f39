"""The wire against malformed and slow services: floods, odd framings, drips, large bodies.

`test_wire.py` has the first table of this kind; what is here goes further into each case.
"""

from __future__ import annotations

import asyncio
import socket

import pytest

from shadow.model import Answer, NoAnswer, Observation, Request, Response
from shadow.sending.limits import Limits
from shadow.sending.rewrite import render
from shadow.sending.target import parse_target
from shadow.sending.wire import Wire
from tests.sending.service import GET, OK, Peer, Run, Script, answering, serve

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def get(wire: Wire, method: str = "GET", *, safe: bool = True) -> Observation:
    message = GET.replace(b"GET", method.encode())
    return await wire.send(message, method=method, safe=safe)


def answered(observation: Observation) -> Response:
    assert isinstance(observation, Answer), observation
    return observation.response


def failed(observation: Observation) -> tuple[str, str]:
    assert isinstance(observation, NoAnswer), observation
    return observation.kind, observation.detail


async def once(script: Script, limits: Limits, method: str = "GET") -> tuple[Observation, bool]:
    """One request; and whether the connection was kept for the next."""
    async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
        seen = await get(wire, method)
        await asyncio.sleep(0)  # a connection that is given up closes in the next turn
        return seen, wire.connections == 1


# However the bytes arrive.


WHOLE = [
    ("GET", OK, b"ok"),
    ("GET", CHUNKED + b"1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", b"ok"),
    ("GET", CHUNKED + b"002\r\nok\r\n000\r\nETag: x\r\nX: y\r\n\r\n", b"ok"),
    ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"ok"),
    ("HEAD", HEAD + b"Content-Length: 9\r\n\r\n", b""),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    ("GET", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("GET", HEAD + b"content-LENGTH:2\r\nX:\r\n\r\nok", b"ok"),
]


@pytest.mark.parametrize(("method", "answer", "body"), WHOLE)
def test_an_answer_that_drips_byte_by_byte(
    run: Run, method: str, answer: bytes, body: bytes
) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            for start in range(len(answer)):
                await peer.send(answer[start : start + 1])
                await asyncio.sleep(0)

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for _ in range(3):
                assert answered(await get(wire, method)).body == body
            assert service.accepted == 1

    run(main())


def test_two_answers_cut_at_every_place(run: Run) -> None:
    """The end of one answer and the start of the next never mix, wherever a packet ends."""
    one = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"

    async def script(peer: Peer) -> None:
        for cut in range(1, len(one)):
            assert await peer.request()
            await peer.send(one[:cut])
            await asyncio.sleep(0)
            await peer.send(one[cut:])
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for _ in range(1, len(one)):
                assert answered(await get(wire)).body == b"one"
            assert service.accepted == 1

    run(main())


# What is malformed, and whether it is an answer all the same.


MALFORMED = [
    # the bytes, the kind of failure, a part of its detail
    (b"\r\n\r\n\r\n" * 100 + b"x", "protocol", "HTTP/"),
    (b"http/1.1 200 OK\r\n\r\n", "protocol", "HTTP/"),
    (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "protocol", ""),
    (b"HTTP/1.1 99 Low\r\n\r\n", "protocol", "status"),
    (b"HTTP/1.1 1000 High\r\n\r\n", "protocol", ""),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "protocol", ""),
    (HEAD + b"Content-Length: -1\r\n\r\n", "protocol", "Content-Length"),
    (HEAD + b"Content-Length: +1\r\n\r\nx", "protocol", "Content-Length"),
    (HEAD + b"Content-Length: 0x1\r\n\r\nx", "protocol", "Content-Length"),
    (HEAD + b"Content-Length: 1, 2\r\n\r\nx", "protocol", "Content-Length"),
    (HEAD + b"Content-Length: 99999999999999999999\r\n\r\nx", "protocol", "Content-Length"),
    (HEAD + b"Bad Name: x\r\n\r\n", "protocol", "header"),
    (HEAD + b"X : y\r\n\r\n", "protocol", "header"),
    (HEAD + b": y\r\n\r\n", "protocol", "header"),
    (HEAD + b"X: a\0b\r\n\r\n", "protocol", "header"),
    (CHUNKED + b"-1\r\n", "protocol", "chunk size"),
    (CHUNKED + b"2\r\nokX", "protocol", ""),
    (CHUNKED + b"ffffffffffffffffff\r\n", "protocol", "hunk size"),
    (CHUNKED + b"2\nok\n0\n\n", "protocol", ""),
    (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "protocol",
        "101",
    ),
]


@pytest.mark.parametrize(("sent", "kind", "detail"), MALFORMED)
def test_what_is_malformed_is_no_answer(run: Run, sent: bytes, kind: str, detail: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await peer.closed()

    seen, kept = run(once(script, Limits(timeout_s=5)))
    assert failed(seen)[0] == kind
    assert detail in failed(seen)[1]
    assert not kept


FLOODS = [
    (HEAD, b"X: y\r\n"),
    (HEAD + b"X: ", b"y" * 1000),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    (CHUNKED + b"2;x=", b"y" * 1000),
    (CHUNKED + b"2\r\nok\r\n0\r\n", b"X: y\r\n"),
    (CHUNKED + b"2\r\nok\r\n0\r\nX: ", b"y" * 1000),
    (b"", b"\r\n"),
]


@pytest.mark.parametrize(("start", "endless"), FLOODS)
def test_a_flood_that_is_no_body_is_bounded(run: Run, start: bytes, endless: bytes) -> None:
    """Heads, interim answers, chunk extensions and trailers: each ends at the bound."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(endless * (1 + 10_000 // len(endless)))

    seen, kept = run(once(script, Limits(timeout_s=30, max_header=100_000)))
    kind, detail = failed(seen)
    assert kind == "protocol"
    assert "timeout" not in detail
    assert not kept


@pytest.mark.parametrize("start", [HEAD + b"\r\n", CHUNKED])
def test_an_endless_body_is_cut_at_the_bound(run: Run, start: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(b"400\r\n" + b"x" * 1024 + b"\r\n")

    seen, kept = run(once(script, Limits(max_body=100_000)))
    assert len(answered(seen).body) == 100_000
    assert answered(seen).truncated
    assert not kept


@pytest.mark.parametrize("size", [999, 1000])
def test_a_body_up_to_the_bound_is_whole(run: Run, size: int) -> None:
    answer = HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size
    seen, kept = run(once(answering(answer), Limits(max_body=1000)))
    assert len(answered(seen).body) == size
    assert not answered(seen).truncated
    assert kept


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", HEAD + b"Content-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", HEAD + b"Content-Length: 0\r\n\r\nok"),
    ],
)
def test_a_body_that_must_not_be_there_is_never_the_next_answer(
    run: Run, method: str, answer: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        if await peer.request():
            await peer.send(OK)
            await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for _ in range(3):
                assert answered(await get(wire, method)).body == b""

    run(main())


# Slow services.


DRIPS = [
    (HEAD, b"X: y\r\n", "inside the head of the answer"),
    (HEAD + b"Content-Length: 99999\r\n\r\n", b"x", "of 99999 bytes of body"),
    (CHUNKED, b"1\r\nx\r\n", "bytes of body"),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "inside the head of the answer"),
]


@pytest.mark.parametrize(("start", "drip", "detail"), DRIPS)
def test_an_answer_that_never_ends_runs_into_the_total(
    run: Run, start: bytes, drip: bytes, detail: str
) -> None:
    """Each byte is progress, and none of it counts: the bound is on the whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)
        while True:
            await peer.send(drip)
            await asyncio.sleep(0.01)

    seen, kept = run(once(script, Limits(timeout_s=0.3)))
    kind, said = failed(seen)
    assert kind == "timeout"
    assert said.startswith("total: 0.3 s passed")
    assert detail in said
    assert not kept


# Large bodies, and a service that takes its time.


def test_a_large_request_waits_for_a_service_that_reads_slowly(run: Run) -> None:
    size = 8 << 20
    started, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        started.set()
        await go_on.wait()
        left = size
        while left:
            data = await peer.hello()
            assert data
            left -= len(data)
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            request = Request(method="POST", target="/", body=b"x" * size)
            message = render(request, wire.target)
            sending = asyncio.ensure_future(wire.send(message, method="POST", safe=False))
            await started.wait()
            (connection,) = wire._pool._open
            # Most of it waits on this side: the service's window is full.
            assert connection._transport.get_write_buffer_size() > size // 2
            assert not sending.done()
            go_on.set()
            assert answered(await sending).body == b"ok"
            assert wire.connections == 1

    run(main())


def test_a_large_request_that_nobody_reads_is_given_up_at_the_total(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.Event().wait()

    async def main() -> None:
        limits = Limits(timeout_s=0.3)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            request = Request(method="POST", target="/", body=b"x" * (8 << 20))
            message = render(request, wire.target)
            kind, detail = failed(await wire.send(message, method="POST", safe=False))
            assert kind == "timeout"
            assert detail == "total: 0.3 s passed before the first byte of an answer"
            await asyncio.sleep(0)
            assert wire.connections == 0

    run(main())


def test_what_is_not_read_of_a_large_answer_stays_with_the_service(run: Run) -> None:
    """A bound on a body bounds what is read, not only what is kept."""
    size = 64 << 20
    sent = 0
    stopped = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        piece = b"x" * 65536
        try:
            while sent < size:
                await peer.send(piece)
                sent += len(piece)
        finally:
            stopped.set()

    async def main() -> None:
        limits = Limits(max_body=100_000)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            assert answered(await get(wire)).truncated
            await stopped.wait()

    run(main())
    assert sent < size // 2


# Kept-alive connections.


@pytest.mark.parametrize("answer", [OK, HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"])
def test_a_service_that_half_closes_after_its_answer(run: Run, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        peer._writer.write_eof()
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for _ in range(3):
                assert answered(await get(wire, safe=False)).body == b"ok"
            assert service.accepted == 3

    run(main())


@pytest.mark.parametrize("end", ["close", "reset"])
def test_connections_that_end_while_idle_are_let_go(run: Run, end: str) -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await go_on.wait()
        if end == "reset":
            peer.reset()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            await asyncio.gather(*(get(wire) for _ in range(4)))
            assert wire.connections == service.accepted
            go_on.set()
            while wire.connections:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.001)

    run(main())


def test_no_socket_is_left_by_any_failure(run: Run) -> None:
    """The fixture counts them; here every kind of end comes once, then the wire is closed."""
    ends = [sent for sent, _, _ in MALFORMED] + [b"", HEAD, HEAD + b"Content-Length: 9\r\n\r\nfour"]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(ends[peer.number - 1])

    async def main() -> None:
        async with serve(script) as service:
            async with Wire(service.target(), limits=Limits(timeout_s=5)) as wire:
                for _ in ends:
                    failed(await get(wire))
            assert wire.connections == 0
            assert service.accepted == len(ends)

    run(main())


def test_a_service_that_accepts_and_closes_at_once(run: Run) -> None:
    async def script(_: Peer) -> None:
        return

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for _ in range(3):
                assert failed(await get(wire))[0] == "reset"

    run(main())


def test_a_backlog_that_is_full_is_a_connect_timeout(run: Run) -> None:
    """Nobody accepts, and the system drops what comes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        for each in held:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))

        async def main() -> tuple[str, str]:
            url = f"http://127.0.0.1:{port}"
            target = parse_target(url, side="baseline", name="go", option="--go")
            async with Wire(target, limits=Limits(connect_s=0.2)) as wire:
                return failed(await get(wire))

        assert run(main()) == ("timeout", "connect: no connection within 0.2 s")
        for each in held:
            each.close()
