"""A signed message to a URL of the operator: sent, sent again where that may help, given up.

A webhook tells others of a verdict and takes no part in it. So what goes wrong is a text for a
warning, which names the host and never the rest of the URL, nor the secret.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from shadow.errors import ConfigError
from shadow.sending.fields import http_url

ATTEMPTS: Final = 4
"""Times that a message is sent at most; between them 0.5, 1 and 2 seconds pass."""
PAUSE_S: Final = 0.5
SIGNATURE: Final = "Shadow-Signature"
TIMESTAMP: Final = "Shadow-Timestamp"
DELIVERY: Final = "Shadow-Delivery"
"""The same for each attempt of one message, so that a receiver can tell a repetition."""

_AGAIN: Final = frozenset({408, 425, 429})  # and every 5xx


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where messages go. Neither the URL nor the secret shows in its text."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_s: float = 10.0
    """Seconds that connecting, sending and the answer's head may each take."""

    @property
    def host(self) -> str:
        """Host and port: what may be told of the URL."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


def parse_webhook(url: str, secret: str, timeout_s: float) -> Webhook:
    """Check a URL and a secret. Raises ConfigError, which quotes neither."""
    try:
        (url + secret).encode()
    except UnicodeEncodeError:
        raise ConfigError("webhook: the URL or the secret is not UTF-8", "export it anew") from None
    parts = http_url(url)
    if parts is None:
        raise ConfigError("webhook.url is no http:// or https:// URL", "https://HOST/PATH")
    if "@" in parts.netloc:
        raise ConfigError(
            "webhook.url holds a user name", "leave it out: the signature tells who sends"
        )
    if not secret.strip():
        raise ConfigError("webhook.secret is empty", "export the variable that it names")
    return Webhook(url=url, secret=secret, timeout_s=timeout_s)


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature: `v1=` and the HMAC-SHA-256, in hex, of timestamp, dot and body.

    The receiver computes the same, compares in constant time, and refuses an old timestamp.
    """
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.digest(secret.encode(), signed, "sha256").hex()


def post(
    webhook: Webhook,
    body: bytes,
    *,
    wait: Callable[[float], object] = time.sleep,
    now: Callable[[], float] = time.time,
) -> str | None:
    """Send a JSON body until it is taken; return why it was not, or None.

    What may pass (no connection, a timeout, 408, 425, 429, 5xx) is tried again, at most
    `ATTEMPTS` times in all. A redirect is not followed, proxies of the environment are not
    read, and of the answer only its status is.
    """
    import httpx  # noqa: PLC0415 - slow to load, and most commands send nothing

    delivery, failure = str(uuid.uuid4()), ""
    with httpx.Client(timeout=webhook.timeout_s, trust_env=False) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                wait(PAUSE_S * 2 ** (attempt - 1))
            headers = _headers(webhook, body, int(now()), delivery)
            try:
                with client.stream("POST", webhook.url, content=body, headers=headers) as response:
                    status = response.status_code
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                failure = type(error).__name__  # its text may hold the URL
                continue
            if 200 <= status < 300:
                return None
            failure = f"status {status}"
            if status < 500 and status not in _AGAIN:
                break
    return f"webhook {webhook.host}: {failure}"


def _headers(webhook: Webhook, body: bytes, timestamp: int, delivery: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(webhook.secret, timestamp, body),
        DELIVERY: delivery,
    }
