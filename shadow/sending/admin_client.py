"""Asks the admin port of a sidecar. What goes wrong names the port, and never the token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from shadow.errors import ConfigError, ShadowError, UnfinishedError
from shadow.printable import printable
from shadow.sending.fields import http_url

TIMEOUT_S: Final = 10.0
MAX_BYTES: Final = 8 * 1024 * 1024
OPERATOR: Final = "X-Operator"
"""Names who asks, for the ledger."""

_URL_HINT: Final = "http://127.0.0.1:9465"
_PORT_HINT: Final = "check --admin; the sidecar says at its start where it listens"
_MAX_TEXT: Final = 500


class _Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """How a port of shadow says what is wrong."""

    error: str
    hint: str = ""


class AdminClient:
    """One admin port. Neither proxies nor `.netrc` of the environment are used."""

    def __init__(self, url: str, token: str) -> None:
        self.url = _checked(url)
        self._token = token

    def ask(self, path: str, *, body: bytes | None = None, operator: str = "") -> bytes:
        """Send a GET, or a POST with a JSON body, and return what a 200 carries.

        Raises ConfigError where the port refuses the question or the token, UnfinishedError
        where nothing answers that is an admin port, or it cannot do it now.
        """
        import httpx  # noqa: PLC0415 - slow to load, and most commands ask nobody

        headers = [(b"Authorization", b"Bearer " + self._token.encode())]
        if body is not None:
            headers.append((b"Content-Type", b"application/json"))
        if operator:
            headers.append((OPERATOR.encode(), printable(operator).encode()))
        try:
            with (
                httpx.Client(trust_env=False, timeout=TIMEOUT_S) as client,
                client.stream(
                    "GET" if body is None else "POST",
                    self.url + path,
                    content=body,
                    headers=headers,
                ) as response,
            ):
                answer = self._read(response.iter_raw())
                status = response.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnfinishedError(
                f"admin port {self.url}: {type(error).__name__}: {error}".rstrip(": "), _PORT_HINT
            ) from None
        if status == httpx.codes.OK:
            return answer
        raise self._refusal(status, answer)

    def _read(self, parts: Iterator[bytes]) -> bytes:
        answer = bytearray()
        for part in parts:
            answer += part
            if len(answer) > MAX_BYTES:
                raise no_admin_port(self.url)
        return bytes(answer)

    def _refusal(self, status: int, answer: bytes) -> ShadowError:
        try:
            wrong = msgspec.json.decode(answer, type=_Wrong)
        except ValueError:
            return no_admin_port(self.url)
        kind = UnfinishedError if status >= 500 else ConfigError
        return kind(f"admin port {self.url}: {wrong.error[:_MAX_TEXT]}", wrong.hint[:_MAX_TEXT])


def no_admin_port(url: str) -> UnfinishedError:
    """What to raise where something else answers there."""
    return UnfinishedError(f"admin port {url}: what answers there is no admin port", _PORT_HINT)


def _checked(url: str) -> str:
    """Return scheme, host and port of a URL. Raises ConfigError, which quotes no password."""
    parts = http_url(url)
    if parts is None:
        raise ConfigError("--admin is no http:// or https:// URL", _URL_HINT)
    if "@" in parts.netloc:
        raise ConfigError("--admin holds a user name", "the token is what it asks for")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError("--admin holds more than host and port", _URL_HINT)
    return f"{parts.scheme}://{parts.netloc}"
