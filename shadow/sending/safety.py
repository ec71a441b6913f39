"""What may be sent: safe requests always, writes only when asked for, never to some hosts."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from shadow.endpoints import Template, path_of
from shadow.errors import ConfigError
from shadow.model import Request
from shadow.sending.target import Target

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OVERRIDES: Final = frozenset({"x-http-method-override", "x-method-override", "x-http-method"})


class Safety:
    """Tells reads from writes. Safe are GET, HEAD, OPTIONS and the endpoints listed as reads."""

    def __init__(self, reads: Sequence[str] = (), *, allow_writes: bool = False) -> None:
        """Take endpoint templates like `POST /v1/quote`. Raises ConfigError for a bad one."""
        self._reads = [Template(text) for text in reads]
        self.allow_writes = allow_writes

    def is_safe(self, request: Request) -> bool:
        """Whether the request only reads. A method-override header makes it a write."""
        for name, _ in request.headers:
            if name.lower() in _OVERRIDES:
                return False
        if request.method in SAFE_METHODS:
            return True
        path = path_of(request.target)
        if any(unquote(segment) in (".", "..") for segment in path.split("/")):
            return False  # a proxy may resolve it to another endpoint
        return any(read.matches(request.method, path) for read in self._reads)

    def may_send(self, request: Request) -> bool:
        """Whether the request only reads, or writes are allowed."""
        return self.allow_writes or self.is_safe(request)


def refuse_denied(target: Target, never: Sequence[str]) -> None:
    """Refuse a target that `[safety] never` lists, by name or by an address it shares.

    Raises ConfigError.
    """
    host = _plain(target.host)
    for entry in never:
        denied = _plain(entry)
        if host == denied or _addresses(host) & _addresses(denied):
            raise ConfigError(
                f"target {target.name} ({target.url}) is on the list [safety] never: {entry}",
                "point it at another host, or take the entry out of shadow.toml",
            )


def _plain(host: str) -> str:
    return host.strip().rstrip(".").strip("[]").lower()


def _addresses(host: str) -> set[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
