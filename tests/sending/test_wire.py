from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.errors import UnfinishedError
from shadow.model import Answer, NoAnswer, Observation, Request
from shadow.sending import pool
from shadow.sending.limits import Limits
from shadow.sending.rewrite import render
from shadow.sending.service import Done, Service
from shadow.sending.target import Target, parse_target
from shadow.sending.wire import Wire
from tests.sending.service import GET, OK, Peer, Run, Script, answering, serve


async def get(wire: Wire, *, safe: bool = True, timeout: float | None = None) -> Observation:  # noqa: ASYNC109  handed on
    return await wire.send(GET, method="GET", safe=safe, timeout=timeout)


def body(observation: Observation) -> bytes:
    assert isinstance(observation, Answer), observation
    return observation.response.body


def failure(observation: Observation) -> NoAnswer:
    assert isinstance(observation, NoAnswer), observation
    return observation


async def twice(script: Script, method: str = "GET") -> tuple[Observation, Observation, int]:
    """Two requests one after the other, and how many connections they took."""
    async with serve(script) as service, Wire(service.target()) as wire:
        message = render(Request(method=method, target="/"), service.target())
        first = await wire.send(message, method=method, safe=True)
        second = await wire.send(message, method=method, safe=True)
        return first, second, service.accepted


# What is sent.


def test_the_service_sees_exactly_these_bytes(run: Run) -> None:
    message = (
        b"POST /a/../b?x HTTP/1.1\r\nhOsT: x\r\nA: 1\r\na: 2\r\nContent-Length: 3\r\n\r\n\0\xff!"
    )
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            assert body(await wire.send(message, method="POST", safe=False)) == b"ok"

    run(main())
    assert seen == [message]


def test_a_large_message_and_a_large_answer(run: Run) -> None:
    size = 3 << 20
    request = Request(method="POST", target="/", body=b"x" * size)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"y" * size

    async def main() -> None:
        async with serve(answering(answer)) as service, Wire(service.target()) as wire:
            message = render(request, service.target())
            for _ in range(2):
                sent = await wire.send(message, method="POST", safe=False)
                assert body(sent) == b"y" * size
            assert service.accepted == 1

    run(main())


def test_timing(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service, Wire(service.target()) as wire:
            before = time.perf_counter()
            plain = await get(wire)
            due = await wire.send(GET, method="GET", safe=True, due=before - 1)
            after = time.perf_counter()
        assert plain.timing is not None
        assert due.timing is not None
        assert before <= plain.timing.sent < plain.timing.done <= due.timing.sent
        assert due.timing.sent < due.timing.done <= after
        assert plain.timing.due == plain.timing.sent
        assert due.timing.due == before - 1

    run(main())


def test_a_timeout_ends_with_its_request(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await asyncio.sleep(0.4)  # beyond the first request's timeout
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            assert body(await get(wire, timeout=0.3)) == b"ok"
            assert body(await get(wire, timeout=5)) == b"ok"
            assert service.accepted == 1

    run(main())


# What is answered.

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", 1),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OK, 1),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1),
        # The service says it will close, and leaves that to us.
        (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2),
        # Bytes nobody asked for.
        (OK + b"more", 2),
        (OK + OK, 2),
    ],
)
def test_answers_and_whether_their_connection_serves_again(
    run: Run, answer: bytes, connections: int
) -> None:
    first, second, accepted = run(twice(answering(answer)))
    assert body(first) == body(second) == b"ok"
    assert accepted == connections


@pytest.mark.parametrize(
    ("method", "answer", "connections"),
    [
        ("HEAD", HEAD + b"Content-Length: 99\r\n\r\n", 1),
        ("HEAD", HEAD + b"\r\n", 1),
        ("HEAD", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", 2),
        ("GET", b"HTTP/1.1 204 No\r\n\r\n", 1),
        ("GET", b"HTTP/1.1 304 Not\r\nContent-Length: 99\r\n\r\n", 1),
    ],
)
def test_answers_without_a_body(run: Run, method: str, answer: bytes, connections: int) -> None:
    first, second, accepted = run(twice(answering(answer), method))
    assert body(first) == body(second) == b""
    assert accepted == connections


@pytest.mark.parametrize("head", [HEAD + b"\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n"])
def test_a_body_until_the_close(run: Run, head: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + b"until ")
        await peer.send(b"the close")

    first, second, accepted = run(twice(script))
    assert body(first) == body(second) == b"until the close"
    assert accepted == 2


def test_bytes_that_come_while_idle_cost_the_connection(run: Run) -> None:
    idle, noticed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(OK)
            if peer.number == 1:
                await idle.wait()
                await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
                await peer.closed()
                noticed.set()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            assert body(await get(wire)) == b"ok"
            idle.set()
            await noticed.wait()
            assert body(await get(wire)) == b"ok"
            assert service.accepted == 2

    run(main())


def test_a_body_beyond_the_bound_is_cut_and_said_so(run: Run) -> None:
    endless = HEAD + b"Content-Length: 99999999\r\n\r\n" + b"x" * 5000

    async def main() -> None:
        limits = Limits(max_body=1000)
        async with serve(answering(endless)) as service, Wire(service.target(), limits=limits) as w:
            for _ in range(2):
                observation = await get(w)
                assert body(observation) == b"x" * 1000
                assert isinstance(observation, Answer)
                assert observation.response.truncated
            assert service.accepted == 2

    run(main())


def test_an_answer_before_the_request_is_read(run: Run) -> None:
    request = Request(method="POST", target="/", body=b"x" * (16 << 20))
    refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(refused)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            message = render(request, service.target())
            for _ in range(2):
                assert body(await wire.send(message, method="POST", safe=False)) == b"no"
            assert service.accepted == 2

    run(main())


def test_an_answer_that_lies_unread_when_writing_fails(run: Run) -> None:
    """A write that fails with RST closes the transport before the answer is read."""
    request = Request(method="POST", target="/", body=b"x" * (16 << 20))
    refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"
    listener = socket.create_server(("127.0.0.1", 0))

    def service() -> None:
        peer, _ = listener.accept()
        peer.recv(65536)
        peer.sendall(OK)
        peer.recv(10)
        peer.sendall(refused)
        peer.close()  # with bytes unread: this resets

    async def main() -> None:
        target = _target(listener.getsockname()[1])
        async with Wire(target) as wire:
            assert body(await get(wire)) == b"ok"
            # Stands for the service answering just between our read and our write.
            (connection,) = wire._pool._open
            connection._transport.pause_reading()
            message = render(request, target)
            assert body(await wire.send(message, method="POST", safe=False)) == b"no"

    thread = threading.Thread(target=service)
    thread.start()
    with listener:
        run(main())
    thread.join()


# What goes wrong.


def _target(port: int, scheme: str = "http") -> Target:
    url = f"{scheme}://127.0.0.1:{port}"
    return parse_target(url, side="baseline", name="go", option="--go")


BROKEN = [
    # sent, then how it ends, the kind, a part of the detail
    (b"", "close", "reset", "closed before the first byte of an answer"),
    (b"", "reset", "reset", "before the first byte of an answer"),
    (b"HTTP/1.1 200 OK\r\nA", "close", "reset", "inside the head of the answer, after 18 bytes"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", "close", "reset", "inside the head"),
    (HEAD + b"Content-Length: 9\r\n\r\nfour", "close", "reset", "closed after 4 of 9 bytes"),
    (HEAD + b"Content-Length: 9\r\n\r\nfour", "reset", "reset", "after 4 of 9 bytes of body"),
    (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
        "close",
        "reset",
        "after 4 bytes of body",
    ),
    (HEAD + b"\r\nuntil close", "reset", "reset", "reset after 11 bytes of body"),
    (b"SSH-2.0-x\r\n", "hold", "protocol", "HTTP/"),
    (b"HTTP/1.1 2xx\r\n\r\n", "hold", "protocol", "status"),
    (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "hold", "protocol", "Length"),
    (
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "hold",
        "protocol",
        "Length",
    ),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "hold", "protocol", "chunk size"),
    (b"HTTP/1.1 101 Switching\r\n\r\n", "hold", "protocol", "status 101"),
    (HEAD + b"A: " + b"x" * (2 << 20), "hold", "protocol", "1048576 bytes that are no body"),
    (b"", "hold", "timeout", "total: 0.15 s passed before the first byte"),
    (HEAD, "hold", "timeout", "total: 0.15 s passed inside the head"),
    (HEAD + b"Content-Length: 9\r\n\r\nfour", "hold", "timeout", "after 4 of 9 bytes of body"),
    (HEAD + b"\r\nendless", "hold", "timeout", "after 7 bytes of body"),
]


@pytest.mark.parametrize(("sent", "end", "kind", "detail"), BROKEN)
def test_no_answer(run: Run, sent: bytes, end: str, kind: str, detail: str) -> None:
    async def main() -> None:
        timeout = 0.15 if kind == "timeout" else 5

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(sent)
            if end == "reset":
                await _has_read(wire, len(sent))
                peer.reset()
            elif end == "hold":
                await peer.closed()

        async with serve(script) as service, Wire(service.target()) as wire:
            seen = failure(await get(wire, timeout=timeout))
            assert seen.kind == kind
            assert detail in seen.detail
            assert seen.timing is not None
            assert seen.timing.sent <= seen.timing.done
            # And the connection is not used again.
            assert failure(await get(wire, timeout=timeout)).kind == kind
            assert service.accepted == 2

    run(main())


async def _has_read(wire: Wire, size: int) -> None:
    """Wait until the client has read this much: a RST overtakes what it has not."""
    while not any(one._reader.received == size for one in wire._pool._open):  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(0)


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_listens(run: Run) -> None:
    async def main() -> None:
        port = _closed_port()
        async with Wire(_target(port), limits=Limits(connections=1)) as wire:
            for _ in range(2):
                seen = failure(await get(wire))
                assert seen.kind == "connect"
                assert seen.detail == f"127.0.0.1:{port}: Connection refused"
                assert seen.timing is not None
                assert seen.timing.sent <= seen.timing.done
            assert wire.connections == 0

    run(main())


def test_a_handshake_that_never_ends_is_a_connect_timeout(run: Run) -> None:
    async def main() -> None:
        limits = Limits(connections=1, connect_s=0.05)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with Wire(_target(silent.getsockname()[1], "https"), limits=limits) as wire:
                for _ in range(2):
                    seen = failure(await get(wire))
                    assert seen.kind == "timeout"
                    assert seen.detail == "connect: no connection within 0.05 s"

    run(main())


def test_waiting_for_a_connection_is_part_of_the_total(run: Run) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.closed()

    async def main() -> None:
        limits = Limits(connections=1)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            first = asyncio.ensure_future(get(wire, timeout=0.2))
            await arrived.wait()
            second = failure(await get(wire, timeout=0.05))
            assert second.kind == "timeout"
            assert second.detail == "pool: no free connection within 0.05 s"
            assert not wire._pool._waiters
            assert failure(await first).detail.startswith("total: 0.2 s")
            assert service.accepted == 1

    run(main())


@contextlib.contextmanager
def _no_descriptor_left() -> Iterator[None]:
    used = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
    with contextlib.ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                held.enter_context(socket.socket())
        yield


def test_out_of_file_descriptors_is_the_operators_matter(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service, Wire(service.target()) as wire:
            with _no_descriptor_left(), pytest.raises(UnfinishedError) as caught:
                await get(wire)
            assert "ulimit -n" in caught.value.hint
            assert body(await get(wire)) == b"ok"

    run(main())


# Kept-alive connections that the service closes.


def _closes_on_second(seen: list[int]) -> Script:
    """Answer the first request of the first connection; drop the second unanswered."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            seen.append(peer.number)
            if peer.number == 1 and seen.count(1) == 2:
                return
            await peer.send(OK)

    return script


def test_a_safe_request_lost_on_a_reused_connection_is_sent_again(run: Run) -> None:
    seen: list[int] = []

    async def main() -> None:
        async with serve(_closes_on_second(seen)) as service, Wire(service.target()) as wire:
            assert body(await get(wire)) == b"ok"
            again = await wire.send(GET, method="GET", safe=True, due=1.0)
            assert body(again) == b"ok"
            assert again.timing is not None
            assert again.timing.due == 1.0

    run(main())
    assert seen == [1, 1, 2]


def test_a_lost_request_is_sent_again_on_a_new_connection_only(run: Run) -> None:
    """The other idle connections are likely to be lost as well."""
    seen: list[int] = []
    both = asyncio.Barrier(2)

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number < 3:
            await both.wait()
            await peer.send(OK)
            await peer.request()
        else:
            await peer.send(OK)
        seen.append(peer.number)

    async def main() -> None:
        limits = Limits(connections=2)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            await asyncio.gather(get(wire), get(wire))
            assert body(await get(wire)) == b"ok"
            assert len(seen) == 2
            assert seen[1] == 3

    run(main())


def test_an_unsafe_request_is_never_sent_twice(run: Run) -> None:
    seen: list[int] = []

    async def main() -> None:
        async with serve(_closes_on_second(seen)) as service, Wire(service.target()) as wire:
            assert body(await get(wire, safe=False)) == b"ok"
            lost = failure(await get(wire, safe=False))
            assert lost.kind == "reset"
            assert "not sent twice" in lost.detail
            assert body(await get(wire, safe=False)) == b"ok"

    run(main())
    assert seen == [1, 1, 2]


def test_a_request_is_sent_again_only_once_and_only_without_a_byte_of_answer(run: Run) -> None:
    seen: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        seen.append(peer.number)
        if peer.number in {1, 3}:
            await peer.send(OK)
            await peer.request()
            seen.append(peer.number)
            await peer.send(b"" if peer.number == 1 else b"H")

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            assert body(await get(wire)) == b"ok"
            assert failure(await get(wire)).kind == "reset"  # lost on 1, sent again on 2, lost
            assert body(await get(wire)) == b"ok"
            assert "after 1 bytes" in failure(await get(wire)).detail  # 3 began to answer

    run(main())
    assert seen == [1, 1, 2, 3, 3]


def test_a_close_that_the_loop_has_not_seen_yet_loses_no_unsafe_request(run: Run) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    answered, closed = threading.Event(), threading.Event()

    def service() -> None:
        for number in range(2):
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(OK)
                if number == 0:
                    answered.wait()
                else:
                    peer.recv(1)
            closed.set()

    async def main() -> None:
        async with Wire(_target(listener.getsockname()[1])) as wire:
            assert body(await get(wire, safe=False)) == b"ok"
            answered.set()
            closed.wait()  # blocks the loop on purpose
            assert body(await get(wire, safe=False)) == b"ok"

    thread = threading.Thread(target=service)
    thread.start()
    with listener:
        run(main())
    thread.join()


def test_an_unsafe_request_takes_no_connection_that_was_idle_for_long(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_UNSAFE_IDLE_S", 0)

    async def main() -> None:
        async with serve(answering(OK)) as service, Wire(service.target()) as wire:
            for _ in range(3):
                assert body(await get(wire)) == b"ok"
            assert service.accepted == 1
            assert body(await get(wire, safe=False)) == b"ok"
            assert service.accepted == 2

    run(main())


# Started at once, where a connection is idle.


class Told:
    """A `done`: what it was told, and a wait for that."""

    def __init__(self) -> None:
        self.observations: list[Observation | None] = []
        self._event = asyncio.Event()

    def __call__(self, observation: Observation | None) -> None:
        self.observations.append(observation)
        self._event.set()

    async def one(self) -> Observation | None:
        await self._event.wait()
        (observation,) = self.observations
        return observation


def start(wire: Service, done: Done, *, safe: bool = True, due: float | None = None) -> bool:
    return wire.start(GET, method="GET", safe=safe, due=due, done=done)


def test_started_on_an_idle_connection(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service, Wire(service.target()) as wire:
            first, second, third = Told(), Told(), Told()
            assert not start(wire, first)  # no connection yet, and `start` opens none
            assert wire.connections == 0
            await get(wire)
            before = time.perf_counter()
            assert start(wire, second, due=before - 1)
            assert not start(wire, third)  # the only one is taken
            answer = await second.one()
            assert isinstance(answer, Answer)
            assert answer.response.body == b"ok"
            assert answer.timing is not None
            assert answer.timing.due == before - 1
            assert before <= answer.timing.sent < answer.timing.done <= time.perf_counter()
            assert start(wire, third, safe=False)
            assert isinstance(await third.one(), Answer)
            assert first.observations == []
            assert service.accepted == 1

    run(main())


def test_the_next_request_is_started_by_the_answer_to_the_last(run: Run) -> None:
    finished = asyncio.Event()
    left = 100

    async def main() -> None:
        async with serve(answering(OK)) as service, Wire(service.target()) as wire:

            def done(observation: Observation | None) -> None:
                nonlocal left
                assert isinstance(observation, Answer)
                left -= 1
                if left:
                    assert start(wire, done)
                else:
                    finished.set()

            await get(wire)
            assert start(wire, done)
            await finished.wait()
            assert service.accepted == 1

    run(main())


def test_who_waits_for_a_connection_comes_before_who_starts(run: Run) -> None:
    async def main() -> None:
        limits = Limits(connections=1)
        async with serve(answering(OK)) as service, Wire(service.target(), limits=limits) as wire:
            first, second = Told(), Told()
            await get(wire)
            started: list[bool] = []

            def done(observation: Observation | None) -> None:
                started.append(start(wire, second))
                first(observation)

            assert start(wire, done)
            waiting = asyncio.ensure_future(get(wire))
            await first.one()
            assert started == [False]  # idle by now, but handed to the one in line
            assert body(await waiting) == b"ok"
            assert service.accepted == 1

    run(main())


@pytest.mark.parametrize("safe", [True, False])
def test_a_started_request_that_is_lost_on_a_stale_connection(run: Run, safe: bool) -> None:
    seen: list[int] = []

    async def main() -> None:
        async with serve(_closes_on_second(seen)) as service, Wire(service.target()) as wire:
            await get(wire)
            told = Told()
            assert start(wire, told, safe=safe)
            lost = await told.one()
            if safe:
                assert lost is None
                again = await wire.send(GET, method="GET", safe=True, fresh=True)
                assert body(again) == b"ok"
            else:
                assert lost is not None
                assert failure(lost).kind == "reset"
                assert "not sent twice" in failure(lost).detail

    run(main())
    assert seen == ([1, 1, 2] if safe else [1, 1])


@pytest.mark.parametrize(
    ("sent", "end", "kind", "detail"), [case for case in BROKEN if case[0] or case[1] == "hold"]
)
def test_no_answer_to_a_started_request(
    run: Run, sent: bytes, end: str, kind: str, detail: str
) -> None:
    async def main() -> None:
        timeout_s = 0.15 if kind == "timeout" else 5

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await peer.send(sent)
            if end == "reset":
                await _has_read(wire, len(sent))
                peer.reset()
            elif end == "hold":
                await peer.closed()

        limits = Limits(timeout_s=timeout_s)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            await get(wire)
            told = Told()
            assert start(wire, told)
            observation = await told.one()
            assert observation is not None
            assert failure(observation).kind == kind
            assert detail in failure(observation).detail
            assert not start(wire, told)  # the connection is not used again
            assert len(told.observations) == 1

    run(main())


def test_what_done_raises_is_the_callers_matter_alone(run: Run) -> None:
    reported: list[BaseException] = []

    def done(_: Observation | None) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
        limits = Limits(connections=1)
        async with serve(answering(OK)) as service, Wire(service.target(), limits=limits) as wire:
            await get(wire)
            for _ in range(3):
                assert start(wire, done)
                assert body(await get(wire)) == b"ok"
            assert service.accepted == 1

    run(main())
    assert [type(error) for error in reported] == [ZeroDivisionError] * 3


def test_nobody_is_told_after_closing(run: Run) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        arrived.set()
        await peer.closed()

    async def main() -> None:
        told = Told()
        async with serve(script) as service:
            async with Wire(service.target()) as wire:
                await get(wire)
                assert start(wire, told)
                await arrived.wait()
            assert wire.connections == 0
            assert not start(wire, told)
        assert told.observations == []

    run(main())


def test_each_request_ends_at_its_own_deadline_and_nothing_ticks_meanwhile(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            ends: list[float] = []
            timers: list[object] = []

            async def ask(timeout_s: float) -> None:
                started = time.perf_counter()
                seen = failure(await get(wire, timeout=timeout_s))
                assert seen.detail.startswith(f"total: {timeout_s:g} s")
                assert time.perf_counter() - started > timeout_s - 0.01
                ends.append(timeout_s)
                timers.append(wire._timer)

            await asyncio.gather(*map(ask, [0.3, 0.1, 0.4, 0.2]))
            assert ends == [0.1, 0.2, 0.3, 0.4]
            assert timers[-1] is None

    run(main())


# Many at once, giving up, closing.


def test_the_cap_on_connections(run: Run) -> None:
    async def main() -> None:
        limits = Limits(connections=3)
        async with serve(answering(OK)) as service, Wire(service.target(), limits=limits) as wire:
            seen = await asyncio.gather(*(get(wire, safe=i % 2 == 0) for i in range(50)))
            assert [body(one) for one in seen] == [b"ok"] * 50
            assert service.accepted == wire.connections == 3

    run(main())


def test_giving_up_in_flight_closes_the_connection(run: Run) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            arrived.set()
            await peer.closed()
            left.set()
        else:
            await peer.send(OK)
            await peer.closed()

    async def main() -> None:
        limits = Limits(connections=1)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            sending = asyncio.ensure_future(get(wire))
            await arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert body(await get(wire)) == b"ok"
            await left.wait()
            assert wire.connections == 1

    run(main())


def test_giving_up_while_connecting_or_waiting_gives_the_slot_back(run: Run) -> None:
    async def main() -> None:
        limits = Limits(connections=1, connect_s=30)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            async with Wire(_target(silent.getsockname()[1], "https"), limits=limits) as wire:
                loop = asyncio.get_running_loop()
                sending = [asyncio.ensure_future(get(wire)) for _ in range(3)]
                peer, _ = await loop.sock_accept(silent)
                with peer:
                    sending[1].cancel()  # waits for a connection
                    sending[0].cancel()  # is in the TLS handshake
                    while await loop.sock_recv(peer, 65536):
                        pass  # until the client has closed
                successor, _ = await loop.sock_accept(silent)  # the third got the slot
                with successor:
                    sending[2].cancel()
                    await asyncio.gather(*sending, return_exceptions=True)
                assert all(one.cancelled() for one in sending)
                assert wire.connections == 0

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_giving_up_at_any_moment_loses_nothing(run: Run, seed: int) -> None:
    """Cancels at random; afterwards every slot is there and answers fit their requests."""
    dice = random.Random(seed)

    async def script(peer: Peer) -> None:
        while data := await peer.request():
            path = data.split(b" ", 2)[1]
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path) + path)

    async def ask(wire: Wire, number: int) -> None:
        path = f"/{number}"
        message = render(Request(method="GET", target=path), wire.target)
        assert body(await wire.send(message, method="GET", safe=True)) == path.encode()

    async def doomed(wire: Wire, number: int) -> None:
        asking = asyncio.ensure_future(ask(wire, number))
        for _ in range(dice.randrange(12)):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        if not asking.cancelled():
            asking.result()

    async def main() -> None:
        limits = Limits(connections=4, timeout_s=5)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            for start in range(0, 300, 30):
                await asyncio.gather(
                    *(
                        (doomed if dice.random() < 0.6 else ask)(wire, number)
                        for number in range(start, start + 30)
                    )
                )
            await asyncio.gather(*(ask(wire, number) for number in range(4)))
            assert wire.connections <= 4
            assert wire._pool._slots + wire.connections == 4

    run(main())


def test_closing_cancels_what_is_in_flight_and_refuses_more(run: Run) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.closed()

    async def main() -> None:
        limits = Limits(connections=1)
        async with serve(script) as service:
            async with Wire(service.target(), limits=limits) as wire:
                sending = [asyncio.ensure_future(get(wire)) for _ in range(2)]
                await arrived.wait()
            assert wire.connections == 0
            await asyncio.gather(*sending, return_exceptions=True)
            assert all(one.cancelled() for one in sending)
            with pytest.raises(RuntimeError, match="closed"):
                await get(wire)

    run(main())


def test_closing_while_a_connection_opens_leaves_none(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            async with Wire(service.target()) as wire:
                sending = asyncio.ensure_future(get(wire))
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="closed"):
                await sending
            assert wire.connections == 0

    run(main())
