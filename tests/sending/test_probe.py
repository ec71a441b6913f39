from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from unittest.mock import AsyncMock, Mock

import pytest

from shadow.errors import UnfinishedError
from shadow.model import NoAnswer
from shadow.sending.denied import parse_denied
from shadow.sending.limits import Limits
from shadow.sending.probe import probe
from shadow.sending.target import Target, parse_target
from tests.sending.service import Peer, Run, serve


def target(scheme: str, port: int) -> Target:
    url = f"{scheme}://127.0.0.1:{port}"
    return parse_target(url, side="candidate", name="rust", option="--rust")


def test_something_listens(run: Run) -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        assert await peer.request() == b""
        left.set()

    async def main() -> None:
        async with serve(script) as service:
            assert await probe(service.target()) is None
            await left.wait()

    run(main())


def test_something_listens_and_hangs_up(run: Run) -> None:
    async def script(_: Peer) -> None:
        pass

    async def main() -> None:
        async with serve(script) as service:
            assert await probe(service.target()) is None

    run(main())


def test_a_second_connection_that_leads_elsewhere_gets_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding between the first connection and the one that asks for HTTP/2."""
    monkeypatch.setattr("shadow.sending.probe.connect", AsyncMock(return_value=Mock()))
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())

    async def main() -> None:
        async with serve(script) as service:
            rebound = replace(service.target(), http2=True, denied=parse_denied(["127.0.0.1"]))
            with pytest.raises(UnfinishedError, match="is on the list"):
                await probe(rebound)
            await asyncio.sleep(0.05)

    run(main())
    assert got in ([], [b""])


def test_nothing_listens(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    expected = NoAnswer(kind="connect", detail=f"127.0.0.1:{port}: Connection refused")
    assert run(probe(target("http", port))) == expected


def test_something_listens_that_speaks_no_tls(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        seen = run(probe(target("https", port), Limits(connect_s=0.05)))
    assert seen == NoAnswer(kind="timeout", detail="connect: no connection within 0.05 s")
