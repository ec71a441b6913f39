"""Opening a store: a SQLite file, or a database of a PostgreSQL server (`postgres`).

A file is private and crash-safe, and its errors are such that a person can act on them.
Write-ahead logging lets a report read while a run writes, and a killed process leaves the
last committed transaction (https://www.sqlite.org/wal.html). With `synchronous=NORMAL` only
a power cut can lose the newest transactions, never the file's consistency.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from shadow.errors import ShadowError, UnfinishedError
from shadow.masking import Masker
from shadow.results import postgres
from shadow.results.postgres import Server
from shadow.results.tables import APPLICATION_ID, SCHEMA_VERSION, metadata

BUSY_S: Final = 30.0
"""How long a writer to a file waits for another one, unless told otherwise."""


Place = Path | Server
"""Where a store is: a SQLite file, or a database of a server. As text it has no password."""

_STORE_HINT: Final = (
    "give a file: --store .shadow/shadow.sqlite or --store sqlite:///PATH,"
    " or a database: --store postgresql://USER@HOST/NAME"
)


def place_of(where: str | Place) -> Place:
    """Return where the store is that a path, a `sqlite:///` or a `postgresql://` URL names.

    Raise ShadowError for another kind of database.
    """
    if isinstance(where, Path | Server):
        return where
    scheme, mark, _ = where.partition("://")
    if not mark:
        return Path(where)
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        return Server.of(where)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):  # a port that is no number
        shown = Masker().mask_target(where)
        raise ShadowError(f"--store {shown}: not a URL", _STORE_HINT) from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        shown = url.set(query={}).render_as_string(hide_password=True)
        raise ShadowError(
            f"--store {shown}: only SQLite files and PostgreSQL are supported", _STORE_HINT
        )
    return Path(url.database)


def open_database(place: Place, *, create: bool, busy_s: float | None = None) -> Engine:
    """Open the store at a place, made where it is new: a file (and its folder) for its owner only.

    A writer to a file waits `busy_s` for another one (by default `BUSY_S`).

    Raise ShadowError where it is missing (unless `create`), unreadable, no store, or of a
    newer version, UnfinishedError where a server cannot be reached.
    """
    if isinstance(place, Server):
        return postgres.open_server(place, create=create)
    return _open_file(place, create=create, busy_s=BUSY_S if busy_s is None else busy_s)


def _open_file(path: Path, *, create: bool, busy_s: float) -> Engine:
    if path.is_dir():
        raise ShadowError(f"store {path}: is a directory", _STORE_HINT)
    if create:
        _make_private(path)
    elif not path.exists():
        raise ShadowError(f"store {path}: does not exist", "record a run first: shadow replay")
    engine = _engine(path, busy_s)
    try:
        with translated(path), engine.connect() as connection:
            _check_schema(connection, path, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, with mode 0700 whatever the umask. Raise OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        each.chmod(0o700)
        if each.name == ".shadow":  # recorded traffic does not belong in a commit
            (each / ".gitignore").write_text("*\n", encoding="utf-8")


def _make_private(path: Path) -> None:
    """Create the file with mode 0600, in a private folder."""
    try:
        make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise ShadowError(
            f"store {path}: {error.strerror}", "choose a place you may write to with --store"
        ) from None
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _engine(path: Path, busy_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": busy_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not behind our back
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock at once: a reader that turns writer midway can only fail.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def writing(
    engine: Engine, place: Place, about: str, *, shared: bool = False
) -> Iterator[Connection]:
    """Run one write transaction: all of it is kept, or nothing.

    Others that write `about` the same thing wait for it, but for those that are `shared` as it
    is. A file lets one writer in at a time in any case.
    """
    with (
        translated(place),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        if isinstance(place, Server):
            postgres.take_turn(connection, about, shared=shared)
        yield connection


@contextmanager
def reading(engine: Engine, place: Place) -> Iterator[Connection]:
    """Run one read transaction: what it sees does not change meanwhile."""
    with translated(place), engine.connect() as connection:
        if isinstance(place, Server):
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection


def _check_schema(connection: Connection, path: Path, *, create: bool) -> None:
    with connection.execution_options(writes=create).begin():
        application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if create and application == 0 and tables == 0:
            metadata.create_all(connection, checkfirst=False)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return
        if create and (application, version) == (APPLICATION_ID, SCHEMA_VERSION):
            metadata.create_all(connection)  # tables that a later release of the version added
    if application != APPLICATION_ID:
        raise ShadowError(f"store {path}: a SQLite file, but not one of shadow's", _STORE_HINT)
    if version > SCHEMA_VERSION:
        raise ShadowError(
            f"store {path}: written by a newer shadow (store version {version},"
            f" this one reads {SCHEMA_VERSION})",
            "upgrade shadow, or name another file with --store",
        )


def translated(place: Place) -> AbstractContextManager[None]:
    """Turn the database's errors into ShadowError, or UnfinishedError where a run cannot go on."""
    if isinstance(place, Server):
        return postgres.translated(place)
    return _translated(place)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        cause = error.orig
        if not isinstance(cause, sqlite3.Error):
            raise
        raise _meaning(path, cause) from None
    except sqlite3.Error as error:
        raise _meaning(path, error) from None


def _meaning(path: Path, error: sqlite3.Error) -> ShadowError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return UnfinishedError(
            f"store {path}: cannot be written: {error}",
            "free some space, then replay again; what was stored before is kept",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return UnfinishedError(
            f"store {path}: held by another process for too long",
            "end the other process, or name another file with --store",
        )
    if name.startswith("SQLITE_CONSTRAINT"):
        return ShadowError(
            f"store {path}: an exchange of this run is already stored",
            "end any other process that writes to the same store, then replay again",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return ShadowError(
            f"store {path}: no SQLite database, or a damaged one",
            "move the file away, or name another one with --store",
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return ShadowError(
            f"store {path}: cannot be opened for writing: {error}",
            "choose a place you may write to with --store",
        )
    return ShadowError(f"store {path}: {error}", "name another file with --store")
