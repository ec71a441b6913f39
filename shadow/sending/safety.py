"""What may be sent: safe requests always, writes only when asked for, never to some hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from shadow.endpoints import Template, path_of
from shadow.errors import ConfigError
from shadow.model import Request, header
from shadow.sending.target import Target

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OVERRIDES: Final = frozenset({"x-http-method-override", "x-method-override", "x-http-method"})
_OVERRIDE_PARAMETER: Final = re.compile(r"(?:^|[?&;])_method=", re.IGNORECASE)
_LONGEST_FORM: Final = 1 << 20
_FORM: Final = "application/x-www-form-urlencoded"


class Safety:
    """Tells reads from writes. Safe are GET, HEAD, OPTIONS and the endpoints listed as reads."""

    def __init__(self, reads: Sequence[str] = (), *, allow_writes: bool = False) -> None:
        """Take endpoint templates like `POST /v1/quote`. Raises ConfigError for a bad one."""
        self._reads = [Template(text) for text in reads]
        self.allow_writes = allow_writes

    def is_safe(self, request: Request) -> bool:
        """Whether the request only reads.

        A method override makes it a write: by a header, or by the parameter `_method` of a query
        or a form.
        """
        for name, _ in request.headers:
            if name.lower() in _OVERRIDES:
                return False
        if "method" in request.target and _OVERRIDE_PARAMETER.search(unquote(request.target)):
            return False
        if request.method in SAFE_METHODS:
            return True
        if _overrides_in_form(request):
            return False
        path = path_of(request.target)
        if any(unquote(segment) in (".", "..") for segment in path.split("/")):
            return False  # a proxy may resolve it to another endpoint
        return any(read.matches(request.method, path) for read in self._reads)

    def may_send(self, request: Request) -> bool:
        """Whether the request only reads, or writes are allowed."""
        return self.allow_writes or self.is_safe(request)


def _overrides_in_form(request: Request) -> bool:
    if b"method" not in request.body[:_LONGEST_FORM]:
        return False
    kind = header(request.headers, "content-type") or ""
    if not kind.lower().startswith(_FORM):
        return False
    return _OVERRIDE_PARAMETER.search(unquote(request.body.decode("latin-1"))) is not None


def refuse_denied(target: Target) -> None:
    """Refuse a target that `[safety] never` lists, by any of its names and addresses.

    Raises ConfigError.
    """
    entry = target.denied.of(target.host)
    if entry:
        raise ConfigError(
            f"target {target.name} ({target.url}) is on the list [safety] never: {entry}",
            "point it at another host, or take the entry out of shadow.toml",
        )
