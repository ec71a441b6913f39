"""A real nginx on free ports of this machine, with a config that the test writes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shadow.sending.target import Target, parse_target

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: make packages")

START_TIMEOUT_S = 10.0
BIG = 5 << 20
"""Size of `/big`, in bytes."""

LOCATIONS = """
location = /plain { return 200 'ok'; }
location = /made { return 201 'made'; }
location = /empty { return 204; }
location = /gone { return 404 'no'; }
location /echo { return 200 '$request_method $request_uri|$http_x_a|$http_cookie|$http_host'; }
location = /version { return 200 $server_protocol; }
location = /redirect { absolute_redirect off; return 302 /plain; }
location = /cookie { add_header Set-Cookie 'a=1'; add_header Set-Cookie 'b=2'; return 200 'ok'; }
location = /odd { add_header X-Odd 'ÿ'; add_header X-Two 1; add_header X-Two 2; return 200 'ok'; }
location = /drop { return 444; }
location = /limited { client_max_body_size 1k; return 200 'ok'; }
location = /small { etag on; }
location = /packed { gzip on; gzip_min_length 1; gzip_types *; }
location = /chunked { ssi on; ssi_types *; }
location = /big { }
location = /slow { limit_rate 1k; }
location = /status { stub_status; }
"""
"""What a test may ask for; `/small`, `/packed`, `/chunked`, `/big` and `/slow` are files."""

SMALL = b'{"a": "' + b"x" * 2000 + b'"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """A running nginx: its ports, in the order of the config, and its log."""

    ports: tuple[int, ...]
    log: Path

    def target(self, number: int = 0, scheme: str = "http", **options: Any) -> Target:
        """The service that listens on the n-th port."""
        host = options.pop("host", "127.0.0.1")
        url = f"{scheme}://{host}:{self.ports[number]}"
        return parse_target(url, side="baseline", name="go", option="--go", **options)

    def requests(self) -> list[str]:
        """What was asked for: method, target and status; complete once nginx has ended."""
        return self.log.read_text("utf-8").splitlines()


@contextlib.contextmanager
def running(folder: Path, servers: str, *, ports: int = 1) -> Iterator[Nginx]:
    """Start nginx with these `server` blocks, where `{port0}` is the first free port.

    It ends in order when the block does: by then its log is complete.
    """
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(ports)]
    numbers = tuple(each.getsockname()[1] for each in taken)
    for each in taken:
        each.close()
    for number, port in enumerate(numbers):
        servers = servers.replace(f"{{port{number}}}", str(port))
    _write(folder, servers)
    assert NGINX is not None
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "error.log"]
    process = subprocess.Popen(command)
    try:
        _wait_for(process, numbers[-1], folder)
        yield Nginx(ports=numbers, log=folder / "access.log")
    finally:
        process.send_signal(signal.SIGQUIT if process.poll() is None else 0)
        try:
            process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write(folder: Path, servers: str) -> None:
    files = folder / "html"
    files.mkdir(exist_ok=True)
    for name in ("small", "packed", "chunked", "slow"):
        (files / name).write_bytes(SMALL)
    (files / "slow").write_bytes(b"x" * 100_000)
    with (files / "big").open("wb") as big:
        big.truncate(BIG)
    temporary = "\n".join(
        f"  {name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "access.log").touch()
    (folder / "nginx.conf").write_text(
        f"""daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  log_format asked '$request_method $request_uri $status';
  access_log {folder}/access.log asked;
  default_type application/json;
{temporary}
{servers}
}}
""",
        "utf-8",
    )


def _wait_for(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    limit = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError((folder / "error.log").read_text("utf-8"))
