"""Secrets by what they are called: in headers, cookies, queries, forms, JSON and XML.

The one list of such names. What looks for them in a text is quicker where it first sees whether
any can be there, so beside the names stand the words that they are made of.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

CREDENTIAL_HEADERS: Final = frozenset({"authorization", "proxy-authorization"})
"""Header fields that hold a scheme, a space and credentials."""

# Of a name in lower case, without separators.
_NAME: Final = re.compile(
    r".*(?:password|passphrase|secret|(?:api|private|secret|access|subscription)key"
    r"|(?:access|refresh|id|auth|session|csrf|xsrf|bearer)token)s?"
    r"|(?:token|pass|passwd|pwd|(?:proxy)?authorization|(?:set)?cookie|credential|jwt"
    r"|(?:j|php)?sess(?:ion)?id|clientassertion)s?"
)
_QUERY_NAME: Final = re.compile(r"key|auth|(?:x(?:amz|goog))?signature|sig|code")
_HEADER_WORD: Final = re.compile(
    r"(?:^|-)(?:token|secret|password|apikey|jwt|auth|authorization|cookie|signature|session"
    r"|sessionid)s?(?:-|$)"
)

WORDS: Final = (
    *("pass", "pwd", "secret", "token", "api key", "private key", "access key"),
    *("subscription key", "jwt", "authorization", "cookie", "credential", "session id", "sess id"),
    "assertion",
)
"""Every name of a secret holds one of these, though its separators be others or none."""
QUERY_WORDS: Final = ("key", "auth", "sig", "code")
"""A parameter of a query that is one by its place alone holds one of these."""
STEMS: Final = (
    *("token", "pass", "pwd", "secret", "key", "auth", "cookie", "credential", "jwt", "sess"),
    *("assertion", "sig"),
)
"""Every name of a secret, and of such a header, holds one of these, which no separator parts."""

_BRACKETS: Final = re.compile(r"[\[\]]+")
_LOWER: Final = bytes(range(256)).lower()
_NO_WORD: Final = bytes(byte for byte in range(256) if not chr(byte).isalnum() or byte > 0x7F)
_LONGEST: Final = 100
"""Characters of a name that are looked at, from its end."""


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return a name in lower case and without separators."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def bare(text: bytes) -> bytes:
    """Return a text's letters and digits of ASCII in lower case: no separator hides a name."""
    return text.translate(_LOWER, _NO_WORD)


def is_secret_name(name: str) -> bool:
    """Whether values under this JSON key, form field or cookie-like name are credentials."""
    return _NAME.fullmatch(plain_name(name[-_LONGEST:])) is not None


def is_secret_query(name: str) -> bool:
    """Whether values of this query parameter are credentials; it may be percent-encoded."""
    names = parameter_names(unquote_plus(name))
    if any(map(is_secret_name, names)):
        return True
    return bool(names) and _QUERY_NAME.fullmatch(plain_name(names[-1][-_LONGEST:])) is not None


def parameter_names(name: str) -> list[str]:
    """Return the names that a parameter like `user[pins][0]` is made of; a position is none."""
    return [part for part in _BRACKETS.split(name) if part and not part.isdigit()]


def is_secret_header(name: str) -> bool:
    """Whether values of this header field are credentials; `name` in lower case."""
    return is_secret_name(name) or _HEADER_WORD.search(name) is not None
