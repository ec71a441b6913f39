"""What goes to the client before a body: status, fields, framing (RFC 9112 section 6)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from shadow.model import Headers

Framing = Literal["none", "length", "chunked", "close"]
"""How the client tells where the body ends: there is none, as the fields say, by chunks, or by
the end of the connection."""

_CONNECTION: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields of an answer that are of the connection to the service (RFC 9110 section 7.6.1)."""
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})
HEAD_SIZE: Final = -2
"""In place of a size: the answer is to a HEAD, which has no body."""
UNKNOWN_SIZE: Final = -1
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


class Heads:
    """Renders heads; those that were rendered before are remembered.

    A service begins most answers with one of a few heads, and each holds a Date, so at most
    `KEPT` of at most `LONGEST` bytes are remembered before it starts anew.
    """

    KEPT: Final = 512
    LONGEST: Final = 2_048

    def __init__(self) -> None:
        self._known: dict[tuple[int, Headers, bool, bool, int], tuple[bytes, Framing]] = {}

    def render(
        self, status: int, headers: Headers, *, modern: bool, keep: bool, size: int
    ) -> tuple[bytes, Framing]:
        """Return a head and how its body is framed.

        `modern` says that the client speaks HTTP/1.1, `keep` that the connection stays open;
        `size` is of the whole body, else `UNKNOWN_SIZE` or `HEAD_SIZE`.
        """
        key = (status, headers, modern, keep, size)
        known = self._known.get(key)
        if known is None:
            known = _render(status, headers, modern=modern, keep=keep, size=size)
            if len(known[0]) <= self.LONGEST:
                if len(self._known) >= self.KEPT:
                    self._known.clear()
                self._known[key] = known
        return known


def _render(
    status: int, headers: Headers, *, modern: bool, keep: bool, size: int
) -> tuple[bytes, Framing]:
    names = [name.lower() for name, _ in headers]
    dropped = _dropped(status, names, headers)
    chunked = "transfer-encoding" in names
    framing: Framing = "length"
    added: list[tuple[str, str]] = []
    if status in _BODILESS or size == HEAD_SIZE:
        framing = "none"
    elif chunked or "content-length" not in names:
        if modern and (chunked or size == UNKNOWN_SIZE):
            framing = "chunked"
        elif size == UNKNOWN_SIZE:
            framing = "close"
        else:
            added.append(("Content-Length", str(size)))
    if framing == "chunked" or (chunked and modern and size == HEAD_SIZE):
        added.append(("Transfer-Encoding", "chunked"))
    if not keep or framing == "close":
        added.append(("Connection", "close"))
    elif not modern:
        added.append(("Connection", "keep-alive"))
    fields = [field for name, field in zip(names, headers, strict=True) if name not in dropped]
    lines = "".join([f"{name}: {value}\r\n" for name, value in (*fields, *added)])
    reason = _REASONS.get(status, "")
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1"), framing


def _dropped(status: int, names: list[str], headers: Headers) -> set[str]:
    """Collect the names of fields that are not handed on."""
    dropped = set(_CONNECTION)
    for name, (_, value) in zip(names, headers, strict=True):
        if name == "connection":
            dropped.update(token.strip() for token in value.lower().split(","))
    dropped.discard("content-length")  # it is never of the connection alone
    if "transfer-encoding" in names or status == 204:
        # A second framing (RFC 9112 section 6.3), or one of nothing (RFC 9110 section 8.6).
        dropped.add("content-length")
    return dropped


def chunk(data: bytes) -> bytes:
    """One part of a body in the chunked coding; `data` is not empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)
