"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from typing import Final

from shadow.errors import ConfigError

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"b": 1, "": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_DECIMAL: Final = {"kb": 10**3, "mb": 10**6, "gb": 10**9}
_NUMBER: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-zA-Z]*)", re.ASCII)
MAX_SECONDS: Final = 366 * 86400.0
MAX_BYTES: Final = 1 << 50


def seconds(text: str, option: str, *, most: float = MAX_SECONDS) -> float:
    """Read `90s`, `15m`, `1h`, `1d`. Raises ConfigError, beginning with `option`."""
    found = _NUMBER.fullmatch(text.strip())
    unit = _SECONDS.get(found[2].lower()) if found else None
    value = float(found[1]) * unit if found and unit is not None else 0.0
    if value > most:
        raise ConfigError(
            f"{option} {text}: is longer than {most / 86400:,.0f} days", "give a shorter one"
        )
    if value <= 0:
        raise ConfigError(f"{option} {text}: is no duration", "write it like 90s, 15m, 1h or 1d")
    return value


def octets(text: str, option: str) -> int:
    """Read `64MiB`, `10GB` or a number of bytes. Raises ConfigError, beginning with `option`."""
    found = _NUMBER.fullmatch(text.strip())
    unit = {**_BYTES, **_DECIMAL}.get(found[2].lower()) if found else None
    value = float(found[1]) * unit if found and unit is not None else 0.0
    if not 1 <= value <= MAX_BYTES:
        raise ConfigError(f"{option} {text}: is no size", "write it like 64MiB, 10GB or 4096")
    return int(value)
