"""The small ports over real connections, on this machine."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from unittest.mock import Mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shadow.errors import UnfinishedError
from shadow.metrics import METRICS, Counters, Metrics
from shadow.sidecar.ports import serving
from shadow.sidecar.ports.serving import App, address, listening, serve_app
from shadow.sidecar.ports.status import (
    Readiness,
    Receive,
    Reply,
    Scope,
    Send,
    StatusApp,
    status_app,
)

GET = b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Port:
    """A port that is served."""

    def __init__(
        self, listener: socket.socket, stop: asyncio.Event, served: asyncio.Task[None]
    ) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self.stop, self.served = stop, served

    async def connect(self) -> Connection:
        return Connection(*await asyncio.open_connection(self.host, self.port))

    async def ask(self, data: bytes = GET) -> bytes:
        """Send all that on a connection of its own; the whole of what comes back."""
        connection = await self.connect()
        connection.writer.write(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = await connection.rest()
        connection.writer.close()
        return answer


class Connection:
    """A client's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> bytes:
        """The head of the next answer, after which its body is read."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        await self.reader.readexactly(int(length[1]))
        return head

    async def rest(self) -> bytes:
        """What comes until the other end closes, be it roughly."""
        got = b""
        try:
            while more := await self.reader.read(65_536):
                got += more
        except ConnectionResetError:
            pass
        return got


@asynccontextmanager
async def serve(app: App) -> AsyncIterator[Port]:
    stop = asyncio.Event()
    with listening("127.0.0.1", 0) as listener:
        async with asyncio.TaskGroup() as group:
            served = group.create_task(serve_app(app, listener, stop=stop))
            yield Port(listener, stop, served)
            stop.set()


def run(story: Callable[[Port], Awaitable[None]], app: App | None = None) -> None:
    """Tell a story to a port, which must end well."""

    async def told() -> None:
        async with asyncio.timeout(30), serve(app or status_app(Readiness())) as port:
            await story(port)

    asyncio.run(told())


class Stuck:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def page(_: Scope) -> Reply:
            self.asked.release()
            await self.go_on.wait()
            return Reply(body=b"{}")

        await StatusApp({"/-/healthz": page})(scope, receive, send)


def test_a_scrape_and_a_probe() -> None:
    counters = Counters()
    counters.shed("queue-full")

    async def story(port: Port) -> None:
        head, _, body = (await port.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).partition(
            b"\r\n\r\n"
        )
        assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert b"\r\nserver:" not in head
        families = {each.name: each for each in text_string_to_metric_families(body.decode())}
        assert families.keys() == {name.removesuffix("_total") for name in METRICS}
        assert families["process_open_fds"].samples[0].value > 2
        head = await port.ask(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert re.search(rb"content-length: [0-9]{4,}\r\n", head)
        assert head.endswith(b"\r\n\r\n")
        assert (await port.ask()).endswith(b'{"status":"ok"}')

    run(story, status_app(Readiness(), metrics=Metrics(counters)))


def test_several_are_served_in_one_loop() -> None:
    async def both() -> None:
        async with asyncio.timeout(30), serve(status_app(Readiness())) as one:
            async with serve(status_app(Readiness(), metrics=Metrics(Counters()))) as other:
                request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                assert (await other.ask(request)).startswith(b"HTTP/1.1 200 ")
                assert (await one.ask(request)).startswith(b"HTTP/1.1 404 ")
            with pytest.raises(ConnectionRefusedError):
                await other.ask()
            assert (await one.ask()).startswith(b"HTTP/1.1 200 ")

    asyncio.run(both())


def test_connections_that_never_send_keep_nobody_out() -> None:
    async def story(port: Port) -> None:
        idle = [await port.connect() for _ in range(100)]
        with ExitStack() as at_once:  # all of them are there before the first is taken
            for _ in range(100):
                at_once.enter_context(socket.create_connection((port.host, port.port)))
            for _ in range(3):
                assert (await port.ask()).startswith(b"HTTP/1.1 200 ")
        closed = [each for each in idle if each.reader.at_eof() or each.reader.exception()]
        assert len(closed) == len(idle)
        for each in idle:
            each.writer.close()

    run(story)


def test_a_connection_that_is_used_outlives_those_that_are_not() -> None:
    async def story(port: Port) -> None:
        used = await port.connect()
        idle = []
        for _ in range(4):
            used.writer.write(GET)
            assert (await used.answer()).startswith(b"HTTP/1.1 200 ")
            idle += [await port.connect() for _ in range(serving.CONNECTIONS // 2)]
        used.writer.write(GET)
        assert (await used.answer()).startswith(b"HTTP/1.1 200 ")
        for each in [used, *idle]:
            each.writer.close()

    run(story)


def test_where_all_are_busy_one_more_is_refused_at_once() -> None:
    stuck = Stuck()

    async def story(port: Port) -> None:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(port.ask()) for _ in range(serving.CONNECTIONS)]
            for _ in asked:
                await stuck.asked.acquire()
            for _ in range(3):
                assert (await port.ask()).startswith(b"HTTP/1.1 503 ")
            stuck.go_on.set()
        assert all(each.result().startswith(b"HTTP/1.1 200 ") for each in asked)
        assert (await port.ask()).startswith(b"HTTP/1.1 200 ")

    run(story, stuck)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /-/healthz HTTP/1.1\r\nX: ",
        b"POST /-/healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nabc",
        b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /",
    ],
    ids=["nothing", "half a head", "half a body", "half a second head"],
)
def test_what_is_never_finished_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.4)

    async def story(port: Port) -> None:
        connection = await port.connect()
        connection.writer.write(sent)

        async def drip() -> None:
            while True:
                await asyncio.sleep(0.05)
                connection.writer.write(b"x" if sent else b"")

        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip())
            began = asyncio.get_running_loop().time()
            answer = await connection.rest()
            took = asyncio.get_running_loop().time() - began
            dripping.cancel()
        assert 0.3 < took < 5
        assert answer.count(b"HTTP/1.1 ") == (b"\r\n\r\n" in sent)
        connection.writer.close()

    run(story)


def test_an_answer_that_is_never_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.2)
    body = bytes(20_000_000)  # more than what the system keeps for a connection

    async def page(_: Scope) -> Reply:
        return Reply(body=body)

    async def story(port: Port) -> None:
        connection = await port.connect()
        connection.writer.write(GET)
        await asyncio.sleep(0.6)
        assert len(await connection.rest()) < len(body)
        connection.writer.close()

    run(story, StatusApp({"/-/healthz": page}))


def test_an_answer_takes_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.1)
    stuck = Stuck()

    async def story(port: Port) -> None:
        asked = asyncio.ensure_future(port.ask())
        await stuck.asked.acquire()
        await asyncio.sleep(0.3)
        stuck.go_on.set()
        assert (await asked).startswith(b"HTTP/1.1 200 ")

    run(story, stuck)


def test_requests_that_are_sent_ahead_are_all_answered() -> None:
    async def story(port: Port) -> None:
        connection = await port.connect()
        connection.writer.write(5 * GET)
        for _ in range(5):
            assert (await connection.answer()).startswith(b"HTTP/1.1 200 ")
        connection.writer.close()

    run(story)


@pytest.mark.parametrize("many", [b"X: " + 1_000_000 * b"x", 100_000 * b"X: y\r\n"])
def test_a_head_is_bounded(many: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 1_000)

    async def story(port: Port) -> None:
        connection = await port.connect()
        connection.writer.write(GET[:-2] + many)
        answer = await connection.rest()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")  # reset before it was read
        assert (await port.ask()).startswith(b"HTTP/1.1 200 ")
        connection.writer.close()

    run(story)


def test_what_has_begun_is_finished_when_it_is_told_to_stop() -> None:
    stuck = Stuck()

    async def story(port: Port) -> None:
        idle = await port.connect()
        asked = asyncio.ensure_future(port.ask())
        await stuck.asked.acquire()
        port.stop.set()
        assert await idle.rest() == b""
        assert not port.served.done()
        stuck.go_on.set()
        assert (await asked).startswith(b"HTTP/1.1 200 ")
        await port.served
        with pytest.raises(ConnectionRefusedError):
            await port.ask()
        idle.writer.close()

    run(story, stuck)


def test_when_it_is_cancelled_everything_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 1_000)

    async def story() -> None:
        stop = asyncio.Event()
        with listening("127.0.0.1", 0) as listener:
            served = asyncio.ensure_future(serve_app(status_app(Readiness()), listener, stop=stop))
            port = Port(listener, stop, served)
            idle = await port.connect()
            assert (await port.ask()).startswith(b"HTTP/1.1 200 ")
            served.cancel()
            with pytest.raises(asyncio.CancelledError):
                await served
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await port.ask()
            idle.writer.close()

    asyncio.run(asyncio.wait_for(story(), 30))


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("a..b", ".* label .*"),
        ("\xe4..b", ".* label .*"),
        ("\udcff", ".* codec .*"),
    ],
)
def test_where_one_cannot_listen_the_option_is_named(host: str, why: str) -> None:
    with pytest.raises(UnfinishedError) as refused, listening(host, 0, "--status"):
        pass
    message = f"--status: cannot listen on {re.escape(host)}:0: {why}"
    assert re.fullmatch(message, refused.value.message)
    assert refused.value.hint == "choose another --status HOST:PORT"


def test_a_port_that_is_taken_is_told() -> None:
    with listening("127.0.0.1", 0) as listener:
        port = int(address(listener).rpartition(":")[2])
        message = f"--listen: cannot listen on 127.0.0.1:{port}: Address already in use"
        with pytest.raises(UnfinishedError) as refused, listening("127.0.0.1", port):
            pass
    assert refused.value.message == message


def test_an_address_is_shown_as_in_a_url() -> None:
    with listening("127.0.0.1", 0) as listener:
        assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]*", address(listener))
    six = Mock(spec=socket.socket)
    six.getsockname.return_value = ("::1", 9464, 0, 0)
    assert address(six) == "[::1]:9464"
