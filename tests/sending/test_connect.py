from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shadow.model import Answer, NoAnswer, Observation
from shadow.sending.limits import Limits
from shadow.sending.target import parse_target
from shadow.sending.wire import Wire
from tests.sending.service import GET, OK, Peer, Run, answering, serve

Certificate = Callable[[str], Path]
BOTH = "DNS:localhost,IP:127.0.0.1"


def presenting(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def ask(wire: Wire, method: str = "GET") -> Observation:
    return await wire.send(GET.replace(b"GET", method.encode()), method=method, safe=True)


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A service's TLS settings with a certificate that the system's store is made to hold."""
    path = certificate(BOTH)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return presenting(path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_verified_and_kept_open(run: Run, trusted: ssl.SSLContext, host: str) -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000

    async def main() -> None:
        script = answering(OK, large, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK)
        async with serve(script, trusted) as service, Wire(service.target(host)) as wire:
            answers = [await ask(wire, method) for method in ("GET", "GET", "HEAD", "GET")]
            bodies = [one.response.body for one in answers if isinstance(one, Answer)]
            assert bodies == [b"ok", b"x" * 1_000_000, b"", b"ok"]
            assert service.accepted == 1

    run(main())


def test_the_name_asked_for_is_the_targets(run: Run, trusted: ssl.SSLContext) -> None:
    names: list[str | None] = []
    trusted.sni_callback = lambda _socket, name, _context: names.append(name)

    async def main() -> None:
        async with (
            serve(answering(OK), trusted) as service,
            Wire(service.target("localhost")) as wire,
        ):
            assert isinstance(await ask(wire), Answer)

    run(main())
    assert names == ["localhost"]


@pytest.mark.parametrize("end", ["close", "close early"])
def test_a_close_over_tls(run: Run, trusted: ssl.SSLContext, end: str) -> None:
    head = b"Connection: close\r\n" if end == "close" else b"Content-Length: 99\r\n"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nthe end")

    async def main() -> Observation:
        async with serve(script, trusted) as service, Wire(service.target()) as wire:
            return await ask(wire)

    seen = run(main())
    if end == "close":
        assert isinstance(seen, Answer)
        assert seen.response.body == b"the end"
    else:
        assert isinstance(seen, NoAnswer)
        assert (seen.kind, seen.detail) == ("reset", "closed after 7 of 99 bytes of body")


@pytest.mark.parametrize(
    ("name", "detail"),
    [(BOTH, "self-signed certificate"), ("DNS:other.test", "IP address mismatch")],
)
def test_a_certificate_that_proves_nothing(
    run: Run,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    detail: str,
) -> None:
    path = certificate(name)
    if name != BOTH:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def main() -> None:
        async with serve(answering(OK), presenting(path)) as service:
            async with Wire(service.target(), limits=Limits(connections=1)) as wire:
                for _ in range(2):
                    seen = await ask(wire)
                    assert isinstance(seen, NoAnswer)
                    assert seen.kind == "tls"
                    assert seen.detail.startswith("certificate refused: ")
                    assert detail in seen.detail
            async with Wire(service.target(verify_tls=False)) as unverified:
                assert isinstance(await ask(unverified), Answer)

    run(main())


def test_plain_http_where_tls_was_asked_for(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.closed()

    async def main() -> None:
        async with serve(script) as service:
            target = parse_target(
                f"https://127.0.0.1:{service.port}", side="baseline", name="go", option="--go"
            )
            async with Wire(target) as wire:
                seen = await ask(wire)
        assert isinstance(seen, NoAnswer)
        assert seen.kind == "tls"
        assert seen.detail.startswith("handshake failed: ")

    run(main())


@pytest.mark.parametrize("reset", [False, True])
def test_a_close_during_the_handshake(
    run: Run,
    reset: bool,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.hello()
        if reset:
            peer.reset()

    async def main() -> None:
        async with serve(script) as service:
            target = parse_target(
                f"https://127.0.0.1:{service.port}", side="baseline", name="go", option="--go"
            )
            async with Wire(target) as wire:
                seen = await ask(wire)
        assert isinstance(seen, NoAnswer)
        assert seen.kind == "tls"
        assert "handshake" in seen.detail

    run(main())


def test_a_service_that_wants_a_client_certificate(run: Run, trusted: ssl.SSLContext) -> None:
    """In TLS 1.3 the refusal comes when the client believes the handshake is over."""
    trusted.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def service() -> None:
        peer, _ = listener.accept()
        with peer.dup() as kept_open:
            with pytest.raises(ssl.SSLError, match="peer did not return a certificate"):
                trusted.wrap_socket(peer, server_side=True)
            while kept_open.recv(65536):
                pass

    async def main() -> None:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with Wire(parse_target(url, side="baseline", name="go", option="--go")) as wire:
            seen = await ask(wire)
        assert isinstance(seen, NoAnswer)
        assert seen.kind == "tls", seen.detail
        assert "CERTIFICATE_REQUIRED" in seen.detail

    with listener, ThreadPoolExecutor() as threads:
        serving = threads.submit(service)
        run(main())
        serving.result()
