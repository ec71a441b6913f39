"""The wire against a real nginx: its framing, its early answers, its closes, its TLS."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shadow.model import Answer, NoAnswer, Observation, Request, Response, header
from shadow.sending.limits import Limits
from shadow.sending.rewrite import render
from shadow.sending.wire import Wire
from tests.sending import nginx
from tests.sending.service import Run

pytestmark = nginx.needs_nginx

Certificate = Callable[[str], Path]


async def ask(
    wire: Wire,
    target: str,
    *headers: tuple[str, str],
    method: str = "GET",
    body: bytes = b"",
    safe: bool = True,
) -> Observation:
    request = Request(method=method, target=target, headers=headers, body=body)
    return await wire.send(render(request, wire.target), method=method, safe=safe)


def answered(observation: Observation) -> Response:
    assert isinstance(observation, Answer), observation
    return observation.response


def failed(observation: Observation) -> tuple[str, str]:
    assert isinstance(observation, NoAnswer), observation
    return observation.kind, observation.detail


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nginx.Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    servers = f"server {{ listen 127.0.0.1:{{port0}}; root {folder}/html; {nginx.LOCATIONS} }}"
    with nginx.running(folder, servers) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/plain", (200, b"ok")),
        ("HEAD", "/plain", (200, b"")),
        ("HEAD", "/small", (200, b"")),
        ("HEAD", "/chunked", (200, b"")),
        ("GET", "/empty", (204, b"")),
        ("GET", "/chunked", (200, nginx.SMALL)),
        ("GET", "/small", (200, nginx.SMALL)),
        ("GET", "/big", (200, bytes(nginx.BIG))),
        ("POST", "/made", (201, b"made")),
        ("GET", "/echo/a/../b?x=%2F", (200, b"GET /echo/a/../b?x=%2F|||api.test")),
    ],
)
def test_each_framing_leaves_the_connection_in_step(
    run: Run, server: nginx.Nginx, method: str, target: str, expected: tuple[int, bytes]
) -> None:
    """A second request on the connection gets its own answer, not the rest of the first."""

    async def main() -> None:
        async with Wire(server.target(keep_host=True)) as wire:
            host = ("Host", "api.test")
            for _ in range(2):
                seen = answered(await ask(wire, target, host, method=method, safe=False))
                assert (seen.status, seen.body) == expected
                assert answered(await ask(wire, "/plain", host)).body == b"ok"
            assert wire.connections == 1

    run(main())


def test_a_body_stays_packed(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target()) as wire:
            seen = answered(await ask(wire, "/packed", ("Accept-Encoding", "gzip")))
        assert header(seen.headers, "content-encoding") == "gzip"
        assert header(seen.headers, "transfer-encoding") == "chunked"
        assert gzip.decompress(seen.body) == nginx.SMALL

    run(main())


def test_not_modified_and_a_range(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target()) as wire:
            first = answered(await ask(wire, "/small"))
            etag = header(first.headers, "etag")
            assert etag
            same = answered(await ask(wire, "/small", ("If-None-Match", etag)))
            assert (same.status, same.body) == (304, b"")
            part = answered(await ask(wire, "/small", ("Range", "bytes=0-3")))
            assert (part.status, part.body) == (206, nginx.SMALL[:4])
            assert wire.connections == 1

    run(main())


def test_an_early_refusal_of_a_large_body(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target()) as wire:
            for _ in range(3):
                body = b"x" * (8 << 20)
                seen = await ask(wire, "/limited", method="POST", body=body, safe=False)
                assert answered(seen).status == 413
            assert answered(await ask(wire, "/plain")).body == b"ok"

    run(main())


def test_nobody_waits_for_100_continue(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target(), limits=Limits(timeout_s=5)) as wire:
            seen = await ask(
                wire, "/made", ("Expect", "100-continue"), method="POST", body=b"x", safe=False
            )
            assert answered(seen).status == 201

    run(main())


def test_a_head_that_is_too_large_for_the_service(run: Run, server: nginx.Nginx) -> None:
    """nginx answers 400 and closes; that is an answer, and the next request another connection."""

    async def main() -> None:
        async with Wire(server.target()) as wire:
            for _ in range(2):
                seen = answered(await ask(wire, "/plain", ("X-Large", "x" * 100_000)))
                assert seen.status == 400
            assert answered(await ask(wire, "/" + "a" * 100_000)).status == 414
            assert answered(await ask(wire, "/plain")).body == b"ok"

    run(main())


def test_a_close_without_an_answer(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target()) as wire:
            for safe in (False, True):
                kind, detail = failed(await ask(wire, "/drop", safe=safe))
                assert kind == "reset"
                assert detail.startswith("closed before the first byte of an answer")

    run(main())


def test_a_slow_answer_runs_into_the_timeout(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target(), limits=Limits(timeout_s=0.3)) as wire:
            kind, detail = failed(await ask(wire, "/slow"))
            assert kind == "timeout"
            assert detail.startswith("total: 0.3 s passed after ")
            assert detail.endswith(" of 100000 bytes of body")
            assert answered(await ask(wire, "/plain")).body == b"ok"

    run(main())


def test_answers_that_end_with_the_connection(run: Run, tmp_path: Path) -> None:
    """No keep-alive and no chunks: the body lasts until the close."""
    servers = (
        "server { listen 127.0.0.1:{port0}; keepalive_timeout 0; chunked_transfer_encoding off; "
        f"root {tmp_path}/html; {nginx.LOCATIONS} }}"
    )
    with nginx.running(tmp_path, servers) as running:

        async def main() -> None:
            async with Wire(running.target()) as wire:
                for _ in range(2):
                    seen = answered(await ask(wire, "/chunked"))
                    assert header(seen.headers, "content-length") is None
                    assert header(seen.headers, "connection") == "close"
                    assert seen.body == nginx.SMALL
                assert wire.connections == 0

        run(main())
    assert running.requests() == ["GET /chunked 200"] * 2


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("keepalive", ["keepalive_requests 1;", "keepalive_requests 3;"])
def test_where_connections_end_after_some_requests_none_is_lost_or_sent_twice(
    run: Run, tmp_path: Path, keepalive: str, safe: bool
) -> None:
    method = "GET" if safe else "POST"
    servers = f"server {{ listen 127.0.0.1:{{port0}}; {keepalive} {nginx.LOCATIONS} }}"
    with nginx.running(tmp_path, servers) as running:

        async def lane(wire: Wire) -> None:
            for _ in range(25):
                assert answered(await ask(wire, "/made", method=method, safe=safe)).status == 201

        async def main() -> None:
            async with Wire(running.target(), limits=Limits(connections=4)) as wire:
                await asyncio.gather(*(lane(wire) for _ in range(8)))

        run(main())
    assert running.requests() == [f"{method} /made 201"] * 200


@pytest.mark.parametrize("safe", [True, False])
def test_a_request_at_the_moment_an_idle_connection_is_closed(
    run: Run, tmp_path: Path, safe: bool
) -> None:
    """nginx closes after 50 ms; requests come then, earlier and later by a few milliseconds.

    Whatever became of each, the service sees it once, and a safe one is never lost.
    """
    method = "GET" if safe else "POST"
    servers = f"server {{ listen 127.0.0.1:{{port0}}; keepalive_timeout 50ms; {nginx.LOCATIONS} }}"
    lost = 0
    with nginx.running(tmp_path, servers) as running:

        async def main() -> None:
            nonlocal lost
            async with Wire(running.target()) as wire:
                for step in range(40):
                    seen = await ask(wire, f"/echo/{step}", method=method, safe=safe)
                    if isinstance(seen, NoAnswer):
                        assert not safe
                        assert seen.detail.endswith("is not sent twice")
                        lost += 1
                    # The idle time is what is tested here.
                    await asyncio.sleep(0.045 + 0.00025 * step)

        run(main())
    asked = [line.split()[1] for line in running.requests()]
    assert len(asked) == len(set(asked))
    assert len(asked) >= 40 - lost


def test_a_slow_reader_gets_all_of_a_large_body(run: Run, server: nginx.Nginx) -> None:
    """Many large answers at once: each is read by turns, and all are whole."""

    async def main() -> None:
        async with Wire(server.target(), limits=Limits(connections=8)) as wire:
            seen = await asyncio.gather(*(ask(wire, "/big") for _ in range(16)))
            assert [len(answered(one).body) for one in seen] == [nginx.BIG] * 16
            assert wire.connections <= 8

    run(main())


# TLS: two names on one port, each with its own certificate.


@pytest.fixture(scope="module")
def names(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[nginx.Nginx, Path]]:
    folder = tmp_path_factory.mktemp("names")
    one, two = certificate("DNS:other.test"), certificate("DNS:localhost")
    trusted = folder / "trusted.pem"
    trusted.write_bytes(one.read_bytes() + two.read_bytes())
    servers = "".join(
        f"""
server {{
  listen 127.0.0.1:{{port0}} ssl;
  server_name {name};
  ssl_certificate {pem};
  ssl_certificate_key {pem};
  location / {{ return 200 '{name} $ssl_server_name'; }}
  location = /limited {{ client_max_body_size 1k; return 200 'ok'; }}
}}"""
        for name, pem in (("other.test", one), ("localhost", two))
    )
    with nginx.running(folder, servers) as running:
        yield running, trusted


def test_the_certificate_is_that_of_the_name_asked_for(
    run: Run, names: tuple[nginx.Nginx, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, trusted = names
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    async def main() -> None:
        async with Wire(running.target(0, "https", host="localhost")) as wire:
            for _ in range(2):
                assert answered(await ask(wire, "/")).body == b"localhost localhost"
            assert wire.connections == 1
        # With an address no name is sent, and the first certificate comes: that of other.test.
        async with Wire(running.target(0, "https")) as wire:
            kind, detail = failed(await ask(wire, "/"))
            assert kind == "tls"
            assert "certificate refused" in detail

    run(main())


def test_an_early_refusal_of_a_large_body_over_tls(
    run: Run, names: tuple[nginx.Nginx, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, trusted = names
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    async def main() -> None:
        async with Wire(running.target(0, "https", host="localhost")) as wire:
            for _ in range(3):
                body = b"x" * (8 << 20)
                seen = await ask(wire, "/limited", method="POST", body=body, safe=False)
                assert answered(seen).status == 413
            assert answered(await ask(wire, "/")).status == 200

    run(main())


def test_a_certificate_that_nobody_vouches_for(
    run: Run, names: tuple[nginx.Nginx, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    running, _ = names
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    async def main() -> None:
        async with Wire(running.target(0, "https", host="localhost")) as wire:
            assert failed(await ask(wire, "/"))[0] == "tls"
        target = running.target(0, "https", host="localhost", verify_tls=False)
        async with Wire(target) as wire:
            assert answered(await ask(wire, "/")).status == 200

    run(main())


def test_tls_to_a_plain_port(run: Run, server: nginx.Nginx) -> None:
    async def main() -> None:
        async with Wire(server.target(0, "https")) as wire:
            assert failed(await ask(wire, "/plain"))[0] == "tls"

    run(main())


def test_plain_http_to_a_tls_port_is_an_answer(run: Run, names: tuple[nginx.Nginx, Path]) -> None:
    async def main() -> None:
        async with Wire(names[0].target(0)) as wire:
            assert answered(await ask(wire, "/")).status == 400

    run(main())
