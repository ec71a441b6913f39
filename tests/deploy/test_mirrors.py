"""A real Envoy and a real nginx, by the shipped files: the client is answered, the sink is told."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from tests.deploy.mirroring import (
    DEPLOY,
    ENVOY,
    SINK,
    Client,
    Server,
    free_port,
    through_envoy,
    through_nginx,
)
from tests.sending import nginx

Through = Callable[[Path, int, int], AbstractContextManager[int]]
MIRRORS = {"envoy": through_envoy, "nginx": through_nginx}
HOST_SUFFIX = {"envoy": "-shadow", "nginx": ""}
HEADERS = {"Host": "shop.example", "Authorization": "Bearer t-1", "X-Many": "a, b"}
TARGET = "/v1/items/a%2Fb//c?tag=x&tag=y&q=%zz"
each_mirror = pytest.mark.parametrize(
    "name", [pytest.param("envoy"), pytest.param("nginx", marks=nginx.needs_nginx)]
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
def test_the_client_gets_the_answer_and_the_sink_a_copy(name: str, tmp_path: Path) -> None:
    with (
        Server(200, b"from the service") as service,
        Server(202) as sink,
        MIRRORS[name](tmp_path, service.port, sink.port) as port,
        Client(port) as client,
    ):
        for method, body in (("GET", None), ("POST", b'{"sku": 1}')):
            assert client.ask(method, TARGET, HEADERS, body) == (200, b"from the service")
            original, copy = service.next(), sink.next()
            assert (original.method, original.target, original.body) == (
                method,
                TARGET,
                body or b"",
            )
            assert copy[:2] == original[:2]
            assert copy.body == original.body
            assert original.headers["host"] == "shop.example"
            assert copy.headers["host"] == "shop.example" + HOST_SUFFIX[name]
            for header in ("authorization", "x-many"):
                assert copy.headers[header] == original.headers[header] == HEADERS[header.title()]
            assert "connection" not in copy.headers


@each_mirror
@pytest.mark.parametrize("sink", ["stuck", "failing", "absent"])
def test_whatever_the_sink_does_clients_are_answered(name: str, sink: str, tmp_path: Path) -> None:
    """Stuck, it costs nginx one wait of 200 ms in ten seconds instead of one for each request."""
    requests = 100
    with (
        Server(200, b"from the service") as service,
        Server(None if sink == "stuck" else 500) as copies,
        MIRRORS[name](
            tmp_path, service.port, free_port() if sink == "absent" else copies.port
        ) as port,
        Client(port) as client,
    ):
        began = time.monotonic()
        for number in range(requests):
            assert client.ask("GET", f"/{number}", HEADERS) == (200, b"from the service")
        took = time.monotonic() - began
        assert took < requests * 0.1
        if sink == "stuck":
            assert 1 <= copies.received.qsize() <= {"nginx": 2, "envoy": 64}[name]


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
