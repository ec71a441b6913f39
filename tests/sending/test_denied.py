from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from shadow.errors import ConfigError, UnfinishedError
from shadow.model import Request
from shadow.sending.choice import open_service
from shadow.sending.denied import NOTHING_DENIED, Denied, parse_denied
from shadow.sending.limits import Limits
from shadow.sending.safety import refuse_denied
from shadow.sending.target import Target, parse_target


def target(url: str, denied: Denied, **given: Any) -> Target:
    return parse_target(url, side="candidate", name="rust", option="--rust", denied=denied, **given)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("127.0.0.1", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("localhost", "127.0.0.1"),
        ("127.0.0.0/8", "127.1.2.3"),
        ("127.0.0.0/8", "2130706433"),
        ("127.0.0.1", "0x7f.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("[::1]", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.0/104", "127.1.2.3"),
        ("10.0.0.0/8", "64:ff9b::a00:5"),
        ("127.0.0.1", "0.0.0.0"),
        ("::1", "::"),
        ("0.0.0.0", "0.0.0.0"),
        ("*.prod.example.com", "api.PROD.example.com"),
        ("api.example.com", "API.example.com."),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_host_is_denied_in_any_spelling(entry: str, host: str) -> None:
    url = f"http://[{host}]:1" if ":" in host else f"http://{host}:1"
    with pytest.raises(ConfigError, match="is on the list") as caught:
        refuse_denied(target(url, parse_denied([entry])))
    assert entry in caught.value.message


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("*.example.com", "example.com"),
        ("example.com", "notexample.com"),
        ("10.0.0.0/8", "127.0.0.1"),
        ("::1", "127.0.0.1"),
        ("api.example.invalid", "localhost"),
    ],
)
def test_another_host_is_not(entry: str, host: str) -> None:
    refuse_denied(target(f"http://{host}:1", parse_denied([entry])))


def test_an_alias_is_denied_by_its_other_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        if host != "alias.test":
            raise socket.gaierror
        return [(2, 1, 6, "Prod.example.com", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ConfigError, match="is on the list"):
        refuse_denied(target("http://alias.test:1", parse_denied(["prod.example.com"])))
    refuse_denied(target("http://other.test:1", parse_denied(["prod.example.com"])))


@pytest.mark.parametrize("entry", ["http://a", "a b", "", "*.", "a/b", "u@h", "*"])
def test_what_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        parse_denied([entry])


@pytest.mark.parametrize("http2", [False, True])
def test_a_name_that_leads_elsewhere_later_gets_nothing(http2: bool) -> None:
    """DNS rebinding: the name was harmless when the list was read."""
    denied = parse_denied(["127.0.0.1"])

    async def story() -> int:
        got = 0
        closed = asyncio.Event()

        async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal got
            with contextlib.suppress(ConnectionError):
                got += len(await reader.read(1000))
            writer.close()
            closed.set()

        server = await asyncio.start_server(trap, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        rebound = target(f"http://localhost:{port}", denied, http2=http2)
        async with server, open_service(rebound, Limits()) as service:
            message = service.render(Request(method="GET", target="/"))
            with pytest.raises(UnfinishedError, match=r"led to 127\.0\.0\.1, which is on the list"):
                await service.send(message, method="GET", safe=True)
            await asyncio.wait_for(closed.wait(), 10)
        return got

    assert asyncio.run(story()) == 0


def test_nothing_is_denied_unless_it_is_listed() -> None:
    assert not parse_denied([])
    assert NOTHING_DENIED.of("localhost") == ""
