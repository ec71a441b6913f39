"""What is a secret: the names that always are, and those configured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote_plus

import msgspec

from shadow.captures.redact.marks import Action, Secret, octets
from shadow.detectors import ALWAYS
from shadow.errors import ConfigError
from shadow.secret_names import (
    CREDENTIAL_HEADERS,
    QUERY_WORDS,
    WORDS,
    bare,
    is_secret_header,
    is_secret_name,
    is_secret_query,
    parameter_names,
)

LONGEST_NAME: Final = 300
"""Characters of a name that are looked at, from its end."""

_CACHED: Final = 4096
_EVERYWHERE: Final = re.compile(r"\$\.\.([^\s.\[\]'\"*]+)")
_STEP: Final = re.compile(
    r"""\.(?P<any>\*)|\.(?P<name>[^\s.\[\]'"*]+)|\[(?P<all>\*)\]|\[(?P<index>[0-9]{1,9})\]"""
    r"""|\[(?P<quote>['"])(?P<quoted>(?:(?!(?P=quote))[^\\]|\\.)+)(?P=quote)\]"""
)

_WORDS: Final = tuple(bare(word.encode()) for word in WORDS)
_PARAMETER_WORDS: Final = tuple(word.encode() for word in QUERY_WORDS)
_PERCENT_ENCODED: Final = re.compile(r"%[0-9a-fA-F]{2}")
_ESCAPED_LETTER: Final = re.compile(r"\\u00[4-7]")

Step = str | int | None
"""A name in lower case, a position, or None for any."""


Where = Literal["header", "cookie", "query", "form", "json", "pattern", "detect"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is redacted, and how."""

    where: Where
    what: str
    """A name; for `json` a name or a path; a regular expression (RE2); the name of a detector."""
    action: Action = "hash"
    keep_format: bool = False
    """The hash of an e-mail address is one, and so on for what `formats` knows."""


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """What is redacted beside what always is; case does not count in a name.

    Always: credentials in `Authorization` and `Proxy-Authorization`, every cookie's value,
    whatever `shadow.secret_names` knows for a secret, in headers, queries, forms, JSON
    and XML, and whatever `shadow.detectors` always finds.
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
    detect: tuple[str, ...] = ()
    """Detectors that look for personal data, beside those that are always on."""
    rules: tuple[Rule, ...] = ()
    """What has another action than the hash; of two for one thing the last counts."""

    def all_rules(self) -> tuple[Rule, ...]:
        """List everything that is asked for, as rules."""
        named: tuple[tuple[Where, tuple[str, ...]], ...] = (
            ("header", self.headers),
            ("query", self.query),
            ("form", self.form),
            ("json", self.json),
            ("detect", (*ALWAYS, *self.detect)),
        )
        plain = [Rule(where=where, what=what) for where, whats in named for what in whats]
        return (*plain, *self.rules)


class Names:
    """Says of a name what secret it names, or None. Safe to share between threads.

    Raises ConfigError for a JSON path that is none.
    """

    def __init__(self, rules: Redaction) -> None:
        every = rules.all_rules()
        self._headers = _by_name(every, "header")
        self._cookies = _by_name(every, "cookie", fold=False)
        self._query = _by_name(every, "query")
        self._form = _by_name(every, "form")
        self._kept_cookies = frozenset(rules.keep_cookies)
        json = [rule for rule in every if rule.where == "json"]
        paths = {
            _path(rule.what): _secret(rule, rule.what)
            for rule in json
            if rule.what.startswith("$") and not _EVERYWHERE.fullmatch(rule.what)
        }
        self.paths = tuple(paths.items())
        """The steps of each path with what it leads to."""
        self._members = {
            name: _secret(rule, name)
            for rule in json
            if not rule.what.startswith("$") or _EVERYWHERE.fullmatch(rule.what)
            for name in [rule.what.removeprefix("$..").lower()]
        }
        self._ends = {_last_name(path): secret for path, secret in self.paths}
        self.configured = frozenset((*self._query, *self._form, *self._members, *self._ends))
        """In lower case; but for those of headers."""
        self._words = _WORDS + tuple(bare(name.encode()) for name in self.configured)
        # Names repeat, and each look-up is in the way of every exchange.
        self.header = lru_cache(_CACHED)(self._find_header)
        self.cookie = lru_cache(_CACHED)(self._find_cookie)
        self.query = lru_cache(_CACHED)(self._find_query)
        self.field = lru_cache(_CACHED)(self._find_field)
        self.member = lru_cache(_CACHED)(self._find_member)
        self.ends_path = lru_cache(_CACHED)(self._find_end)

    def may_be_in(self, text: str) -> bool:
        """Whether a name of a secret may stand in an isomorphic text; most have none.

        This is quick, and the rest of looking for one is not.
        """
        if "\\u00" in text and _ESCAPED_LETTER.search(text):
            return True
        if "%" in text and _PERCENT_ENCODED.search(text):
            return True
        words = self._words + _PARAMETER_WORDS if "=" in text else self._words
        letters = bare(octets(text))
        return any(map(letters.__contains__, words))

    def _find_header(self, name: str) -> Secret | None:
        name = name.lower()
        found = self._headers.get(name)
        if found is None and (name in CREDENTIAL_HEADERS or is_secret_header(name)):
            return Secret("header", name)
        return found

    def _find_cookie(self, name: str) -> Secret | None:
        if name in self._kept_cookies:
            return None
        return self._cookies.get(name) or Secret("cookie", name)

    def _find_query(self, name: str) -> Secret | None:
        plain = unquote_plus(name)
        found = _among(plain, self._query)
        if found is None and is_secret_query(name):
            return Secret("query", plain)
        return found

    def _find_field(self, name: str) -> Secret | None:
        return _among(unquote_plus(name), self._form) or self._find_query(name)

    def _find_member(self, name: str) -> Secret | None:
        name = member_name(name)
        found = self._members.get(name.lower())
        if found is None and is_secret_name(name):
            return Secret("json", name)
        return found

    def _find_end(self, name: str) -> Secret | None:
        """Return the secret where a path leads to a member of this name, somewhere."""
        return self._ends.get(member_name(name).lower())


def _by_name(rules: Iterable[Rule], where: Where, *, fold: bool = True) -> dict[str, Secret]:
    found: dict[str, Secret] = {}
    for rule in rules:
        if rule.where == where:
            name = rule.what.lower() if fold else rule.what
            found[name] = _secret(rule, name)
    return found


def _secret(rule: Rule, name: str) -> Secret:
    return Secret(rule.where, name, rule.action, rule.keep_format)


def _among(name: str, names: dict[str, Secret]) -> Secret | None:
    """Return what a parameter is among the names, by those it is made of too: `user[pin][0]`."""
    name = name.lower()
    parts = (name, *reversed(parameter_names(name)))
    return next((names[part] for part in parts if part in names), None)


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


def last_name(text: str) -> str:
    """Return the name of the member that a JSON rule is for, in lower case."""
    if not text.startswith("$") or _EVERYWHERE.fullmatch(text):
        return text.removeprefix("$..").lower()
    return _last_name(_path(text))


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
