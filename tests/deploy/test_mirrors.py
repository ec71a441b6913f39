"""A real Envoy and nginx, by the shipped files: the client is answered, and the sink compares."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import yaml

from tests.deploy.mirroring import (
    DEPLOY,
    ENVOY,
    SINK,
    Client,
    Received,
    Server,
    free_port,
    through_envoy,
    through_nginx,
)
from tests.e2e.sidecar.running import Shadow, Sidecar
from tests.sending import nginx

Through = Callable[[Path, int, int], AbstractContextManager[int]]
MIRRORS = {"envoy": through_envoy, "nginx": through_nginx}
HEADERS = {"Host": "shop.example", "Authorization": "Bearer t-1", "X-Many": "a, b"}
TARGET = "/v1/items/a%2Fb//c?tag=x&tag=y&q=%zz"
ISOLATED = "[targets.baseline]\nisolated = true\n[targets.candidate]\nisolated = true\n"
HELD = {"nginx": 2, "envoy": 256}
"""Copies that a stuck sink has at most, by the shipped files."""
each_mirror = pytest.mark.parametrize(
    "name", [pytest.param("envoy"), pytest.param("nginx", marks=nginx.needs_nginx)]
)


def a_sink(shadow: Shadow, folder: Path, go: int, rust: int) -> AbstractContextManager[Sidecar]:
    """A `shadow sink` that sends writes too."""
    config = folder / "shadow.toml"
    config.write_text(ISOLATED, "utf-8")
    return shadow.sidecar(
        "sink",
        *("--go", f"http://127.0.0.1:{go}", "--rust", f"http://127.0.0.1:{rust}"),
        *("--config", config, "--store", folder / "shadow.sqlite", "--allow-writes"),
    )


def test_envoy_takes_the_file_as_it_is() -> None:
    done = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", DEPLOY / "envoy" / "mirror.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@each_mirror
def test_the_client_gets_the_answer_and_the_sink_asks_both_services(
    name: str, forked: Shadow, tmp_path: Path
) -> None:
    with (
        Server(200, b"from the service") as service,
        Server(200, b"from the replica") as replica,
        Server(201, b"from the rewrite") as rewrite,
        a_sink(forked, tmp_path, replica.port, rewrite.port) as sink,
        MIRRORS[name](tmp_path, service.port, sink.port) as port,
        Client(port) as client,
    ):
        for method, body in (("GET", None), ("POST", b'{"sku": 1}')):
            assert client.ask(method, TARGET, HEADERS, body) == (200, b"from the service")
            original = service.next()
            assert original[:2] == (method, TARGET)
            assert original.body == (body or b"")
            for copy in (replica.next(), rewrite.next()):
                assert copy.body == original.body
                assert copy[:2] == original[:2]
                assert as_the_client_sent(copy) == as_the_client_sent(original)
                assert "shadow-via" in copy.headers
        metrics = sink.settled(2)
        assert metrics.of("shadow_exchanges_total", outcome="divergent") == 2


def as_the_client_sent(received: Received) -> dict[str, str]:
    return {name.lower(): received.headers[name.lower()] for name in HEADERS}


@each_mirror
@pytest.mark.parametrize("sink", ["stuck", "failing", "absent"])
def test_whatever_the_sink_does_clients_are_answered(
    name: str, sink: str, forked: Shadow, tmp_path: Path
) -> None:
    """Stuck, it costs nginx one wait of 200 ms in ten seconds instead of one for each request."""
    requests = 100
    with ExitStack() as stack:
        enter = stack.enter_context
        service = enter(Server(200, b"from the service"))
        copies = enter(Server(200 if sink == "stuck" else 500))
        port = free_port() if sink == "absent" else copies.port
        if sink == "stuck":
            stuck = enter(a_sink(forked, tmp_path, copies.port, copies.port))
            stuck.command.send(signal.SIGSTOP)
            stack.callback(stuck.command.send, signal.SIGCONT)
            port = stuck.port
        client = enter(Client(enter(MIRRORS[name](tmp_path, service.port, port))))
        began = time.monotonic()
        for number in range(requests):
            assert client.ask("GET", f"/{number}", HEADERS) == (200, b"from the service")
        took = time.monotonic() - began
        assert took < requests * 0.1
        if sink == "stuck":
            stuck.command.send(signal.SIGCONT)
            assert 1 <= stuck.metrics().of("shadow_requests_total") <= HELD[name]


def test_the_meshes_mirror_to_the_port_of_the_sink() -> None:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "sink.yaml").read_text("utf-8"))
    (service,) = [each for each in documents if each["kind"] == "Service"]
    name, (port,) = service["metadata"]["name"], service["spec"]["ports"]
    assert port["port"] == SINK
    istio, rule = yaml.safe_load_all((DEPLOY / "istio" / "virtualservice.yaml").read_text("utf-8"))
    (route,) = istio["spec"]["http"]
    assert route["mirror"] == {"host": name, "port": {"number": port["port"]}}
    assert rule["spec"]["host"] == name
    gateway = yaml.safe_load((DEPLOY / "gateway-api" / "httproute.yaml").read_text("utf-8"))
    ((mirror,),) = [each["filters"] for each in gateway["spec"]["rules"]]
    assert mirror == {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": {"name": name, "port": port["port"]}},
    }
