"""Many clients, slow clients, and what becomes of them when the server drains."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import time

import pytest

from shadow.sidecar.server import connection
from shadow.sidecar.server.call import Call
from shadow.sidecar.server.limits import ServerLimits
from tests.sending.service import Run
from tests.sidecar.client import Client, get, post, until
from tests.sidecar.live import Calls, leave, ok, serving, sweep_often

pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep_often(monkeypatch)


# Clients whose time passes.


@pytest.mark.parametrize(
    "sent", [b"GET /", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n", b"\r\n"]
)
def test_a_head_that_does_not_end(run: Run, sent: bytes) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls, ServerLimits(head_s=0.1)) as served:
            client = await served.connect()
            began = time.perf_counter()
            await client.send(sent)
            got = await client.answer()
            assert (got.status, got.all("connection")) == (408, ["close"])
            assert 0.09 < time.perf_counter() - began < 2
            assert await client.rest() == b""

    run(main())
    assert calls.reasons == ["slow-request"]


def test_a_head_byte_by_byte_has_no_more_time(run: Run) -> None:
    async def main() -> None:
        async with serving(Calls(), ServerLimits(head_s=0.2)) as served:
            client = await served.connect()
            began = time.perf_counter()
            answer = asyncio.ensure_future(client.answer())
            await client.send(b"GET / HTTP/1.1\r\nA: ")
            while not answer.done():
                await client.send(b"a")
                await asyncio.sleep(0.02)
                assert time.perf_counter() - began < 2
            assert answer.result().status == 408

    run(main())


@pytest.mark.parametrize("handed_on", [False, True])
@pytest.mark.parametrize("chunks", [False, True])
def test_a_body_that_does_not_come(run: Run, handed_on: bool, chunks: bool) -> None:
    calls = Calls(leave)
    gone: list[str] = []
    limits = ServerLimits(body_s=0.08, body_at_once=10 if handed_on else 10_000)
    framing = "Transfer-Encoding: chunked" if chunks else "Content-Length: 1000"

    async def main() -> None:
        async with serving(calls, limits) as served:
            client = await served.connect()
            await client.send(get("/", framing, method="POST"))
            for _ in range(4):  # each part begins the time anew
                await client.send(b"14\r\n" + b"x" * 20 + b"\r\n" if chunks else b"x" * 20)
                await asyncio.sleep(0.03)
            if handed_on:
                call = await calls.call()
                call.gone = lambda: gone.append("gone")
            async with asyncio.timeout(2):
                assert (await client.answer()).status == 408
            assert await client.rest() == b""

    run(main())
    assert calls.reasons == ["slow-request"]
    assert gone == ["gone"] * handed_on
    assert len(calls.all) == handed_on


def test_a_body_that_does_not_come_while_an_answer_is_under_way(run: Run) -> None:
    calls = Calls(leave)
    gone = asyncio.Event()

    async def main() -> None:
        async with serving(calls, ServerLimits(body_s=0.1, body_at_once=10)) as served:
            client = await served.connect()
            await client.send(post(b"x" * 100)[:-1])
            call = await calls.call()
            call.gone = gone.set
            call.begin(200, (("Transfer-Encoding", "chunked"),))
            call.piece(b"x")
            await client.head()
            with pytest.raises(ConnectionResetError):
                _ = [chunk async for chunk in client.chunks()]
            await gone.wait()

    run(main())


def test_no_time_passes_while_the_service_does_not_take_the_body(run: Run) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls, ServerLimits(body_s=0.05, body_at_once=10)) as served:
            client = await served.connect()
            await client.send(post(b"x" * 100)[:-1])
            call = await calls.call()
            call.pause()
            await asyncio.sleep(0.2)
            assert call.open
            call.resume()
            assert (await client.answer()).status == 408

    run(main())


def test_an_answer_to_a_body_in_parts_may_take_its_time(run: Run) -> None:
    calls = Calls(leave)
    ended = asyncio.Event()

    async def main() -> None:
        async with serving(calls, ServerLimits(body_s=0.05, body_at_once=10)) as served:
            client = await served.connect()
            await client.send(post(b"x" * 100)[:-1])
            call = await calls.call()
            call.more = lambda data: None if data else ended.set()
            await client.send(b"x")
            await ended.wait()
            call.pause()
            call.resume()
            await asyncio.sleep(0.2)
            ok(call)
            assert (await client.answer()).body == b"ok"

    run(main())
    assert not calls.reasons


def test_an_answer_may_take_its_time(run: Run) -> None:
    calls = Calls(leave)
    limits = ServerLimits(head_s=0.03, body_s=0.03, idle_s=0.03, write_s=0.03)

    async def main() -> None:
        async with serving(calls, limits) as served:
            client = await served.connect()
            await client.send(post(b"x"))
            call = await calls.call()
            await asyncio.sleep(0.2)
            ok(call)
            assert (await client.answer()).body == b"ok"

    run(main())
    assert not calls.reasons


def test_idle_connections_are_closed(run: Run) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls, ServerLimits(idle_s=0.1)) as served:
            new, used = await served.connect(), await served.connect()
            assert (await used.ask(get())).body == b"ok"
            assert await new.rest() == await used.rest() == b""
            assert served.server.connections == 0

    run(main())
    assert not calls.reasons


@pytest.mark.parametrize("piecewise", [False, True])
def test_a_client_that_takes_nothing_is_cut(run: Run, piecewise: bool) -> None:
    def endless(call: Call) -> None:
        call.begin(200, ())
        call.piece(b"x" * 30_000_000)

    def whole(call: Call) -> None:
        call.answer(200, (), b"x" * 30_000_000)

    calls = Calls(endless if piecewise else whole)

    async def main() -> None:
        async with serving(calls, ServerLimits(write_s=0.1)) as served:
            client = await served.connect(receive=4_096)
            await client.send(get())
            await served.server._open.ended()

    run(main())
    assert calls.reasons == ["slow-reader"]


def test_a_client_that_takes_nothing_of_its_last_answer_is_cut(run: Run) -> None:
    calls = Calls(lambda call: call.answer(200, (), b"x" * 30_000_000))

    async def main() -> None:
        async with serving(calls, ServerLimits(write_s=0.1)) as served:
            client = await served.connect(receive=4_096)
            await client.send(get("/", "Connection: close"))
            await served.server._open.ended()

    run(main())
    assert calls.reasons == ["slow-reader"]


@pytest.mark.parametrize("fields", [(), ("Connection: close",)])
def test_a_client_that_takes_a_little_now_and_then_gets_all(
    run: Run, fields: tuple[str, ...]
) -> None:
    size = 8_000_000
    calls = Calls(lambda call: call.answer(200, (), b"x" * size))

    async def main() -> None:
        async with serving(calls, ServerLimits(write_s=0.1)) as served:
            client = await served.connect(receive=65_536)
            await client.send(get("/", *fields))
            await client.head()
            left, began = size, time.perf_counter()
            while left:
                piece = await client.some()
                assert piece
                left -= len(piece)
                if time.perf_counter() - began < 0.4:
                    await asyncio.sleep(0.01)
            assert time.perf_counter() - began > 0.3

    run(main())
    assert not calls.reasons


def test_a_client_that_does_not_stop_sending_is_cut(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER_S", 0.1)
    calls = Calls()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(b"garbage\r\n")
            assert (await client.answer()).status == 400
            with pytest.raises(ConnectionError):  # noqa: PT012 - it takes a while
                while True:
                    await client.send(b"more")
                    await asyncio.sleep(0.01)
            await served.server._open.ended()

    run(main())
    assert calls.reasons == ["malformed"]


# Many clients.


def test_slow_heads_do_not_hurt_others(run: Run) -> None:
    calls = Calls()
    slow = 2_000

    async def main() -> None:
        async with serving(calls, ServerLimits(head_s=0.7)) as served:
            async with asyncio.TaskGroup() as group:
                opening = [group.create_task(served.connect()) for _ in range(slow)]
            clients = [task.result() for task in opening]
            for client in clients:
                await client.send(b"GET / HTTP/1.1\r\n")
            other = await served.connect()
            worst = 0.0
            while not calls.reasons:
                began = time.perf_counter()
                assert (await other.ask(get())).body == b"ok"
                worst = max(worst, time.perf_counter() - began)
            for client in clients:
                assert (await client.answer()).status == 408
            assert worst < 0.5

    run(main())
    assert calls.reasons == ["slow-request"] * slow


def test_five_thousand_clients(run: Run) -> None:
    calls = Calls()
    many = 5_000

    async def main() -> None:
        async with serving(calls, ServerLimits(connections=many)) as served:
            clients: list[Client] = []
            for _ in range(0, many, 500):
                async with asyncio.TaskGroup() as group:
                    opening = [group.create_task(served.connect()) for _ in range(500)]
                clients += [task.result() for task in opening]
            for client in clients:
                await client.send(get())
            for client in clients:
                assert (await client.answer()).body == b"ok"
            assert served.server.connections == many
            one_more = await served.connect()
            assert await one_more.closed() == b""
            assert calls.reasons == ["connections"]
            clients[0].close()
            await until(lambda: served.server.connections < many)
            again = await served.connect()
            assert (await again.ask(get())).body == b"ok"

    run(main())


# Draining.


def test_draining(run: Run) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            idle, used, busy, streamed, coming, half = [await served.connect() for _ in range(6)]
            await used.send(get())
            ok(await calls.call(1))
            assert (await used.answer()).body == b"ok"
            await busy.send(get() * 2)
            whole = await calls.call(2)
            await streamed.send(get())
            in_parts = await calls.call(3)
            in_parts.begin(200, (("Transfer-Encoding", "chunked"),))
            await streamed.head()
            await coming.send(post(b"body")[:-1])
            await half.send(get()[:-4])
            await until(lambda: any(each._reader.coming for each in served.server._open.all))
            await until(lambda: any(each._reader.bodiless for each in served.server._open.all))

            draining = asyncio.ensure_future(served.server.drain(10))
            assert await idle.rest() == await used.rest() == b""
            with pytest.raises(ConnectionError):
                await served.connect()
            ok(whole)
            got = await busy.answer()
            assert (got.body, got.all("connection")) == (b"ok", ["close"])
            assert await busy.rest() == b""
            in_parts.piece(b"x")
            in_parts.end()
            assert await streamed.rest() == b"1\r\nx\r\n0\r\n\r\n"
            await coming.send(b"y")
            ok(await calls.call(4))
            assert (await coming.answer()).all("connection") == ["close"]
            await half.send(get()[-4:])
            last = await calls.call(5)
            assert not draining.done()
            ok(last)
            assert (await half.answer()).all("connection") == ["close"]
            assert await draining == 0

    run(main())
    assert len(calls.all) == 5


def test_draining_takes_no_longer_than_it_may(run: Run) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            clients = [await served.connect() for _ in range(3)]
            for client in clients[1:]:
                await client.send(get())
            await calls.call(2)
            began = time.perf_counter()
            assert await served.server.drain(0.2) == 2
            assert 0.19 < time.perf_counter() - began < 2
        assert served.server.connections == 0
        assert served.server._sweeper.cancelled()
        for client in clients:
            assert await client.closed() == b""

    run(main())


def test_draining_leaves_alone_what_is_closing(run: Run) -> None:
    async def main() -> None:
        async with serving(Calls()) as served:
            client = await served.connect()
            await client.send(b"garbage\r\n")
            assert (await client.answer()).status == 400
            draining = asyncio.ensure_future(served.server.drain(10))
            assert await client.rest() == b""
            client.close()
            assert await draining == 0

    run(main())


def test_draining_with_nobody_there(run: Run) -> None:
    async def main() -> None:
        async with serving(Calls()) as served:
            assert await served.server.drain(10) == 0

    run(main())


# Clients that are not ours.


def in_a_row(call: Call) -> None:
    """An echo, in parts for a path that says so."""
    request = call.request
    body = f"{request.method} {request.target} ".encode() + request.body
    if request.target.startswith("/parts"):
        call.begin(200, ())
        call.piece(body[:4])
        call.piece(body[4:])
        call.end()
    else:
        call.answer(200, (), body)


def test_http_client(run: Run) -> None:
    def ask(port: int) -> None:
        there = http.client.HTTPConnection("127.0.0.1", port)
        for path in ("/a?", "/parts", "/b"):
            for method, body in (("GET", None), ("HEAD", None), ("POST", b"x" * 100_000)):
                there.request(method, path, body=body)
                answer = there.getresponse()
                expected = f"{method} {path} ".encode() + (body or b"")
                assert answer.status == 200
                assert answer.read() == (b"" if method == "HEAD" else expected)
        there.request("PUT", "/parts", body=iter([b"one", b"two"]), encode_chunked=True)
        assert there.getresponse().read() == b"PUT /parts onetwo"
        there.close()

    async def main() -> None:
        async with serving(Calls(in_a_row)) as served:
            await asyncio.to_thread(ask, served.port)

    run(main())


def test_curl(run: Run) -> None:
    def curl(*options: str) -> bytes:
        command = ["curl", "-sS", "--max-time", "10", "--path-as-is", *options]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def ask(port: int) -> None:
        at = f"http://127.0.0.1:{port}"
        assert curl(f"{at}/a/../b?", f"{at}/parts") == b"GET /a/../b? GET /parts "
        assert curl("-0", f"{at}/parts", f"{at}/b") == b"GET /parts GET /b "
        assert curl("-H", "Expect: 100-continue", "-d", "hello", f"{at}/") == b"POST / hello"
        assert curl("--http2", "-d", "hello", f"{at}/parts") == b"POST /parts hello"
        chunked = ["-H", "Transfer-Encoding: chunked", "-d", "hello"]
        assert curl(*chunked, f"{at}/") == b"POST / hello"
        assert curl("-x", at, "http://other.test/c?d") == b"GET http://other.test/c?d "
        assert curl("-I", f"{at}/").startswith(b"HTTP/1.1 200 OK\r\n")

    async def main() -> None:
        async with serving(Calls(in_a_row)) as served:
            await asyncio.to_thread(ask, served.port)

    run(main())
