"""What may be sent: safe requests always, writes only when asked for, never to some hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from shadow.endpoints import Template, path_of
from shadow.errors import ConfigError
from shadow.model import Request, header_values
from shadow.sending.target import Target

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OVERRIDES: Final = frozenset({"x-http-method-override", "x-method-override", "x-http-method"})
_OVERRIDE: Final = "".join(
    rf"\\?(?:{each}|%{ord(each):x}|%{ord(each.upper()):x})" for each in "_method"
)
"""The parameter `_method`; each letter may be percent-encoded or have a backslash before it."""
_IN_QUERY: Final = re.compile(rf"(?:^|[?&;]|%(?:3f|26|3b)){_OVERRIDE}(?:=|%3d)", re.IGNORECASE)
_IN_FORM: Final = {
    "application/x-www-form-urlencoded": re.compile(_IN_QUERY.pattern.encode(), re.IGNORECASE),
    # A quoted name or a bare one, and one that is cut into `name*0` and so on.
    "multipart/form-data": re.compile(rf"[\"'=\s]{_OVERRIDE}|name\*[0-9]".encode(), re.IGNORECASE),
}
_SEPARATOR: Final = re.compile(r"[/\\]")


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
            # To some servers both signs are one.
            if name[:1] in "xX" and name.lower().replace("_", "-") in _OVERRIDES:
                return False
        if _overrides_in_query(request) or _overrides_in_form(request):
            return False
        if request.method in SAFE_METHODS:
            return True
        path = path_of(request.target)
        if any(segment in (".", "..") for segment in _SEPARATOR.split(unquote(path))):
            return False  # a proxy may resolve it to another endpoint
        if "#" in request.target:
            return False  # to some services it is part of the path
        return any(read.matches(request.method, path) for read in self._reads)

    def may_send(self, request: Request) -> bool:
        """Whether the request only reads, or writes are allowed."""
        return self.allow_writes or self.is_safe(request)


def _overrides_in_query(request: Request) -> bool:
    target = request.target
    return ("_" in target or "%" in target) and _IN_QUERY.search(target) is not None


def _overrides_in_form(request: Request) -> bool:
    if not request.body:
        return False
    for value in header_values(request.headers, "content-type"):
        pattern = _IN_FORM.get(value.partition(";")[0].strip().lower())
        if pattern is not None and pattern.search(request.body):
            return True
    return False


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
