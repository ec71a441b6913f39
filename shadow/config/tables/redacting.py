"""`[redact]`: what is taken out before anything is kept."""

from __future__ import annotations

from typing import Literal

import msgspec


class RedactRuleTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[redact.rules]]`: one thing that is redacted, and how. It names exactly one."""

    header: str | None = None
    """A header field."""
    cookie: str | None = None
    """A cookie; its case counts."""
    query: str | None = None
    """A query parameter."""
    form: str | None = None
    """A field of urlencoded bodies."""
    json: str | None = None
    """A member of JSON bodies: `pin` anywhere, or `$.user.pin`, `$.cards[*].pan`."""
    pattern: str | None = None
    """A regular expression in the syntax of RE2; of one with a group, what the group matches."""
    detect: str | None = None
    """A detector, `email`; `docs/howto/redaction.md` lists them."""
    action: Literal["hash", "mask", "drop"] = "hash"
    """A keyed hash, the same for the same value; always the same mask; or nothing."""
    keep_format: bool = False
    """The hash of an e-mail address, card number, telephone number, IBAN, IP address or UUID is
    one as well."""


class RedactTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[redact]`: what is taken out before anything is kept, besides credentials.

    Authorization, Proxy-Authorization, Cookie, Set-Cookie, everything whose name looks like a
    secret, and what looks like a token or a card number always go.
    """

    headers: list[str] = []
    """Header fields, whole."""
    query: list[str] = []
    """Query parameters."""
    form: list[str] = []
    """Fields of urlencoded bodies."""
    json: list[str] = []
    """Members of JSON bodies: `pin` anywhere, or `$.user.pin`, `$.cards[*].pan`."""
    keep_cookies: list[str] = []
    """Cookies whose values stay: `theme`."""
    detect: list[Literal["email", "phone", "iban", "ip"]] = []
    """Personal data to look for in every text."""
    rules: list[RedactRuleTable] = []
    """What has another action than the hash."""
