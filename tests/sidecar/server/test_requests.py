"""What a client may send, what becomes of it, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shadow.model import Headers
from shadow.sidecar.server.call import Call, answer_plainly
from shadow.sidecar.server.limits import ServerLimits
from tests.sending.service import Run
from tests.sidecar.client import Got, chunked, get, post, until
from tests.sidecar.live import Calls, leave, ok, serving


def asked(run: Run, data: bytes, limits: ServerLimits | None = None) -> tuple[Calls, list[Got]]:
    """What came of some bytes, after which the client sends nothing more."""
    calls = Calls()
    answers: list[Got] = []

    async def main() -> None:
        async with serving(calls, limits) as served:
            client = await served.connect()
            await client.send(data)
            client.finish()
            with pytest.raises(asyncio.IncompleteReadError) as ended:  # noqa: PT012 - after some
                while True:
                    answers.append(await client.answer())
            assert not ended.value.partial

    run(main())
    return calls, answers


@pytest.mark.parametrize(
    "target",
    [
        "/a?",
        "/a?b=c&b=c",
        "/%zz/%2F",
        "//x",
        "/a/../b/./c",
        "/a#b",
        "/a;b,c:d@e!$&'()*+=|^`{}[]<>\"\\",
        "http://other/a?b#c",
        "http://other",
        "HTTPS://u:p@other:1/%7e",
        "*",
    ],
)
def test_the_target_is_as_on_the_wire(run: Run, target: str) -> None:
    calls, answers = asked(run, get(target))
    assert [call.request.target for call in calls.all] == [target]
    assert [answer.status for answer in answers] == [200]


def test_fields_keep_order_case_and_multiplicity(run: Run) -> None:
    data = b"GET / HTTP/1.1\r\nhOST: a\r\nB: 1\r\nA: \t2 \t\r\nb:1\r\nC:\r\nD: \xff\xe9\r\n\r\n"
    calls, _ = asked(run, data)
    (request,) = [call.request for call in calls.all]
    expected = (("hOST", "a"), ("B", "1"), ("A", "2"), ("b", "1"), ("C", ""), ("D", "\xff\xe9"))
    assert request.headers == expected
    assert (request.method, request.target, request.body) == ("GET", "/", b"")


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND"]
)
def test_methods(run: Run, method: str) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            got = await client.ask(get(method=method), method=method)
            assert got.body == (b"" if method == "HEAD" else b"ok")

    run(main())
    assert [call.request.method for call in calls.all] == [method]


LONG = b"x" * 2_000
HOST = b"Host: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", 400, "malformed"),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nok", 400, "malformed"),
        (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 400, "malformed"),
        (POST + b"Content-Length: 2, 2\r\n\r\nok", 400, "malformed"),
        (POST + b"Content-Length: +2\r\n\r\nok", 400, "malformed"),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400, "malformed"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "transfer-coding"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\nok", 501, "transfer-coding"),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, "transfer-coding"),
        (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400, "malformed"),
        (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400, "malformed"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "framing"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "malformed"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", 400, "malformed"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok0\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "host"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, "host"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "host"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\rB: c\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 400, "malformed"),
        (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nbytes", 501, "connect"),
        (b"CONNECT a:80 HTTP/1.1\r\n\r\n", 501, "connect"),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"GET /\r\n\r\n", 505, "version"),
        (b"GET / HTTP/0.9\r\n\r\n", 505, "version"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version"),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400, "malformed"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417, "expectation"),
        (POST + b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 2\r\n\r\nok", 417, "expect"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 20 + b"\r\n", 431, "too-many-fields"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + LONG + b"\r\n\r\n", 431, "head-too-large"),
        (b"GET /" + LONG + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, "head-too-large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400, "malformed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 400, "malformed"),
        (b"\0\1\2\xff" * 50, 400, "malformed"),
    ],
)
def test_what_is_refused(run: Run, data: bytes, status: int, reason: str) -> None:
    """With a small bound on heads; a request before it is answered first."""
    limits = ServerLimits(max_head=1_500, max_fields=10)
    for before in (b"", get("/before")):
        calls, answers = asked(run, before + data, limits)
        assert [call.request.target for call in calls.all] == ["/before"] * bool(before)
        assert [answer.status for answer in answers] == [200] * bool(before) + [status]
        assert answers[-1].all("connection") == ["close"]
        (told,) = calls.reasons
        assert told.startswith(reason)
        assert answers[-1].body == f"{told}\n".encode()


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nA: b",
        b"GET /",
        b"\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: ",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2;",
    ],
)
def test_what_is_no_body_is_bounded_before_it_ends(run: Run, begun: bytes) -> None:
    calls = Calls()
    more = b"\r\n" if begun == b"\r\n" else b"x"

    async def main() -> None:
        async with serving(calls, ServerLimits(max_head=1_500)) as served:
            client = await served.connect()
            await client.send(begun)
            while not calls.reasons:
                await client.send(more * 100)
                await asyncio.sleep(0.001)
            assert (await client.answer()).status == 431

    run(main())
    assert (calls.all, calls.reasons) == ([], ["head-too-large"])


def test_a_head_just_within_the_bound(run: Run) -> None:
    _, answers = asked(run, get("/" + "x" * 1_400), ServerLimits(max_head=1_500))
    assert [answer.status for answer in answers] == [200]


def test_a_long_body_does_not_count_as_a_head(run: Run) -> None:
    body = b"x" * 10_000
    calls, answers = asked(run, post(body) + post(body), ServerLimits(max_head=1_500))
    assert [call.request.body for call in calls.all] == [body, body]
    assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (post(b"hello"), b"hello"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"hel", b"lo"), b"hello"),
        (
            POST + b'Transfer-Encoding: Chunked\r\n\r\n3;a=b;c="d"\r\nhel\r\n002;x\r\nlo\r\n'
            b"0\r\nA: b\r\nHost: y\r\n\r\n",
            b"hello",
        ),
        (POST + b"Content-Length: 0\r\n\r\n", b""),
        (POST + b"\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nget", b"get"),
    ],
)
def test_bodies(run: Run, data: bytes, body: bytes, bytewise: bool) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0)
            assert (await client.answer()).status == 200
            assert (await client.ask(get("/after"))).status == 200

    run(main())
    first, second = [call.request for call in calls.all]
    assert (first.body, second.target) == (body, "/after")
    names = {name.lower() for name, _ in first.headers}
    assert "a" not in names  # a trailer is dropped


@pytest.mark.parametrize(
    ("version", "fields", "stays"),
    [
        ("1.1", (), True),
        ("1.1", ("Connection: keep-alive",), True),
        ("1.1", ("Connection: close",), False),
        ("1.1", ("Connection: x, Close",), False),
        ("1.0", (), False),
        ("1.0", ("Connection: keep-alive",), True),
        ("1.0", ("Connection: Keep-Alive",), True),
    ],
)
def test_whether_the_connection_stays(
    run: Run, version: str, fields: tuple[str, ...], stays: bool
) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            got = await client.ask(get("/", *fields, version=version))
            if stays:
                assert got.all("connection") == (["keep-alive"] if version == "1.0" else [])
                assert (await client.ask(get())).body == b"ok"
            else:
                assert got.all("connection") == ["close"]
                assert await client.rest() == b""

    run(main())
    assert len(calls.all) == 1 + stays


def test_http_1_0_needs_no_host(run: Run) -> None:
    calls, answers = asked(run, b"GET /old HTTP/1.0\r\n\r\n")
    assert [call.request.headers for call in calls.all] == [()]
    assert [answer.body for answer in answers] == [b"ok"]


@pytest.mark.parametrize("more", [get("/2"), b"\0garbage"])
@pytest.mark.parametrize("at_once", [False, True])
def test_what_follows_the_last_request_is_not_read(run: Run, more: bytes, at_once: bool) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get("/", "Connection: close") + (more if at_once else b""))
            call = await calls.call()
            if not at_once:
                await client.send(more)
                await asyncio.sleep(0.01)
            ok(call)
            assert (await client.answer()).all("connection") == ["close"]
            assert await client.rest() == b""

    run(main())
    assert len(calls.all) == 1
    assert not calls.reasons


# More than one request at once.


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    calls = Calls(leave)
    sent = b"".join(get(f"/{n}") + post(b"%d" % n, target=f"/{n}b") for n in range(20))

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(sent)
            for number in range(40):
                call = await calls.call(number + 1)
                await asyncio.sleep(0)
                assert len(calls.all) == number + 1  # the next one waits for this
                call.answer(200, (), call.request.target.encode())
            for number in range(20):
                assert (await client.answer()).body == b"/%d" % number
                assert (await client.answer()).body == b"/%db" % number

    run(main())
    assert [call.request.body for call in calls.all[1::2]] == [b"%d" % n for n in range(20)]


def test_what_comes_while_earlier_bytes_are_held_is_read_behind_them(run: Run) -> None:
    calls = Calls(leave)
    body = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    whole = post(body, target="/second")
    head, rest = whole[: -len(body)], whole[-len(body) :]

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get("/first"))
            first = await calls.call(1)
            (connection,) = served.server._open.all
            await client.send(head)
            await until(lambda: bool(connection._held))
            first.answer(200, (), b"ok")
            connection.data_received(rest)  # in the same turn of the loop
            second = await calls.call(2)
            second.answer(200, (), b"ok")

    run(main())
    assert [(call.request.target, call.request.body) for call in calls.all] == [
        ("/first", b""),
        ("/second", body),
    ]


def _soon(call: Call) -> None:
    asyncio.get_running_loop().call_soon(ok, call)


def test_too_many_pipelined_requests_end_the_connection_after_those_that_fit(run: Run) -> None:
    calls = Calls(_soon)

    async def main() -> None:
        async with serving(calls, ServerLimits(pipelined=3)) as served:
            client = await served.connect()
            await client.send(get() * 10)
            answers = [await client.answer() for _ in range(4)]
            assert [got.all("connection") for got in answers] == [[], [], [], ["close"]]
            assert await client.rest() == b""

    run(main())
    assert (len(calls.all), calls.reasons) == (4, ["pipelined"])


def test_what_a_client_sends_ahead_is_bounded(run: Run) -> None:
    calls = Calls(leave)
    flood = get("/flood") * 800_000  # more than the system takes

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get())
            call = await calls.call()
            sending = asyncio.ensure_future(client.send(flood))
            (held,) = served.server._open.all
            await until(lambda: held._reading_paused)
            assert len(held._held) < 600_000
            assert not sending.done()
            ok(call)
            assert (await client.answer()).body == b"ok"
            client.reset()
            await asyncio.wait([sending])
            sending.exception()

    run(main())


def test_a_long_body_behind_another_request_waits_for_its_turn(run: Run) -> None:
    calls = Calls(leave)
    body = b"x" * 1_000_000
    limits = ServerLimits(body_at_once=10_000)

    async def main() -> None:
        async with serving(calls, limits) as served:
            client = await served.connect()
            # The head of the second is parsed before the first one is answered.
            await client.send(get("/1") + post(body, target="/2")[:100])
            first = await calls.call()
            sending = asyncio.ensure_future(client.send(post(body, target="/2")[100:]))
            (held,) = served.server._open.all
            await until(lambda: held._reading_paused)
            assert len(held._reader._body) < 600_000
            ok(first)
            assert (await client.answer()).body == b"ok"
            second = await calls.call(2)
            parts = [second.request.body]
            ended = asyncio.Event()
            second.more = lambda data: parts.append(data) if data else ended.set()
            second.resume()
            await ended.wait()
            await sending
            assert b"".join(parts) == body
            ok(second)
            assert (await client.answer()).body == b"ok"

    run(main())


def test_bodies_that_are_not_whole_are_bounded_over_all_clients(run: Run) -> None:
    """However many clients send a part and no more: beyond, one is handed on as it comes."""
    calls = Calls(leave)
    limits = ServerLimits(held_bodies=1_000)

    async def main() -> None:
        async with serving(calls, limits) as served:
            held = served.server._open.held
            first, second, third = [await served.connect() for _ in range(3)]
            await first.send(post(b"x" * 900)[:-300])
            await until(lambda: held.bytes == 600)
            await second.send(post(b"y" * 900)[:-300])
            call = await calls.call()
            assert (call.request.body, call.whole) == (b"y" * 600, False)
            assert held.bytes == 600
            await first.send(b"x" * 300)
            assert (await calls.call(2)).request.body == b"x" * 900
            assert held.bytes == 0
            await third.send(post(b"z" * 900)[:-300])
            await until(lambda: held.bytes == 600)
            third.reset()
            await until(lambda: held.bytes == 0)

    run(main())


# Expect.

EXPECTING = get("/", "Expect: 100-Continue", "Content-Length: 2", method="POST")


def test_a_client_that_waits_is_told_to_go_on(run: Run) -> None:
    calls = Calls()

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            for _ in range(2):
                await client.send(EXPECTING)
                assert (await client.answer()).status == 100
                assert (await client.ask(b"ok")).body == b"ok"

    run(main())
    assert [call.request.body for call in calls.all] == [b"ok", b"ok"]


def test_a_client_that_waits_behind_another_request_is_told_in_its_turn(run: Run) -> None:
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get("/1") + EXPECTING)
            ok(await calls.call())
            assert (await client.answer()).body == b"ok"
            assert (await client.answer()).status == 100
            await client.send(b"ok")
            ok(await calls.call(2))
            assert (await client.answer()).body == b"ok"

    run(main())


def test_an_http_1_0_client_is_not_told(run: Run) -> None:
    sent = get("/", "Expect: 100-continue", "Content-Length: 2", method="POST", version="1.0")
    _, answers = asked(run, sent + b"ok")
    assert [answer.status for answer in answers] == [200]


# Upgrade.

UPGRADE = ("Connection: Upgrade", "Upgrade: h2c")


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ((), b""),
        (("Content-Length: 0",), b""),
        (("Content-Length: 31",), b"GET /smuggled HTTP/1.1\r\nA: b\r\n\r"),
        (("Transfer-Encoding: chunked",), chunked(b"GET /smuggled", b" HTTP/1.1\r\n\r\n")),
    ],
)
def test_an_upgrade_that_is_ignored_hides_neither_body_nor_next_request(
    run: Run, fields: tuple[str, ...], body: bytes, bytewise: bool
) -> None:
    calls = Calls()
    data = get("/1", *UPGRADE, *fields, method="POST") + body + get("/2") + get("/3", *UPGRADE)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0)
            for _ in range(3):
                assert (await client.answer()).body == b"ok"
            assert (await client.ask(get("/4"))).body == b"ok"

    run(main())
    assert [call.request.target for call in calls.all] == ["/1", "/2", "/3", "/4"]
    sent = b"" if not body else body if b"31" in data[:200] else b"GET /smuggled HTTP/1.1\r\n\r\n"
    assert calls.all[0].request.body == sent


def test_a_broken_body_behind_an_upgrade(run: Run) -> None:
    sent = get("/1", *UPGRADE, "Transfer-Encoding: chunked", method="POST") + b"zz\r\n"
    calls, answers = asked(run, sent)
    assert [answer.status for answer in answers] == [400]
    assert not calls.all


@pytest.mark.parametrize(
    ("fields", "version", "upgrade"),
    [
        (("Connection: Upgrade", "Upgrade: WebSocket"), "1.1", "websocket"),
        (("Connection: keep-alive, upgrade", "Upgrade: h2c"), "1.1", "h2c"),
        (("Upgrade: websocket",), "1.1", ""),
        (("Connection: Upgrade",), "1.1", ""),
        (("Connection: Upgrade", "Upgrade: websocket"), "1.0", ""),
        (("Connection: Upgrade", "Upgrade: h2c, websocket"), "1.1", ""),
        (("Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"), "1.1", ""),
        (("Connection: Upgrade", "Upgrade: x", "Content-Length: 2"), "1.1", ""),
    ],
)
def test_which_protocol_is_asked_for(
    run: Run, fields: tuple[str, ...], version: str, upgrade: str
) -> None:
    body = b"ok" if "Content-Length: 2" in fields else b""
    calls, _ = asked(run, get("/", *fields, version=version) + body)
    assert [call.upgrade for call in calls.all] == [upgrade]


def test_a_connection_is_taken_over_with_what_was_sent_behind_the_head(run: Run) -> None:
    calls = Calls(leave)

    class Echo(asyncio.Protocol):
        transport: asyncio.Transport
        lost: Callable[[Exception | None], None]

        def data_received(self, data: bytes) -> None:
            self.transport.write(data.upper())

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost(exc)

    async def main() -> None:
        async with serving(calls) as served:
            client = await served.connect()
            await client.send(get("/", "Connection: Upgrade", "Upgrade: x") + b"first ")
            call = await calls.call()
            await client.send(b"second ")
            (opened,) = served.server._open.all
            await until(lambda: opened._held == b"first second ")
            echo = Echo()
            taken = call.take_over(echo)
            assert taken is not None
            echo.transport, echo.lost = taken.transport, taken.lost
            assert (taken.held, taken.ended, call.open) == (b"first second ", False, False)
            await client.send(b"third")
            assert await client.exactly(5) == b"THIRD"
            assert served.server.connections == 1
            client.close()
            await served.server._open.ended()

    run(main())


# What a service may do wrong.


def test_a_service_that_fails_drops_its_call_alone() -> None:
    def broken(call: Call) -> None:
        if call.request.target == "/broken":
            raise ValueError("broken")
        ok(call)

    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        async with serving(Calls(broken)) as served:
            client, other = await served.connect(), await served.connect()
            await client.send(get("/broken"))
            assert await client.closed() == b""
            assert (await other.ask(get())).body == b"ok"

    asyncio.run(main())
    assert told == ["failed to handle a request"]


def test_a_service_that_fails_in_the_middle_of_a_body() -> None:
    def begin(call: Call) -> None:
        def more(data: bytes) -> None:
            raise ValueError(f"broken by {len(data)} bytes")

        call.more = more

    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        async with serving(Calls(begin), ServerLimits(body_at_once=10)) as served:
            client = await served.connect()
            await client.send(post(b"x" * 100))
            assert await client.closed() == b""

    asyncio.run(main())
    assert told == ["failed to read a request"]


def test_a_call_that_nobody_reads_the_rest_of(run: Run) -> None:
    """A long body is dropped as it comes where the service does not want it."""
    calls = Calls(leave)

    async def main() -> None:
        async with serving(calls, ServerLimits(body_at_once=1_000)) as served:
            client = await served.connect()
            await client.send(post(b"x" * 3_000_000))
            call = await calls.call()
            (opened,) = served.server._open.all
            while not call.whole:
                assert len(opened._reader._body) < 1_000_000
                await asyncio.sleep(0.001)
            ok(call)
            assert (await client.answer()).body == b"ok"

    run(main())


def test_a_plain_answer(run: Run) -> None:
    def plainly(call: Call) -> None:
        answer_plainly(call, 503, "enough")
        assert not call.open
        call.answer(200, ())
        call.begin(200, ())
        call.piece(b"x")
        call.end()
        call.proceed()
        call.pause()
        call.resume()
        call.drop()
        assert call.take_over(asyncio.Protocol()) is None

    async def main() -> None:
        async with serving(Calls(plainly)) as served:
            client = await served.connect()
            got = await client.ask(get())
            headers: Headers = (
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", "15"),
            )
            assert got == Got(503, headers, b"shadow: enough\n")
            assert (await client.ask(get())).status == 503

    run(main())
