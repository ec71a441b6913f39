from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shadow.errors import UnfinishedError
from shadow.sidecar.ports import opening as module
from shadow.sidecar.ports.opening import Ports, Told, serve_until_told, served
from shadow.sidecar.ports.status import Readiness, status_app
from tests.sidecar.trial import ask

ANY = ("127.0.0.1", 0)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_ports_are_open_until_the_end() -> None:
    with Ports(ANY, status=ANY, admin=ANY) as ports:
        sockets = [ports.live, ports.status, ports.admin]
        assert all(each is not None for each in sockets)
        assert len({each.getsockname() for each in sockets if each}) == 3
        live, status, admin = ports.told("proxying go")
        assert live == f"proxying go on http://127.0.0.1:{ports.live.getsockname()[1]}"
        assert status.startswith("status and metrics on http://127.0.0.1:")
        assert admin.endswith("/-/live")
    assert all(each is not None and each.fileno() == -1 for each in sockets)


def test_what_is_off_is_not_told() -> None:
    with Ports(("::1", 0)) as ports:
        assert (ports.status, ports.admin) == (None, None)
        (line,) = ports.told("x")
        assert line.startswith("x on http://[::1]:")


@pytest.mark.parametrize("option", ["--listen", "--status", "--admin"])
def test_an_address_that_is_taken_is_named(option: str) -> None:
    with socket.create_server(ANY) as taken:
        places: dict[str, Any] = {"--listen": ANY, "--status": ANY, "--admin": ANY}
        places[option] = taken.getsockname()
        ports = Ports(places["--listen"], status=places["--status"], admin=places["--admin"])
        with pytest.raises(UnfinishedError) as refused, ports:
            pass
    assert refused.value.message.startswith(f"{option}: cannot listen on 127.0.0.1:")
    assert all(each.fileno() == -1 for each in ports._open.values())


def test_an_application_is_served_while_the_block_runs() -> None:
    async def story() -> None:
        readiness = Readiness()
        with socket.create_server(ANY) as listener:
            port = listener.getsockname()[1]
            async with served(status_app(readiness), listener, print):
                assert (await ask(port, "/-/healthz")).status == 200
                assert (await ask(port, "/-/readyz")).status == 503
                readiness.start()
                assert (await ask(port, "/-/readyz")).status == 200

    run(story)


def test_where_there_is_no_port_nothing_is_served() -> None:
    async def story() -> None:
        async with served(status_app(Readiness()), None, print):
            pass
        with socket.create_server(ANY) as listener:
            async with served(None, listener, print):
                pass

    run(story)


def test_a_port_that_fails_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("s3cr3t")

    monkeypatch.setattr(module, "serve_app", fail)
    told: list[str] = []

    async def story() -> None:
        with socket.create_server(ANY) as listener:
            async with served(status_app(Readiness()), listener, told.append):
                for _ in range(3):
                    await asyncio.sleep(0)

    run(story)
    (line,) = told
    assert line.startswith("the port 127.0.0.1:")
    assert "is served no more: RuntimeError at test_opening.py" in line
    assert "s3cr3t" not in line


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    async def story() -> None:
        with Told() as told:
            os.kill(os.getpid(), number)
            await told.end()
        assert asyncio.get_running_loop().remove_signal_handler(number) is False

    run(story)


def test_a_second_signal_ends_it_at_once() -> None:
    async def story() -> None:
        with Told() as told:
            started, ended = asyncio.Event(), asyncio.Event()

            async def forever() -> int:
                started.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()
                return 1

            os.kill(os.getpid(), signal.SIGTERM)
            await told.end()
            working = asyncio.ensure_future(told.unless_at_once(forever()))
            await started.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            assert await working is None
            assert ended.is_set()

            async def at_once() -> int:
                return 7

            assert await told.unless_at_once(at_once()) in {7, None}  # the signal is there still

    run(story)


class Server:
    """Stands for the live port."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.given_s = 0.0

    async def drain(self, within_s: float) -> int:
        self.given_s = within_s
        return self.left


@pytest.mark.parametrize("left", [0, 3])
def test_ready_then_draining_then_gone(left: int) -> None:
    async def story() -> None:
        server, readiness, lines = Server(left), Readiness(), list[str]()
        live: Any = server
        with Told() as told:
            serving = asyncio.ensure_future(
                serve_until_told(told, live, readiness, drain_s=25, tell=lines.append)
            )
            for _ in range(3):
                await asyncio.sleep(0)
            ready = readiness.reasons
            os.kill(os.getpid(), signal.SIGTERM)
            await serving
            os.kill(os.getpid(), signal.SIGTERM)  # does no more harm
            await asyncio.sleep(0)
        assert (ready, readiness.reasons) == ((), ("draining",))
        assert server.given_s == 25
        expected = ["draining"]
        if left:
            expected.append("3 connections did not end within 25 s")
        assert lines == expected

    run(story)
