from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import httpx  # noqa: TID251  the transport is an httpx one
import pytest

from shadow.sending.limits import Limits
from shadow.sending.transport import WireTransport
from tests.sending.service import OK, Peer, Run, Script, answering, serve


def client(limits: Limits | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=WireTransport(limits=limits), trust_env=False)


def capturing(seen: list[bytes]) -> Script:
    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            await peer.send(OK)

    return script


def test_a_response_as_httpx_knows_it(run: Run) -> None:
    packed = gzip.compress(b'{"a": 1}')
    answer = (
        b"HTTP/1.1 201 Created\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Raw: \xff\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    )

    async def main() -> None:
        async with serve(answering(answer + packed)) as service, client() as http:
            response = await http.get(f"{service.target().url}/")
            assert response.status_code == 201
            assert response.headers.raw == [
                (b"Set-Cookie", b"a=1"),
                (b"set-cookie", b"b=2"),
                (b"X-Raw", b"\xff"),
                (b"Content-Encoding", b"gzip"),
                (b"Content-Length", b"%d" % len(packed)),
            ]
            assert response.json() == {"a": 1}
            async with http.stream("GET", f"{service.target().url}/") as streamed:
                raw = b"".join([piece async for piece in streamed.aiter_raw()])
            assert raw == packed
            assert service.accepted == 1

    run(main())


def test_a_request_as_httpx_built_it(run: Run) -> None:
    seen: list[bytes] = []

    async def main() -> None:
        async with serve(capturing(seen)) as service, client() as http:
            request = httpx.Request(
                "POST",
                f"{service.target().url}/a/b?c=d",
                headers=[("X-B", "1"), ("x-a", "2"), ("Host", "virtual.test")],
                content=b"{}",
            )
            await http.send(request)

    run(main())
    assert seen == [
        (
            b"POST /a/b?c=d HTTP/1.1\r\nX-B: 1\r\nx-a: 2\r\nHost: virtual.test\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )
    ]


def test_the_exact_target_and_a_streamed_body(run: Run) -> None:
    seen: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def main() -> None:
        async with serve(capturing(seen)) as service, client() as http:
            url = service.target().url
            await http.get(f"{url}/", extensions={"target": b"/a/../b%2f?"})
            await http.post(f"{url}/up", content=pieces())

    run(main())
    assert seen[0].startswith(b"GET /a/../b%2f? HTTP/1.1\r\n")
    assert b"\r\nTransfer-Encoding: chunked\r\n" in seen[1]
    assert seen[1].endswith(b"\r\n\r\n6\r\nonetwo\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (b"", httpx.RemoteProtocolError, "closed before the first byte"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour",
            httpx.RemoteProtocolError,
            "4 of 9 bytes",
        ),
        (b"SSH-2.0\r\n", httpx.RemoteProtocolError, "HTTP/"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101, httpx.ReadError, "longer than 100 bytes"),
    ],
)
def test_failures_are_httpx_exceptions(
    run: Run, answer: bytes, error: type[httpx.TransportError], message: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    async def main() -> None:
        async with serve(script) as service, client(Limits(max_body=100)) as http:
            with pytest.raises(error, match=message) as caught:
                await http.get(f"{service.target().url}/")
            assert caught.value.request.method == "GET"

    run(main())


def test_timeouts_are_httpx_exceptions(run: Run) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.closed()

    async def main() -> None:
        limits = Limits(connections=1, connect_s=0.05)
        async with serve(script) as service, client(limits) as http:
            url = service.target().url
            first = asyncio.ensure_future(http.get(url, timeout=0.2))
            await arrived.wait()
            with pytest.raises(httpx.PoolTimeout):
                await http.get(url, timeout=0.05)
            with pytest.raises(httpx.ReadTimeout):
                await first
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with client(limits) as http:
                with pytest.raises(httpx.ConnectTimeout):
                    await http.get(f"https://127.0.0.1:{silent.getsockname()[1]}")

    run(main())


def test_what_cannot_be_reached_or_sent(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def main() -> None:
        async with client() as http:
            with pytest.raises(httpx.ConnectError, match="refused"):
                await http.get(url)
            with pytest.raises(httpx.UnsupportedProtocol):
                await http.get("ftp://127.0.0.1/")
            with pytest.raises(httpx.LocalProtocolError, match="target"):
                await http.get(url, extensions={"target": b"no path"})

    run(main())


def test_one_pool_for_each_origin_until_the_client_closes(run: Run) -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(OK)
        left.set()

    async def main() -> None:
        async with serve(script) as one, serve(answering(OK)) as two:
            async with client() as http:
                for service in (one, two, one, two):
                    await http.get(service.target().url)
                assert (one.accepted, two.accepted) == (1, 1)
                assert not left.is_set()
            await left.wait()

    run(main())
