"""The key of the marks: from a file, from the environment, or made up for one recording."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shadow.errors import ConfigError

VARIABLE: Final = "SHADOW_REDACT_KEY"
MIN_BYTES: Final = 16
MAX_BYTES: Final = 4096

_MAKE_ONE: Final = "make one with `openssl rand -hex 32`"


def load_key(path: str | Path | None, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the key in the file, else that in `SHADOW_REDACT_KEY`, else a random one.

    Line feeds at its end do not count. Under a random key marks are equal within one recording
    only; nobody can match them with another's. An empty variable is none. Raises ConfigError
    for a key that is short, cannot be read or can be read by others.
    """
    if path is not None:
        return _long_enough(_read(Path(path)), str(path))
    given = environment.get(VARIABLE, "")
    if given:
        return _long_enough(os.fsencode(given), VARIABLE)
    return secrets.token_bytes(32)


def _read(path: Path) -> bytes:
    try:
        # A pipe would keep the open waiting for its writer.
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path}: is no file", "name a file that holds the key")
            if status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise ConfigError(
                    f"{path}: the key can be read by others (mode {mode:03o})",
                    f"chmod 600 {path}, or give the key in {VARIABLE}",
                )
            key = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: the key cannot be read: {error.strerror}", "check the path"
        ) from None
    if len(key) > MAX_BYTES:
        raise ConfigError(f"{path}: a key has at most {MAX_BYTES} bytes", _MAKE_ONE)
    return key


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _long_enough(key: bytes, source: str) -> bytes:
    key = key.rstrip(b"\r\n")
    if len(key) < MIN_BYTES:
        raise ConfigError(f"{source}: the key is shorter than {MIN_BYTES} bytes", _MAKE_ONE)
    return key
