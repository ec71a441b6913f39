"""Keys in files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from shadow.errors import ConfigError

_NAME_ONE: Final = "name a file that holds the key"


def read_key(path: str | Path, *, most: int, private: bool, source: str = "") -> bytes:
    """Return what is in the file of a key, at most so many bytes.

    Raises ConfigError, its message beginning with `source`, for what is no file, is longer or
    cannot be read, and for a `private` key that others can read.
    """
    place = f"{source}: {path}" if source else str(path)
    try:
        # A pipe would keep the open waiting for its writer.
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{place}: is no file", _NAME_ONE)
            if private and status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise ConfigError(
                    f"{place}: the key can be read by others (mode {mode:03o})", f"chmod 600 {path}"
                )
            key = file.read(most + 1)
    except OSError as error:
        raise ConfigError(
            f"{place}: the key cannot be read: {error.strerror}", "check the path"
        ) from None
    if len(key) > most:
        raise ConfigError(f"{place}: a key has at most {most} bytes", _NAME_ONE)
    return key


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
