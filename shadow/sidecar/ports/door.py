"""Who may ask at the admin port: by the name they ask for, by a token, by a cookie made of it.

Three dangers are told apart. Somebody without the token: every path needs it. A page of another
origin in an operator's browser: a change takes the token itself, which no page has, and never a
cookie. A name of somebody else that was made to lead here (DNS rebinding): the `Host` has to be
an address, or a name that was configured.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from shadow.sidecar.ports.status import Refused, Reply

Headers = Sequence[tuple[bytes, bytes]]
Tell = Callable[[str], object]

SESSION_S: Final = 12 * 3600
"""Seconds that a log-in of a browser holds."""
TOLD_EVERY_S: Final = 60.0
"""Seconds between two lines on requests without the token."""
_CHALLENGE: Final = 'Bearer realm="shadow"'


class Answer(Reply, frozen=True, kw_only=True):
    """A reply with header fields of its own."""

    headers: tuple[tuple[str, str], ...] = ()


class Unknown(Refused):
    """A request without the right token; with `page`, a page that asks for it."""

    def __init__(self, message: str, *, page: Answer | None = None) -> None:
        super().__init__(401, message, "Authorization: Bearer TOKEN")
        reply = page or Answer(body=self.reply.body)
        challenge = (("www-authenticate", _CHALLENGE),)
        self.reply = msgspec.structs.replace(reply, status=401, headers=reply.headers + challenge)


def header(headers: Headers, name: bytes) -> str | None:
    """Return the value of a header field; None where it is missing. Raises Refused for two."""
    values = [value for each, value in headers if each == name]
    if len(values) > 1:
        raise Refused(400, f"{name.decode()} is given twice", "give it once")
    return values[0].decode("utf-8", "replace").strip() if values else None


class Door:
    """Admits requests; `listening` is the address that the port listens on.

    `hosts` are names that lead to it besides `localhost`. Secrets are compared in constant
    time, and however many requests are refused, a line is told a minute.
    """

    def __init__(
        self,
        token: str,
        *,
        listening: str,
        hosts: Collection[str] = (),
        tell: Tell,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._key = os.urandom(32)
        self._token = self._mac(b"token", token.encode())
        self._hosts = {"localhost", listening.lower(), *(each.lower() for each in hosts)}
        self._any_address = _is_wildcard(listening)
        # Cookies do not tell ports apart, so several sidecars behind one name have one each.
        self._cookie = f"shadow-live-{self._key[:4].hex()}"
        self._tell, self._now = tell, now
        self._refused, self._told = 0, -TOLD_EVERY_S

    def check_host(self, headers: Headers) -> None:
        """Raise Refused for a request to another name than one of this port."""
        host = header(headers, b"host")
        if host is None:
            raise Refused(400, "there is no Host", "send one")
        if not self._is_ours(_hostname(host)):
            raise Refused(
                421,
                "this port is not asked for by that name",
                "ask for the address it listens on, or start it with --admin-host NAME",
            )

    def check_origin(self, headers: Headers) -> None:
        """Raise Refused for a request that a page of another origin sends."""
        origin, host = header(headers, b"origin"), header(headers, b"host")
        if origin is not None and (not host or _netloc(origin) != host.lower()):
            raise Refused(403, "that comes from a page of another origin", "use shadow route")

    def has_token(self, headers: Headers) -> bool:
        """Whether a request carries the token itself."""
        scheme, _, token = (header(headers, b"authorization") or "").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(token.strip())

    def is_token(self, given: str) -> bool:
        """Whether this is the token."""
        data = given.encode("utf-8", "surrogateescape")
        return hmac.compare_digest(self._mac(b"token", data), self._token)

    def has_session(self, headers: Headers) -> bool:
        """Whether a browser has logged in, not too long ago."""
        for value in _cookies(headers, self._cookie):
            until, _, mac = value.partition(".")
            if not (until.isascii() and until.isdigit() and mac.isascii()):
                continue
            if hmac.compare_digest(mac, self._session(until)) and int(until) > self._now():
                return True
        return False

    def session_cookie(self) -> str:
        """Return what `Set-Cookie` gives to a browser that has shown the token."""
        until = str(int(self._now()) + SESSION_S)
        value = f"{until}.{self._session(until)}"
        return f"{self._cookie}={value}; Path=/-/; HttpOnly; SameSite=Strict"

    def refuse(self, client: str, *, page: Answer | None = None) -> Unknown:
        """Return what to raise for a request without the token, and tell of it now and then."""
        self._refused += 1
        if self._now() - self._told >= TOLD_EVERY_S:
            count = "a request" if self._refused == 1 else f"{self._refused:,} requests"
            self._tell(f"admin port: {count} without the right token, the last from {client}")
            self._refused, self._told = 0, self._now()
        return Unknown("the token is missing or wrong", page=page)

    def _session(self, until: str) -> str:
        return self._mac(b"session", until.encode()).hex()

    def _mac(self, what: bytes, data: bytes) -> bytes:
        return hmac.digest(self._key, what + b":" + hashlib.sha256(data).digest(), "sha256")

    def _is_ours(self, host: str) -> bool:
        if host.lower() in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        # An address cannot be rebound: whoever asks for it means it.
        return self._any_address or address.is_loopback


def _is_wildcard(listening: str) -> bool:
    try:
        return ipaddress.ip_address(listening).is_unspecified
    except ValueError:
        return False


def _hostname(host: str) -> str:
    """The host of `name`, `name:port`, `[::1]` or `[::1]:port`; empty where it is none of these."""
    try:
        parts = urlsplit(f"//{host}")
        usable = parts.netloc == host and "@" not in host and (parts.port or 1) > 0
    except ValueError:
        return ""
    return (parts.hostname or "").rstrip(".") if usable else ""


def _netloc(origin: str) -> str:
    """Host and port of an origin in lower case; empty where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # a bracket that does not close, for one
        return ""


def _cookies(headers: Headers, name: str) -> list[str]:
    found = []
    for each, value in headers:
        if each != b"cookie":
            continue
        for pair in value.decode("latin-1").split(";"):
            key, _, text = pair.strip().partition("=")
            if key == name:
                found.append(text)
    return found
