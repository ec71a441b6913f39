"""What a client gets of an answer, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shadow.model import Headers
from shadow.sidecar.server.call import Call
from shadow.sidecar.server.limits import ServerLimits
from tests.sending.service import Run
from tests.sidecar.client import Got, get, post, until
from tests.sidecar.live import Calls, leave, ok, serving

LENGTH = (("Content-Length", "5"),)
CHUNKED = (("Transfer-Encoding", "chunked"),)


def in_parts(headers: Headers, status: int = 200) -> Callable[[Call], None]:
    def handle(call: Call) -> None:
        call.begin(status, headers)
        call.piece(b"he")
        call.piece(b"llo")
        call.end()

    return handle


def whole(headers: Headers, status: int = 200) -> Callable[[Call], None]:
    return lambda call: call.answer(status, headers, b"hello")


@pytest.mark.parametrize("way", [in_parts, whole])
@pytest.mark.parametrize("headers", [LENGTH, CHUNKED, ()])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_and_the_next(
    run: Run,
    way: Callable[[Headers], Callable[[Call], None]],
    headers: Headers,
    version: str,
    method: str,
) -> None:
    message = get("/", "Connection: keep-alive", method=method, version=version)
    closes = version == "1.0" and way is in_parts and headers is not LENGTH and method == "GET"

    async def main() -> None:
        async with serving(Calls(way(headers))) as served:
            client = await served.connect()
            for _ in range(1 if closes else 2):
                got = await client.ask(message, method=method)
                assert (got.status, got.body) == (200, b"" if method == "HEAD" else b"hello")
            assert got.all("connection") == (
                ["close"] if closes else ["keep-alive"] if version == "1.0" else []
            )
            if closes:
                assert await client.rest() == b""

    run(main())


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("way", [in_parts, whole])
def test_an_answer_that_has_no_body(
    run: Run, status: int, way: Callable[[Headers, int], Callable[[Call], None]]
) -> None:
    async def main() -> None:
        async with serving(Calls(way((), status))) as served:
            client = await served.connect()
            for _ in range(2):
                assert await client.ask(get()) == Got(status, (), b"")

    run(main())


def test_an_empty_answer_in_chunks(run: Run) -> None:
    async def main() -> None:
        async with serving(Calls(lambda call: call.answer(200, CHUNKED))) as served:
            client = await served.connect()
            for _ in range(2):
                assert await client.ask(get()) == Got(200, CHUNKED, b"")

    run(main())


def test_parts_reach_the_client_as_they_come(run: Run) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get())
            call = await calls.call()
            call.begin(200, CHUNKED)
            assert (await client.head()).status == 200
            for part in (b"one", b"two"):
                call.piece(part)
                assert await client.exactly(8) == b"3\r\n" + part + b"\r\n"
            call.end()
            assert await client.exactly(5) == b"0\r\n\r\n"

    run(main())


@pytest.mark.parametrize(
    ("headers", "version", "came", "reset"),
    [
        (LENGTH, "1.1", b"hell", False),
        (CHUNKED, "1.1", b"4\r\nhell\r\n", False),
        ((), "1.0", b"hell", True),
    ],
)
def test_an_answer_that_is_cut_does_not_look_whole(
    run: Run, headers: Headers, version: str, came: bytes, reset: bool
) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get(version=version))
            call = await calls.call()
            call.begin(200, headers)
            call.piece(b"hell")
            assert (await client.head()).status == 200
            assert await client.exactly(len(came)) == came
            call.drop()
            assert not call.open
            if reset:
                with pytest.raises(ConnectionResetError):
                    await client.rest()
            else:
                assert await client.rest() == b""

    run(main())


@pytest.mark.parametrize("paused", [False, True])
def test_a_client_that_sends_on_after_its_answer_still_gets_it(run: Run, paused: bool) -> None:
    """To close with bytes unread would reset the connection."""

    def refuse(call: Call) -> None:
        if paused:
            call.pause()
        call.answer(413, LENGTH, b"hello")

    calls = Calls(refuse)

    async def main() -> None:
        async with serving(calls, ServerLimits(body_at_once=1_000)) as served:
            client = await served.connect()
            await client.send(get("/", "Content-Length: 50000000", method="POST"))
            for _ in range(200):
                await client.send(b"x" * 100_000)
            got = await client.answer()
            assert (got.status, got.body, got.all("connection")) == (413, b"hello", ["close"])
            assert await client.rest() == b""
            client.close()
            await served.server._open.ended()

    run(main())
    assert len(calls.all) == 1


# A client that is slow.


def test_a_slow_client_pauses_an_answer_in_parts(run: Run) -> None:
    calls = Calls(leave)
    told: list[bool] = []

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect(receive=4_096)
            await client.send(get())
            call = await calls.call()
            call.writable = told.append
            call.begin(200, (("Content-Length", "20000000"),))
            sent = 0
            while not told:
                call.piece(b"x" * 100_000)
                sent += 100_000
                await asyncio.sleep(0)
            assert sent < 10_000_000
            await client.head()
            await client.exactly(sent)
            assert told == [False, True]

    run(main())


def test_nothing_is_handled_for_a_client_that_takes_no_answers(run: Run) -> None:
    """Else pipelined requests would fill the memory with their answers."""
    body = b"x" * 200_000
    calls = Calls(lambda call: call.answer(200, (), body))

    async def main() -> None:
        async with serving(calls, ServerLimits(pipelined=60)) as served:
            client = await served.connect(receive=4_096)
            await client.send(get() * 60)
            (opened,) = served.server._open.all
            await until(lambda: opened._paused)
            for _ in range(60):
                await client.send(get())
                await asyncio.sleep(0)
            assert len(calls.all) < 60
            assert len(opened._waiting) <= 60
            await client.send(get("/last"))
            for _ in range(121):
                assert (await client.answer()).body == body

    run(main())
    assert len(calls.all) == 121
    assert calls.all[-1].request.target == "/last"


# A client that leaves.


def test_a_client_that_leaves_is_told_of_once(run: Run) -> None:
    calls = Calls(leave)
    gone = asyncio.Event()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get())
            call = await calls.call()
            call.gone = gone.set
            client.reset()
            await gone.wait()
            assert not call.open
            ok(call)  # does nothing
            assert served.server.connections == 0

    run(main())


@pytest.mark.parametrize("streaming", [False, True])
def test_a_client_that_ends_its_side_gets_its_answer(run: Run, streaming: bool) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get("/1"))
            call = await calls.call()
            if streaming:
                call.begin(200, CHUNKED)
            client.finish()
            (opened,) = served.server._open.all
            await until(lambda: opened._eof)
            if streaming:
                call.piece(b"ok")
                call.end()
            else:
                ok(call)
            assert (await client.answer()).body == b"ok"
            assert await client.rest() == b""

    run(main())


def test_what_was_sent_before_the_end_is_answered_too(run: Run) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get("/1"))
            first = await calls.call()
            await client.send(get("/2") + post(b"half")[:-2])
            client.finish()
            (opened,) = served.server._open.all
            await until(lambda: opened._eof)
            ok(first)
            ok(await calls.call(2))
            for _ in range(2):
                assert (await client.answer()).body == b"ok"
            assert await client.rest() == b""

    run(main())
    assert len(calls.all) == 2


@pytest.mark.parametrize("sent", [b"", b"GET / HT", post(b"half")[:-2], b"\r\n"])
def test_a_client_that_ends_with_nothing_to_answer(run: Run, sent: bytes) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(sent)
            client.finish()
            assert await client.rest() == b""

    run(main())
    assert not calls.all


def test_a_body_that_ends_in_the_middle_is_told(run: Run) -> None:
    calls = Calls(leave)
    gone = asyncio.Event()

    async def main() -> None:
        async with serving(calls, ServerLimits(body_at_once=10)) as served:
            client = await served.connect()
            await client.send(post(b"x" * 1_000)[:-1])
            call = await calls.call()
            call.gone = gone.set
            client.finish()
            await gone.wait()

    run(main())
