"""A real Envoy and nginx, by the shipped files, before Go: they mirror to `shadow sink`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from services import trial
from tests.cli.program import add_up
from tests.deploy.mirroring import through_envoy, through_nginx
from tests.e2e.sidecar.load import PARTS, Asked, Load, failures, felt, share_ms
from tests.e2e.sidecar.running import Service, Shadow, figure
from tests.e2e.sidecar.traffic import ITEM, ITEMS
from tests.sending import nginx

pytestmark = pytest.mark.e2e

RATE = 400
EACH = 100

Through = Callable[[Path, int, int], AbstractContextManager[int]]
MIRRORS: dict[str, Through] = {"envoy": through_envoy, "nginx": through_nginx}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    "name", ["envoy", pytest.param("nginx", marks=[pytest.mark.packages, nginx.needs_nginx])]
)
def test_the_primary_path_does_not_feel_a_stuck_sink(
    name: str, shadow: Shadow, go: Service, second: Service, rust: Service
) -> None:
    """Two mirrors before one Go: one to a sink that works, one to a sink that is stopped.

    nginx finds out at the first copies, each of which keeps a client waiting for 200 ms; they are
    left out. What they cost in half a minute, `make bench` measures.
    """
    working, stuck = shadow.folder / "working", shadow.folder / "stuck"
    words = ("--go", second.url, "--rust", rust.url, "--config", trial.CONFIG, "--store")
    times: dict[str, list[Asked]] = {"working": [], "stuck": []}
    with ExitStack() as stack:
        enter = stack.enter_context
        ports = {}
        for folder in (working, stuck):
            folder.mkdir()
            sink = enter(shadow.sidecar("sink", *words, folder / "shadow.sqlite"))
            ports[folder.name] = enter(MIRRORS[name](folder, go.port, sink.port))
            if folder is stuck:
                enter(stopped(sink.command.pid))
            else:
                compared = sink
        asked = 0
        for number in range(1 + PARTS):
            for kind, port in ports.items():
                with Load(port, ITEMS, rate=RATE) as load:
                    load.answers(EACH)
                assert not failures(load.all)
                times[kind] += load.all if number else []
                asked += len(load.all) if kind == "working" else 0
        metrics = compared.settled(asked)
        assert metrics.of("shadow_requests_total", code="2xx") == asked
        assert metrics.of("shadow_skipped_total") == 0

    ours, usual = share_ms(times["stuck"], 0.99), share_ms(times["working"], 0.99)
    figure(f"{name}: p99 with a stuck sink is {ours / usual:.2f} of that with one that works")
    assert not felt(times["stuck"], times["working"])
    # A wait of nginx is 200 ms.
    assert not felt(times["stuck"], times["working"], {0.99: (3.0, 150.0)})

    done = shadow("report", "latest", "--format", "json", "--store", working / "shadow.sqlite")
    summary = done.json
    assert summary["command"] == "sink"
    assert add_up(summary)
    assert summary["read"] == asked
    assert [each["endpoint"] for each in summary["endpoints"]] == [ITEM]
    natural = {trial.place(row) for row in trial.expected()["divergent"]}
    found = {trial.place(each) for each in trial.divergent(summary)}
    assert found
    assert found <= natural
