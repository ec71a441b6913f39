"""Which header fields belong to the connection, and what may stand in a request's head."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

FRAMING = frozenset({"content-length", "transfer-encoding"})
"""Fields that say where the body ends; always computed from the body that is sent."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        # Not hop-by-hop, but a promise to wait for an interim answer, which a replay does not keep.
        "expect",
    }
)
"""Fields that belonged to the recorded connection (RFC 9110 section 7.6.1), and `Expect`."""


def http_url(text: str) -> SplitResult | None:
    """The parts of an http:// or https:// URL with a host; None for anything else."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


class Telling(dict[str, str]):
    """Tells the few names that matter from all others: `telling[name]` is the name in lower case.

    For any other name it is empty. A fast way to look at every field of every request; at most
    `KEPT` spellings of at most `LONGEST` characters are remembered before it starts anew.
    """

    KEPT = 1_024
    LONGEST = 64

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = frozenset(names)

    def __missing__(self, name: str) -> str:
        key = name.lower()
        told = key if key in self._names else ""
        if len(name) <= self.LONGEST:
            if len(self) >= self.KEPT:
                self.clear()
            self[name] = told
        return told


_NAME = re.compile(r"[^\x00-\x20:\x7f]+")
_WORD = re.compile(r"[^\x00-\x20\x7f]+")
_VALUE = re.compile(r"[^\r\n\x00]*")


@lru_cache(maxsize=4096)
def is_name(text: str) -> bool:
    """Whether a field name stays one name on the wire; looser than RFC 9110's token on purpose.

    A recorded name that some service once accepted is sent as it was, unless it would change
    where the name ends.
    """
    return _NAME.fullmatch(text) is not None


def is_word(text: str) -> bool:
    """Whether a method or a request target stays one word of the request line."""
    return _WORD.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Whether a field value stays on its line."""
    return _VALUE.fullmatch(text) is not None
