"""Answers that are handed on as they come, and requests that are sent so."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Answer, Headers, NoAnswer, Observation, Request
from shadow.sending.limits import Limits
from shadow.sending.reader import AnswerReader
from shadow.sending.rewrite import Unsendable, render_head, render_upgrade
from shadow.sending.service import Source
from shadow.sending.wire import Wire
from tests.sending.drawn import target
from tests.sending.service import GET, OK, Peer, Run, answering, serve
from tests.sidecar.client import until

HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"Content-Length: 6\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"


class Taker:
    """A receiver that keeps what it takes."""

    def __init__(self) -> None:
        self.source: Source | None = None
        self.sent = 0
        self.status = 0
        self.headers: Headers = ()
        self.body = b""
        self.pieces = 0
        self.told: list[bool] = []
        self._news = asyncio.Event()

    def sending(self, source: Source) -> None:
        self.source = source
        self.sent += 1
        self._news.set()

    def head(self, status: int, headers: Headers) -> None:
        assert not self.status
        self.status, self.headers = status, headers
        self._news.set()

    def piece(self, data: bytes) -> None:
        assert self.status
        assert data
        self.body += data
        self.pieces += 1
        self._news.set()

    def writable(self, *, now: bool) -> None:
        self.told.append(now)
        self._news.set()

    async def has(self, body: bytes) -> None:
        while self.body != body:
            assert body.startswith(self.body)
            await self._change()

    async def began(self) -> None:
        while not self.status:
            await self._change()

    async def is_sent(self) -> Source:
        while self.source is None:
            await self._change()
        return self.source

    async def is_told(self, what: list[bool]) -> None:
        while self.told[: len(what)] != what:
            await self._change()

    async def _change(self) -> None:
        self._news.clear()
        await self._news.wait()


def asking(
    wire: Wire, taker: Taker, message: bytes = GET, *, method: str = "GET", safe: bool = True
) -> asyncio.Future[Observation]:
    sending = wire.send(message, method=method, safe=safe, receiver=taker)
    return asyncio.ensure_future(sending)


def answer(observation: Observation) -> Answer:
    assert isinstance(observation, Answer), observation
    return observation


def failure(observation: Observation) -> NoAnswer:
    assert isinstance(observation, NoAnswer), observation
    return observation


# Answers.


@pytest.mark.parametrize("started", [False, True])
def test_a_whole_answer_goes_to_done_alone(run: Run, started: bool) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service, Wire(service.target()) as wire:
            taker = Taker()
            seen = await asking(wire, taker)
            if started:
                done: asyncio.Future[Observation | None] = asyncio.Future()
                assert wire.start(
                    GET, method="GET", safe=True, due=None, done=done.set_result, receiver=taker
                )
                found = await done
                assert found is not None
                seen = found
            assert answer(seen).response.body == b"ok"
            assert (taker.status, taker.sent) == (0, 1 + started)
            assert service.accepted == 1

    run(main())


@pytest.mark.parametrize(
    ("parts", "ends"),
    [
        ((LENGTH + b"one", b"two"), False),
        ((LENGTH, b"onetwo"), False),
        ((LENGTH[:20], LENGTH[20:] + b"one", b"two"), False),
        ((CHUNKED + b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n"), False),
        ((CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n", b"0\r\nA: b\r\n\r\n"), False),
        ((CHUNKED, b"6;x=y\r\nonetwo\r\n0\r\n\r\n"), False),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\n\r\n" + LENGTH, b"onetwo"), False),
        ((HEAD + b"\r\none", b"two"), True),
        ((b"HTTP/1.0 200 OK\r\n\r\n", b"one", b"two"), True),
    ],
)
def test_parts_are_handed_on_as_they_come(run: Run, parts: tuple[bytes, ...], ends: bool) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            for _ in parts:
                await peer.send(await to_send.get())
            if ends:
                return

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for number in (1, 2):
                taker = Taker()
                asked = asking(wire, taker)
                reader = AnswerReader(Limits())  # says what has come
                await taker.is_sent()
                for part in parts[:-1]:
                    to_send.put_nowait(part)
                    reader.feed(part)
                    if reader.head is not None:
                        await taker.began()
                        await taker.has(bytes(reader._body))
                    else:
                        await _has_read(wire, reader.received)
                to_send.put_nowait(parts[-1])
                seen = answer(await asked)
                assert seen.response.body == taker.body == b"onetwo"
                assert (seen.response.status, seen.response.headers) == (200, taker.headers)
                assert not seen.response.truncated
                assert service.accepted == (number if ends else 1)

    to_send: asyncio.Queue[bytes] = asyncio.Queue()
    run(main())


async def _has_read(wire: Wire, size: int) -> None:
    await until(lambda: any(each._reader.received == size for each in wire._pool.open))


def test_only_the_copy_has_a_bound(run: Run) -> None:
    body = b"x" * 3_000_000

    async def main() -> None:
        whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        limits = Limits(max_body=1_000)
        async with serve(answering(whole)) as service, Wire(service.target(), limits=limits) as w:
            for _ in range(2):
                taker = Taker()
                seen = answer(await asking(w, taker))
                assert taker.body == body
                assert seen.response.truncated
                assert seen.response.body == b""  # a part of it is of no use
            assert service.accepted == 1  # and the connection is used again

    run(main())


def test_an_answer_in_one_piece_that_is_longer_than_the_copy(run: Run) -> None:
    async def main() -> None:
        limits = Limits(max_body=1)
        async with serve(answering(OK)) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            seen = answer(await asking(wire, taker))
            assert taker.body == b"ok"
            assert (seen.response.body, seen.response.truncated) == (b"", True)

    run(main())


@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_that_breaks_off(run: Run, reset: bool) -> None:
    came = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(LENGTH + b"one")
        await came.wait()
        if reset:
            peer.reset()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Taker()
            asked = asking(wire, taker)
            await taker.has(b"one")
            came.set()
            assert failure(await asked).kind == "reset"

    run(main())


def test_each_part_has_the_whole_time(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(LENGTH)
        for byte in b"onetw":
            await asyncio.sleep(0.06)
            await peer.send(bytes([byte]))
        await peer.closed()

    async def main() -> None:
        limits = Limits(timeout_s=0.2)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            seen = failure(await asking(wire, taker))
            assert taker.body == b"onetw"
            assert (seen.kind, seen.detail) == (
                "timeout",
                "total: 0.2 s passed after 5 of 6 bytes of body",
            )

    run(main())


def test_a_receiver_that_pauses_holds_the_service_back_and_stops_its_clock(run: Run) -> None:
    size = 20_000_000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(200):
            await peer.send(b"x" * (size // 200))
            sent += size // 200
        await peer.request()
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        limits = Limits(timeout_s=0.1, max_body=1_000)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            asked = asking(wire, taker)
            source = await taker.is_sent()
            began = time.perf_counter()
            await taker.began()
            source.pause()
            source.pause()  # twice is once
            await asyncio.sleep(0.35)
            assert sent < size
            assert not asked.done()
            source.resume()
            source.resume()
            seen = answer(await asked)
            assert len(taker.body) == size
            assert seen.timing is not None
            took_s = time.perf_counter() - began
            assert seen.timing.service_s < took_s - 0.3  # which was the client's time
            assert answer(await asking(wire, Taker())).response.body == b"ok"
            assert service.accepted == 1

    run(main())


def test_the_clock_goes_on_after_a_pause(run: Run) -> None:
    """Also where nothing else is in flight, by which the wire would look."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(LENGTH + b"one")
        await peer.closed()

    async def main() -> None:
        limits = Limits(timeout_s=0.1)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            asked = asking(wire, taker)
            source = await taker.is_sent()
            await taker.has(b"one")
            source.pause()
            await asyncio.sleep(0.3)
            assert not asked.done()
            source.resume()
            assert failure(await asked).kind == "timeout"

    run(main())


def test_a_receiver_that_pauses_at_the_last_part(run: Run) -> None:
    class Pausing(Taker):
        def piece(self, data: bytes) -> None:
            super().piece(data)
            if self.source is not None:
                self.source.pause()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(LENGTH)
        await came.wait()
        await peer.send(b"onetwo")
        while await peer.request():
            await peer.send(OK)

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Pausing()
            asked = asking(wire, taker)
            await taker.began()
            came.set()
            assert answer(await asked).response.body == b"onetwo"
            assert answer(await asking(wire, Taker())).response.body == b"ok"
            assert service.accepted == 1

    came = asyncio.Event()
    run(main())


@pytest.mark.parametrize("started", [False, True])
def test_giving_up(run: Run, started: bool) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        if started:
            await peer.request()
            await peer.send(OK)
        await peer.request()
        await peer.send(LENGTH + b"one")
        await peer.closed()
        closed.set()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Taker()
            if started:
                assert answer(await asking(wire, Taker())).response.body == b"ok"
                done: asyncio.Future[Observation | None] = asyncio.Future()
                assert wire.start(
                    GET, method="GET", safe=True, due=None, done=done.set_result, receiver=taker
                )
            else:
                done = asking(wire, taker)  # type: ignore[assignment]  # narrower
            source = await taker.is_sent()
            await taker.has(b"one")
            source.give_up("reset", "the client left")
            seen = await done
            assert seen is not None
            assert (failure(seen).kind, failure(seen).detail) == (
                "reset",
                "the client left after 3 of 6 bytes of body",
            )
            await closed.wait()
            source.give_up("reset", "again")  # is nothing
            source.keep_only()
            source.pause()
            source.resume()
            source.more(b"x", ended=True)

    run(main())


def test_a_copy_that_is_not_wanted_any_more_is_not_kept(run: Run) -> None:
    """The answer goes on all the same, and the connection serves again."""
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(LENGTH + b"one")
        await go_on.wait()
        await peer.send(b"two")
        await peer.request()
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Taker()
            done = asking(wire, taker)
            source = await taker.is_sent()
            await taker.has(b"one")
            source.forget()
            (connection,) = wire._pool.open
            assert connection._reader._body == b""
            go_on.set()
            seen = answer(await done).response
            assert (seen.body, seen.truncated, taker.body) == (b"", True, b"onetwo")
            source.forget()  # is nothing
            assert answer(await asking(wire, Taker())).response.body == b"ok"
            assert service.accepted == 1

    run(main())


def test_a_receiver_that_gives_up_at_the_head_gets_nothing_more(run: Run) -> None:
    class Giving(Taker):
        def head(self, status: int, headers: Headers) -> None:
            super().head(status, headers)
            assert self.source is not None
            self.source.give_up("reset", "enough")

    async def main() -> None:
        async with serve(answering(LENGTH + b"one")) as service, Wire(service.target()) as wire:
            taker = Giving()
            assert failure(await asking(wire, taker)).detail == "enough after 3 of 6 bytes of body"
            assert taker.body == b""

    run(main())


def test_keeping_only_the_copy(run: Run) -> None:
    came = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(LENGTH + b"one")
        await came.wait()
        await peer.send(b"two")
        await peer.request()
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Taker()
            asked = asking(wire, taker)
            source = await taker.is_sent()
            await taker.has(b"one")
            source.pause()
            source.keep_only()  # which reads on, too
            came.set()
            assert answer(await asked).response.body == b"onetwo"
            assert taker.body == b"one"
            assert answer(await asking(wire, Taker())).response.body == b"ok"
            assert service.accepted == 1

    run(main())


@pytest.mark.parametrize("at_head", [False, True])
def test_what_is_kept_alone_has_the_bound_of_the_copy(run: Run, at_head: bool) -> None:
    class Keeping(Taker):
        def sending(self, source: Source) -> None:
            super().sending(source)
            if not at_head:
                source.keep_only()

        def head(self, status: int, headers: Headers) -> None:
            super().head(status, headers)
            assert self.source is not None
            self.source.keep_only()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"3\r\none\r\n")
        while True:
            await peer.send(b"3\r\ntwo\r\n")
            await asyncio.sleep(0.001)

    async def main() -> None:
        limits = Limits(max_body=20)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Keeping()
            seen = answer(await asking(wire, taker))
            assert seen.response.truncated
            assert len(seen.response.body) == 20
            assert (taker.status, taker.body) == (200 if at_head else 0, b"")

    run(main())


def test_what_was_longer_than_the_copy_already_ends_at_once(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"6\r\nonetwo\r\n")
        while True:
            await peer.send(b"3\r\ntwo\r\n")
            await asyncio.sleep(0.001)

    async def main() -> None:
        limits = Limits(max_body=5)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            asked = asking(wire, taker)
            source = await taker.is_sent()
            await taker.began()
            source.keep_only()
            assert answer(await asked).response.truncated

    run(main())


@pytest.mark.parametrize("copy", [5, 9, 100])
def test_how_far_an_answer_came_does_not_hang_on_the_copy(copy: int) -> None:
    reader = AnswerReader(Limits(max_body=copy))
    reader.begin("GET", passing=True)
    reader.feed(HEAD + b"Content-Length: 99\r\n\r\none")
    for _ in range(3):
        reader.feed(b"two")
    assert reader.progress() == "after 12 of 99 bytes of body"


def test_what_is_kept_alone_has_the_time_that_was_left(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)

    async def main() -> None:
        limits = Limits(timeout_s=0.3)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            asked = asking(wire, taker)
            source = await taker.is_sent()
            await taker.began()
            source.keep_only()
            began = time.perf_counter()
            assert failure(await asked).kind == "timeout"
            assert time.perf_counter() - began < 2

    run(main())


def test_a_safe_request_on_a_stale_connection_is_sent_once_more(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.send(OK)
            await peer.request()  # and close
        else:
            await peer.send(LENGTH)
            await asyncio.sleep(0.01)
            await peer.send(b"onetwo")
            await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            await asking(wire, Taker())
            taker = Taker()
            assert answer(await asking(wire, taker)).response.body == taker.body == b"onetwo"
            assert (taker.sent, service.accepted) == (2, 2)

    run(main())


# Requests.


def test_a_request_in_parts(run: Run) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            seen.append(await peer.request())
            await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            for _ in range(2):
                taker = Taker()
                asked = asking(wire, taker, UPLOAD, method="POST", safe=False)
                source = await taker.is_sent()
                source.more(b"one", ended=False)
                await asyncio.sleep(0.05)
                ended = time.perf_counter()
                source.more(b"two", ended=False)
                source.more(b"", ended=True)
                found = answer(await asked)
                assert found.response.body == b"ok"
                assert found.timing is not None
                assert ended <= found.timing.sent <= found.timing.done
            assert service.accepted == 1

    run(main())
    assert seen == [UPLOAD + b"onetwo"] * 2


def test_the_service_s_clock_stands_still_while_a_part_is_to_come(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.closed()

    async def main() -> None:
        limits = Limits(timeout_s=0.1)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            asked = asking(wire, taker, UPLOAD, method="POST", safe=False)
            source = await taker.is_sent()
            source.more(b"one", ended=False)
            await asyncio.sleep(0.35)
            assert not asked.done()
            source.more(b"two", ended=True)
            assert failure(await asked).kind == "timeout"

    run(main())


def test_a_service_that_does_not_take_the_request(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.Event().wait()

    async def main() -> None:
        limits = Limits(timeout_s=0.2)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            asked = asking(wire, taker, UPLOAD, method="POST", safe=False)
            source = await taker.is_sent()
            while not taker.told:
                source.more(b"x" * 1_000_000, ended=False)
                await asyncio.sleep(0)
            assert taker.told == [False]
            assert failure(await asked).kind == "timeout"

    run(main())


def test_a_service_that_takes_the_request_slowly(run: Run) -> None:
    size = 30_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        left = size
        while left:
            left -= len(await peer.hello())
            if left > size - 2_000_000:
                await asyncio.sleep(0.001)
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Taker()
            head = UPLOAD.replace(b": 6", b": %d" % size)
            asked = asking(wire, taker, head, method="POST", safe=False)
            source = await taker.is_sent()
            for _ in range(size // 1_000_000):
                source.more(b"x" * 1_000_000, ended=False)
                if taker.told and not taker.told[-1]:
                    await taker.is_told([*taker.told, True])
            source.more(b"", ended=True)
            assert taker.told[:2] == [False, True]
            assert answer(await asked).response.body == b"ok"

    run(main())


def test_the_time_for_an_answer_begins_when_the_request_is_taken(run: Run) -> None:
    size = 20_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(0.25)
        left = size
        while left:
            left -= len(await peer.hello())
        await asyncio.sleep(0.25)
        await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        limits = Limits(timeout_s=0.4)
        async with serve(script) as service, Wire(service.target(), limits=limits) as wire:
            taker = Taker()
            head = UPLOAD.replace(b": 6", b": %d" % size)
            asked = asking(wire, taker, head, method="POST", safe=False)
            source = await taker.is_sent()
            source.more(b"x" * size, ended=True)
            assert answer(await asked).response.body == b"ok"

    run(main())


@pytest.mark.parametrize("in_parts", [False, True])
def test_an_answer_before_the_end_of_the_request(run: Run, in_parts: bool) -> None:
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        if in_parts:
            await peer.send(LENGTH + b"one")
            await more.wait()
            await peer.send(b"two")
        else:
            await peer.send(OK)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, Wire(service.target()) as wire:
            taker = Taker()
            asked = asking(wire, taker, UPLOAD, method="POST", safe=False)
            source = await taker.is_sent()
            source.more(b"one", ended=False)
            if in_parts:
                await taker.has(b"one")
                more.set()
            body = answer(await asked).response.body
            assert body == (b"onetwo" if in_parts else b"ok")
            assert len(wire._pool._idle) == 0  # the rest of the request would be the next one

    run(main())


# The reader alone.


@st.composite
def framed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """An answer, framed in some way, and its body."""
    parts = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    body = b"".join(parts)
    early = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n"]))
    way = draw(st.sampled_from(["length", "chunks", "close"]))
    if way == "length":
        return early + HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, body
    if way == "close":
        return early + HEAD + b"\r\n" + body, body
    sent = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in parts)
    return early + CHUNKED + sent + b"0\r\nA: b\r\n\r\n", body


@given(framed(), st.lists(st.integers(0, 300), max_size=6), st.integers(0, 60))
def test_what_is_handed_on_is_the_body(
    sent: tuple[bytes, bytes], places: list[int], copy: int
) -> None:
    data, body = sent
    ends = sorted(min(place, len(data)) for place in places)
    reader = AnswerReader(Limits(max_body=copy))
    reader.begin("GET", passing=True)
    handed = b""
    for start, stop in zip([0, *ends], [*ends, len(data)], strict=True):
        if data[start:stop]:
            reader.feed(data[start:stop])
        handed += reader.take_fresh()
    reader.end()
    assert reader.complete
    response = reader.take()
    # One that is known by its head is not handed on: it is whole, and within the copy.
    assert handed == body or (handed == b"" and response.body == body)
    assert response.body == (body if len(body) <= copy else b"")
    assert response.truncated == (len(body) > copy)


# Heads.


def test_the_head_of_a_request_in_parts() -> None:
    sized = Request(
        method="POST",
        target="/a",
        headers=(("Host", "x"), ("content-length", "7"), ("Expect", "100-continue")),
        body=b"abc",
    )
    assert render_head(sized, target(keep_host=True)) == (
        b"POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 7\r\n\r\n",
        False,
    )
    chunks = Request(method="PUT", target="/a", headers=(("Transfer-Encoding", "chunked"),))
    head, chunked = render_head(chunks, target())
    assert head == b"PUT /a HTTP/1.1\r\nHost: go:8080\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert chunked
    with pytest.raises(Unsendable):
        render_head(Request(method="GET", target="*"), target())


def test_the_head_of_an_upgrade() -> None:
    request = Request(
        method="GET",
        target="/ws?a",
        headers=(
            ("Host", "x"),
            ("connection", "Upgrade, X-Hop"),
            ("upgrade", "websocket"),
            ("X-Hop", "1"),
            ("Sec-WebSocket-Key", "k"),
        ),
    )
    ours = target("http://go:8080/base", (("Authorization", "secret"),))
    assert render_upgrade(request, ours, "websocket") == (
        b"GET /base/ws?a HTTP/1.1\r\nHost: go:8080\r\nSec-WebSocket-Key: k\r\n"
        b"Authorization: secret\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    with pytest.raises(Unsendable):
        render_upgrade(request, ours, "a\r\nb")
