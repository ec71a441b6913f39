"""A fast upstream: one nginx worker that answers every request with a fixed body."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from bench import measure, traffic

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Two ports of one nginx. They differ below `traffic.ODD_PATH` alone."""

    baseline: str
    candidate: str

    def handled(self) -> int:
        """How many requests nginx has handled so far, on both ports, without this one."""
        port = int(self.baseline.rpartition(":")[2])
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/status")
            lines = connection.getresponse().read().decode().splitlines()
        return int(lines[2].split()[2]) - 1


def missing() -> str:
    """Why there can be no such upstream, or empty."""
    return "" if shutil.which("nginx", path=_path()) else "nginx is not installed: make packages"


@contextmanager
def running(body: bytes, odd_body: bytes) -> Iterator[Upstream]:
    """Start nginx on the upstream's core, on two free ports; stop it when the block ends."""
    nginx = shutil.which("nginx", path=_path())
    assert nginx is not None, missing()
    ports = _free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nginx.conf"
        conf.write_text(_conf(folder, ports, body, odd_body), "utf-8")
        with measure.pinned(measure.upstream_core()):
            process = subprocess.Popen([nginx, "-p", folder, "-c", str(conf), "-e", "stderr"])
        try:
            _wait_for(process, ports[1])
            yield Upstream(
                baseline=f"http://127.0.0.1:{ports[0]}", candidate=f"http://127.0.0.1:{ports[1]}"
            )
        finally:
            _stop(process)


def _path() -> str:
    return os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin"


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def _conf(folder: str, ports: list[int], body: bytes, odd_body: bytes) -> str:
    """Log nothing, never close a connection, answer from memory."""
    temporary = "\n".join(
        f"  {name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(
        f"""  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{body.decode()}'; }}
    location {traffic.ODD_PATH} {{ return 200 '{odd.decode()}'; }}
    location = /status {{ stub_status; }}
  }}"""
        for port, odd in zip(ports, (body, odd_body), strict=True)
    )
    return f"""daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  default_type application/json;
{temporary}
{servers}
}}
"""


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise measure.FailedError("nginx did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
