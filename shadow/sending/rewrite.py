"""A recorded request and a target become the exact bytes to send. Pure.

What is kept: method, path and query as spelled, header fields with their order, case and
multiplicity, the body. What is changed, and nothing else:

- `Host` becomes the target's, in place (first when there was none), unless `keep_host` or
  `host_header`.
- Fields of the recorded connection go: `Connection` and what it names, `Keep-Alive`,
  `Proxy-…`, `TE`, `Trailer`, `Upgrade` (RFC 9110 section 7.6.1); keeping connections open is
  the wire's business. `Expect` goes too: nobody waits for the interim answer. So do HTTP/2
  pseudo-fields (`:authority`), which HTTP/1.1 cannot carry.
- The framing is made true: one `Transfer-Encoding: chunked` with the body as one chunk where
  chunks were recorded, else one `Content-Length` with the real length (RFC 9112 section 6).
- `Content-Encoding` goes where the source had already decoded the body.
- The target's own headers replace recorded ones of the same name, or come last; those that it
  drops go. What becomes of path and query is its `reshaping`.

The destination is the target, whatever the recording says: `http://other/path` is sent to it
as `/path`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from shadow.model import Headers, Request, header, header_values
from shadow.sending.fields import FRAMING, HOP_BY_HOP, is_name, is_word
from shadow.sending.target import Target

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")

ORDINARY_CONNECTION: Final = frozenset({("connection", "keep-alive"), ("connection", "close")})
"""What a client says of its connection; it names no field that would have to go."""
NEVER_SENT: Final = FRAMING | HOP_BY_HOP
"""Lower-case names of fields that belong to the recorded connection, or that we set."""

Fields = list[tuple[str, str]]
Framing = Literal["none", "length", "chunked"]


class Unsendable(ValueError):  # noqa: N818  it is a verdict on a request, not a fault
    """A recorded request that cannot be sent faithfully; it is skipped for `reason`."""

    def __init__(self, reason: Literal["unsupported", "truncated"], detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def render(request: Request, target: Target) -> bytes:
    """Write the request as it goes out on a connection to `target`.

    Raises `Unsendable` for a cut body, for a target that is neither a path nor `*`, and where
    a line break, a space or a NUL would make another message of it. `rewriter.Rewriter` makes
    the same of most requests in less time.
    """
    if request.truncated:
        raise Unsendable("truncated", "the body was cut when it was recorded")
    sent, framing = _head(request, target, str(len(request.body)))
    if framing != "chunked":
        return sent + request.body
    chunk = b"%x\r\n%b\r\n" % (len(request.body), request.body) if request.body else b""
    return sent + chunk + b"0\r\n\r\n"


def render_head(request: Request, target: Target) -> tuple[bytes, bool]:
    """Write the head of a live request whose body follows, and whether that is in chunks.

    Its Content-Length, where it has one, is taken at its word. Raises `Unsendable` as `render`.
    """
    sent, framing = _head(request, target, header(request.headers, "content-length") or "0")
    return sent, framing == "chunked"


def render_upgrade(request: Request, target: Target, protocol: str) -> bytes:
    """Write a request without a body that asks to go on in another protocol.

    Raises `Unsendable` as `render`.
    """
    head, _ = _head(request, target, "0", (("Connection", "Upgrade"), ("Upgrade", protocol)))
    return head


def _head(
    request: Request, target: Target, length: str, added: Headers = ()
) -> tuple[bytes, Framing]:
    if not is_word(request.method):
        raise Unsendable("unsupported", f"not a method: {request.method!a}")
    path = _path(request, target)
    keys = [name.lower() for name, _ in request.headers]
    framing = _framing(request, keys)
    fields = [*_fields(request, target, keys, framing, length), *added]
    head = f"{request.method} {path} HTTP/1.1\r\n"
    head += "".join([f"{name}: {value}\r\n" for name, value in fields]) + "\r\n"
    _refuse_broken_lines(head, fields)
    try:
        return head.encode("latin-1"), framing
    except UnicodeEncodeError as error:
        raise Unsendable("unsupported", "a character of the head is not a byte") from error


def _path(request: Request, target: Target) -> str:
    if not target.reshaping:
        return request_target(request.method, request.target, target.prefix)
    path = request_target(request.method, request.target, "")
    return path if path == "*" else target.prefix + target.reshaping.apply(path)


def request_target(method: str, recorded: str, prefix: str) -> str:
    """Put a recorded target into origin form, after `prefix` (RFC 9112 section 3.2).

    Raises `Unsendable` for CONNECT and for a target of no usable form.
    """
    if method.upper() == "CONNECT":
        raise Unsendable("unsupported", "CONNECT asks for a tunnel")
    if not is_word(recorded):
        raise Unsendable("unsupported", f"not a request target: {recorded[:100]!a}")
    if recorded.startswith("/"):
        return prefix + recorded
    absolute = _ABSOLUTE.match(recorded)
    path = recorded[absolute.end() :] if absolute else recorded
    if method == "OPTIONS" and (path == "*" or (absolute and not path)):
        return "*"
    if not absolute:
        raise Unsendable("unsupported", f"the target is not a path: {recorded[:100]!a}")
    return f"{prefix}{path}" if path.startswith("/") else f"{prefix}/{path}"


def _refuse_broken_lines(head: str, fields: Fields) -> None:
    """Refuse what would make another message of the head: a second line, a second name."""
    lines = len(fields) + 2
    if head.count("\r") != lines or head.count("\n") != lines or "\0" in head:
        raise Unsendable("unsupported", "a header holds a line break or a NUL")
    for name, _ in fields:
        if not is_name(name):
            raise Unsendable("unsupported", f"not a header name: {name!a}")


def _framing(request: Request, keys: list[str]) -> Framing:
    if "transfer-encoding" in keys:
        codings = ",".join(header_values(request.headers, "transfer-encoding")).lower()
        if "chunked" in [coding.strip() for coding in codings.split(",")]:
            return "chunked"
    return "length" if request.body or "content-length" in keys else "none"


def _fields(
    request: Request, target: Target, keys: list[str], framing: Framing, length: str
) -> Fields:
    """List the fields to send, each still unchecked; `keys` are the recorded names, lower-case."""
    ours = _ours(target, keys, framing, length)
    dropped = _dropped(request, keys) | target.drop_headers
    fields: Fields = []
    if "host" in ours and "host" not in keys:
        name, values = ours.pop("host")
        fields += [(name, value) for value in values]
    pending = dict(ours)
    for key, field in zip(keys, request.headers, strict=True):
        if key in ours:
            _, values = pending.pop(key, ("", []))
            fields += [(field[0], value) for value in values]
        elif key not in dropped and not key.startswith(":"):
            fields.append(field)
    for name, values in pending.values():
        fields += [(name, value) for value in values]
    return fields


def _ours(
    target: Target, keys: list[str], framing: Framing, length: str
) -> dict[str, tuple[str, list[str]]]:
    """Collect the fields we set: lower-case name → (spelling where none was recorded, values)."""
    ours: dict[str, tuple[str, list[str]]] = {}
    if target.host_header:
        ours["host"] = ("Host", [target.host_header])
    elif not target.keep_host or "host" not in keys:
        ours["host"] = ("Host", [target.authority])
    if framing == "chunked":
        ours["transfer-encoding"] = ("Transfer-Encoding", ["chunked"])
    elif framing == "length":
        ours["content-length"] = ("Content-Length", [length])
    overrides: dict[str, tuple[str, list[str]]] = {}
    for name, value in target.headers:
        overrides.setdefault(name.lower(), (name, []))[1].append(value)
    ours.update(overrides)
    return ours


def _dropped(request: Request, keys: list[str]) -> frozenset[str]:
    """Collect the lower-case names that are not sent, unless we set them."""
    dropped = NEVER_SENT
    if request.decoded:
        dropped |= {"content-encoding"}
    for key, (_, listed) in zip(keys, request.headers, strict=True):
        if key == "connection" and (key, listed) not in ORDINARY_CONNECTION:
            dropped |= {name.strip() for name in listed.lower().split(",")}
    return dropped
