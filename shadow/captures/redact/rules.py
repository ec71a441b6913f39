"""What is a secret: the names that always are, and those configured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

import msgspec

from shadow.captures.redact.marks import octets
from shadow.errors import ConfigError
from shadow.masking import is_secret_header, is_secret_name, is_secret_query

LONGEST_NAME: Final = 300
"""Characters of a name that are looked at, from its end."""

_CACHED: Final = 4096
_EVERYWHERE: Final = re.compile(r"\$\.\.([^\s.\[\]'\"*]+)")
_STEP: Final = re.compile(
    r"""\.(?P<any>\*)|\.(?P<name>[^\s.\[\]'"*]+)|\[(?P<all>\*)\]|\[(?P<index>[0-9]{1,9})\]"""
    r"""|\[(?P<quote>['"])(?P<quoted>(?:(?!(?P=quote))[^\\]|\\.)+)(?P=quote)\]"""
)

# Each name that is a secret holds one of these, bared of all but letters and digits; a parameter
# one of the second row too.
_WORDS: Final = (
    *(b"pass", b"pwd", b"secret", b"token", b"apikey", b"privatekey", b"accesskey", b"jwt"),
    *(b"authorization", b"cookie", b"credential", b"sessionid", b"assertion"),
)
_PARAMETER_WORDS: Final = (b"key", b"auth", b"sig", b"code")
_LOWER: Final = bytes(range(256)).lower()
_NO_WORD: Final = bytes(byte for byte in range(256) if not chr(byte).isalnum() or byte > 0x7F)
_PERCENT_ENCODED: Final = re.compile(r"%[0-9a-fA-F]{2}")
_ESCAPED_LETTER: Final = re.compile(r"\\u00[4-7]")

Step = str | int | None
"""A name in lower case, a position, or None for any."""


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """What is redacted beside what always is; case does not count in a name.

    Always: credentials in `Authorization` and `Proxy-Authorization`, every cookie's value, and
    whatever `shadow.masking` knows for a secret by its name, in headers, queries, forms, JSON
    and XML.
    """

    headers: tuple[str, ...] = ()
    """Headers whose value is a secret."""
    query: tuple[str, ...] = ()
    """Parameters of queries: of request targets, of URLs elsewhere, and the same in forms."""
    form: tuple[str, ...] = ()
    """Fields of forms alone."""
    json: tuple[str, ...] = ()
    """Members of JSON by name, or by path: `$.user.password`, `$.users[*].ssn`."""
    keep_cookies: tuple[str, ...] = ()
    """Cookies whose values stay; here case counts, as it does in a cookie's name."""


class Names:
    """Says of a name whether what it names is a secret. Safe to share between threads.

    Raises ConfigError for a JSON path that is none.
    """

    def __init__(self, rules: Redaction) -> None:
        self._headers = _lower(rules.headers)
        self._query = _lower(rules.query)
        self._form = _lower(rules.form)
        self.paths = tuple(
            _path(text)
            for text in rules.json
            if text.startswith("$") and not _EVERYWHERE.fullmatch(text)
        )
        self._members = _lower(
            text.removeprefix("$..")
            for text in rules.json
            if not text.startswith("$") or _EVERYWHERE.fullmatch(text)
        )
        self._ends = frozenset(_last_name(path) for path in self.paths)
        self.configured = self._query | self._form | self._members | self._ends
        """In lower case; but for those of headers."""
        self._words = _WORDS + tuple(_bare(name.encode()) for name in self.configured)
        # Names repeat, and each look-up is in the way of every exchange.
        self.header = lru_cache(_CACHED)(self._is_header)
        self.query = lru_cache(_CACHED)(self._is_query)
        self.field = lru_cache(_CACHED)(self._is_field)
        self.member = lru_cache(_CACHED)(self._is_member)
        self.ends_path = lru_cache(_CACHED)(self._is_end)

    def may_be_in(self, text: str) -> bool:
        """Whether a name of a secret may stand in an isomorphic text; most have none.

        This is quick, and the rest of looking for one is not.
        """
        if "\\u00" in text and _ESCAPED_LETTER.search(text):
            return True
        if "%" in text and _PERCENT_ENCODED.search(text):
            return True
        words = self._words + _PARAMETER_WORDS if "=" in text else self._words
        bare = _bare(octets(text))
        return any(map(bare.__contains__, words))

    def _is_header(self, name: str) -> bool:
        name = name.lower()
        return name in self._headers or is_secret_header(name)

    def _is_query(self, name: str) -> bool:
        return is_secret_query(name) or _is_among(unquote_plus(name), self._query)

    def _is_field(self, name: str) -> bool:
        return self._is_query(name) or _is_among(unquote_plus(name), self._form)

    def _is_member(self, name: str) -> bool:
        name = member_name(name)
        return is_secret_name(name) or name.lower() in self._members

    def _is_end(self, name: str) -> bool:
        """Whether a path leads to a member of this name, somewhere."""
        return member_name(name).lower() in self._ends


def _bare(text: bytes) -> bytes:
    return text.translate(_LOWER, _NO_WORD)


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _is_among(name: str, names: frozenset[str]) -> bool:
    """Whether a parameter is among the names, by its inner name too: `user[pin]`."""
    name = name.lower()
    return name in names or name.rpartition("[")[2].rstrip("]") in names


_ESCAPE: Final = re.compile(r"\\+u([0-9a-fA-F]{4})|\\+(.?)", re.DOTALL)


def member_name(raw: str) -> str:
    r"""Return the name that stands between quotes in JSON, itself in a JSON string or not.

    `raw` is isomorphic. Whatever the number of backslashes before `u0041`, it means an A.
    """
    if not raw.isascii():
        raw = raw.encode("latin-1", "replace").decode("utf-8", "replace")
    if "\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], raw)


def _path(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            break
        at = found.end()
        if found["index"]:
            steps.append(int(found["index"]))
        elif found["any"] or found["all"]:
            steps.append(None)
        else:
            name = found["name"] or re.sub(r"\\(.)", r"\1", found["quoted"])
            steps.append(name.lower())
    if at < len(text) or not any(isinstance(step, str) for step in steps):
        raise ConfigError(
            f"redact json: {text!r} is no path to a member",
            "write it like $.user.password, $.users[*].ssn or $['a name'], or give a name alone",
        )
    return tuple(steps)


def _last_name(path: tuple[Step, ...]) -> str:
    return next(step for step in reversed(path) if isinstance(step, str))
