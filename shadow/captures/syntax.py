"""What every record must hold to, whichever format it comes from.

A record that breaks a rule could not be sent as one HTTP message, or could not be named in a
report. Reasons never quote a value: they are printed, and a value may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shadow.model import Headers, Request, Response, header_values

MAX_ID_CHARS = 256

# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[^\x00\r\n ]+")
_VALUE_BREAKER = re.compile(r"[\x00\r\n]")
_QUOTED = re.compile(r"Invalid enum value .*(?= - at `\$)", re.DOTALL)
_MAX_REASON_CHARS = 200
_CONTROL_OR_SURROGATE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_tokens: set[str] = set()
"""Tokens seen: methods and header names repeat, so most checks are a look-up."""
_MAX_TOKENS = 4096
_MAX_TOKEN_CHARS = 64


class MalformedError(ValueError):
    """A record that cannot be read; its text is the reason a `Broken` carries."""


def reason_of(error: Exception) -> str:
    """Return what msgspec or the standard library says of a record, without the value it quotes."""
    return _QUOTED.sub("Invalid value", str(error))[:_MAX_REASON_CHARS]


def check_id(value: str) -> None:
    """Refuse an exchange id that is empty, too long or not printable in a report."""
    if not value:
        raise MalformedError("the id is empty")
    if len(value) > MAX_ID_CHARS:
        raise MalformedError(f"the id is longer than {MAX_ID_CHARS} characters")
    if not value.isprintable() and _CONTROL_OR_SURROGATE.search(value):
        raise MalformedError("the id holds control characters or is not Unicode text")


def check_session(value: str) -> None:
    """Refuse a session that is not Unicode text or holds control characters."""
    if not value.isprintable() and _CONTROL_OR_SURROGATE.search(value):
        raise MalformedError("the session holds control characters or is not Unicode text")


def check_start(method: str, target: str) -> None:
    """Refuse a method or a target (isomorphic) that would not make one request line."""
    if method not in _tokens and not _is_token(method):
        raise MalformedError("the method is not an HTTP token")
    if target and target.isascii() and target.isprintable() and " " not in target:
        return
    if not _TARGET.fullmatch(target):
        what = "holds a space, CR, LF or NUL" if target else "is empty"
        raise MalformedError(f"the request target {what}")


def check_status(status: int) -> None:
    """Refuse a status that is not three digits (RFC 9110, section 15)."""
    if not 100 <= status <= 999:
        raise MalformedError("the status is not between 100 and 999")


def are_plain(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether `check_headers` surely accepts these, and each character is a byte as it is.

    Most headers are such: of known names and with values of printable ASCII.
    """
    for name, value in headers:
        if name not in _tokens or not value.isascii() or not value.isprintable():
            return False
    return True


def check_headers(headers: Sequence[tuple[str, str]], whose: str) -> None:
    """Refuse header names that are not tokens and values that would end the header line."""
    for position, (name, value) in enumerate(headers, 1):
        if name not in _tokens and not _is_token(name):
            raise MalformedError(f"the name of {whose} header {position} is not an HTTP token")
        if not value.isprintable() and _VALUE_BREAKER.search(value):
            raise MalformedError(f"the value of {whose} header {position} holds CR, LF or NUL")


def _is_token(text: str) -> bool:
    if text in _tokens:
        return True
    if not _TOKEN.fullmatch(text):
        return False
    if len(_tokens) < _MAX_TOKENS and len(text) <= _MAX_TOKEN_CHARS:
        _tokens.add(text)
    return True


def unreplayable(request: Request, response: Response | None) -> str | None:
    """Say why an exchange is no plain request and answer, or None."""
    if request.method == "CONNECT":
        return "a CONNECT tunnel"
    if response is not None and response.status == 101:
        return "a connection upgrade"
    if "websocket" in (
        value.strip().lower() for value in header_values(request.headers, "upgrade")
    ):
        return "a websocket"
    return None


def content_length(headers: Headers) -> int | None:
    """Return the declared length of a body in bytes, or None.

    Raises MalformedError where it is no number or stands twice with different values
    (RFC 9110, section 8.6).
    """
    values = {
        part.strip()
        for value in header_values(headers, "content-length")
        for part in value.split(",")
    }
    if not values:
        return None
    if len(values) > 1:
        raise MalformedError("there are several different Content-Length headers")
    text = values.pop()
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise MalformedError("the Content-Length is not a number")
    return int(text)


def declared_length(headers: Headers) -> int:
    """Return the declared length of a body in bytes, 0 where there is none to go by."""
    try:
        return content_length(headers) or 0
    except MalformedError:
        return 0


def has_no_body(method: str | None, status: int) -> bool:
    """Tell whether a response has no body, whatever its headers say (RFC 9112, section 6.3)."""
    return method == "HEAD" or status < 200 or status in (204, 304)
