"""A real PostgreSQL on a free port of this machine, with a folder of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from shadow.results.postgres import SCHEMA
from shadow.results.tables import metadata

_BINARIES: Final = sorted(
    (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
    key=lambda path: float(path.parent.name),
)
"""Debian's, the newest last; it puts none of them on the PATH."""
needs_postgres = [
    pytest.mark.packages,
    pytest.mark.skipif(not _BINARIES, reason="postgresql is not installed: make packages"),
]

PASSWORD: Final = "S3CR3T"
"""What the user `locked` needs; the user `shadow`, who may do anything, needs none."""
START_TIMEOUT_S = 20.0

_CONFIG = """
fsync = off
autovacuum = off
shared_buffers = 16MB
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
"""
_ACCESS = """
host all locked 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class Postgres:
    """A server that can be stopped and started again; its databases stay."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._run("initdb", "--pgdata=data", "--username=shadow", "--auth=trust", "--no-sync",
                  "--encoding=UTF8", "--locale=C")  # fmt: skip
        with (folder / "data/postgresql.conf").open("a") as file:
            file.write(_CONFIG + f"port = {self.port}\n")
        (folder / "data/pg_hba.conf").write_text(_ACCESS)

    def _command(self, name: str, *words: str) -> list[str]:
        """A command of the server, which refuses to run as root; it ends when the tests do."""
        account = pwd.getpwuid(self._folder.stat().st_uid)
        who = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        return [
            *("setpriv", "--pdeathsig=QUIT", *(who if os.geteuid() == 0 else ())),
            *(str(_BINARIES[-1] / name), *words),
        ]

    def _run(self, name: str, *words: str) -> None:
        subprocess.run(
            self._command(name, *words), cwd=self._folder, check=True, capture_output=True
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", "data"), cwd=self._folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.ask("SELECT 1", database="postgres")
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.02)  # it has no other way to say that it is ready
            else:
                return

    def stop(self) -> None:
        """Stop it at once, like a machine that goes down."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def url(self, database: str, *, user: str = "shadow", password: str = "") -> str:
        """Name a database, whether it is there or not."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def database(self, **options: str) -> str:
        """Make an empty database and return its URL."""
        name = f"test{next(self._numbers)}"
        settings = "".join(f" {option} {value}" for option, value in options.items())
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0{settings}", database="postgres")
        return self.url(name)

    def empty(self, url: str) -> None:
        """Delete every row of a store, also those that its triggers keep."""
        tables = [table.name for table in metadata.sorted_tables]
        deleting = "".join(f"DELETE FROM {SCHEMA}.{name};" for name in tables)
        self.ask(f"SET session_replication_role = replica; {deleting}", database=url)

    def ask(self, statement: str, *, database: str) -> list[tuple[object, ...]]:
        """Run a statement in a database, given by name or URL, and return its rows."""
        url = database if "://" in database else self.url(database)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """Run a server; it and its folder are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="shadow-postgres-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _account())
        server = Postgres(folder)
        try:
            server.start()
            server.ask(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'", database="postgres")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _account() -> str:
    """Who runs it where the tests run as root."""
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
