"""Processes that are measured, or measured against: started on a core, waited for, ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from bench import measure

PATH: Final = "/v1/items?page=1"
"""What is asked for: a page of items, some 1.5 kB."""
START_TIMEOUT_S: Final = 20.0


@contextlib.contextmanager
def started(
    command: Sequence[str], folder: str, core: frozenset[int] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command on the core of what is measured, or on another; it ends with the block.

    Raises FailedError, with what it said, where the block does.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        with measure.pinned(measure.own_core() if core is None else core):
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "NO_COLOR": "1"},
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
        try:
            yield process
        except measure.FailedError as error:
            said.seek(0)
            raise measure.FailedError(f"{error}: {said.read()[-2000:].strip()}") from error
        finally:
            process.kill()  # what it would still write is of no use
            process.wait()


def answers(process: subprocess.Popen[bytes], port: int, status: int = 200) -> None:
    """Wait until a request is answered with this status. Raises FailedError."""
    listens(process, port)
    limit = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < limit and process.poll() is None:
        with (
            contextlib.suppress(OSError, HTTPException),
            contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
        ):
            connection.request("GET", PATH)
            if connection.getresponse().status == status:
                return
        time.sleep(0.02)
    raise measure.FailedError(f"{process.args!r} does not answer {status}")


def listens(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a port is listened on. Raises FailedError."""
    limit = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise measure.FailedError(f"{process.args!r} did not start")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


@contextlib.contextmanager
def nginx(servers: str, core: frozenset[int] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """One process of nginx; `servers` stands in its `http` block."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    assert program is not None
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nginx.conf"
        temporary = "\n".join(
            f"  {name}_temp_path {folder}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(
            f"""daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
{temporary}
{servers}
}}
""",
            "utf-8",
        )
        command = [program, "-p", folder, "-c", str(conf), "-e", f"{folder}/error.log"]
        with started(command, folder, core) as process:
            yield process
