"""Requests on their way through: to a service, and its answer back."""

from __future__ import annotations

import asyncio
import resource
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.model import Answer, NoAnswer, Observation
from shadow.sidecar.relay import passage
from shadow.sidecar.server.limits import ServerLimits
from tests.sending.service import OK, Peer, Run, Script, answering, serve
from tests.sidecar.client import Got, chunked, get, post, until
from tests.sidecar.live import proxying, sweep_often, watched

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FAILED = b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\n"
SMALL = ServerLimits(body_at_once=1_000)


def answered(observation: Observation | None) -> Answer:
    assert isinstance(observation, Answer), observation
    return observation


def failed(observation: Observation | None) -> NoAnswer:
    assert isinstance(observation, NoAnswer), observation
    return observation


# What the service gets.


def test_the_request_as_the_service_gets_it(run: Run) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            await peer.send(OK)

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            client = await live.connect()
            fields = ("aA: 1", "X-Hop: 2", "Aa: 3", "Connection: x-hop", "Expect: 100-continue")
            sent = get("/a?", *fields, "Content-Length: 5", "TE: trailers", method="PUT")
            await client.send(sent)
            assert (await client.answer()).status == 100
            assert await client.ask(b"hello") == Got(200, (("Content-Length", "2"),), b"ok")
            await client.ask(get("http://other.test/b?c"))
            await client.ask(get("/c", "Transfer-Encoding: chunked", method="POST") + chunked(b"x"))

    run(main())
    ours = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nShadow-Via: me\r\n\r\n"
    host = seen[0].split(b"\r\n")[1] + b"\r\n"
    assert host.startswith(b"Host: 127.0.0.1:")
    assert seen == [
        b"PUT /a? HTTP/1.1\r\n"
        + host
        + b"aA: 1\r\nAa: 3\r\nContent-Length: 5\r\n"
        + ours
        + b"hello",
        b"GET /b?c HTTP/1.1\r\n" + host + ours,
        b"POST /c HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n" + ours + chunked(b"x"),
    ]


def test_a_request_that_cannot_be_passed_on(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service, proxying(service.target()) as live:
            client = await live.connect()
            got = await client.ask(get("*"))
            assert (got.status, service.accepted) == (501, 0)
            assert (await live.owner.end()).seen == {}
            assert (await client.ask(get())).body == b"ok"

    run(main())


# Bodies that come in parts.


def uploads(sent: list[bytes]) -> Script:
    """Keep what comes, and answer."""

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            sent.append(request)
            await peer.send(OK)

    return script


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("size", [1_001, 300_000, 3_000_000])
def test_a_long_body_arrives_whole(run: Run, size: int, chunks: bool) -> None:
    sent: list[bytes] = []
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def main() -> None:
        async with (
            serve(uploads(sent)) as service,
            proxying(service.target(), limits=SMALL) as live,
        ):
            client = await live.connect()
            for number in (1, 2):
                if chunks:
                    parts = [body[at : at + 70_000] for at in range(0, size, 70_000)]
                    head = get("/", "Transfer-Encoding: chunked", method="POST")
                    got = await client.ask(head + chunked(*parts))
                else:
                    got = await client.ask(post(body))
                assert got == Got(200, (("Content-Length", "2"),), b"ok")
                ended = await live.owner.end(number)
                assert answered(ended.seen["baseline"]).response.body == b"ok"
                assert ended.too_long == (size > passage.COPY_BYTES)
                if not ended.too_long:
                    assert ended.request.body == body
            assert service.accepted == 1

    run(main())
    for request in sent:
        head, _, rest = request.partition(b"\r\n\r\n")
        if chunks:
            assert b"Transfer-Encoding: chunked" in head
            assert b"Content-Length" not in head
            assert dechunked(rest) == body
        else:
            assert b"Content-Length: %d\r\n" % size in head + b"\r\n"
            assert rest == body


def dechunked(data: bytes) -> bytes:
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if not size:
            assert data == b"\r\n"
            return body
        body, data = body + data[:size], data[size + 2 :]


def test_parts_reach_the_service_as_they_come(run: Run) -> None:
    came = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        got = b""
        while len(got) < 6_000:
            got += await peer.hello()
            if len(got) >= 2_000:
                came.set()
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), limits=SMALL) as live:
            client = await live.connect()
            await client.send(post(b"x" * 6_000)[:-4_000])
            await came.wait()
            assert (await client.ask(b"x" * 4_000)).body == b"ok"

    run(main())


@pytest.mark.parametrize("at_once", [100_000, 8_000_000])
def test_a_slow_service_holds_the_client_back(run: Run, at_once: int) -> None:
    """Also where the first part alone is more than it takes."""
    limits = ServerLimits(body_at_once=at_once)
    go_on = asyncio.Event()
    size = 60_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await go_on.wait()
        left = size
        while left:
            left -= len(await peer.hello())
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), limits=limits) as live:
            client = await live.connect()
            await client.send(get("/", f"Content-Length: {size}", method="POST"))
            sending = asyncio.ensure_future(client.send(b"x" * size))
            (connection,) = live.server._open.all
            await until(lambda: len(live.owner.wire("baseline")._pool) > 0)
            await until(lambda: connection._reading_paused)
            await asyncio.sleep(0.1)
            assert connection._reading_paused
            assert not sending.done()
            (upstream,) = live.owner.wire("baseline")._pool.open
            assert upstream._transport.get_write_buffer_size() < at_once + 2_000_000
            go_on.set()
            assert (await client.answer()).body == b"ok"
            await sending
            assert (await live.owner.end()).too_long

    run(main())


def test_the_first_parts_come_while_a_connection_is_waited_for(run: Run) -> None:
    sent: list[bytes] = []
    hold = asyncio.Event()

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            sent.append(request)
            if len(sent) == 1:
                await hold.wait()
            await peer.send(OK)

    async def main() -> None:
        async with (
            serve(script) as service,
            proxying(service.target(), limits=SMALL, connections=1) as live,
        ):
            first, second = await live.connect(), await live.connect()
            await first.send(get("/1"))
            await until(lambda: sent)
            await second.send(get("/2", "Content-Length: 500000", method="POST"))
            sending = asyncio.ensure_future(second.send(b"x" * 500_000))
            await asyncio.sleep(0.1)
            assert any(each._reading_paused for each in live.server._open.all)
            hold.set()
            assert (await first.answer()).body == b"ok"
            assert (await second.answer()).body == b"ok"
            await sending

    run(main())
    assert sent[1].endswith(b"\r\n\r\n" + b"x" * 500_000)


def test_a_body_that_has_come_before_there_is_a_connection(run: Run) -> None:
    """And the client's next request is read after it."""
    sent: list[bytes] = []

    async def main() -> None:
        async with (
            serve(uploads(sent)) as service,
            proxying(service.target(), limits=SMALL) as live,
        ):
            client = await live.connect()
            await client.send(post(b"x" * 2_000) + get("/next"))
            for _ in range(2):
                assert (await client.answer()).body == b"ok"
            assert (await client.ask(get("/last"))).body == b"ok"

    run(main())
    assert len(sent) == 3


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_service_that_answers_before_the_whole_body_has_come(run: Run, in_parts: bool) -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.head()
            if in_parts:
                await peer.send(CHUNKED + b"3\r\none\r\n")
                await go_on.wait()
                await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
            else:
                await peer.send(b"HTTP/1.1 413 Big\r\nContent-Length: 2\r\n\r\nno")
            await peer.closed()
        while await peer.request():
            await peer.send(OK)

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), limits=SMALL) as live:
            client = await live.connect()
            await client.send(post(b"x" * 500_000)[:-1])
            if in_parts:
                assert (await client.head()).status == 200
                assert await client.exactly(8) == b"3\r\none\r\n"
                go_on.set()
                assert await client.rest() == b"3\r\ntwo\r\n0\r\n\r\n"
            else:
                got = await client.answer()
                assert (got.status, got.body, got.all("connection")) == (413, b"no", ["close"])
                assert await client.rest() == b""
            ended = await live.owner.end()
            assert answered(ended.seen["baseline"]).response.status == (200 if in_parts else 413)
            assert ended.too_long  # its copy would be another request
            assert (await (await live.connect()).ask(get())).body == b"ok"
            assert service.accepted == 2

    go_on = asyncio.Event()
    run(main())


@pytest.mark.parametrize("how", ["reset", "finish", "close"])
def test_a_client_that_leaves_in_the_middle_of_its_body(run: Run, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.closed()
        dropped.set()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), limits=SMALL) as live:
            client = await live.connect()
            await client.send(post(b"x" * 5_000)[:-1])
            await until(lambda: len(live.owner.wire("baseline")._pool) > 0)
            getattr(client, how)()
            ended = await live.owner.end()
            assert (ended.status, ended.seen, ended.cut) == (0, {}, True)
            await dropped.wait()

    dropped = asyncio.Event()
    run(main())


@pytest.mark.parametrize("noticed", [False, True])
def test_a_client_that_leaves_before_there_is_a_connection_for_its_body(
    run: Run, noticed: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        taken.set()
        await hold.wait()
        await peer.send(OK)
        await peer.closed()  # the second is never answered

    async def main() -> None:
        async with (
            serve(script) as service,
            proxying(service.target(), limits=SMALL, connections=1) as live,
        ):
            first, second = await live.connect(), await live.connect()
            await first.send(get("/1"))
            await taken.wait()
            await second.send(post(b"x" * 5_000, target="/2")[:-1])
            await until(lambda: any(each._reading_paused for each in live.server._open.all))
            second.reset()
            if noticed:  # nothing is read from it meanwhile, so it takes another reason
                (connection,) = [each for each in live.server._open.all if each._reading_paused]
                connection.abort()
                await until(lambda: live.server.connections <= 1)
            hold.set()
            assert (await first.answer()).body == b"ok"
            await live.owner.end(2)
            (ended,) = [each for each in live.owner.ended_ if each.cut]
            assert (ended.seen, ended.status) == ({}, 0)
            await until(lambda: not live.owner._tasks._tasks)

    hold, taken = asyncio.Event(), asyncio.Event()
    run(main())


def test_a_client_that_stops_in_the_middle_of_its_body_is_not_the_service_s_fault(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_often(monkeypatch)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.closed()

    async def main() -> None:
        limits = ServerLimits(body_at_once=1_000, body_s=0.3)
        async with (
            serve(script) as service,
            proxying(service.target(), limits=limits, timeout_s=0.1) as live,
        ):
            client = await live.connect()
            await client.send(post(b"x" * 5_000)[:-1])
            assert (await client.answer()).status == 408
            ended = await live.owner.end()
            assert (ended.seen, ended.cut) == ({}, True)
            assert live.owner.reasons == ["slow-request"]

    run(main())


def test_a_service_that_dies_in_the_middle_of_the_body(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), limits=SMALL) as live:
            client = await live.connect()
            await client.send(post(b"x" * 5_000)[:-1])
            got = await client.answer()
            assert (got.status, got.all("connection")) == (502, ["close"])
            assert b"reset" in got.body
            assert failed((await live.owner.end()).seen["baseline"]).kind == "reset"

    run(main())


# Answers that come in parts.


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("parts", "closes"),
    [
        ((HEAD + b"Content-Length: 6\r\n\r\none", b"two"), False),
        ((CHUNKED + b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\nA: b\r\n\r\n"), False),
        ((HEAD + b"\r\none", b"two"), True),
        ((b"HTTP/1.0 200 OK\r\n\r\none", b"two"), True),
        (
            (
                b"HTTP/1.1 103 E\r\nA: b\r\n\r\n" + CHUNKED + b"3\r\none\r\n",
                b"3\r\ntwo\r\n0\r\n\r\n",
            ),
            0,
        ),
    ],
)
def test_an_answer_reaches_the_client_before_it_ends(
    run: Run, parts: tuple[bytes, bytes], closes: bool, version: str
) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(parts[0])
            await seen.wait()
            seen.clear()
            await peer.send(parts[1])
            if closes:
                return

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            for number in (1, 2):
                client = await live.connect()
                await client.send(get(version=version))
                head = await client.head()
                assert head.status == 200
                framed = head.all("transfer-encoding") == ["chunked"]
                assert not (framed and version == "1.0")
                first = await client.exactly(8 if framed else 3)
                assert b"one" in first
                seen.set()
                if framed:
                    assert [chunk async for chunk in client.chunks()] == [b"two"]
                else:
                    assert await client.exactly(3) == b"two"
                ended = await live.owner.end(number)
                assert answered(ended.seen["baseline"]).response.body == b"onetwo"
                if version == "1.0":
                    assert head.all("connection") == ["close"]
                    assert await client.rest() == b""
                assert service.accepted == (number if closes else 1)

    seen = asyncio.Event()
    run(main())


@pytest.mark.parametrize("how", ["reset", "close"])
def test_server_sent_events(run: Run, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"Content-Type: text/event-stream\r\n\r\n")
        while event := await events.get():
            await peer.send(event)

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            client = await live.connect()
            await client.send(get())
            head = await client.head()
            assert head.all("content-type") == ["text/event-stream"]
            chunks = client.chunks()
            for number in range(5):
                events.put_nowait(b"data: %d\n\n" % number)
                assert await anext(chunks) == b"data: %d\n\n" % number
            getattr(client, how)()
            while not live.owner.ended_:  # it takes an event or two to see that it has gone
                events.put_nowait(b"data: more\n\n")
                await asyncio.sleep(0.01)
            ended = await live.owner.end()
            assert (ended.status, ended.seen, ended.cut) == (200, {}, True)
            events.put_nowait(b"")

    events: asyncio.Queue[bytes] = asyncio.Queue()
    run(main())


def test_fields_of_an_answer(run: Run) -> None:
    answer = (
        b"HTTP/1.1 299 Odd\r\nset-Cookie: b=2\r\nConnection: x-hop, close\r\nX-Hop: 1\r\n"
        b"Set-Cookie: a=1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: b=2\r\nA: \xff\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    cookies = ["b=2", "a=1", "b=2"]

    async def main() -> None:
        async with serve(answering(answer)) as service, proxying(service.target()) as live:
            client = await live.connect()
            for _ in range(2):
                got = await client.ask(get())
                assert got.headers == (
                    *(("set-Cookie", "b=2"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")),
                    *(("A", "\xff"), ("Content-Length", "2")),
                )
                assert got.all("set-cookie") == cookies
            assert service.accepted == 2  # it said close

    run(main())


@pytest.mark.parametrize(
    ("method", "answer", "status"),
    [
        ("HEAD", HEAD + b"Content-Length: 99\r\n\r\n", 200),
        ("HEAD", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 204 No\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not\r\nContent-Length: 99\r\nETag: x\r\n\r\n", 304),
    ],
)
def test_answers_without_a_body(run: Run, method: str, answer: bytes, status: int) -> None:
    async def main() -> None:
        async with serve(answering(answer)) as service, proxying(service.target()) as live:
            client = await live.connect()
            for _ in range(2):
                got = await client.ask(get(method=method), method=method)
                assert got.status == status

    run(main())


def test_a_long_answer_to_a_slow_client(run: Run) -> None:
    """Bounded memory, all of the bytes, and no time-out for what is the client's doing."""
    size = 100_000_000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(100):
            await peer.send(bytes(size // 100))
            sent += size // 100
        await peer.request()
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), timeout_s=0.2) as live:
            client = await live.connect(receive=65_536)
            await client.send(get())
            await client.head()
            await asyncio.sleep(0.3)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            assert sent < 30_000_000
            left = size
            while left:
                left -= len(await client.some(1 << 20))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            assert grown < 20_000  # kB
            ended = await live.owner.end()
            seen = answered(ended.seen["baseline"])
            assert seen.response.truncated
            assert seen.response.body == b""  # a part of it is of no use
            assert not ended.cut
            assert (await client.ask(get())).body == b"ok"
            assert service.accepted == 1  # the connection serves again

    run(main())


def test_copies_of_answers_that_are_under_way_are_bounded_together(run: Run) -> None:
    """However many streams are open: beyond, an answer goes on, and none of it is kept."""
    end = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 600)
        await end.wait()
        await peer.send(b"y" * 400)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            copies = live.owner.copies = passage.Copies(1_100)
            clients = [await live.connect() for _ in range(3)]
            for client in clients:
                await client.send(get())
                await client.head()
                assert await client.exactly(600) == b"x" * 600
            kept = [each._reader._body for each in live.owner.wire("baseline")._pool.open]
            assert sorted(map(len, kept)) == [0, 0, 600]
            assert copies.bytes == 600
            end.set()
            for client in clients:
                assert await client.exactly(400) == b"y" * 400
            seen = [(await live.owner.end(number)).seen["baseline"] for number in (1, 2, 3)]
            found = sorted(len(answered(each).response.body) for each in seen)
            assert found == [0, 0, 1_000]
            assert [answered(each).response.truncated for each in seen].count(True) == 2
            assert copies.bytes == 0

    run(main())


def test_copies_of_bodies_that_are_under_way_are_bounded_together(run: Run) -> None:
    sent: list[bytes] = []

    async def main() -> None:
        async with (
            serve(uploads(sent)) as service,
            proxying(service.target(), limits=SMALL) as live,
        ):
            copies = live.owner.copies = passage.Copies(3_000)
            bodies = [bytes([65 + number]) * 2_500 for number in range(3)]
            clients = [await live.connect() for _ in bodies]
            for client, body in zip(clients, bodies, strict=True):
                await client.send(post(body)[:-500])
            await until(lambda: len(live.owner.wire("baseline")._pool) == 3)
            assert copies.bytes == 2_000
            for client, body in zip(clients, bodies, strict=True):
                assert (await client.ask(body[-500:])).status == 200
            ended = [await live.owner.end(number) for number in (1, 2, 3)]
            assert [each.too_long for each in ended].count(True) == 2
            assert copies.bytes == 0
            (whole,) = [each for each in ended if not each.too_long]
            assert whole.request.body in bodies

    run(main())
    assert sorted(request[-2_500:] for request in sent) == [
        b"A" * 2_500,
        b"B" * 2_500,
        b"C" * 2_500,
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    "sent", [HEAD + b"Content-Length: 6\r\n\r\none", CHUNKED + b"3\r\none\r\n", HEAD + b"\r\none"]
)
def test_a_service_that_dies_in_the_middle_of_its_answer(
    run: Run, sent: bytes, version: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await seen.wait()
        peer.reset()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            client = await live.connect()
            await client.send(get(version=version))
            head = await client.head()
            await client.exactly(3)
            seen.set()
            length, framed = head.all("content-length"), head.all("transfer-encoding")
            if length or framed:
                assert b"0\r\n" not in await client.closed()
            else:
                with pytest.raises(ConnectionResetError):
                    await client.rest()
            ended = await live.owner.end()
            assert (ended.status, ended.cut) == (200, False)
            assert failed(ended.seen["baseline"]).kind == "reset"

    seen = asyncio.Event()
    run(main())


# Services that give no answer.


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stale_connection(run: Run, method: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await peer.request()  # and close
        else:
            await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            client = await live.connect()
            assert (await client.ask(get())).body == b"ok"
            got = await client.ask(get(method=method))
            ended = await live.owner.end(2)
            if method == "GET":
                assert (got.status, got.body, service.accepted) == (200, b"ok", 2)
                assert answered(ended.seen["baseline"])
            else:
                assert (got.status, ended.status, service.accepted) == (502, 502, 1)
                assert "not sent twice" in failed(ended.seen["baseline"]).detail

    run(main())


@pytest.mark.parametrize(
    ("end", "status", "kind"),
    [("close", 502, "reset"), ("hold", 504, "timeout"), ("garbage", 502, "protocol")],
)
def test_no_answer(run: Run, end: str, status: int, kind: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if end == "garbage":
            await peer.send(b"SSH-2.0\r\n")
        if end != "close":
            await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), timeout_s=0.1) as live:
            client = await live.connect()
            for method in ("GET", "HEAD", "POST"):
                got = await client.ask(get(method=method), method=method)
                assert got.status == status
                assert got.body == (
                    b""
                    if method == "HEAD"
                    else f"shadow: the service gave no answer ({kind})\n".encode()
                )
            ended = await live.owner.end()
            assert (ended.status, failed(ended.seen["baseline"]).kind) == (status, kind)

    run(main())


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            target = service.target()
        async with proxying(target) as live:
            client = await live.connect()
            assert (await client.ask(get())).status == 502
            assert failed((await live.owner.end()).seen["baseline"]).kind == "connect"

    run(main())


# Clients that leave.


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_client_that_leaves_before_its_answer(run: Run, in_parts: bool) -> None:
    """What the service answers is observed all the same."""

    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await gone.wait()
        if in_parts:
            await peer.send(CHUNKED)
            for part in (b"o", b"k"):
                await peer.send(b"1\r\n" + part + b"\r\n")
                await asyncio.sleep(0.01)
            await peer.send(b"0\r\n\r\n")
        else:
            await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            client = await live.connect()
            await client.send(get())
            await asked.wait()
            client.reset()
            await until(lambda: not live.server.connections)
            gone.set()
            ended = await live.owner.end()
            assert answered(ended.seen["baseline"]).response.body == b"ok"
            assert not ended.cut

    asked, gone = asyncio.Event(), asyncio.Event()
    run(main())


def test_a_client_that_leaves_before_an_answer_without_end(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await gone.wait()
        await peer.send(CHUNKED)
        while True:
            await peer.send(b"6\r\nevent\n\r\n")
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), timeout_s=0.3) as live:
            client = await live.connect()
            await client.send(get())
            await asked.wait()
            client.reset()
            await until(lambda: not live.server.connections)
            gone.set()
            assert failed((await live.owner.end()).seen["baseline"]).kind == "timeout"

    asked, gone = asyncio.Event(), asyncio.Event()
    run(main())


def test_a_client_that_leaves_while_a_connection_is_waited_for(run: Run) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            asked.set()
            await gone.wait()
            await peer.send(OK)

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), connections=1) as live:
            first, second = await live.connect(), await live.connect()
            await first.send(get("/1"))
            await asked.wait()
            await second.send(get("/2"))
            await until(lambda: live.owner._tasks._tasks)
            second.reset()
            await until(lambda: live.server.connections <= 1)
            gone.set()
            assert (await first.answer()).body == b"ok"
            assert answered((await live.owner.end(2)).seen["baseline"]).response.body == b"ok"

    asked, gone = asyncio.Event(), asyncio.Event()
    run(main())


# Falling back.


async def _slow_failure(peer: Peer) -> None:
    await peer.request()
    await peer.send(FAILED)
    await peer.closed()


async def _failure_in_parts(peer: Peer) -> None:
    await peer.request()
    await peer.send(FAILED)
    await asyncio.sleep(0.02)
    await peer.send(b"oh")
    await asyncio.sleep(0.02)
    await peer.send(b"no")
    await peer.closed()


async def _reset(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _hang(peer: Peer) -> None:
    await peer.request()
    await peer.closed()


async def _endless_failure(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 503 Oh\r\n\r\n")
    while True:
        await peer.send(b"x" * 10_000)


FAILURES: dict[str, tuple[Script, int]] = {
    "whole": (answering(FAILED + b"ohno"), 500),
    "in parts": (_failure_in_parts, 500),
    "slow": (_slow_failure, 504),
    "reset": (_reset, 502),
    "hang": (_hang, 504),
    "endless": (_endless_failure, 0),
}
"""How Rust fails, and what the client sees where Go is not asked; 0: that it is cut."""


@pytest.mark.parametrize(
    ("case", "refused"),
    [
        *[(case, refused) for case in FAILURES for refused in ("", "budget")],
        # What may not be asked twice is not held either, and so not in need of a bound.
        *[(case, "unsafe") for case in ("whole", "in parts", "reset", "hang")],
    ],
)
def test_rust_fails(run: Run, case: str, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "HOLD_S", 0.1)
    script, told = FAILURES[case]
    method = "POST" if refused == "unsafe" else "GET"

    async def main() -> None:
        timeout_s = 10 if case == "slow" else 0.2
        async with (
            asyncio.timeout(5),
            serve(answering(OK)) as go,
            serve(script) as rust,
            proxying(go.target(), rust.target(), timeout_s=timeout_s, copy=100_000) as live,
        ):
            live.owner.side = "candidate"
            live.owner.budget = 0 if refused == "budget" else 1
            client = await live.connect()
            await client.send(get(method=method))
            if refused and not told:
                assert await client.closed() == b""
            else:
                got = await client.answer()
                assert got.status == (told if refused else 200)
                assert (got.body == b"ok") == (not refused)
            ended = await live.owner.end()
            assert ended.fell_back == (not refused)
            assert ended.side == ("candidate" if refused else "baseline")
            assert go.accepted == (not refused)
            rust_did = ended.seen["candidate"]
            if isinstance(rust_did, Answer):
                assert rust_did.response.status >= 500
            if not refused:
                assert answered(ended.seen["baseline"]).response.body == b"ok"
            if case == "whole" and not refused:  # and now there is no budget
                assert (await client.ask(get())).status == 500

    run(main())


@pytest.mark.parametrize("failure", [FAILED + b"ohno", b""])
def test_go_is_not_asked_with_a_part_of_the_body(run: Run, failure: bytes) -> None:
    """Rust has read all of it, and fails then: the first part alone is another request."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if failure:
            await peer.send(failure)
            await peer.closed()

    async def main() -> None:
        async with (
            asyncio.timeout(5),
            serve(answering(OK)) as go,
            serve(script) as rust,
            proxying(go.target(), rust.target(), limits=SMALL) as live,
        ):
            live.owner.side = "candidate"
            client = await live.connect()
            await client.send(get("/", "Content-Length: 6000") + b"x" * 3_000)
            got = await client.ask(b"x" * 3_000)
            assert got.status == (500 if failure else 502)
            ended = await live.owner.end()
            assert not ended.fell_back
            assert ended.request.body == b"x" * 6_000
            assert go.accepted == 0

    run(main())


def test_a_failure_that_was_held_does_no_harm_to_what_follows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passage, "HOLD_S", 0.1)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(FAILED)
        await asyncio.sleep(0.02)
        await peer.send(b"ohno")
        await peer.request()
        await asyncio.sleep(0.2)
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with (
            serve(answering(OK)) as go,
            serve(script) as rust,
            proxying(go.target(), rust.target()) as live,
        ):
            live.owner.side = "candidate"
            client = await live.connect()
            for _ in range(2):
                assert (await client.ask(get())).body == b"ok"
            first, second = live.owner.ended_
            assert (first.fell_back, second.fell_back) == (True, False)
            assert (go.accepted, rust.accepted) == (1, 1)

    run(main())


def test_rust_is_gone_altogether(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as go:
            async with serve(answering(OK)) as rust:
                target = rust.target()
            async with proxying(go.target(), target) as live:
                live.owner.side = "candidate"
                client = await live.connect()
                assert (await client.ask(get())).body == b"ok"
                ended = await live.owner.end()
                assert failed(ended.seen["candidate"]).kind == "connect"
                assert ended.fell_back

    run(main())


def test_rust_serves(run: Run) -> None:
    not_found = b"HTTP/1.1 404 Not\r\nContent-Length: 2\r\n\r\nno"

    async def main() -> None:
        async with (
            serve(answering(OK)) as go,
            serve(answering(not_found)) as rust,
            proxying(go.target(), rust.target()) as live,
        ):
            live.owner.side = "candidate"
            client = await live.connect()
            assert (await client.ask(get())).status == 404
            ended = await live.owner.end()
            assert (ended.side, ended.fell_back, go.accepted) == ("candidate", False, 0)
            assert live.owner.budget == 1_000

    run(main())


def test_an_answer_of_rust_that_is_under_way_is_not_taken_back(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"Content-Length: 6\r\n\r\none")
        await seen.wait()
        peer.reset()

    async def main() -> None:
        async with (
            serve(answering(OK)) as go,
            serve(script) as rust,
            proxying(go.target(), rust.target()) as live,
        ):
            live.owner.side = "candidate"
            client = await live.connect()
            await client.send(get())
            await client.head()
            seen.set()
            assert await client.closed() == b"one"
            ended = await live.owner.end()
            assert (ended.fell_back, go.accepted, list(ended.seen)) == (False, 0, ["candidate"])

    seen = asyncio.Event()
    run(main())


def test_nobody_is_asked_in_place_of_rust_for_a_client_that_has_gone(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await gone.wait()
        await peer.send(FAILED + b"ohno")

    async def main() -> None:
        async with (
            serve(answering(OK)) as go,
            serve(script) as rust,
            proxying(go.target(), rust.target()) as live,
        ):
            live.owner.side = "candidate"
            client = await live.connect()
            await client.send(get())
            await asked.wait()
            client.reset()
            await until(lambda: not live.server.connections)
            gone.set()
            ended = await live.owner.end()
            assert (ended.fell_back, go.accepted, live.owner.budget) == (False, 0, 1_000)

    asked, gone = asyncio.Event(), asyncio.Event()
    run(main())


# All of it.


def test_draining_lets_what_is_under_way_end(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await go_on.wait()
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            client = await live.connect()
            await client.send(get())
            await asked.wait()
            draining = asyncio.ensure_future(live.server.drain(10))
            await asyncio.sleep(0.01)
            assert not draining.done()
            go_on.set()
            got = await client.answer()
            assert (got.body, got.all("connection")) == (b"ok", ["close"])
            assert await draining == 0

    asked, go_on = asyncio.Event(), asyncio.Event()
    run(main())


def test_curl(run: Run) -> None:
    body = b"x" * 2_000_000

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            size = len(request.partition(b"\r\n\r\n")[2])
            if request.startswith(b"POST"):
                await peer.send(HEAD + b"Content-Length: 7\r\n\r\n%07d" % size)
            else:
                await peer.send(CHUNKED)
                for at in range(0, len(body), 100_000):
                    await peer.send(b"186a0\r\n" + body[at : at + 100_000] + b"\r\n")
                await peer.send(b"0\r\n\r\n")

    def curl(*options: str, given: bytes = b"") -> bytes:
        command = ["curl", "-sS", "--max-time", "10", *options]
        return subprocess.run(command, check=True, capture_output=True, input=given).stdout

    def ask(at: str) -> None:
        assert curl(f"{at}/1", f"{at}/2") == body + body
        assert curl("-0", f"{at}/1") == body
        assert curl("--data-binary", "@-", f"{at}/3", given=body) == b"2000000"  # it expects 100
        chunks = ["-H", "Transfer-Encoding: chunked", "-T", "-"]
        assert int(curl(*chunks, "-X", "POST", f"{at}/4", given=body)) > len(body)
        assert curl("--http2", "--data-binary", "@-", f"{at}/5", given=body) == b"2000000"

    async def main() -> None:
        async with serve(script) as service, proxying(service.target()) as live:
            await asyncio.to_thread(ask, f"http://127.0.0.1:{live.port}")

    run(main())


@st.composite
def framed(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """An answer in pieces, framed in some way, and its body."""
    parts = draw(st.lists(st.binary(min_size=1, max_size=2_000), max_size=3))
    body = b"".join(parts)
    way = draw(st.sampled_from(["length", "chunks", "close"]))
    if way == "length":
        sent = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif way == "close":
        sent = HEAD + b"Connection: close\r\n\r\n" + body
    else:
        sent = CHUNKED + chunked(*parts)
    places = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    pieces = [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True)]
    return [piece for piece in pieces if piece], body


@settings(max_examples=25)
@given(st.lists(framed(), min_size=1, max_size=4), st.sampled_from(["1.0", "1.1"]))
def test_the_client_gets_the_body_however_it_is_framed(
    answers: list[tuple[list[bytes], bytes]], version: str
) -> None:
    left = list(answers)

    async def script(peer: Peer) -> None:
        while await peer.request():
            pieces, _ = left.pop(0)
            for piece in pieces:
                await peer.send(piece)
                await asyncio.sleep(0)
            if b"Connection: close" in b"".join(pieces):
                return

    async def main() -> None:
        async with serve(script) as service, proxying(service.target(), copy=3_000) as live:
            for number, (_, body) in enumerate(answers, 1):
                client = await live.connect()
                got = await client.ask(get("/", version=version))
                assert (got.status, got.body) == (200, body)
                seen = answered((await live.owner.end(number)).seen["baseline"]).response
                assert (seen.body, seen.truncated) == (body[:3_000], len(body) > 3_000)

    asyncio.run(watched(main()))
