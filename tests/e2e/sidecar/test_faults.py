"""Whatever breaks around `shadow proxy`: clients are answered as before, and it is counted."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from services import trial
from services.run import GO, RUST
from tests.cli.program import add_up
from tests.e2e.sidecar.doubles import ANSWER_500, CUT, NONSENSE, misbehaving
from tests.e2e.sidecar.load import PARTS, Asked, Load, at_once, failures, felt, share_ms
from tests.e2e.sidecar.running import (
    Forks,
    Metrics,
    Service,
    Shadow,
    Sidecar,
    eventually,
    figure,
    get,
)
from tests.e2e.sidecar.soak import SOAKS
from tests.e2e.sidecar.traffic import ITEM, ITEMS, config, messages, recorded

pytestmark = pytest.mark.e2e

RATE = 300
CLIENTS = 5_000 if SOAKS else 2_000
LORIS = 300
HEAD_S = 10.0
"""What shadow/sidecar/server/limits.py gives a client for a head."""

Fault = Callable[[Service], AbstractContextManager[None]]


# Rust.


@contextmanager
def absent(rust: Service) -> Iterator[None]:
    rust.kill()
    try:
        yield
    finally:
        rust.start()


def instead(said: bytes, *, drops: bool = False) -> Fault:
    @contextmanager
    def fault(rust: Service) -> Iterator[None]:
        with absent(rust), misbehaving(rust.port, said, drops=drops):
            yield

    return fault


FAULTS: dict[str, tuple[Fault, str]] = {
    "killed": (absent, "connect"),
    "stuck": (Service.stuck, ""),
    "answers 500": (instead(ANSWER_500), ""),
    "drops connections": (instead(b"", drops=True), "reset"),
    "cuts answers": (instead(CUT, drops=True), "reset"),
    "talks nonsense": (instead(NONSENSE), "protocol"),
}
"""What happens to Rust, and how `shadow_upstream_failures_total` calls it."""


class Front(NamedTuple):
    """A proxy with little room for copies, while hundreds of clients never end their request."""

    proxy: Sidecar
    rust: Service
    slow: threading.Thread
    """Ends when all those clients have been let go."""


@contextmanager
def dribblers(port: int) -> Iterator[threading.Thread]:
    """Clients that send a head of a request a byte a second."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(LORIS)]
    head = itertools.chain(b"GET / HTTP/1.1\r\n", itertools.cycle(b"x-more: x\r\n"))
    leaving = threading.Event()

    def dribble() -> None:
        while clients and not leaving.wait(1):
            byte = bytes([next(head)])
            for client in clients.copy():
                if is_let_go(client, byte):
                    client.close()
                    clients.remove(client)

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        yield thread
    finally:
        leaving.set()
        thread.join()
        for client in clients:
            client.close()


def is_let_go(client: socket.socket, byte: bytes) -> bool:
    """Send a byte, unless the server has said something or gone."""
    client.setblocking(False)
    try:
        client.recv(1_000)
    except BlockingIOError:
        client.send(byte)
        return False
    except OSError:
        return True
    return True


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    bounds = ("--queue", 50, "--concurrency", 10, "--config", config(folder))
    with (
        Service(GO) as go,
        Service(RUST) as rust,
        Shadow(folder, forks).sidecar(
            "proxy", "--go", go.url, "--rust", rust.url, *bounds
        ) as proxy,
        dribblers(proxy.port) as slow,
    ):
        yield Front(proxy, rust, slow)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_rust_is_not_felt(name: str, front: Front) -> None:
    (fault, kind), proxy = FAULTS[name], front.proxy
    before = proxy.metrics()
    healthy: list[Asked] = []
    broken: list[Asked] = []
    with Load(proxy.port, ITEMS, rate=RATE) as load:
        load.answers(30)
        for _ in range(PARTS):
            healthy += load.answers(80)
            with fault(front.rust):
                broken += load.answers(120)
            load.answers(20)
    assert not failures(load.all)
    assert not felt(broken, healthy)
    after = proxy.settled(before.of("shadow_exchanges_total") + len(load.all))

    def new(metric: str, **labels: str) -> float:
        return after.of(metric, **labels) - before.of(metric, **labels)

    if kind:  # each costs a new connection, and those have a pace
        failed = new("shadow_upstream_failures_total", side="candidate", kind=kind)
        assert failed >= 150
        assert failed + new("shadow_sheds_total", reason="queue-full") >= 300
    elif name == "stuck":
        assert new("shadow_sheds_total", reason="queue-full") >= 200
        assert new("shadow_skipped_total", reason="shed") == new("shadow_sheds_total")
    else:
        assert new("shadow_exchanges_total", outcome="divergent") >= 300
    assert after.of("shadow_upstream_failures_total", side="baseline") == 0


def test_a_killed_judge_is_not_felt_and_loses_nothing(front: Front) -> None:
    proxy = front.proxy
    before = proxy.metrics()
    with instead(ANSWER_500)(front.rust), Load(proxy.port, ITEMS, rate=RATE) as load:
        load.answers(2 * RATE)  # all of them differ: the process beside the loop judges them
        (judge,) = children(proxy.command.pid)
        os.kill(judge, signal.SIGKILL)
        load.answers(2 * RATE)
    assert not failures(load.all)
    after = proxy.settled(before.of("shadow_exchanges_total") + len(load.all))
    new = after.of("shadow_exchanges_total", outcome="divergent")
    new -= before.of("shadow_exchanges_total", outcome="divergent")
    assert new >= 3 * RATE
    assert after.of("shadow_judge_failures_total") == 0
    proxy.command.said("the process that judges has ended (-9)")


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(each) for each in found.split()]


def test_clients_that_never_end_their_request_are_let_go_and_hurt_nobody(front: Front) -> None:
    proxy = front.proxy
    with Load(proxy.port, ITEMS, rate=RATE) as load:
        load.answers(100)
    assert not failures(load.all)
    front.slow.join(2 * HEAD_S)
    assert not front.slow.is_alive()
    metrics = proxy.metrics()
    assert metrics.of("shadow_client_refused_total", reason="slow-request") == LORIS
    assert metrics.of("shadow_client_connections") == 0


# Go.


def test_without_go_clients_are_told_at_once_and_with_it_they_are_served_again(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    words = ("--go", go.url, "--rust", rust.url, "--config", config(shadow.folder))
    with (
        shadow.sidecar("proxy", *words) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        load.answers(100)
        go.kill()
        killed = time.monotonic()
        load.until(lambda each: each.status == 502)
        without = load.from_now(150)
        go.start()
        back = time.monotonic()
        load.until(lambda each: each.ok)
        load.answers(100)
        load.end()
        assert {each.status for each in without} == {502}
        assert share_ms(without, 1) < 1_000
        assert failures(load.all).keys() == {"502"}
        bad = [each.began for each in load.all if not each.ok]
        assert killed - 1 < min(bad)
        assert max(bad) < back + 0.5
        failed = proxy.metrics().of("shadow_upstream_failures_total", side="baseline")
        assert failed == len(bad)
        assert proxy.latched() == set()  # Rust was there, and Go was not


# The store.


def test_a_full_disk_is_not_felt_and_nothing_is_lost_once_there_is_room(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    words = ("--go", go.url, "--rust", rust.url, "--config", config(shadow.folder))
    limits = {"RLIMIT_FSIZE": 200_000}
    with (
        shadow.sidecar("proxy", *words, limits=limits) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        eventually(lambda: proxy.metrics().of("shadow_store_error"))
        full = load.answers(400)
        unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
        resource.prlimit(proxy.command.pid, resource.RLIMIT_FSIZE, unlimited)
        eventually(lambda: not proxy.metrics().of("shadow_store_error"))
        free = load.answers(400)
        load.end()
        assert not failures(load.all)
        assert not felt(full, free)
        metrics = proxy.settled(len(load.all))
        assert metrics.of("shadow_store_failures_total") > 0
        assert metrics.of("shadow_store_lost_total") == 0
        proxy.command.said("traffic goes on")
    summary = shadow("report", "latest", "--format", "json").json
    assert summary["read"] == len(load.all)
    assert add_up(summary)


# Clients.


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have as many connections as the test needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 3 * CLIENTS, f"ulimit -Hn {hard}: {CLIENTS} clients need more"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_thousands_of_clients_are_served_at_once(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    words = ("--go", go.url, "--rust", rust.url, "--config", config(shadow.folder))
    usual = {"RLIMIT_NOFILE": 1_024}  # which the proxy raises
    with shadow.sidecar("proxy", *words, limits=usual) as proxy:
        asked = at_once(proxy.port, ITEMS, clients=CLIENTS, each=2)
        assert len(asked) == 2 * CLIENTS
        assert not failures(asked)
        metrics = proxy.settled(len(asked))
        assert metrics.of("shadow_requests_total", side="baseline", code="2xx") == len(asked)
        assert metrics.of("shadow_client_refused_total") == 0
        eventually(lambda: not proxy.metrics().of("shadow_client_connections"))


def test_nothing_that_was_accepted_is_lost_when_it_is_told_to_end(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    words = ("--go", go.url, "--rust", rust.url, "--config", config(shadow.folder))
    with (
        shadow.sidecar("proxy", *words) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        load.answers(200)
        with go.stuck():
            eventually(lambda: load.flying >= 20)
            proxy.command.send(signal.SIGTERM)
            proxy.command.said("draining")
            status, page = proxy.status("/-/readyz")
            assert (status, b"draining" in page) == (503, True)
        assert proxy.command.wait() == 0
        load.end()
        # A connection that was closed before a byte of an answer was not accepted any more.
        assert failures(load.all).keys() <= {"lost", "refused"}
        answered = [each for each in load.all if each.ok]
        assert len([each for each in answered if each.took > 0.02]) >= 10
        assert asked_of(go) == len(answered)
    summary = shadow("report", "latest", "--format", "json").json
    assert summary["state"] == "finished"
    assert summary["read"] == len(answered)
    assert add_up(summary)


def asked_of(go: Service) -> float:
    """How many items the Go service was asked for."""
    _, page = get(f"{go.url}/metrics")
    return Metrics(page.decode()).of("http_requests_total", route=ITEM)


# Time.


@pytest.mark.slow
@pytest.mark.timeout(900 if SOAKS else 120)
def test_memory_stays_flat(shadow: Shadow, go: Service, rust: Service, second: Service) -> None:
    """With mirroring on, on traffic in which a sixth diverges."""
    words = ("--go", go.url, "--rust", rust.url, "--secondary", second.url)
    asked = messages(each for each in recorded() if "/v1/stats" not in each["request"]["target"])
    with shadow.sidecar("proxy", *words, "--config", trial.CONFIG) as proxy:
        sizes: list[int] = []
        limit = time.monotonic() + (600 if SOAKS else 0)
        while len(sizes) < 5 or time.monotonic() < limit:
            answers = at_once(proxy.port, asked, clients=20, each=100)
            assert not [each for each in answers if not each.status]
            proxy.settled((len(sizes) + 1) * len(answers))
            sizes.append(proxy.rss)
        # A window keeps rows of so many exchanges, and notes of them: at load, for some minutes.
        warm, last = sizes[len(sizes) // 2 if SOAKS else 1], sizes[-1]
        figure(f"{len(sizes) * 2_000:,} requests, from {warm:,} to {last:,} bytes of memory")
        assert last - warm < (10 if SOAKS else 5) * 1_000_000, sizes
