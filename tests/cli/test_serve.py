"""`shadow serve`, asked over real connections."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Shadow, clean, command, exchange, runs, write

CONFIG = """
[gates.replay]
max_divergence_rate = 0.01
[gates.strict]
max_divergence_rate = 0.001
"""


class Port:
    def __init__(self, host: str, port: int, process: subprocess.Popen[str]) -> None:
        self.host, self.port, self.process = host, port, process

    def ask(self, target: str, method: str = "GET") -> tuple[int, Any]:
        connection = HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.getheader("Server") is None
        return answer.status, json.loads(body) if body else None


@contextmanager
def serving(folder: Path, ending: signal.Signals = signal.SIGTERM) -> Iterator[Port]:
    """The command on a free port; it must end well when it is told to."""
    with subprocess.Popen(
        command("serve", "--listen", "127.0.0.1:0"),
        cwd=folder,
        env=clean({}),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("shadow: serving on http://127.0.0.1:"), line
        port = int(line.split("/-/")[0].rpartition(":")[2])
        try:
            yield Port("127.0.0.1", port, process)
        finally:
            process.send_signal(ending)
            rest = process.stderr.read()
        assert (process.wait(30), rest) == (0, "")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, shadow: Shadow) -> None:
    (tmp_path / "shadow.toml").write_text(CONFIG, "utf-8")
    for side in ("go", "rust"):
        write(tmp_path / f"{side}.jsonl", [exchange(n) for n in range(300)])
    assert shadow("diff", "go.jsonl", "rust.jsonl", "--quiet").code == 0


def test_what_the_gates_say_is_polled(tmp_path: Path, shadow: Shadow) -> None:
    (first,) = runs(shadow)
    with serving(tmp_path) as port:
        assert port.ask("/-/healthz") == (200, {"status": "ok"})
        assert port.ask("/-/readyz") == (200, {"status": "ready"})
        for _ in range(2):
            status, answer = port.ask("/-/gate?phase=replay")
            assert (status, answer["verdict"], answer["value"]) == (200, "pass", 1)
            assert answer["run_id"] == first["id"]
        status, answer = port.ask("/-/gate?phase=strict&run=latest")
        assert (status, answer["value"]) == (200, -1)
        told = shadow("gate", "--phase", "strict", "--json").json
        assert answer["criteria"] == told["criteria"]

        write(tmp_path / "rust.jsonl", [exchange(n, '{"a":1}') for n in range(300)])
        assert shadow("diff", "go.jsonl", "rust.jsonl", "--quiet").code == 1
        _, answer = port.ask("/-/gate?phase=replay")
        assert (answer["verdict"], answer["value"]) == ("fail", 0)
        _, answer = port.ask(f"/-/gate?phase=replay&run={first['id']}")
        assert answer["value"] == 1


def test_errors_have_their_status(tmp_path: Path) -> None:
    with serving(tmp_path, signal.SIGINT) as port:
        for target, status, error in (
            ("/", 404, "no such path"),
            ("/-/gate", 400, "phase is missing"),
            ("/-/gate?phase=nope", 404, "no gate nope"),
            ("/-/gate?phase=replay&run=2020", 404, "store .shadow/shadow.sqlite: no run 2020"),
        ):
            found, answer = port.ask(target)
            assert (found, answer["error"]) == (status, error)
        assert port.ask("/-/gate?phase=replay", "POST")[0] == 405
        assert port.ask("/-/gate?phase=replay", "HEAD") == (200, None)
        assert port.ask("/metrics")[0] == 404


def test_many_who_poll_at_once_get_the_same(tmp_path: Path) -> None:
    with serving(tmp_path) as port, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(port.ask, ["/-/gate?phase=replay"] * 32))
    assert all(each == answers[0] for each in answers)
    assert answers[0][0] == 200


def test_connections_that_never_send_keep_nobody_out(tmp_path: Path) -> None:
    with serving(tmp_path) as port, ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(socket.create_connection((port.host, port.port), timeout=30))
        assert port.ask("/-/gate?phase=replay")[0] == 200


def test_what_is_no_http_ends_no_server(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        with socket.create_connection((port.host, port.port), timeout=30) as raw:
            raw.sendall(b"\x16\x03\x01 what\r\n\r\n")
            while raw.recv(4096):
                pass
        assert port.ask("/-/healthz")[0] == 200


def test_nothing_is_written(tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        port.ask("/-/gate?phase=replay")
    before = (tmp_path / ".shadow" / "shadow.sqlite").read_bytes()
    with serving(tmp_path) as port:
        port.ask("/-/gate?phase=strict")
    assert (tmp_path / ".shadow" / "shadow.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--listen 9464", 2, "--listen 9464: is not HOST:PORT"),
        ("--store missing.sqlite", 2, "store missing.sqlite: does not exist"),
        ("--config none.toml", 2, "no gate in none.toml"),
        ("--listen 192.0.2.1:0", 4, "cannot listen on 192.0.2.1:0"),
    ],
)
def test_what_cannot_be_served(
    shadow: Shadow, tmp_path: Path, words: str, code: int, message: str
) -> None:
    (tmp_path / "none.toml").touch()
    done = shadow("serve", *words.split())
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_a_port_that_is_taken_is_told(shadow: Shadow, tmp_path: Path) -> None:
    with serving(tmp_path) as port:
        done = shadow("serve", "--listen", f"127.0.0.1:{port.port}")
    assert done.code == 4
    assert f"cannot listen on 127.0.0.1:{port.port}: Address already in use" in done.err
