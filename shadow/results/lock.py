"""Tells a run that is going on from one whose process was killed.

Every process of a run holds a shared lock, which is let go of however the process ends: on one
file beside the store (flock(2)), or in the database that is the store, by a connection of its
own. Where nobody holds it, the run is not going on. One that outlives a restart of the server
no longer holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shadow.errors import ShadowError
from shadow.results import postgres
from shadow.results.database import Place
from shadow.results.postgres import Server


def lock_path(store: Path, run_id: str) -> Path:
    """Name the lock file of a run."""
    return store.parent / f"{run_id}.lock"


@contextlib.contextmanager
def held(store: Place, run_id: str, *, alone: bool = False) -> Iterator[None]:
    """Hold the lock of a run with the other processes of it; `alone` refuses where there are any.

    Raises ShadowError where the run goes on elsewhere, or the file cannot be made.
    """
    hold = _held_there if isinstance(store, Server) else _held_beside
    with hold(store, run_id, alone=alone):  # type: ignore[arg-type]  # as was just asked
        yield


def is_held(store: Place, run_id: str) -> bool:
    """Whether a process of the run is alive."""
    if isinstance(store, Server):
        return _is_held_there(store, run_id)
    try:
        descriptor = os.open(lock_path(store, run_id), os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _taken(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _goes_on(run_id: str) -> ShadowError:
    return ShadowError(
        f"run {run_id} is going on in another process", "wait for its end, or stop it"
    )


# Beside a file


@contextlib.contextmanager
def _held_beside(store: Path, run_id: str, *, alone: bool) -> Iterator[None]:
    path = lock_path(store, run_id)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ShadowError(f"cannot make {path}: {error.strerror}", "free some space") from None
    try:
        if alone and not _taken(descriptor, fcntl.LOCK_EX):
            raise _goes_on(run_id)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if _taken(descriptor, fcntl.LOCK_EX):  # the last one clears up
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# In a database: PostgreSQL's manual, 9.27.10 and 54.12


@contextlib.contextmanager
def _held_there(store: Server, run_id: str, *, alone: bool) -> Iterator[None]:
    key = (_key(run_id),)
    with postgres.translated(store):
        connection = postgres.connect(store)
    try:
        with postgres.translated(store):
            if alone:
                found = connection.execute("SELECT pg_try_advisory_lock(%s)", key).fetchone()
                if found != (True,):
                    raise _goes_on(run_id)
            connection.execute("SELECT pg_advisory_lock_shared(%s)", key)
            if alone:
                connection.execute("SELECT pg_advisory_unlock(%s)", key)
        yield
    finally:
        connection.close()


_HELD: Final = """
SELECT EXISTS (
  SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
  WHERE locktype = 'advisory' AND datname = current_database() AND granted AND objsubid = 1
    AND (classid::bigint << 32 | objid::bigint) = %s
)
"""


def _is_held_there(store: Server, run_id: str) -> bool:
    with postgres.translated(store), contextlib.closing(postgres.connect(store)) as connection:
        return connection.execute(_HELD, (_key(run_id),)).fetchone() == (True,)


def _key(run_id: str) -> int:
    return postgres.lock_key(f"run {run_id} goes on")
