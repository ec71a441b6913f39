"""What httpx documents of a transport, clause by clause, on httpx's own and on ours.

The clauses are those of https://www.python-httpx.org/advanced/transports, …/extensions,
…/timeouts, /async, /exceptions and of the docstring of `handle_async_request`. Each is played
with both transports against the same service, and both must give what stands here. What ours
does otherwise stands in the docstring of `WireTransport`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import httpx  # noqa: TID251  the transport is an httpx one
import pytest

from shadow.sending.limits import Limits
from shadow.sending.transport import WireTransport
from tests.sending.service import OK, Peer, Run, serve

PACKED = gzip.compress(b'{"a": 1}\n' * 50)
HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass(slots=True)
class Place:
    """The service, as a clause sees it, and a fresh transport of the kind in question."""

    url: str
    ours: bool
    seen: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    def transport(self, connections: int = 10) -> httpx.AsyncBaseTransport:
        if self.ours:
            return WireTransport(limits=Limits(connections=connections, connect_s=0.5))
        limits = httpx.Limits(max_connections=connections)
        return httpx.AsyncHTTPTransport(trust_env=False, limits=limits)

    def client(self, connections: int = 10, **options: object) -> httpx.AsyncClient:
        transport = self.transport(connections)
        given = {"trust_env": False, "base_url": self.url, **options}
        return httpx.AsyncClient(transport=transport, **given)  # type: ignore[arg-type]  # any

    async def script(self, peer: Peer) -> None:
        self.connections += 1
        while request := await peer.request():
            self.seen.append(request)
            if not await self._answer(peer, request):
                break
        self.left.set()

    async def _answer(self, peer: Peer, request: bytes) -> bool:
        path = request.split(b" ", 2)[1]
        if path == b"/hang":
            self.arrived.set()
            await peer.closed()
            return False
        if path == b"/reset":
            peer.reset()
            return False
        await peer.send(ANSWERS.get(path, OK))
        return path not in CLOSES


def framed(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"".join(each + b"\r\n" for each in fields)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, head, len(body), body)


ANSWERS = {
    b"/packed": framed(PACKED, b"Content-Encoding: gzip", b"Content-Type: application/json"),
    b"/chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
    b"/cookie": framed(b"", b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2; Path=/"),
    b"/moved": framed(b"", b"Location: /cookie", status=b"302 Found"),
    b"/headed": HEAD + b"Content-Length: 99\r\n\r\n",
    b"/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/same": b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
    b"/missing": framed(b"no", status=b"404 Not Found"),
    b"/interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
    b"/fields": framed(b"", b"X-One: 1", b"x-one: 2", b"X-Raw: \xff"),
    b"/last": HEAD + b"\r\nuntil the close",
    b"/large": framed(b"x" * 300_000),
    b"/none": b"",
    b"/cut": HEAD + b"Content-Length: 9\r\n\r\nfour",
    b"/garbage": b"SSH-2.0-x\r\n\r\n",
    b"/lines": framed(b"one\ntwo\n"),
}
CLOSES = (b"/none", b"/cut", b"/garbage", b"/last")

Clause = Callable[[Place], Awaitable[object]]
CLAUSES: list[tuple[Clause, object]] = []


def clause(expected: object) -> Callable[[Clause], Clause]:
    """List a clause, with what it must give."""

    def keep(play: Clause) -> Clause:
        CLAUSES.append((play, expected))
        return play

    return keep


# `handle_async_request` takes a request and returns a response whose stream must be closed.


@clause((200, b"ok", True))
async def called_directly(place: Place) -> object:
    async with place.transport() as transport:
        request = httpx.Request("GET", place.url)
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        body = b"".join([piece async for piece in response.stream])
        await response.stream.aclose()
        again = await transport.handle_async_request(request)
        await again.aread()
        await again.aclose()
        return response.status_code, body, again.is_closed


@clause([b"ok"] * 3)
async def a_stream_that_is_closed_unread_costs_no_other_request(place: Place) -> object:
    found = []
    async with place.client(connections=1) as client:
        for _ in range(3):
            async with client.stream("GET", "/large"):
                pass
            found.append((await client.get("/")).content)
    return found


@clause((b"GET / HTTP/1.1", 2))
async def mounted(place: Place) -> object:
    mounts = {"all://": place.transport()}
    async with httpx.AsyncClient(mounts=mounts, trust_env=False) as client:
        for _ in range(2):
            await client.get(place.url)
    return place.seen[0].split(b"\r\n")[0], len(place.seen)


@clause(True)
async def closing_the_client_closes_the_connections(place: Place) -> object:
    async with place.client() as client:
        await client.get("/")
        assert not place.left.is_set()
    await place.left.wait()
    return True


# What the service sees.


def told(request: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The request line, the fields but Host, and the body without its chunks."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    if b"Transfer-Encoding: chunked" in fields:
        pieces = body.split(b"\r\n")
        body = b"".join(pieces[1::2])
    return line, [each for each in fields if not each.lower().startswith(b"host:")], body


@clause(
    (b"PUT /a/b?c=d HTTP/1.1", [b"X-B: 1", b"x-a: 2", b"X-B: 3", b"Content-Length: 3"], b"\0b\xff")
)
async def fields_keep_their_order_case_and_number(place: Place) -> object:
    async with place.client() as client:
        fields = [("X-B", "1"), ("x-a", "2"), ("X-B", "3")]
        url = f"{place.url}/a/b?c=d"
        await client.send(httpx.Request("PUT", url, headers=fields, content=b"\0b\xff"))
    return told(place.seen[0])


@clause((b"POST /up HTTP/1.1", [b"Transfer-Encoding: chunked"], b"onetwo"))
async def a_body_that_is_made_as_it_is_sent(place: Place) -> object:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with place.client() as client:
        await client.send(httpx.Request("POST", f"{place.url}/up", content=pieces()))
    return told(place.seen[0])


@clause((b'{"a":1}', b"application/json", True))
async def bodies_that_httpx_encodes(place: Place) -> object:
    async with place.client() as client:
        await client.post("/json", json={"a": 1})
        await client.post("/form", files={"f": ("n.txt", b"content")})
    line, fields, body = told(place.seen[0])
    kind = next(each for each in fields if each.lower().startswith(b"content-type"))
    assert line == b"POST /json HTTP/1.1"
    return body, kind.split(b": ")[1], b"content" in place.seen[1]


@clause([b"GET /a/../b%2f? HTTP/1.1", b"GET /b HTTP/1.1"])
async def the_extension_target(place: Place) -> object:
    async with place.client() as client:
        await client.get("/", extensions={"target": b"/a/../b%2f?"})
        await client.get("/a/../b")
    return [told(each)[0] for each in place.seen]


@clause(b"virtual.test")
async def the_host_that_is_asked_for(place: Place) -> object:
    async with place.client() as client:
        await client.get("/", headers={"Host": "virtual.test"})
    fields = place.seen[0].split(b"\r\n")
    return next(each[6:] for each in fields if each.lower().startswith(b"host:"))


# What the client is given.


@clause((200, "OK", "HTTP/1.1", b"HTTP/1.1", True, True))
async def a_response(place: Place) -> object:
    async with place.client() as client:
        response = await client.get("/")
        return (
            response.status_code,
            response.reason_phrase,
            response.http_version,
            response.extensions["http_version"],
            response.is_closed,
            isinstance(response.elapsed, dt.timedelta),
        )


@clause([(b"X-One", b"1"), (b"x-one", b"2"), (b"X-Raw", b"\xff"), (b"Content-Length", b"0")])
async def the_fields_of_the_answer(place: Place) -> object:
    async with place.client() as client:
        return (await client.get("/fields")).headers.raw


@clause((PACKED, b'{"a": 1}\n' * 50, len(PACKED)))
async def content_is_decoded_above_and_raw_below(place: Place) -> object:
    async with place.client() as client:
        async with client.stream("GET", "/packed") as response:
            raw = b"".join([piece async for piece in response.aiter_raw()])
        async with client.stream("GET", "/packed") as response:
            whole = b"".join([piece async for piece in response.aiter_bytes()])
            return raw, whole, response.num_bytes_downloaded


@clause((["one", "two"], b"ok!", "until the close"))
async def ways_to_read_a_body(place: Place) -> object:
    async with place.client() as client:
        async with client.stream("GET", "/lines") as response:
            lines = [line async for line in response.aiter_lines()]
        chunked = (await client.get("/chunked")).content
        return lines, chunked, (await client.get("/last")).text


@clause("StreamConsumed")
async def a_stream_is_read_once(place: Place) -> object:
    async with place.client() as client, client.stream("GET", "/large") as response:
        async for _ in response.aiter_raw():
            pass
        try:
            async for _ in response.aiter_raw():
                pass
        except httpx.StreamError as error:
            return type(error).__name__
    return ""


@clause([(200, b""), (204, b""), (304, b""), (200, b"ok"), (404, b"no")])
async def answers_without_a_body_and_after_an_interim_one(place: Place) -> object:
    found = []
    async with place.client() as client:
        for method, path in (
            ("HEAD", "/headed"),
            ("GET", "/empty"),
            ("GET", "/same"),
            ("GET", "/interim"),
            ("GET", "/missing"),
        ):
            response = await client.request(method, path)
            found.append((response.status_code, response.content))
    return found


# What the client does above the transport.


@clause(([302], 200, {"a": "1", "b": "2"}, b"Cookie: a=1; b=2"))
async def redirects_and_cookies(place: Place) -> object:
    async with place.client(follow_redirects=True) as client:
        response = await client.get("/moved")
        await client.get("/")
        cookie = next(
            each for each in place.seen[-1].split(b"\r\n") if each.lower().startswith(b"cookie")
        )
        history = [each.status_code for each in response.history]
        return history, response.status_code, dict(client.cookies), cookie


@clause((["/", "/"], "404 Not Found", b"Authorization: Basic bWU6cHc="))
async def hooks_errors_of_status_and_credentials(place: Place) -> object:
    paths: list[str] = []

    async def asked(request: httpx.Request) -> None:
        paths.append(request.url.path)

    async def answered(response: httpx.Response) -> None:
        paths.append(response.request.url.path)

    hooks = {"request": [asked], "response": [answered]}
    async with place.client(event_hooks=hooks, auth=("me", "pw")) as client:
        await client.get("/")
        client.event_hooks = {}
        response = await client.get("/missing")
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            status = str(error).split("'")[1]
    credentials = next(
        each for each in place.seen[0].split(b"\r\n") if each.startswith(b"Authorization")
    )
    return paths, status, credentials


@clause(([b"ok"] * 40, True))
async def many_requests_at_once(place: Place) -> object:
    async with place.client(connections=4) as client:
        found = await asyncio.gather(*(client.get("/") for _ in range(40)))
    return [each.content for each in found], place.connections <= 4


# Failures, each with its request.


async def failure(client: httpx.AsyncClient, url: str, **options: object) -> object:
    try:
        await client.get(url, **options)  # type: ignore[arg-type]  # any
    except httpx.TransportError as error:
        return type(error).__name__, str(error.request.url.path)
    return None


@clause(
    {
        "/none": ("RemoteProtocolError", "/none"),
        "/cut": ("RemoteProtocolError", "/cut"),
        "/garbage": ("RemoteProtocolError", "/garbage"),
        "/reset": ("ReadError", "/reset"),
    }
)
async def a_service_that_fails(place: Place) -> object:
    async with place.client() as client:
        return {
            path: await failure(client, path) for path in ("/none", "/cut", "/garbage", "/reset")
        }


@clause((("ConnectError", "/"), ("UnsupportedProtocol", "/")))
async def what_cannot_be_reached(place: Place) -> object:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with place.client() as client:
        refused = await failure(client, f"http://127.0.0.1:{port}/")
        return refused, await failure(client, "ftp://127.0.0.1/")


@clause(("ReadTimeout", "/hang"))
async def the_timeout_read(place: Place) -> object:
    async with place.client() as client:
        return await failure(client, "/hang", timeout=httpx.Timeout(5, read=0.1))


@clause(("ConnectTimeout", "/"))
async def the_timeout_connect(place: Place) -> object:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with place.client() as client:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
            return await failure(client, url, timeout=httpx.Timeout(5, connect=0.5))


@clause(("PoolTimeout", "/"))
async def the_timeout_pool(place: Place) -> object:
    async with place.client(connections=1) as client:
        first = asyncio.ensure_future(client.get("/hang", timeout=None))
        await place.arrived.wait()
        found = await failure(client, "/", timeout=httpx.Timeout(5, pool=0.1))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return found


@clause((b"ok", b"ok", b"ok"))
async def timeouts_that_are_not_or_partly_given(place: Place) -> object:
    async with place.client(timeout=None) as client:
        none = await client.get("/")
        part = await client.get("/", extensions={"timeout": {"connect": 5.0}})
        bare = await client.send(httpx.Request("GET", place.url))
        return none.content, part.content, bare.content


@clause((True, b"ok"))
async def a_request_that_is_given_up(place: Place) -> object:
    async with place.client(connections=1) as client:
        first = asyncio.ensure_future(client.get("/hang", timeout=None))
        await place.arrived.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await place.left.wait()  # its connection is closed
        return first.cancelled(), (await client.get("/")).content


@pytest.mark.parametrize("ours", [False, True], ids=["httpx", "wire"])
@pytest.mark.parametrize(("play", "expected"), CLAUSES, ids=[play.__name__ for play, _ in CLAUSES])
def test_the_contract(run: Run, play: Clause, expected: object, ours: bool) -> None:
    async def main() -> object:
        place = Place("", ours)
        async with serve(place.script) as service:
            place.url = service.target().url
            return await play(place)

    assert run(main()) == expected
