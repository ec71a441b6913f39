"""How the read-only port is served."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shadow.errors import ConfigError
from shadow.rollout.gating import GatePlan


class ServePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the port goes by."""

    store: str
    host: str
    port: int
    gates: Mapping[str, GatePlan]


def parse_listen(text: str, option: str = "--listen") -> tuple[str, int]:
    """Read `127.0.0.1:9464` or `[::1]:9464`. Raises ConfigError, beginning with `option`."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    brackets = host != bare
    if not colon or not bare or (":" in bare) != brackets or not port.isascii():
        raise ConfigError(f"{option} {text}: is not HOST:PORT", "give 127.0.0.1:9464")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{option} {text}: bad port {port}", "a port is 0 to 65535")
    return bare, int(port)
