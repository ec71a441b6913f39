"""`shadow proxy`, `sink` and `record` as processes, before services that are threads of a test."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple

from tests.cli.program import ROOT, Forks, Running, clean

PATIENCE_S: Final = 20.0
TOKEN: Final = "0123456789abcdef"
ANY: Final = "127.0.0.1:0"
_PORT: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Asked(NamedTuple):
    """A request as a service got it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


class Service:
    """A service that says what it was made to say."""

    def __init__(self, url: str, say: Callable[[Asked], tuple[int, bytes]]) -> None:
        self.url = url
        self.say = say
        self.asked: list[Asked] = []


@contextmanager
def serving(
    say: Callable[[Asked], tuple[int, bytes]] = lambda _: (200, b"{}"),
) -> Iterator[Service]:
    """A service while the block runs; `say` gives status and JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, self.path, self.headers.items(), body)
            service.asked.append(asked)
            status, said = service.say(asked)
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - as the library names them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        service = Service(f"http://127.0.0.1:{server.server_address[1]}", say)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


class Got(NamedTuple):
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Process:
    """A command that has been started: what it told, and where it listens."""

    def __init__(self, running: Running, out: Path, err: Path) -> None:
        self._running = running
        self._out, self._err = out, err

    @property
    def told(self) -> list[str]:
        """The lines of stderr."""
        return self._err.read_text("utf-8").splitlines()

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8")

    def hears(self, text: str) -> str:
        """Wait for a line with a text, and return it."""
        found: str = self.until(lambda: next((line for line in self.told if text in line), ""))
        return found

    def until(self, wanted: Callable[[], Any]) -> Any:
        """Look again and again until something is true; the process tells nobody."""
        limit = time.monotonic() + PATIENCE_S
        while not (found := wanted()):
            assert time.monotonic() < limit, self.told
            time.sleep(0.005)
        return found

    def port(self, text: str) -> int:
        """The port in the line with a text."""
        found = _PORT.findall(self.hears(text))
        return int(found[-1])

    @property
    def live(self) -> int:
        return self.port(" on http://127.0.0.1:")

    def ask(
        self,
        path: str = "/v1/items/1",
        method: str = "GET",
        *,
        port: int = 0,
        body: bytes | None = None,
        **headers: str,
    ) -> Got:
        """Ask the live port, or another one, on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", port or self.live, timeout=PATIENCE_S)
        try:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=fields)
            answer = connection.getresponse()
            return Got(answer.status, answer.read())
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """The metrics page: values by the sample as it stands there."""
        page = self.ask("/metrics", port=self.port("status and metrics on")).body.decode()
        lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def send(self, number: signal.Signals) -> None:
        self._running.send(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait: the exit code."""
        self.send(number)
        return self._running.code()


class Sidecars:
    """Starts commands in forks of a process that has them imported; one at a time."""

    def __init__(self, forks: Forks, said: Path) -> None:
        self._forks = forks
        self._said = said

    @contextmanager
    def running(
        self,
        folder: Path,
        *words: object,
        environment: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> Iterator[Process]:
        """A command in a folder; `limit` is the size in bytes that none of its files may exceed.

        It is killed where the block has not ended it.
        """
        out, err = self._said / "out", self._said / "err"
        err.write_text("")
        with self._forks.running(
            folder, *words, out=out, err=err, limit=limit, environment=environment
        ) as started:
            try:
                yield Process(started, out, err)
            finally:
                with suppress(ProcessLookupError):
                    started.send(signal.SIGKILL)


@contextmanager
def preloaded() -> Iterator[Forks]:
    """A process to fork from, which has the sidecar imported."""
    code = (
        "import shadow.config.live, shadow.replay.telling, shadow.sidecar.proxying,"
        " shadow.sidecar.recording, shadow.sidecar.sinking, shadow.captures.redact\n"
        "from tests.cli.forks import main\n"
        "main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()
