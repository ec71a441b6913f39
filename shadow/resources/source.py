"""Where the use of a service is read: the option's text to a source that takes samples."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from shadow.errors import ConfigError

AUTO: Final = "auto"
"""The process behind the target's port, where that is on this machine."""

_HINT: Final = "give auto, pid:123, cgroup:/sys/fs/cgroup/…, or prom:http://127.0.0.1:9100/metrics"
_MAX_PID: Final = 2**31 - 1


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a source tells at one moment; see `shadow.results.resources.Reading`."""

    cpu_s: float | None = None
    memory_bytes: int | None = None
    peak_bytes: int | None = None
    gc_longest_s: float | None = None


class Unreadable(Exception):  # noqa: N818 - the state of a source, not a mistake
    """A source that cannot be read now; the text says why."""


class Source(Protocol):
    """One place to read."""

    @property
    def name(self) -> str:
        """What it is called in a report."""

    def sample(self) -> Sample:
        """Read it. Raises Unreadable."""


def parse_source(text: str, target_url: str) -> Source:
    """Return the source that an option names. Raises ConfigError for what is none."""
    from shadow.resources.cgroup import Cgroup  # noqa: PLC0415 - these import this module
    from shadow.resources.process import Listener, Process  # noqa: PLC0415
    from shadow.resources.prometheus import Prometheus  # noqa: PLC0415

    kind, _, rest = text.partition(":")
    if text == AUTO:
        return Listener(target_url)
    if kind == "pid" and rest.isascii() and rest.isdigit() and 0 < int(rest[:11]) <= _MAX_PID:
        return Process(int(rest))
    if kind == "cgroup" and rest:
        return Cgroup(Path(rest))
    if kind == "prom" and urlsplit(rest).scheme in ("http", "https") and urlsplit(rest).hostname:
        return Prometheus(rest)
    raise ConfigError(f"{text[:200]}: no place to read CPU and memory from", _HINT)
