"""The key of the marks: from a file, from the environment, or made up for one recording."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shadow.captures.key_files import read_key
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
        return _long_enough(read_key(path, most=MAX_BYTES, private=True), str(path))
    given = environment.get(VARIABLE, "")
    if given:
        return _long_enough(os.fsencode(given), VARIABLE)
    return secrets.token_bytes(32)


def _long_enough(key: bytes, source: str) -> bytes:
    key = key.rstrip(b"\r\n")
    if len(key) < MIN_BYTES:
        raise ConfigError(f"{source}: the key is shorter than {MIN_BYTES} bytes", _MAKE_ONE)
    return key
