"""Three proxies on one PostgreSQL: what one of them knows, all of them go by."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

import psutil
import pytest

from services.run import RUST
from tests.cli.program import add_up
from tests.e2e.sidecar.load import Load, failures, felt
from tests.e2e.sidecar.running import Service, Shadow, Sidecar, eventually, figure
from tests.e2e.sidecar.traffic import ITEM, ITEMS, config, flag
from tests.postgres import Postgres, needs_postgres

pytestmark = [pytest.mark.e2e, *needs_postgres]

RATE = 100


def kill(postgres: Postgres) -> None:
    """End all processes of a server as `kill -9` does."""
    process = postgres._process
    assert process is not None
    server = psutil.Process(process.pid)
    every = [server, *server.children(recursive=True)]
    for each in every:
        each.kill()
    process.wait()
    psutil.wait_procs(every[1:])
    postgres._process = None


@pytest.fixture
def store(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def other() -> Iterator[Service]:
    """The Rust service of one of the proxies, which gets a defect."""
    with Service(RUST) as service:
        yield service


class Operator:
    """Changes routes in the store, and says when that was done."""

    def __init__(self, shadow: Shadow, store: str) -> None:
        self._shadow, self._store = shadow, store

    def __call__(self, *words: str) -> float:
        done = self._shadow("route", *words, "--reason", "a test", "--store", self._store)
        assert done.code == 0, done.err
        return time.monotonic()


class Proxies:
    """Three proxies of one version, all on Rust by their flags."""

    def __init__(self, shadow: Shadow, go: Service, store: str) -> None:
        self.shadow, self.store, self._go = shadow, store, go
        self._flags = shadow.folder / "flags.json"
        flag(self._flags, percent=100)
        self._config = config(shadow.folder)

    def on(self, *rusts: Service) -> AbstractContextManager[list[Sidecar]]:
        """Run a proxy before each of these."""
        words = [
            *("--go", self._go.url, "--config", self._config, "--flags", self._flags),
            *("--store", self.store, "--admin", "127.0.0.1:0"),
        ]
        return self.shadow.sidecars("proxy", *[(*words, "--rust", rust.url) for rust in rusts])


@pytest.fixture
def proxies(shadow: Shadow, go: Service, store: str) -> Proxies:
    return Proxies(shadow, go, store)


@pytest.fixture
def route(shadow: Shadow, store: str) -> Operator:
    return Operator(shadow, store)


@contextmanager
def loads(proxies: Sequence[Sidecar]) -> Iterator[list[Load]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Load(each.port, ITEMS, rate=RATE)) for each in proxies]


def knows(proxy: Sidecar, exchanges: int) -> bool:
    """Whether a proxy has the evidence of so many exchanges, of all three."""
    guards = {(each["route"], each["guard"]): each["n"] for each in proxy.live()["guards"]}
    return bool(guards["*", "divergence"] == exchanges)


def has_store_error(proxy: Sidecar) -> bool:
    return bool(proxy.metrics().of("shadow_store_error"))


def followed(every: Sequence[Load], side: str, since: float) -> float:
    """Wait until all are served by the other side; seconds until the last wrong request began."""
    for load in every:
        load.until(lambda each: each.side == side and each.began > since)
    every[0].answers(RATE // 5)
    wrong = [each.began for load in every for each in load.all if each.side != side]
    took = max([since, *wrong]) - since
    assert took < 1
    return took


@pytest.mark.slow
def test_what_one_knows_all_go_by(
    proxies: Proxies, rust: Service, other: Service, route: Operator
) -> None:
    took = {}
    with proxies.on(other, rust, rust) as every, loads(every) as loaded:
        loaded[0].answers(50)
        with ExitStack() as pauses:
            for load in loaded:
                pauses.enter_context(load.paused())
            asked = sum(len(load.all) for load in loaded)
            for proxy in every:
                eventually(partial(knows, proxy, asked))
            assert {each.side for load in loaded for each in load.all} == {"rust"}
            other.restart(DEFECTS="lost-field")
        every[0].command.said("rollback: * ")
        took["a guard"] = followed(loaded, "go", time.monotonic())
        for proxy in every[1:]:
            assert proxy.metrics().of("shadow_rollbacks_total") == 0  # it was the other's
            assert "*" in proxy.latched()

        with proxies.on(rust) as (another,), Load(another.port, ITEMS, rate=RATE) as load:
            assert {each.side for each in load.from_now(30)} == {"go"}

        other.restart()
        route("reset", ITEM)
        took["reset"] = followed(loaded, "rust", route("reset", "*"))
        took["set"] = followed(loaded, "go", route("set", "*", "0"))
        took["unset"] = followed(loaded, "rust", route("unset", "*"))
        took["abort"] = followed(loaded, "go", route("abort"))
        assert not any(failures(load.all) for load in loaded)
    shown = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in took.items())
    figure(f"until three follow: {shown}")


@pytest.mark.slow
def test_without_the_database_all_go_on_with_what_they_know(
    proxies: Proxies, rust: Service, other: Service, route: Operator, postgres: Postgres
) -> None:
    with proxies.on(rust, other, rust) as every, loads(every) as loaded:
        route("set", ITEM, "100")
        route("abort", "GET /v1/search")
        there = loaded[0].answers(100)
        kill(postgres)
        for proxy in every:
            eventually(partial(has_store_error, proxy))
        away = loaded[0].answers(100)
        assert {each.side for each in away} == {"rust"}
        assert not felt(away, there)
        for proxy in every:
            assert proxy.latched() == {"GET /v1/search"}

        # A guard needs no store, and is heard by the others when there is one again.
        with loaded[1].paused():
            other.restart(DEFECTS="lost-field")
        every[1].command.said("rollback: * ")
        loaded[1].until(lambda each: each.side == "go")
        assert {each.side for each in loaded[0].from_now(50)} == {"rust"}
        postgres.start()
        for load in loaded:
            load.until(lambda each: each.side == "go")
        for proxy in every:
            eventually(lambda: not any(map(has_store_error, every)))
            assert proxy.metrics().of("shadow_store_lost_total") == 0
        for load in loaded:
            assert not failures(load.end())
    ids = [
        json.loads(line)["id"]
        for line in proxies.shadow("runs", "--json", "--store", proxies.store).out.splitlines()
    ]
    words = ("--format", "json", "--store", proxies.store)
    reports = [proxies.shadow("report", each, *words).json for each in ids]
    assert sum(each["read"] for each in reports) == sum(len(load.all) for load in loaded)
    assert all(map(add_up, reports))
