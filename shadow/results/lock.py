"""Tells a run that is going on from one whose process was killed.

Every process of a run holds a shared lock on one file beside the store, which the system lets go
of however the process ends (flock(2)). Where nobody holds it, the run is not going on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from shadow.errors import ShadowError


def lock_path(store: Path, run_id: str) -> Path:
    """Name the lock file of a run."""
    return store.parent / f"{run_id}.lock"


@contextlib.contextmanager
def held(store: Path, run_id: str, *, alone: bool = False) -> Iterator[None]:
    """Hold the lock of a run with the other processes of it; `alone` refuses where there are any.

    Raises ShadowError where the run goes on elsewhere, or the file cannot be made.
    """
    path = lock_path(store, run_id)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ShadowError(f"cannot make {path}: {error.strerror}", "free some space") from None
    try:
        if alone and not _taken(descriptor, fcntl.LOCK_EX):
            raise ShadowError(
                f"run {run_id} is going on in another process", "wait for its end, or stop it"
            )
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if _taken(descriptor, fcntl.LOCK_EX):  # the last one clears up
            path.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(store: Path, run_id: str) -> bool:
    """Whether a process of the run is alive."""
    try:
        descriptor = os.open(lock_path(store, run_id), os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _taken(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
