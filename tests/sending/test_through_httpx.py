"""HTTP/2 and proxies give what the wire gives, and fail with the same words."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from h2.errors import ErrorCodes

from shadow.errors import UnfinishedError
from shadow.model import Answer, NoAnswer, Observation, Request
from shadow.sending import through_httpx
from shadow.sending.choice import open_service
from shadow.sending.limits import Limits
from shadow.sending.probe import probe
from shadow.sending.rewrite import Unsendable, render
from shadow.sending.target import Proxy, Target, parse_target
from shadow.sending.through_httpx import HttpxService
from shadow.sending.wire import Wire
from tests.sending import nginx
from tests.sending.http2 import Asked, Streams, speaking
from tests.sending.proxy import forwarding
from tests.sending.service import OK, Peer, Run, answering, serve
from tests.sending.test_wire import _no_descriptor_left as no_descriptor_left

Certificate = Callable[[str], Path]


async def answer_all(streams: Streams) -> None:
    """Answers every request."""
    while asked := await streams.request():
        await streams.answer(asked)


async def ask(
    service: HttpxService | Wire, request: Request, *, safe: bool = True, due: float | None = None
) -> Observation:
    message: Any
    if isinstance(service, Wire):
        message = render(request, service.target)
    else:
        message = service.render(request)
    return await service.send(message, method=request.method, safe=safe, due=due)


async def get(service: HttpxService, *, safe: bool = True) -> Observation:
    return await ask(service, Request(method="GET", target="/"), safe=safe)


def body(observation: Observation) -> bytes:
    assert isinstance(observation, Answer), observation
    return observation.response.body


def failure(observation: Observation) -> NoAnswer:
    assert isinstance(observation, NoAnswer), observation
    assert observation.timing is not None
    assert observation.timing.sent <= observation.timing.done
    return observation


def said(observation: Observation) -> tuple[str, str]:
    seen = failure(observation)
    return seen.kind, seen.detail


# The same exchange over the wire and over httpx, on a real server.


@pytest.fixture(scope="module")
def server(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[nginx.Nginx]:
    """nginx: HTTP/1.1, TLS with HTTP/2 by ALPN, HTTP/2 in clear text, a proxy to the first."""
    folder = tmp_path_factory.mktemp("nginx")
    pem = certificate("DNS:localhost,IP:127.0.0.1")
    upload = "location = /upload { proxy_pass http://127.0.0.1:{port0}/made; }"
    common = f"root {folder}/html; {nginx.LOCATIONS} {upload}"
    tls = f"ssl_certificate {pem}; ssl_certificate_key {pem};"
    servers = f"""
server {{ listen 127.0.0.1:{{port0}}; {common} }}
server {{ listen 127.0.0.1:{{port1}} ssl http2; {tls} {common} }}
server {{ listen 127.0.0.1:{{port2}} http2; {common} }}
server {{
  listen 127.0.0.1:{{port3}};
  location / {{
    proxy_pass http://127.0.0.1:{{port0}};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
  }}
}}
"""
    with nginx.running(folder, servers, ports=4) as running:
        yield running


ROUTES = ["http2", "http2 in clear", "forwarded", "forwarded by nginx", "tunnel", "tunnel http2"]

EXCHANGES = [
    Request(method="GET", target="/plain"),
    Request(method="GET", target="/echo/a/../b?x=%2F&y=/../"),
    Request(method="GET", target="/echo//x", headers=(("X-A", "1"), ("Cookie", "c=d; e=f"))),
    Request(method="GET", target="/echo", headers=(("x-a", "\xff"),)),
    Request(method="HEAD", target="/plain"),
    Request(method="HEAD", target="/packed", headers=(("Accept-Encoding", "gzip"),)),
    Request(method="GET", target="/empty"),
    Request(method="GET", target="/gone"),
    Request(method="GET", target="/packed", headers=(("Accept-Encoding", "gzip"),)),
    Request(method="GET", target="/chunked"),
    Request(method="GET", target="/big"),
    Request(method="GET", target="/odd"),
    Request(method="GET", target="/cookie"),
    Request(method="GET", target="/redirect"),
    Request(method="POST", target="/made", body=b"{}"),
    Request(method="POST", target="/made", headers=(("Transfer-Encoding", "chunked"),), body=b"x"),
    Request(method="PUT", target="/upload", body=b"x" * 300_000),
    Request(method="DELETE", target="/made", headers=(("Content-Length", "0"),)),
    Request(method="OPTIONS", target="/plain"),
    Request(method="GET", target="/plain", headers=(("Range", "bytes=0-0"), ("TE", "trailers"))),
]

_OF_THE_CONNECTION = ("connection", "date", "keep-alive", "transfer-encoding")
"""HTTP/2 has none of these but `Date`, and that differs by the second."""


def plain(observation: Observation) -> tuple[int, Counter[tuple[str, str]], bytes, bool]:
    assert isinstance(observation, Answer), observation
    answer = observation.response
    fields = [(name.lower(), value) for name, value in answer.headers]
    kept = Counter(field for field in fields if field[0] not in _OF_THE_CONNECTION)
    return answer.status, kept, answer.body, answer.truncated


@nginx.needs_nginx
@pytest.mark.parametrize("route", ROUTES)
def test_the_same_answers_as_on_the_wire(
    run: Run,
    server: nginx.Nginx,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    route: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate("DNS:localhost,IP:127.0.0.1")))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # never read
    tls = route in ("http2", "tunnel", "tunnel http2")
    number = 2 if route == "http2 in clear" else int(tls)
    same = server.target(1, "https") if tls else server.target(0)
    # One Host for all, so that /echo says the same.
    headers = (("Host", "api.test"),)
    same = replace(same, keep_host=True)

    async def main() -> None:
        async with forwarding() as between:
            target = replace(
                server.target(number, "https" if tls else "http", keep_host=True),
                http2="http2" in route,
                proxy=None if route.startswith("http2") else between.proxy(),
            )
            if route == "forwarded by nginx":
                by = Proxy(scheme="http", host="127.0.0.1", port=server.ports[3])
                target = replace(target, proxy=by)
            limits = Limits(timeout_s=10)
            async with (
                Wire(same, limits=limits) as wire,
                HttpxService(target, limits=limits) as service,
            ):
                for request in EXCHANGES:
                    asked = Request(
                        method=request.method,
                        target=request.target,
                        headers=headers + request.headers,
                        body=request.body,
                    )
                    safe = request.method == "GET"
                    theirs = await ask(service, asked, safe=safe)
                    assert plain(theirs) == plain(await ask(wire, asked, safe=safe))
            assert bool(between.heads) == (route in ("forwarded", "tunnel", "tunnel http2"))

    run(main())


@nginx.needs_nginx
def test_nothing_is_followed_kept_or_decoded(run: Run, server: nginx.Nginx) -> None:
    target = server.target(2, http2=True)

    async def main() -> None:
        async with HttpxService(target) as service:
            moved = await ask(service, Request(method="GET", target="/redirect"))
            assert isinstance(moved, Answer)
            assert moved.response.status == 302
            assert isinstance(await ask(service, Request(method="GET", target="/cookie")), Answer)
            echo = body(await ask(service, Request(method="GET", target="/echo")))
            assert echo == f"GET /echo|||{target.authority}".encode()
            packed = Request(method="GET", target="/packed", headers=(("Accept-Encoding", "gzip"),))
            assert body(await ask(service, packed)).startswith(b"\x1f\x8b")

    run(main())


@nginx.needs_nginx
def test_http2_is_chosen_or_missed(
    run: Run,
    server: nginx.Nginx,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = certificate("DNS:localhost,IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    without = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    without.load_cert_chain(path)

    async def main() -> None:
        target = server.target(1, "https", http2=True)
        assert await probe(target) is None
        async with HttpxService(target) as service:
            version = await ask(service, Request(method="GET", target="/version"))
            assert body(version) == b"HTTP/2.0"
        async with serve(answering(OK), without) as old:
            target = replace(old.target(), http2=True)
            seen = await probe(target)
            missing = f"{target.authority} does not speak HTTP/2"
            assert seen == NoAnswer(kind="protocol", detail=missing)
            async with HttpxService(target) as service:
                detail = "the service chose HTTP/1.1, not HTTP/2"
                assert said(await get(service)) == ("protocol", detail)

    run(main())


@nginx.needs_nginx
def test_no_request_is_lost_where_a_server_goes_away_after_some(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nginx says so before it answers the last request; ours is never the last."""
    monkeypatch.setattr(through_httpx, "_REQUESTS", 5)
    servers = (
        f"server {{ listen 127.0.0.1:{{port0}} http2; keepalive_requests 6; {nginx.LOCATIONS} }}"
    )
    with nginx.running(tmp_path, servers) as running:

        async def main() -> None:
            async with HttpxService(running.target(http2=True)) as service:
                for _ in range(20):
                    seen = await ask(service, Request(method="GET", target="/plain"), safe=False)
                    assert body(seen) == b"ok"

        run(main())
    assert running.requests() == ["GET /plain 200"] * 20


@nginx.needs_nginx
@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("http2", [True, False], ids=["http2", "forwarded"])
def test_a_request_at_the_moment_an_idle_connection_is_closed(
    run: Run, tmp_path: Path, http2: bool, safe: bool
) -> None:
    """nginx closes after 50 ms; whatever becomes of a request, the service sees it once."""
    listen = "listen 127.0.0.1:{port0} http2" if http2 else "listen 127.0.0.1:{port0}"
    servers = f"server {{ {listen}; keepalive_timeout 50ms; {nginx.LOCATIONS} }}"
    method = "GET" if safe else "POST"
    lost = 0
    with nginx.running(tmp_path, servers) as running:

        async def main() -> None:
            nonlocal lost
            async with forwarding() as between:
                proxy = None if http2 else between.proxy()
                target = replace(running.target(), http2=http2, proxy=proxy)
                async with HttpxService(target) as http:
                    for step in range(30):
                        request = Request(method=method, target=f"/echo/{step}")
                        seen = await ask(http, request, safe=safe)
                        if isinstance(seen, NoAnswer):
                            assert not safe
                            lost += 1
                        # The idle time is what is tested here.
                        await asyncio.sleep(0.045 + 0.0003 * step)

        run(main())
    asked = [line.split()[1] for line in running.requests()]
    assert len(asked) == len(set(asked))
    assert len(asked) >= 30 - lost


def test_a_service_that_speaks_only_http1(run: Run) -> None:
    async def main() -> None:
        refused = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"

        async def script(peer: Peer) -> None:
            if await peer.hello():
                await peer.send(refused)

        async with serve(script) as service:
            target = over_http2(service.target())
            missing = f"{target.authority} does not speak HTTP/2"
            assert await probe(target) == NoAnswer(kind="protocol", detail=missing)
            async with HttpxService(target) as http:
                seen = said(await get(http))
                assert seen == ("reset", "closed before the head of an answer")

    run(main())


# HTTP/2, as a script.


def over_http2(target: Target) -> Target:
    return replace(target, http2=True)


def test_what_is_sent_over_http2(run: Run) -> None:
    seen: list[Asked] = []

    async def script(streams: Streams) -> None:
        while asked := await streams.request():
            seen.append(asked)
            await streams.answer(asked)

    recorded = Request(
        method="post",
        target="/a/../b%2f?x",
        headers=(
            ("Host", "recorded.test"),
            ("X-B", "2"),
            ("x-a", "1"),
            ("X-B", "3"),
            ("Connection", "keep-alive, X-Gone"),
            ("X-Gone", "1"),
            ("Transfer-Encoding", "chunked"),
        ),
        body=b"\0\xff",
    )

    async def main() -> str:
        async with serve(speaking(script)) as service:
            target = over_http2(service.target())
            async with HttpxService(target) as http:
                assert body(await ask(http, recorded, safe=False)) == b"ok"
                assert body(await get(http)) == b"ok"
            assert service.accepted == 1
            return target.authority

    authority = run(main()).encode()
    assert seen[0].fields == [
        (b":method", b"post"),
        (b":authority", authority),
        (b":scheme", b"http"),
        (b":path", b"/a/../b%2f?x"),
        (b"x-b", b"2"),
        (b"x-a", b"1"),
        (b"x-b", b"3"),
    ]
    assert seen[0].body == b"\0\xff"
    assert seen[1].fields[4:] == []


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (Request(method="GET", target="/\xc3\xa9"), "not an ASCII request target"),
        (Request(method="G(T", target="/"), "not a method"),
        (Request(method="GET", target="/", headers=(("X(", "1"),)), "not a header name"),
        (Request(method="GET", target="/", headers=(("X", "a\x01"),)), "control character"),
        (Request(method="GET", target="/", truncated=True), "cut"),
        (Request(method="GET", target="/", headers=(("Host", "a"), ("host", "b"))), "one Host"),
    ],
)
def test_what_cannot_be_carried_is_refused(request_: Request, detail: str) -> None:
    target = Target(
        side="baseline", name="go", scheme="http", host="h", port=1, http2=True, keep_host=True
    )
    with pytest.raises(Unsendable, match=detail):
        HttpxService(target).render(request_)


def test_timing_is_on_the_performance_counter(run: Run) -> None:
    async def main() -> None:
        async with serve(speaking(answer_all)) as service:
            assert await probe(over_http2(service.target())) is None
            async with HttpxService(over_http2(service.target())) as http:
                before = time.perf_counter()
                seen = await get(http)
                late = await ask(http, Request(method="GET", target="/"), due=before - 1)
                after = time.perf_counter()
        assert seen.timing is not None
        assert late.timing is not None
        assert before <= seen.timing.sent == seen.timing.due <= seen.timing.done
        assert seen.timing.done <= late.timing.sent <= late.timing.done <= after
        assert late.timing.due == before - 1

    run(main())


def test_a_body_beyond_the_bound_is_cut_and_its_connection_closed(run: Run) -> None:
    async def script(streams: Streams) -> None:
        while asked := await streams.request():
            await streams.begin(asked, body=b"x" * 50_000)

    async def main() -> None:
        async with serve(speaking(script)) as service:
            limits = Limits(max_body=1000)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                for _ in range(2):
                    seen = await get(http)
                    assert body(seen) == b"x" * 1000
                    assert isinstance(seen, Answer)
                    assert seen.response.truncated
            assert service.accepted == 2

    run(main())


async def _reset(streams: Streams, asked: Asked) -> None:
    await streams.reset(asked)


async def _reset_later(streams: Streams, asked: Asked) -> None:
    await streams.begin(asked, fields=[(b"content-length", b"9")], body=b"four")
    await streams.reset(asked)


async def _close_later(streams: Streams, asked: Asked) -> None:
    await streams.begin(asked, body=b"four")
    streams.peer.close()


async def _go_away(streams: Streams, asked: Asked) -> None:
    del asked
    await streams.go_away(ErrorCodes.ENHANCE_YOUR_CALM)


async def _garbage(streams: Streams, asked: Asked) -> None:
    del asked
    await streams.peer.send(bytes(9))  # DATA on stream 0


async def _garbage_later(streams: Streams, asked: Asked) -> None:
    await streams.begin(asked, body=b"four")
    await streams.peer.send(bytes(9))  # DATA on stream 0


async def _silence(streams: Streams, asked: Asked) -> None:
    del streams, asked


async def _half(streams: Streams, asked: Asked) -> None:
    await streams.begin(asked, fields=[(b"content-length", b"9")], body=b"four")


@pytest.mark.parametrize(
    ("end", "kind", "detail"),
    [
        (_reset, "reset", "reset (INTERNAL_ERROR) before the head of an answer"),
        (_reset_later, "reset", "reset (INTERNAL_ERROR) after 4 of 9 bytes of body"),
        (_close_later, "reset", "closed after 4 bytes of body"),
        (_go_away, "reset", "reset (ENHANCE_YOUR_CALM) before the head of an answer"),
        (_garbage, "protocol", ""),
        (_garbage_later, "protocol", ""),
        (_silence, "timeout", "total: 0.3 s passed before the head of an answer"),
        (_half, "timeout", "total: 0.3 s passed after 4 of 9 bytes of body"),
    ],
)
def test_no_answer_over_http2(run: Run, end: Any, kind: str, detail: str) -> None:
    async def script(streams: Streams) -> None:
        asked = await streams.request()
        assert asked is not None
        await end(streams, asked)
        await streams.peer.closed()

    async def main() -> None:
        async with serve(speaking(script)) as service:
            limits = Limits(timeout_s=0.3 if kind == "timeout" else 5)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                for _ in range(2):
                    seen = failure(await get(http))
                    assert seen.kind == kind
                    assert detail in seen.detail
            # And the connection is not used again.
            assert service.accepted == 2

    run(main())


def test_an_answer_before_a_large_request_is_sent_is_missed(run: Run) -> None:
    """httpcore sends the whole request before it reads: the module says so."""
    request = Request(method="POST", target="/", body=b"x" * 100_000)

    async def refuse(peer: Peer) -> None:
        streams = Streams(peer)
        await streams.open()
        data = b""
        while b"xxx" not in data:
            data = await peer.hello()
            streams.h2.receive_data(data)
        await streams.answer(Asked(1, []), 413)
        await peer.closed()

    async def main() -> None:
        async with serve(refuse) as service:
            limits = Limits(timeout_s=0.3)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                kind, detail = said(await ask(http, request, safe=False))
                assert kind == "timeout"
                assert detail == "total: 0.3 s passed before the head of an answer"

    run(main())


# Kept-alive connections that the service closes.


@pytest.mark.parametrize("safe", [True, False])
def test_only_a_safe_request_that_a_reused_connection_lost_is_sent_again(
    run: Run, safe: bool
) -> None:
    seen: list[int] = []

    async def script(streams: Streams) -> None:
        while asked := await streams.request():
            seen.append(streams.peer.number)
            if streams.peer.number == 1 and len(seen) == 2:
                return
            await streams.answer(asked)

    async def main() -> None:
        async with (
            serve(speaking(script)) as service,
            HttpxService(over_http2(service.target())) as http,
        ):
            assert body(await get(http, safe=safe)) == b"ok"
            second = await get(http, safe=safe)
            if safe:
                assert body(second) == b"ok"
            else:
                assert failure(second).kind == "reset"
                assert "not sent twice" in failure(second).detail

    run(main())
    assert seen == ([1, 1, 2] if safe else [1, 1])


@pytest.mark.parametrize("safe", [True, False])
def test_a_lost_request_behind_a_proxy_is_sent_again_if_it_is_safe(run: Run, safe: bool) -> None:
    seen: list[int] = []

    async def script(peer: Peer) -> None:
        while await peer.request():
            seen.append(peer.number)
            if seen == [1, 1]:
                return
            await peer.send(OK)

    async def main() -> None:
        async with forwarding() as between, serve(script) as service:
            target = replace(service.target(), proxy=between.proxy())
            async with HttpxService(target) as http:
                assert body(await get(http, safe=safe)) == b"ok"
                second = await get(http, safe=safe)
                if safe:
                    assert body(second) == b"ok"
                else:
                    kind, detail = said(second)
                    assert kind == "reset"
                    assert detail.startswith("closed before the head of an answer; ")
                    assert detail.endswith("not sent twice")

    run(main())
    assert seen == ([1, 1, 2] if safe else [1, 1])


def test_a_stream_that_the_service_ended_is_not_sent_again(run: Run) -> None:
    seen: list[int] = []

    async def script(streams: Streams) -> None:
        while asked := await streams.request():
            seen.append(streams.peer.number)
            if len(seen) == 2:
                await streams.reset(asked)
            else:
                await streams.answer(asked)

    async def main() -> None:
        async with (
            serve(speaking(script)) as service,
            HttpxService(over_http2(service.target())) as http,
        ):
            assert body(await get(http)) == b"ok"
            assert failure(await get(http)).kind == "reset"
            assert body(await get(http)) == b"ok"

    run(main())
    assert seen == [1, 1, 2]


def test_a_new_connection_where_that_is_asked_for(run: Run) -> None:
    async def main() -> None:
        async with serve(speaking(answer_all)) as service:
            async with HttpxService(over_http2(service.target())) as http:
                message = http.render(Request(method="GET", target="/"))
                for fresh in (False, False, True):
                    seen = await http.send(message, method="GET", safe=True, fresh=fresh)
                    assert body(seen) == b"ok"
            assert service.accepted == 2

    run(main())


def test_an_unsafe_request_takes_no_connection_that_was_idle_for_long(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(through_httpx, "UNSAFE_IDLE_S", 0)

    async def main() -> None:
        async with (
            serve(speaking(answer_all)) as service,
            HttpxService(over_http2(service.target())) as http,
        ):
            for safe, accepted in ((True, 1), (True, 1), (False, 2)):
                assert body(await get(http, safe=safe)) == b"ok"
                assert service.accepted == accepted

    run(main())


# Many at once, giving up, closing.


def test_the_cap_on_connections_and_waiting_for_one(run: Run) -> None:
    async def main() -> None:
        async with serve(speaking(answer_all)) as service:
            limits = Limits(connections=3, timeout_s=2)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                seen = await asyncio.gather(*(get(http) for _ in range(20)))
                assert [body(one) for one in seen] == [b"ok"] * 20
                assert service.accepted == 3
            limits = Limits(connections=1, timeout_s=0.05)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                async with http._slots:  # stands for a request in flight
                    waited = said(await get(http))
                assert waited == ("timeout", "pool: no free connection within 0.05 s")

    run(main())


def test_giving_up_closes_the_connection_and_frees_its_place(run: Run) -> None:
    arrived, left = asyncio.Event(), asyncio.Event()

    async def script(streams: Streams) -> None:
        while asked := await streams.request():
            if streams.peer.number == 1:
                arrived.set()
                await streams.peer.closed()
                left.set()
                return
            await streams.answer(asked)

    async def main() -> None:
        async with serve(speaking(script)) as service:
            limits = Limits(connections=1)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                sending = asyncio.ensure_future(get(http))
                await arrived.wait()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                await left.wait()
                assert body(await get(http)) == b"ok"

    run(main())


def test_giving_up_in_the_handshake_leaves_nothing_open(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            target = parse_target(url, side="baseline", name="go", option="--go", http2=True)
            async with HttpxService(target) as http:
                sending = asyncio.ensure_future(get(http))
                peer, _ = await loop.sock_accept(silent)
                with peer:
                    assert await loop.sock_recv(peer, 65536)
                    sending.cancel()
                    while await loop.sock_recv(peer, 65536):
                        pass
                with pytest.raises(asyncio.CancelledError):
                    await sending

    run(main())


def test_closing_cancels_what_is_in_flight_and_refuses_more(run: Run) -> None:
    arrived = asyncio.Event()

    async def script(streams: Streams) -> None:
        await streams.request()
        arrived.set()
        await streams.peer.closed()

    async def main() -> None:
        async with serve(speaking(script)) as service:
            limits = Limits(connections=1)
            async with HttpxService(over_http2(service.target()), limits=limits) as http:
                sending = [asyncio.ensure_future(get(http)) for _ in range(2)]
                await arrived.wait()
            await asyncio.gather(*sending, return_exceptions=True)
            assert all(one.cancelled() for one in sending)
            with pytest.raises(RuntimeError, match="closed"):
                await get(http)

    run(main())


def test_there_is_no_short_cut(run: Run) -> None:
    target = Target(side="baseline", name="go", scheme="http", host="h", port=1, http2=True)
    called: list[Observation | None] = []

    async def main() -> None:
        async with HttpxService(target) as http:
            message = http.render(Request(method="GET", target="/"))
            assert not http.start(message, method="GET", safe=True, due=None, done=called.append)

    run(main())
    assert called == []


# Not reached at all.


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_listens(run: Run) -> None:
    port = closed_port()

    async def main() -> None:
        target = Target(
            side="baseline", name="go", scheme="http", host="127.0.0.1", port=port, http2=True
        )
        async with HttpxService(target) as http, Wire(target) as wire:
            for _ in range(2):
                seen = said(await get(http))
                assert seen == ("connect", f"127.0.0.1:{port}: Connection refused")
                theirs = await ask(wire, Request(method="GET", target="/"))
                assert seen == said(theirs)

    run(main())


@pytest.mark.parametrize("name", ["DNS:localhost,IP:127.0.0.1", "DNS:other.test"])
def test_a_certificate_that_proves_nothing(
    run: Run, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = certificate(name)
    if name == "DNS:other.test":
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.set_alpn_protocols(["h2"])

    async def main() -> None:
        async with serve(answering(OK), context) as service:
            target = over_http2(service.target())
            async with HttpxService(target) as http, Wire(service.target()) as wire:
                kind, detail = said(await get(http))
                assert kind == "tls"
                assert detail.startswith("certificate refused: ")
                theirs = await ask(wire, Request(method="GET", target="/"))
                assert (kind, detail) == said(theirs)

    run(main())


def test_tls_that_fails_otherwise(run: Run) -> None:
    async def speaks_http(peer: Peer) -> None:
        await peer.hello()
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.closed()

    async def hangs_up(peer: Peer) -> None:
        await peer.hello()

    async def main() -> None:
        for script in (speaks_http, hangs_up):
            async with serve(script) as service:
                target = replace(service.target(), scheme="https", http2=True)
                async with HttpxService(target) as http:
                    assert failure(await get(http)).kind == "tls"

    run(main())


def test_a_handshake_that_never_ends_is_a_connect_timeout(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            target = parse_target(url, side="baseline", name="go", option="--go", http2=True)
            async with HttpxService(target, limits=Limits(connect_s=0.1)) as http:
                seen = said(await get(http))
        assert seen == ("timeout", "connect: no connection within 0.1 s")

    run(main())


def test_out_of_file_descriptors_is_the_operators_matter(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(speaking(answer_all)) as service,
            HttpxService(over_http2(service.target())) as http,
        ):
            with no_descriptor_left(), pytest.raises(UnfinishedError):
                await get(http)
            assert body(await get(http)) == b"ok"

    run(main())


# Proxies.


def test_what_a_proxy_and_the_service_behind_it_see(run: Run) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            await peer.send(OK)

    recorded = Request(
        method="POST",
        target="/a/../b?x=%2F",
        headers=(("X-B", "1"), ("x-a", "2"), ("X-B", "3"), ("Proxy-Authorization", "recorded")),
        body=b"{}",
    )

    async def main() -> tuple[str, list[bytes]]:
        async with forwarding() as between, serve(script) as service:
            proxy = between.proxy("me:p%40ss@")
            target = replace(service.target(), proxy=proxy)
            async with HttpxService(target) as http:
                assert body(await ask(http, recorded, safe=False)) == b"ok"
                options = Request(method="OPTIONS", target="*")
                assert body(await ask(http, options)) == b"ok"
            assert service.accepted == 1
            assert await probe(target) is None
            return target.authority, between.heads

    authority, heads = run(main())
    basic = base64.b64encode(b"me:p@ss").decode()
    assert seen[0].decode() == (
        f"POST http://{authority}/a/../b?x=%2F HTTP/1.1\r\n"
        f"Host: {authority}\r\nProxy-Authorization: Basic {basic}\r\n"
        "X-B: 1\r\nx-a: 2\r\nX-B: 3\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert seen[1].startswith(f"OPTIONS http://{authority} HTTP/1.1\r\n".encode())
    assert len(heads) == 1


def test_a_tunnel_hides_the_request_from_the_proxy(
    run: Run, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate("DNS:localhost,IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            seen.append(request)
            await peer.send(OK)

    async def main() -> tuple[str, list[bytes]]:
        async with forwarding() as between, serve(script, context) as service:
            target = replace(service.target("localhost"), proxy=between.proxy("me:secret@"))
            async with HttpxService(target) as http:
                for _ in range(2):
                    path = Request(method="GET", target="/a/../b")
                    assert body(await ask(http, path)) == b"ok"
            return target.authority, between.heads

    authority, heads = run(main())
    assert seen == [f"GET /a/../b HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()] * 2
    assert len(heads) == 1
    assert heads[0].startswith(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode())
    assert b"Proxy-Authorization: Basic " in heads[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_spoken_to_over_tls(
    run: Run, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    path = certificate("DNS:localhost,IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    async def main() -> None:
        async with (
            forwarding(tls=context) as between,
            serve(answering(OK), context if scheme == "https" else None) as service,
        ):
            proxy = between.proxy("me:secret@", "https")
            target = replace(service.target(verify_tls=False), proxy=proxy)
            monkeypatch.delenv("SSL_CERT_FILE", raising=False)
            async with HttpxService(target) as http:
                kind, detail = said(await get(http))  # the proxy is verified all the same
                assert kind == "connect"
                assert detail.startswith("proxy certificate refused: ")
            assert between.heads == []
            monkeypatch.setenv("SSL_CERT_FILE", str(path))
            async with HttpxService(target) as http:
                for _ in range(2):
                    assert body(await get(http)) == b"ok"
            assert await probe(target) is None
            assert len(between.heads) == 1

    run(main())


REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("refusal", "kind", "detail"),
    [
        (REFUSED, "connect", "proxy 127.0.0.1:{port}: 407 Proxy Authentication Required"),
        (b"SSH-2.0\r\n\r\n", None, ""),
    ],
)
def test_a_proxy_that_refuses(
    run: Run, scheme: str, refusal: bytes, kind: str | None, detail: str
) -> None:
    async def main() -> None:
        async with forwarding(refusal) as between:
            url = f"{scheme}://127.0.0.1:{closed_port()}"
            target = parse_target(
                url, side="baseline", name="go", option="--go", proxy=between.proxy()
            )
            async with HttpxService(target) as http:
                seen = failure(await get(http))
                assert seen.kind == (kind or ("protocol" if scheme == "http" else "connect"))
                assert detail.format(port=between.port) in seen.detail

    run(main())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(run: Run, scheme: str) -> None:
    port = closed_port()

    async def main() -> None:
        proxy = Proxy(scheme="http", host="127.0.0.1", port=port, password="s3cret")
        url = f"{scheme}://service.invalid"
        target = parse_target(url, side="baseline", name="go", option="--go", proxy=proxy)
        async with HttpxService(target) as http:
            seen = said(await get(http))
        assert seen == ("connect", f"proxy 127.0.0.1:{port}: Connection refused")
        probed = await probe(target)
        assert probed == NoAnswer(kind="connect", detail=f"127.0.0.1:{port}: Connection refused")
        assert "s3cret" not in repr(target)

    run(main())


def test_a_proxy_that_never_opens_the_tunnel_is_a_connect_timeout(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            proxy = Proxy(scheme="http", host="127.0.0.1", port=silent.getsockname()[1])
            target = parse_target(
                "https://service.invalid", side="baseline", name="go", option="--go", proxy=proxy
            )
            async with HttpxService(target, limits=Limits(connect_s=0.1)) as http:
                seen = said(await get(http))
        assert seen == ("timeout", "connect: no connection within 0.1 s")

    run(main())


def test_what_a_service_behind_a_tunnel_answers_is_its_own(
    run: Run, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate("DNS:localhost,IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)

    async def main() -> None:
        async with forwarding() as between, serve(answering(REFUSED), context) as service:
            target = replace(service.target(), proxy=between.proxy())
            async with HttpxService(target) as http:
                seen = await get(http)
        assert isinstance(seen, Answer)
        assert seen.response.status == 407

    run(main())


def test_a_service_behind_a_tunnel_whose_certificate_proves_nothing(
    run: Run, certificate: Certificate
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate("DNS:localhost"))

    async def main() -> None:
        async with forwarding() as between, serve(answering(OK), context) as service:
            target = replace(service.target(), proxy=between.proxy())
            async with HttpxService(target) as http:
                kind, detail = said(await get(http))
        assert kind == "tls"
        assert detail.startswith("certificate refused: ")

    run(main())


# Which transport.


def test_the_wire_unless_httpx_is_needed() -> None:
    target = parse_target("http://h", side="baseline", name="go", option="--go")
    proxy = Proxy(scheme="http", host="h", port=1)
    assert isinstance(open_service(target, Limits()), Wire)
    assert isinstance(open_service(replace(target, http2=True), Limits()), HttpxService)
    assert isinstance(open_service(replace(target, proxy=proxy), Limits()), HttpxService)
