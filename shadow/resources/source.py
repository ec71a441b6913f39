"""Where the use of a service is read: the option's text to a source that takes samples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from shadow.errors import ConfigError

AUTO: Final = "auto"
"""The process behind the target's port, where that is on this machine."""

_HINT: Final = "give auto, pid:123, cgroup:/sys/fs/cgroup/…, or prom:http://127.0.0.1:9100/metrics"
_MAX_PID: Final = 2**31 - 1
_PID: Final = re.compile(r"[1-9][0-9]{0,9}")
_KIND: Final = re.compile(r"[a-z]{1,12}")


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
    """Return the source that an option names. Raises ConfigError for what is none.

    The error does not quote the text: what an environment variable put there may be a secret.
    """
    from shadow.resources.cgroup import Cgroup  # noqa: PLC0415 - these import this module
    from shadow.resources.process import Listener, Process  # noqa: PLC0415
    from shadow.resources.prometheus import Prometheus  # noqa: PLC0415

    kind, colon, rest = text.partition(":")
    if text == AUTO:
        return Listener(target_url)
    if kind == "pid" and _PID.fullmatch(rest) and int(rest) <= _MAX_PID:
        return Process(int(rest))
    if kind == "cgroup" and rest:
        return Cgroup(Path(rest))
    if kind == "prom" and shown_url(rest) is not None:
        return Prometheus(rest)
    name = f"{kind}: " if colon and _KIND.fullmatch(kind) else ""
    raise ConfigError(f"{name}no place to read CPU and memory from", _HINT)


def shown_url(url: str) -> str | None:
    """Return a URL as far as it may be shown: scheme, host, port and path.

    None where it is no URL of HTTP, or has an `@` after the host: there a `/`, `?` or `#` of a
    password ends the host too early, and the rest of the password looks like a path.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # "http://[", or a port that is no number
        return None
    after = f"{parts.path}{parts.query}{parts.fragment}"
    if parts.scheme not in ("http", "https") or not host or "@" in after:
        return None
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}{'' if port is None else f':{port}'}{parts.path}"
