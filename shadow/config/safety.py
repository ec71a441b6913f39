"""`[safety]` → what is sent, and when a replay stops."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from shadow.config.file import Config, named
from shadow.config.flags import Flags
from shadow.replay.abort import AbortLimits
from shadow.sending.denied import Denied, parse_denied
from shadow.sending.safety import Safety


def safety(config: Config, *, allow_writes: bool) -> Safety:
    """What tells reads from writes. Raises ConfigError for a malformed template."""
    with named(config, "safety", "reads"):
        return Safety(config.safety.reads, allow_writes=allow_writes)


def denied(config: Config) -> Denied:
    """Where nothing is sent. Raises ConfigError for what names no host."""
    with named(config, "safety", "never"):
        return _denied(tuple(config.safety.never))


_denied: Final = lru_cache(maxsize=1)(parse_denied)
"""Names are looked up once for all targets of a command: one that is slow to resolve, or to fail,
would keep each of them waiting."""


def may_write(config: Config, flags: Flags) -> bool:
    """Whether writes are sent: where it was said, or where both services are for that.

    A file speaks of the services at its own URLs only.
    """
    if flags["allow_writes"]:
        return True
    targets = config.targets
    sides = ((flags["baseline"], targets.baseline), (flags["candidate"], targets.candidate))
    return all(
        table.isolated and table.url and given in (None, table.url) for given, table in sides
    )


def abort_limits(config: Config, flags: Flags) -> AbortLimits:
    """When a replay stops: the flags, else the file."""

    def limit(name: str) -> Any:
        given = flags.get(name)
        return getattr(config.safety, name) if given is None else given

    return AbortLimits(
        max_errors=limit("max_errors"),
        max_error_share=limit("max_error_share"),
        max_latency_ms=limit("max_latency"),
    )
