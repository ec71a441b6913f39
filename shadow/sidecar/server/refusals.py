"""What is no request, or would be read differently by two servers (RFC 9112). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from shadow.model import Headers, Request
from shadow.sending.fields import Telling

_TELLING: Final = Telling("host", "expect", "upgrade", "transfer-encoding")


class Refusal(Exception):  # noqa: N818  it is the client's fault
    """A request that is answered with an error, after which the connection closes."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        """One of a few: it labels a metric."""


class Wishes(NamedTuple):
    """What a request asks of the server itself."""

    expects: bool
    """To be told that its body may come."""
    upgrade: str
    """To go on with this protocol, in lower case; empty where more than one is named."""


_NONE: Final = Wishes(expects=False, upgrade="")


def check(request: Request, *, version: str, upgrading: bool) -> Wishes:
    """Refuse what must not be passed on, and say what is asked for. Raises Refusal.

    The parser has refused two lengths, and a length beside chunks (RFC 9112 section 6.3).
    """
    modern = version == "1.1"
    if not modern and version != "1.0":
        raise Refusal(505, "version")
    if request.method == "CONNECT":
        raise Refusal(501, "connect")
    hosts, others = 0, []
    for name, value in request.headers:
        key = _TELLING[name]
        if key == "host":
            hosts += 1
        elif key:
            others.append((key, value.lower()))
    if hosts > 1 or (modern and not hosts):
        raise Refusal(400, "host")  # RFC 9112 section 3.2
    return _wishes(others, modern=modern, upgrading=upgrading) if others else _NONE


def _wishes(fields: list[tuple[str, str]], *, modern: bool, upgrading: bool) -> Wishes:
    expects, protocols = False, []
    for key, value in fields:
        if key == "transfer-encoding":
            _check_coding(value, modern=modern)
        elif key == "upgrade":
            protocols.append(value)
        elif value == "100-continue":
            expects = modern
        else:
            raise Refusal(417, "expectation")
    # An HTTP/1.0 client asks for nothing by Upgrade or Expect (RFC 9110 sections 7.8, 10.1.1).
    sole = modern and upgrading and len(protocols) == 1 and "," not in protocols[0]
    return Wishes(expects, protocols[0] if sole else "")


def _check_coding(value: str, *, modern: bool) -> None:
    """Refuse all but chunks: another coding would get lost on the way (RFC 9112 section 6.1)."""
    if not modern:
        raise Refusal(400, "framing")
    if value != "chunked":
        raise Refusal(501, "transfer-coding")


def framing_of(headers: Headers) -> bytes:
    """The field that frames the body, as a line; empty where there is no body."""
    for name, value in headers:
        key = name.lower()
        if key == "transfer-encoding":
            return b"Transfer-Encoding: chunked\r\n"
        if key == "content-length" and int(value):
            return b"Content-Length: %d\r\n" % int(value)
    return b""
