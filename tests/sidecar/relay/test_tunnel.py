"""Connections that go on in another protocol."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shadow.sending.denied import parse_denied
from shadow.sending.target import Target
from shadow.sidecar.relay import tunnel
from shadow.sidecar.relay.forwarding import Forwarding
from shadow.sidecar.relay.tunnel import Tunnels
from shadow.sidecar.server.call import Call, answer_plainly
from shadow.sidecar.tasks import Tasks
from tests.sending.conftest import certificate
from tests.sending.service import OK, Peer, Run, answering, serve
from tests.sidecar.client import Client, get, until
from tests.sidecar.live import Served, serving

__all__ = ["certificate"]  # a fixture

UPGRADE = get("/ws?a", "Connection: keep-alive, Upgrade", "Upgrade: WebSocket", "X-Key: k")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Digger:
    """Digs a tunnel for every call."""

    def __init__(self, target: Target, tasks: Tasks) -> None:
        self.tunnels = Tunnels(target)
        self._tasks = tasks
        self.results: list[str] = []
        self.dug = asyncio.Event()

    def handle(self, call: Call) -> None:
        self._tasks.spawn(self._dig(call))

    async def _dig(self, call: Call) -> None:
        request = Forwarding("me").onward(call.request, call.peer)
        result = await self.tunnels.dig(call, request)
        self.results.append(result)
        self.dug.set()
        if result != "passed":
            answer_plainly(call, 503, result)

    def refused(self, reason: str) -> None:
        raise AssertionError(reason)


class Tunnelled(Served):
    digger: Digger


@contextlib.asynccontextmanager
async def tunnelling(target: Target) -> AsyncIterator[Tunnelled]:
    errors: list[BaseException] = []
    async with Tasks(errors.append) as tasks:
        digger = Digger(target, tasks)
        async with serving(digger) as served:
            tunnelled = Tunnelled(served.port, served.server)
            tunnelled.digger = digger
            try:
                yield tunnelled
            finally:
                tunnelled.close()
        await until(lambda: not digger.tunnels.open)  # each is counted out
    assert not errors


def echo(heads: list[bytes]) -> Callable[[Peer], object]:
    """Switch, and send back in upper case whatever comes, until the client ends."""

    async def script(peer: Peer) -> None:
        heads.append(await peer.head())
        await peer.send(SWITCHED)
        while data := await peer.hello():
            await peer.send(data.upper())
        await peer.send(b"bye")

    return script


async def switched(client: Client) -> None:
    assert await client.exactly(len(SWITCHED)) == SWITCHED


def test_bytes_pass_both_ways_also_those_behind_the_head(run: Run) -> None:
    heads: list[bytes] = []

    async def main() -> None:
        async with serve(echo(heads)) as service, tunnelling(service.target()) as live:  # type: ignore[arg-type]
            client = await live.connect()
            await client.send(UPGRADE + b"first")
            await switched(client)
            assert await client.exactly(5) == b"FIRST"
            await client.send(b"\0\xff\r\n")
            assert await client.exactly(4) == b"\0\xff\r\n"
            assert (live.digger.results, live.digger.tunnels.open) == (["passed"], 1)
            assert live.server.connections == 1
            (connection,) = live.server._open.all
            end = connection._transport.get_protocol()
            assert isinstance(end, tunnel._End)
            assert end.other is not None
            for each in (end.transport, end.other.transport):
                assert each is not None
                sock = each.get_extra_info("socket")
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            client.finish()  # and the other way goes on
            assert await client.rest() == b"bye"
            await until(lambda: not (live.digger.tunnels.open or live.server.connections))

    run(main())
    (head,) = heads
    host, rest = head.split(b"\r\n", 2)[1:]
    assert head.startswith(b"GET /ws?a HTTP/1.1\r\n")
    assert host.startswith(b"Host: 127.0.0.1:")
    assert rest == (
        b"X-Key: k\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nShadow-Via: me\r\n"
        b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    )


def test_the_service_ends_first(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCHED)
        peer._writer.write_eof()
        assert await peer._reader.read() == b"still there"
        heard.set()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            await switched(client)
            assert await client.rest() == b""
            await client.send(b"still there")
            client.finish()
            await heard.wait()
            await until(lambda: not (live.digger.tunnels.open or live.server.connections))

    heard = asyncio.Event()
    run(main())


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("first", ["client", "service"])
def test_one_end_is_lost(run: Run, first: str, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCHED + b"x")
        if first == "client":
            await peer.closed()
            lost.set()
        else:
            await there.wait()
            if how == "reset":
                peer.reset()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            await switched(client)
            assert await client.exactly(1) == b"x"
            if first == "client":
                getattr(client, how)()
                await lost.wait()
            else:
                there.set()
                assert await client.closed() == b""
                client.close()

    there, lost = asyncio.Event(), asyncio.Event()
    run(main())


def test_an_upgrade_that_the_service_refuses(run: Run) -> None:
    refusal = b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(refusal)

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            got = await client.ask(UPGRADE)
            assert (got.status, got.body) == (400, b"no")
            assert await client.rest() == b""

    run(main())


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 4", b"HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_service_that_neither_agrees_nor_answers(
    run: Run, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "AGREE_S", 0.1)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(sent)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            assert await client.rest() == (b"" if sent.endswith(b"4") else sent)
            await until(lambda: not live.digger.tunnels.open)

    run(main())


def test_a_tunnel_that_is_agreed_on_has_no_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "AGREE_S", 0.02)

    async def main() -> None:
        async with serve(echo([])) as service, tunnelling(service.target()) as live:  # type: ignore[arg-type]
            client = await live.connect()
            await client.send(UPGRADE)
            await switched(client)
            await asyncio.sleep(0.05)
            await client.send(b"on")
            assert await client.exactly(2) == b"ON"

    run(main())


def test_a_service_that_is_not_there(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service:
            target = service.target()
        async with tunnelling(target) as live:
            client = await live.connect()
            assert (await client.ask(UPGRADE)).status == 503
            assert (live.digger.results, live.digger.tunnels.open) == (["failed"], 0)

    run(main())


def test_no_more_than_so_many(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "MAX_TUNNELS", 2)

    async def main() -> None:
        async with serve(echo([])) as service, tunnelling(service.target()) as live:  # type: ignore[arg-type]
            clients = [await live.connect() for _ in range(3)]
            for client in clients[:2]:
                await client.send(UPGRADE)
                await switched(client)
            assert (await clients[2].ask(UPGRADE)).status == 503
            assert live.digger.results == ["passed", "passed", "refused"]
            clients[0].reset()
            await until(lambda: live.digger.tunnels.open < 2)
            await clients[2].send(UPGRADE)
            await switched(clients[2])

    run(main())


def test_what_cannot_be_passed_on_is_refused(run: Run) -> None:
    async def main() -> None:
        async with serve(answering(OK)) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            sent = get("*", "Connection: Upgrade", "Upgrade: x")
            assert (await client.ask(sent)).status == 503
            assert (live.digger.results, service.accepted) == (["refused"], 0)

    run(main())


def test_a_client_that_leaves_before_the_service_is_reached(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = tunnel._connect

    async def slowly(target: Target, tls: ssl.SSLContext | None) -> tunnel._End | None:
        found = await connect(target, tls)
        asked.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(tunnel, "_connect", slowly)

    async def script(peer: Peer) -> None:
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            await asked.wait()
            client.reset()
            await until(lambda: not live.server.connections)
            go_on.set()
            await live.digger.dug.wait()
            assert (live.digger.results, live.digger.tunnels.open) == (["gone"], 0)

    asked, go_on = asyncio.Event(), asyncio.Event()
    run(main())


def test_a_service_that_closes_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = tunnel._connect

    async def slowly(target: Target, tls: ssl.SSLContext | None) -> tunnel._End | None:
        found = await connect(target, tls)
        assert found is not None
        transport = found.transport
        assert transport is not None
        await until(transport.is_closing)
        return found

    monkeypatch.setattr(tunnel, "_connect", slowly)

    async def script(peer: Peer) -> None:
        """Close."""

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            assert (await client.ask(UPGRADE)).status == 503
            assert live.digger.results == ["failed"]

    run(main())


def test_a_client_that_has_ended_its_side_before(run: Run) -> None:
    async def main() -> None:
        async with serve(echo([])) as service, tunnelling(service.target()) as live:  # type: ignore[arg-type]
            client = await live.connect()
            await client.send(UPGRADE + b"all")
            client.finish()
            await switched(client)
            assert await client.rest() == b"ALLbye"

    run(main())


@pytest.mark.parametrize("slow", ["client", "service"])
def test_a_slow_end_holds_the_other_one_back(run: Run, slow: str) -> None:
    size = 30_000_000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.head()
        await peer.send(SWITCHED)
        if slow == "client":
            for _ in range(30):
                await peer.send(bytes(size // 30))
                sent += size // 30
        else:
            await go_on.wait()
            left = size
            while left:
                left -= len(await peer.hello())
            await peer.send(b"all")
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect(receive=65_536)
            await client.send(UPGRADE)
            await client._reader.readuntil(b"\r\n\r\n")
            if slow == "client":
                await asyncio.sleep(0.3)
                assert sent < size
                await client.exactly(size)
            else:
                sending = asyncio.ensure_future(client.send(bytes(size)))
                await asyncio.sleep(0.3)
                assert not sending.done()
                go_on.set()
                assert await client.exactly(3) == b"all"
                await sending

    go_on = asyncio.Event()
    run(main())


@pytest.mark.parametrize("closes", [False, True])
def test_what_one_end_does_not_take_is_not_kept_for_ever(
    run: Run, monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    """Nothing is read from the other end meanwhile, so nobody would see it go."""
    monkeypatch.setattr(tunnel, "FLUSH_S", 0.1)
    monkeypatch.setattr(tunnel, "STALL_S", 10 if closes else 0.3)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCHED)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    await peer.send(bytes(100_000))
        stuck.set()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect(receive=4_096)
            await client.send(UPGRADE)
            await switched(client)
            await stuck.wait()
            if closes:
                (connection,) = live.server._open.all
                end = connection._transport.get_protocol()
                assert isinstance(end, tunnel._End)
                assert end.other is not None
                assert end.other.transport is not None
                end.other.transport.abort()
            async with asyncio.timeout(5):
                await live.server._open.ended()

    stuck = asyncio.Event()
    run(main())


def test_an_end_that_was_slow_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "STALL_S", 0.2)
    size = 5_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCHED)
        await peer.send(bytes(size))
        await peer.hello()
        await peer.send(b"there")
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect(receive=4_096)
            await client.send(UPGRADE)
            await switched(client)
            await client.exactly(size)
            await asyncio.sleep(0.3)
            await client.send(b"still?")
            assert await client.exactly(5) == b"there"

    run(main())


def test_what_is_held_for_a_service_that_has_not_agreed_is_bounded(run: Run) -> None:
    go_on = asyncio.Event()
    size = 30_000_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await go_on.wait()
        await peer.send(SWITCHED)
        left = size
        while left:
            left -= len(await peer.hello())
        await peer.send(b"all")

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            sending = asyncio.ensure_future(client.send(bytes(size)))
            await live.digger.dug.wait()
            (connection,) = live.server._open.all
            end = connection._transport.get_protocol()
            assert isinstance(end, tunnel._Client)
            await until(lambda: len(end._held or b"") > tunnel.HELD_BYTES)
            await asyncio.sleep(0.05)
            assert len(end._held or b"") < 1_000_000
            assert not sending.done()
            go_on.set()
            await switched(client)
            assert await client.rest() == b"all"
            await sending

    run(main())


def test_a_refusal_of_a_head_has_no_body(run: Run) -> None:
    refusal = b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\n"

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(refusal)
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE.replace(b"GET", b"HEAD"))
            async with asyncio.timeout(5):
                assert await client.rest() == refusal

    run(main())


def test_nothing_is_done_to_an_end_that_took_all_in_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "FLUSH_S", 0.2)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCHED)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await peer.send(bytes(100_000))
        stuck.set()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect(receive=65_536)
            await client.send(UPGRADE)
            await switched(client)
            await stuck.wait()
            (connection,) = live.server._open.all
            end = connection._transport.get_protocol()
            assert isinstance(end, tunnel._End)
            assert end.other is not None
            assert end.other.transport is not None
            end.other.transport.abort()
            assert await client.rest()
            await live.server._open.ended()
            await asyncio.sleep(0.25)

    stuck = asyncio.Event()
    run(main())


def test_tunnels_last_until_draining_is_over(run: Run) -> None:
    async def main() -> None:
        async with serve(echo([])) as service, tunnelling(service.target()) as live:  # type: ignore[arg-type]
            one, two = await live.connect(), await live.connect()
            for client in (one, two):
                await client.send(UPGRADE)
                await switched(client)
            draining = asyncio.ensure_future(live.server.drain(0.2))
            await one.send(b"on")
            assert await one.exactly(2) == b"ON"
            two.close()
            assert await draining == 1
        assert await one.closed() == b""

    run(main())


def test_over_tls(
    run: Run, certificate: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate("IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(SWITCHED)
        await peer.send((await peer.hello()).upper())

    async def main() -> None:
        async with serve(script, tls=context) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            await switched(client)
            await client.send(b"secret")
            assert await client.rest() == b"SECRET"

    run(main())


def test_nothing_passes_to_a_service_that_has_not_agreed(run: Run) -> None:
    """Else a client could send it requests that nobody else sees."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        while data := await peer.hello():
            seen.append(data)

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            hidden = b"DELETE /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
            await client.send(UPGRADE + hidden)
            assert (await client.rest()).endswith(b"\r\n\r\nok")
            await until(lambda: not live.digger.tunnels.open)

    run(main())
    assert len(seen) == 1


def test_an_answer_in_chunks_in_place_of_an_agreement(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1")
        await peer.send(b" 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")
        await peer.send(b"0\r\n\r\n")
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service, tunnelling(service.target()) as live:
            client = await live.connect()
            await client.send(UPGRADE)
            assert (await client.rest()).endswith(b"2\r\nno\r\n0\r\n\r\n")

    run(main())


def test_a_name_that_leads_elsewhere_later_gets_nothing(run: Run) -> None:
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())

    async def main() -> None:
        async with serve(script) as service:
            rebound = replace(service.target(), denied=parse_denied(["127.0.0.1"]))
            async with tunnelling(rebound) as live:
                client = await live.connect()
                assert (await client.ask(UPGRADE)).status == 503
                assert live.digger.results == ["failed"]

    run(main())
    assert got in ([], [b""])
