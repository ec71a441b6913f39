"""Starts the sidecar's commands and both services as real processes, and looks at them."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psutil
from prometheus_client.parser import text_string_to_metric_families

from services.run import ANNOUNCEMENT
from tests.cli.program import ROOT, Done, clean

START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 40.0
PATIENCE_S = 30.0
POLL_S = 0.02
"""Between two looks at what tells nobody when it changes."""
TOKEN = "0123456789abcdef0123456789abcdef"
"""Of the admin port."""

_PORTS = {
    "live": re.compile(r"^shadow: (?:proxying|taking|recording) .* on http://(\S+:\d+)$"),
    "status": re.compile(r"^shadow: status and metrics on http://(\S+:\d+)/metrics$"),
    "admin": re.compile(r"^shadow: admin port and live page on http://(\S+:\d+)/-/live$"),
}
_FREE_PORTS = ("--listen", "127.0.0.1:0", "--status", "127.0.0.1:0")
_KEPT_PORTS = range(20_000, 30_000)
"""Linux takes none of them for the near end of a connection, so they can be listened on again."""


def kept_port() -> int:
    """A free port that nothing takes while nobody listens on it."""
    rng = random.SystemRandom()
    while True:
        port = rng.choice(_KEPT_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def eventually(found: Callable[[], Any], *, within: float = PATIENCE_S) -> Any:
    """Look again and again until something is found that is true, and return it."""
    limit = time.monotonic() + within
    while not (value := found()):
        assert time.monotonic() < limit, f"still {value!r} after {within} s"
        time.sleep(POLL_S)
    return value


def figure(text: str) -> None:
    """Show what was measured: `pytest -s`, or `-rP`."""
    sys.stdout.write(f"{text}\n")


def get(url: str, **headers: str) -> tuple[int, bytes]:
    """Ask once, on a connection of its own: status and body."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    try:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# The services.


class Service:
    """One of the two services, on a port that stays its own while it is killed and restarted."""

    def __init__(self, binary: Path, **environment: str) -> None:
        self.binary = binary
        self.port = kept_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = environment
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **environment: str) -> None:
        """Start it and wait until it listens."""
        given = {"ADDR": f"127.0.0.1:{self.port}", **self.environment, **environment}
        process = self._process = subprocess.Popen(
            [str(self.binary)], env={**os.environ, **given}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
        assert ready, "it does not start"
        assert process.stdout.readline().startswith(ANNOUNCEMENT)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    def restart(self, **environment: str) -> None:
        """Kill it and start it again, with this added to its environment."""
        self.kill()
        self.start(**environment)

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """Stop it while the block runs: its sockets stay open, and nothing comes out of them."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


# The commands.


class Metrics:
    """What a metrics page said."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def of(self, name: str, **labels: str) -> float:
        """The sum of the series of a metric that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums by one label, those of zero left out."""
        found: dict[str, float] = {}
        for sample in self._samples:
            if sample.name == name and sample.value:
                found[sample.labels[label]] = found.get(sample.labels[label], 0) + sample.value
        return found


class Command:
    """A command that runs; what it says is read as it comes."""

    def __init__(self, pid: int, err: int, ended: Callable[[int], int]) -> None:
        self.pid = pid
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._ended = ended
        self._silent = False
        """It says nothing any more: it has ended."""
        self._code: int | None = None
        self._process = os.pidfd_open(pid)
        self._reader = threading.Thread(target=self._read, args=(err,))
        self._reader.start()

    def _read(self, err: int) -> None:
        with open(err, encoding="utf-8") as lines:
            for line in lines:
                with self._said:
                    self.lines.append(line.rstrip("\n"))
                    self._said.notify_all()
        with self._said:
            self._silent = True
            self._said.notify_all()

    def said(self, what: str | re.Pattern[str], *, within: float = PATIENCE_S) -> re.Match[str]:
        """Wait for a line with that in it, if there is none yet, and return where it is."""
        pattern = re.compile(re.escape(what)) if isinstance(what, str) else what

        def found() -> re.Match[str] | None:
            return next(filter(None, map(pattern.search, self.lines)), None)

        with self._said:
            self._said.wait_for(lambda: found() or self._silent, within)
        match = found()
        assert match, (pattern.pattern, self.lines)
        return match

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def ended(self) -> bool:
        """Whether somebody has waited for its end."""
        return self._code is not None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, within: float = END_TIMEOUT_S) -> int:
        """Wait for its end: the exit code, or the signal that ended it, negative."""
        if self._code is None:
            ready, _, _ = select.select([self._process], [], [], within)
            assert ready, f"it goes on after {within} s: {self.text}"
            self._code = self._ended(self.pid)
            os.close(self._process)
            self._reader.join(PATIENCE_S)
            assert not self._reader.is_alive()
        return self._code

    def kill(self) -> None:
        """End it as `kill -9` does, if it has not ended."""
        if self._code is None:
            self.send(signal.SIGKILL)
            self.wait()


class Sidecar:
    """`shadow proxy`, `shadow sink` or `shadow record`, ready for traffic."""

    def __init__(self, command: Command, *, admin: bool) -> None:
        self.command = command
        self._ports = {
            name: command.said(pattern, within=START_TIMEOUT_S)[1]
            for name, pattern in _PORTS.items()
            if name != "admin" or admin
        }
        eventually(lambda: self.status("/-/readyz")[0] == 200, within=START_TIMEOUT_S)

    @property
    def port(self) -> int:
        """Where clients come in."""
        return int(self._ports["live"].rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://{self._ports['live']}"

    @property
    def admin(self) -> str:
        return f"http://{self._ports['admin']}"

    def status(self, path: str) -> tuple[int, bytes]:
        return get(f"http://{self._ports['status']}{path}")

    def metrics(self) -> Metrics:
        status, page = self.status("/metrics")
        assert status == 200
        return Metrics(page.decode())

    def live(self) -> Any:
        """What the live page shows now."""
        status, page = get(f"{self.admin}/-/live.json", Authorization=f"Bearer {TOKEN}")
        assert status == 200, page
        return json.loads(page)

    def latched(self) -> set[str]:
        return set(self.metrics().by("shadow_route_latched", "route"))

    def accounted(self) -> float:
        """How many exchanges have an outcome."""
        return self.metrics().of("shadow_exchanges_total")

    def settled(self, exchanges: float) -> Metrics:
        """Wait until so many exchanges have an outcome."""
        eventually(lambda: self.accounted() >= exchanges)
        metrics = self.metrics()
        assert metrics.of("shadow_exchanges_total") == exchanges
        return metrics

    @property
    def rss(self) -> int:
        """Bytes of memory that it has now."""
        return int(psutil.Process(self.command.pid).memory_info().rss)


class Shadow:
    """Runs commands in one folder, from a process that has imported them."""

    def __init__(self, folder: Path, forks: Forks) -> None:
        self.folder = folder
        self._forks = forks

    def __call__(self, *words: object) -> Done:
        """Run a command to its end."""
        command, out = self.start(*words)
        code = command.wait()
        return Done(code, out.read_bytes(), command.text.encode())

    def start(
        self,
        *words: object,
        environment: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> tuple[Command, Path]:
        """Start a command; with it, the file that its standard output goes to.

        `limits` are resources that the system gives it, by their names in `resource`.
        """
        out = self._forks.scratch()
        job = {
            "words": list(map(str, words)),
            "cwd": str(self.folder),
            "environment": clean({"SHADOW_ADMIN_TOKEN": TOKEN, **(environment or {})}),
            "limits": dict(limits or {}),
        }
        return self._forks.start(job, out), out

    @contextmanager
    def sidecar(
        self,
        name: str,
        *words: object,
        environment: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Iterator[Sidecar]:
        """Run one on free ports while the block runs; it ends in order."""
        with self.sidecars(name, words, environment=environment, limits=limits) as (found,):
            yield found

    @contextmanager
    def sidecars(
        self,
        name: str,
        *each: Sequence[object],
        environment: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> Iterator[list[Sidecar]]:
        """Run several at once, each with its own words."""
        with ExitStack() as stack:
            commands = []
            for words in each:
                command, _ = self.start(
                    name, *_FREE_PORTS, *words, environment=environment, limits=limits
                )
                stack.callback(command.kill)
                commands.append(command)
            yield [
                Sidecar(command, admin="--admin" in words)
                for command, words in zip(commands, each, strict=True)
            ]
            going_on = [command for command in commands if not command.ended]
            for command in going_on:
                command.send(signal.SIGTERM)
            for command in going_on:
                assert command.wait() == 0, command.text
                assert "Traceback" not in command.text, command.text
                assert "a bug in shadow" not in command.text, command.text


class Forks:
    """The process that commands are forks of."""

    def __init__(self, jobs: socket.socket, folder: Path) -> None:
        self._jobs = jobs
        self._folder = folder
        self._outputs = 0

    def scratch(self) -> Path:
        """A new file."""
        self._outputs += 1
        return self._folder / f"out{self._outputs}"

    def start(self, job: Mapping[str, Any], out: Path) -> Command:
        reading, writing = os.pipe()
        with out.open("wb") as output:
            socket.send_fds(self._jobs, [json.dumps(job).encode()], [output.fileno(), writing])
        os.close(writing)
        pid = int(self._jobs.recv(100))
        return Command(pid, reading, self._ended)

    def _ended(self, pid: int) -> int:
        self._jobs.send(json.dumps({"wait": pid}).encode())
        return int(self._jobs.recv(100))


@contextmanager
def forking(folder: Path) -> Iterator[Forks]:
    """Run the process that commands are forks of."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        ours,
        subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.sidecar.forks"],
            cwd=ROOT,
            env=clean({}),
            stdin=theirs.fileno(),
        ) as process,
    ):
        theirs.close()
        try:
            yield Forks(ours, folder)
        finally:
            ours.close()
            process.wait(END_TIMEOUT_S)
