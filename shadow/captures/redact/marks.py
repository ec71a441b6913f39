"""What stands for a secret: a keyed hash of its value, a mask, or nothing.

The value is what both sides of the exchange mean, not how one place spells it: without
percent-encoding, outer quotes and outer white space. So a token is the same in a query and in a
header, and a cookie the same in `Set-Cookie` and in the script that copies it to a header. Two
secrets that differ in nothing else have one mark.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec

from shadow.captures.redact.formats import in_format

HASH_BYTES: Final = 10
PREFIX: Final = "shadow-redacted-"
MASK: Final = "shadow-redacted"
DROPPED: Final = "\0dropped\0"
"""Stands for what is dropped until what it stands in is taken out too: no text has a NUL."""

_MARK: Final = re.compile(rb"%b(?:-[0-9a-f]{%d})?" % (MASK.encode(), 2 * HASH_BYTES))
_BLOCK_BYTES: Final = 64
_SPACE: Final = b" \t\r\n"
_ENCODED: Final = 3
"""Times that a value may be percent-encoded."""
# What precedes a credential and is none. A first word that is not known may be part of it.
# Source: https://www.iana.org/assignments/http-authschemes, and those that services made up.
_SCHEMES: Final = (
    r"basic|bearer|concealed|digest|dpop|gnap|hawk|hoba|mutual|negotiate|ntlm|oauth|privatetoken"
    r"|scram-sha-1|scram-sha-256|vapid|aws4-hmac-sha256|aws4-ecdsa-p256-sha256|api-?key|genie-?key"
    r"|googlelogin|jwt|key|sharedkey|sharedkeylite|signature|sso-key|ssws|splunk|token"
)
_SCHEME: Final = re.compile(rf"[ \t]*(?:{_SCHEMES})[ \t]+(?=[^ \t])", re.IGNORECASE)
_SCHEME_IN_QUERY: Final = re.compile(rf"(?:{_SCHEMES})(?:[ +]|%20)+(?=.)", re.IGNORECASE)


Action = Literal["hash", "mask", "drop"]


class Secret(msgspec.Struct, frozen=True, gc=False):
    """That something is a secret: where it stands, what it is called, what becomes of it."""

    where: str
    name: str
    action: Action = "hash"
    keep_format: bool = False


ANY: Final = Secret("", "")
Saw = Callable[[Secret], object]


class Marks:
    """Makes the marks under one key. Safe to share between threads."""

    def __init__(self, key: bytes, saw: Saw | None = None) -> None:
        """Take the key, and who is told of each secret that gets a mark."""
        # HMAC (RFC 2104) with the key's two blocks hashed once: a quarter of `hmac.digest`'s time.
        block = hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key
        block = block.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))
        self._saw: Saw = saw or (lambda _: None)

    def of_bytes(self, value: bytes, secret: Secret = ANY) -> str:
        """Return what stands for a value; for a mark that is itself, for nothing it is empty."""
        value = _meant(value)
        if not value:
            return ""
        if value == DROPPED.encode() or _MARK.fullmatch(value):
            return value.decode()
        self._saw(secret)
        if secret.action == "drop":
            return DROPPED
        if secret.action == "mask":
            return MASK
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        if secret.keep_format:
            formed = in_format(value, outer.digest())
            if formed is not None:
                return formed
        return PREFIX + outer.hexdigest()[: 2 * HASH_BYTES]

    def of(self, text: str, secret: Secret = ANY) -> str:
        """Return what stands for a secret; `text` is isomorphic (see `shadow.model`)."""
        return self.of_bytes(octets(text), secret) or text

    def of_number(self, secret: Secret) -> str:
        """Return what stands for a number of JSON: another one, for a service refuses any text."""
        self._saw(secret)
        return DROPPED if secret.action == "drop" else "0"

    def of_unicode(self, text: str, secret: Secret = ANY) -> str:
        """Return what stands for a secret that is Unicode text."""
        return self.of_bytes(text.encode("utf-8", "surrogatepass"), secret) or text

    def of_query(self, text: str, secret: Secret = ANY) -> str:
        """Return what stands for a value of a query or form: a scheme stays, `+` is a space."""
        scheme = _SCHEME_IN_QUERY.match(text)
        kept = scheme[0] if scheme else ""
        mark = self.of_bytes(octets(text[len(kept) :].replace("+", " ")), secret)
        return _behind(kept, mark) if mark else text

    def of_cookie(self, text: str, secret: Secret = ANY) -> str:
        """Return what stands for the value of a cookie; its quotes stay."""
        bare = text.strip(" \t")
        quoted = len(bare) > 1 and bare[0] == bare[-1] == '"'
        if not quoted:
            return self.of(text, secret)
        mark = self.of(bare[1:-1], secret)
        return mark if mark == DROPPED else f'"{mark}"'

    def credential(self, text: str, secret: Secret = ANY) -> str:
        """Return what stands for the value of a header like `Authorization`; a scheme stays."""
        kept = scheme_of(text)
        return _behind(kept, self.of(text[len(kept) :], secret))

    def unicode_credential(self, text: str, secret: Secret = ANY) -> str:
        """Do the same for Unicode text."""
        kept = scheme_of(text)
        return _behind(kept, self.of_unicode(text[len(kept) :], secret))


def _behind(scheme: str, mark: str) -> str:
    return mark if mark == DROPPED else scheme + mark


def scheme_of(text: str) -> str:
    """Return the scheme before a credential, with the space behind it, or nothing."""
    found = _SCHEME.match(text)
    return found[0] if found else ""


def octets(text: str) -> bytes:
    """Return the bytes that an isomorphic text stands for; of any other text its UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _meant(value: bytes) -> bytes:
    """Return the value without its spelling."""
    for _ in range(_ENCODED):
        if b"%" not in value:
            break
        value = unquote_to_bytes(value)
    value = value.strip(_SPACE)
    return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value
