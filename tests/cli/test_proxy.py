"""`shadow proxy` as a process: driven, told to end, and looked at."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Shadow, add_up, runs
from tests.cli.sidecars import ANY, TOKEN, Asked, Process, Service, Sidecars, serving

ITEM = "GET /v1/items/{id}"
GATE = """
[endpoints]
templates = ["GET /v1/items/{id}"]
[gates.canary]
max_divergence_rate = 0.9
[guards]
max_divergence_rate = 0.9
"""


def rust_says(asked: Asked) -> tuple[int, bytes]:
    return 200, b'{"a":1}' if asked.path.endswith("9") else b"{}"


class Pair:
    def __init__(self, go: Service, rust: Service) -> None:
        self.go, self.rust = go, rust
        self.words = ["--listen", ANY, "--status", ANY, "--go", go.url, "--rust", rust.url]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack.enter_context(serving()), stack.enter_context(serving(rust_says)))


def exchanges(process: Process) -> dict[str, float]:
    names = ("match", "equivalent", "divergent", "incomparable", "skipped")
    found = process.metrics()
    return {name: found[f'shadow_exchanges_total{{outcome="{name}"}}'] for name in names}


def test_a_proxy_from_its_start_to_its_end(
    tmp_path: Path, pair: Pair, shadow: Shadow, start: Sidecars
) -> None:
    (tmp_path / "shadow.toml").write_text(GATE)
    words = [*pair.words, "--admin", ANY, "--rust-version", "1.4.2"]
    with start.running(
        tmp_path, "proxy", *words, environment={"SHADOW_ADMIN_TOKEN": TOKEN}
    ) as proxy:
        for number in range(10):
            assert proxy.ask(f"/v1/items/{number}") == (200, b"{}")
        assert proxy.ask("/v1/items", "POST", body=b"{}").status == 200
        status = proxy.port("status and metrics on")
        assert proxy.ask("/-/readyz", port=status).status == 200
        proxy.until(lambda: sum(exchanges(proxy).values()) == 11)

        # While it runs
        proxy.until(lambda: [each["read"] for each in runs(shadow)] == [11])
        (run,) = runs(shadow)
        assert (run["command"], run["state"], run["exit_code"]) == ("proxy", "running", None)
        text = shadow("report").out
        assert "the run is running" in text
        assert "→ look again, or at a window that has ended: shadow runs" in text
        assert "no verdict on speed: of live traffic one side is asked before the other" in text
        assert "as fast as possible" not in text
        assert "replay again" not in text
        assert shadow("gate", "--phase", "canary", "--json").json["verdict"] == "inconclusive"
        assert proxy.ask("/-/gate?phase=canary", port=status).json["verdict"] == "inconclusive"
        admin = f"http://127.0.0.1:{proxy.port('admin port')}"
        set_ = shadow(
            "route", "set", ITEM, "100", "--reason", "x", "--admin", admin, SHADOW_ADMIN_TOKEN=TOKEN
        )
        assert set_.code == 0, set_.err
        assert proxy.ask("/v1/items/9") == (200, b'{"a":1}')

        counted = exchanges(proxy)
        assert proxy.end() == 0
    assert proxy.told == [
        "shadow: the store is a file: this sidecar shares routes and evidence with none",
        f"shadow: proxying {pair.go.url} on http://127.0.0.1:{proxy.live}",
        f"shadow: status and metrics on http://127.0.0.1:{status}/metrics",
        f"shadow: admin port and live page on {admin}/-/live",
        "shadow: draining",
    ]
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"]) == ("finished", 1)
    report = shadow("report", "--format", "json").json
    assert add_up(report)
    assert report["read"] == 12
    assert {name: report[name] for name in counted if name != "divergent"} == {
        name: count for name, count in counted.items() if name != "divergent"
    } | {"match": 9}
    assert report["divergent"] == 2
    assert shadow("gate", "--phase", "canary", "--json").json["verdict"] in {"pass", "inconclusive"}
    (log,) = (tmp_path / ".shadow").glob("*.events.jsonl")
    names = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert names[0] == "shadow.run.started"
    assert names.count("shadow.divergence") == 2
    assert "shadow.route.changed" in names
    assert [name for name in names if name != "shadow.gate.evaluated"][-1] == "shadow.run.finished"
    assert not list((tmp_path / ".shadow").glob("*.lock"))


def test_windows_follow_each_other_and_old_ones_go(
    tmp_path: Path, pair: Pair, shadow: Shadow, start: Sidecars
) -> None:
    words = [*pair.words, "--window", "200ms", "--keep-windows", "2"]
    seen: set[str] = set()

    def several() -> bool:
        proxy.ask()
        seen.update(path.name for path in (tmp_path / ".shadow").glob("*.events.jsonl"))
        return len(seen) >= 4

    with start.running(tmp_path, "proxy", *words) as proxy:
        proxy.until(several)
        assert proxy.end(signal.SIGINT) == 0
    found = runs(shadow)
    assert [each["state"] for each in found] == ["finished"] * 2
    assert {path.name for path in (tmp_path / ".shadow").glob("*.events.jsonl")} == {
        f"{each['id']}.events.jsonl" for each in found
    }


def test_traffic_goes_on_while_the_disk_is_full(
    tmp_path: Path, pair: Pair, start: Sidecars
) -> None:
    pair.rust.say = lambda asked: (200, json.dumps({asked.path: "x" * 500}).encode())
    with start.running(tmp_path, "proxy", *pair.words, limit=300_000) as proxy:

        def full() -> bool:
            for number in range(50):
                assert proxy.ask(f"/x/{number}?{len(pair.go.asked)}") == (200, b"{}")
            return proxy.metrics()["shadow_store_error"] == 1

        proxy.until(full)
        assert proxy.ask("/v1/items/1") == (200, b"{}")
        assert proxy.metrics()["shadow_store_failures_total"] > 0
        assert proxy.end() == 4
    complaints = [line for line in proxy.told if "traffic goes on" in line]
    assert complaints
    assert len(complaints) == len(set(complaints))
    assert proxy.told[-1].endswith("exchanges are not in the store")


def test_what_is_in_flight_may_end(tmp_path: Path, pair: Pair, start: Sidecars) -> None:
    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", proxy.live), timeout=5).close()
        except OSError:
            return True
        return False

    with (
        start.running(tmp_path, "proxy", *pair.words) as proxy,
        socket.create_connection(("127.0.0.1", proxy.live), timeout=20) as client,
    ):
        client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        client.settimeout(20)
        proxy.until(lambda: proxy.metrics()["shadow_client_connections"] >= 1)
        proxy.send(signal.SIGTERM)
        proxy.hears("draining")
        proxy.until(refused)
        client.sendall(b"}")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        assert proxy.end() == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--go", "http://127.0.0.1:1"], 2, ("no candidate service is given", "--rust URL")),
        (["--window", "soon"], 2, ("--window soon: is no duration", "1h")),
        (["--queue-bytes", "x"], 2, ("--queue-bytes x: is no size", "64MiB")),
        (["--session", "sid"], 2, ("--session sid: is not cookie:NAME or header:NAME", "cookie")),
        (["--admin", ANY], 2, ("--admin: there is no token for it", "SHADOW_ADMIN_TOKEN")),
        (["--listen", "8000"], 2, ("--listen 8000: is not HOST:PORT", "give")),
        (["--allow-writes"], 2, ("--allow-writes: shadow.toml: the candidate is not", "isolated")),
        (["--store", "none.txt"], 2, ("store none.txt: no SQLite database", "--store")),
        (["--store", "mysql://x/y"], 2, ("--store mysql://x/y: only SQLite", "--store")),
        (["--store", "."], 2, ("store .: is a directory", "--store")),
        (["--listen", "taken"], 4, ("--listen: cannot listen on 127.0.0.1:", "--listen")),
        (["--status", "taken"], 4, ("--status: cannot listen on 127.0.0.1:", "--status")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_a_hint(
    tmp_path: Path, shadow: Shadow, words: list[Any], code: int, told: tuple[str, str]
) -> None:
    (tmp_path / "none.txt").write_text("this is no store " * 100)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = [
            f"127.0.0.1:{taken.getsockname()[1]}" if word == "taken" else word for word in words
        ]
        services = ["--go", "http://127.0.0.1:1", "--rust", "http://127.0.0.1:1"]
        ports = ["--listen", ANY, "--status", ANY]
        if words[0] == "--go":
            services = []
        done = shadow("proxy", *ports, *services, *given)
    assert done.code == code, done.err
    lines = done.err.splitlines()
    assert lines[0].startswith(f"shadow: {told[0]}")
    assert told[1] in lines[1]
    assert len(lines) == 2
    assert done.out == ""
