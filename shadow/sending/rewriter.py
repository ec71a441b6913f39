"""The fast way to what `rewrite.render` makes of a request, for requests that are ordinary.

It holds no rules of its own: what it is not sure of, it leaves to `rewrite.render`, and the tests
hold one against the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from shadow.model import Request
from shadow.sending.fields import is_name, is_value
from shadow.sending.rewrite import NEVER_SENT, ORDINARY_CONNECTION, render
from shadow.sending.target import Target

_ORDINARY_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Rewriter:
    """Renders requests for one target.

    An ordinary request leaves little to decide. What its messages to all targets share is made
    once, and kept until another request comes: both sides of a replay render the same one.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._keeps_host = target.keep_host
        own = (target.prefix, target.authority)
        changed = target.headers or target.host_header or target.drop_headers or target.reshaping
        self._is_plain = not changed and all(map(is_value, own))
        self._prefix, self._authority = (text.encode("latin-1") for text in own)

    def render(self, request: Request) -> bytes:
        """Write one request, exactly as `rewrite.render` does, and with the same errors."""
        if self._is_plain:
            parts = _latest.parts_of(request)
            if parts is not None:
                method, path, host, rest = parts
                if host is None or not self._keeps_host:
                    host = self._authority
                return b"".join((method, self._prefix, path, host, rest))
        return render(request, self._target)


_Parts = tuple[bytes, bytes, bytes | None, bytes]
"""A message without what its target gives it: `GET `, then (after the prefix) the path and all
up to the value of Host, then that value where one was recorded, then the rest with the body."""


class _Latest:
    """The request rendered last; its parts are None where `render` must look closer.

    All rewriters of the process share the one below. What is relied on: a request is frozen, so
    the same object has the same parts; both sides of a replay render one object, one after the
    other. Where they do not, it costs time and nothing else. It keeps that one request alive.
    """

    def __init__(self) -> None:
        self._known: tuple[Request, _Parts | None] | None = None

    def parts_of(self, request: Request) -> _Parts | None:
        known = self._known
        if known is not None and known[0] is request:
            return known[1]
        parts = _parts(request)
        self._known = (request, parts)  # in one step: other threads may render too
        return parts


_latest = _Latest()


def _parts(request: Request) -> _Parts | None:
    """Take an ordinary request apart; None where its message takes more thought."""
    fields = _ordinary_fields(request) if _is_ordinary(request) else None
    if fields is None:
        return None
    before, name_of_host, host, after = fields
    try:
        return (
            f"{request.method} ".encode("latin-1"),
            f"{request.target} HTTP/1.1\r\n{before}{name_of_host}: ".encode("latin-1"),
            None if host is None else host.encode("latin-1"),
            f"\r\n{after}\r\n".encode("latin-1") + request.body,
        )
    except UnicodeEncodeError:
        return None


def _is_ordinary(request: Request) -> bool:
    """Whether method and target are in need of no check, and the body is as it was sent."""
    path = request.target
    return (
        request.method in _ORDINARY_METHODS
        and path.startswith("/")
        and path.isascii()
        and path.isprintable()
        and " " not in path
        and not (request.decoded or request.truncated)
    )


def _ordinary_fields(request: Request) -> tuple[str, str, str | None, str] | None:
    """Return the lines before Host, its name, its recorded value, and the lines after it.

    None where a field says more than its name does, or may not be sent.
    """
    before, name_of_host, host, after = "", "Host", None, ""
    lines = 0
    has_length = False
    for name, value in request.headers:
        treatment = _treatment(name)
        if treatment == "sent":
            after += f"{name}: {value}\r\n"
            lines += 1
        elif treatment == "host" and host is None and value.isprintable():
            before, name_of_host, host, after = after, name, value, ""
        elif treatment == "length":
            if not has_length:
                after += f"{name}: {len(request.body)}\r\n"
                lines += 1
            has_length = True
        elif treatment != "dropped" and (treatment, value) not in ORDINARY_CONNECTION:
            return None
    if request.body and not has_length:
        after += f"Content-Length: {len(request.body)}\r\n"
        lines += 1
    sent = before + after
    if sent.count("\r") != lines or sent.count("\n") != lines or "\0" in sent:
        return None
    return before, name_of_host, host, after


@lru_cache(maxsize=4096)
def _treatment(name: str) -> Literal["sent", "host", "length", "connection", "dropped", "unclear"]:
    """Say what becomes of a field by its name. `unclear` ones take more thought."""
    key = name.lower()
    if key == "host":
        return "host"
    if key == "content-length":
        return "length"
    if key == "connection":
        return "connection"
    if key == "transfer-encoding" or not is_name(name):
        return "unclear"
    return "dropped" if key in NEVER_SENT else "sent"
