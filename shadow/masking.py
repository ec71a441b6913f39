"""What must never leave memory: credentials in headers, targets, bodies and values.

A masked value reads `[masked:3f2a]`. The four digits are a hash under a key that lives only
as long as the process: two different secrets still read as different, and nobody can test a
guess against a report. JSON is masked as text and never re-serialised, so what is left of
it keeps its spelling.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote_plus

import msgspec

from shadow.detectors import ALWAYS, Detectors
from shadow.model import Divergence, readable
from shadow.secret_names import (
    CREDENTIAL_HEADERS,
    QUERY_WORDS,
    STEMS,
    bare,
    is_secret_header,
    is_secret_name,
    is_secret_query,
    parameter_names,
    plain_name,
)

VALUE_BYTES: Final = 1000
"""Where a compared value is cut (the event contract says 1 kB)."""
NAME_BYTES: Final = 500
"""Where ids, sessions, endpoints and reasons are cut."""
WITHHELD: Final = "[withheld]"
"""Stands for a compared value when values are withheld (`--no-values`)."""

_SCAN_CHARACTERS: Final = 8 * VALUE_BYTES  # what lies behind this is cut off later anyway
_KNOWN: Final = 1_024  # values whose masks are remembered: some 4 MB at most
_NESTING: Final = 3  # levels of JSON in a string in JSON; what lies deeper is masked whole
_ENCODINGS: Final = 3  # times that a text is percent-encoded and looked into

_COOKIE_ATTRIBUTE: Final = re.compile(
    r"expires|max-age|domain|path|secure|httponly|samesite|partitioned|priority"
)
_LOOKS: Final = ("eyj", "bearer", "basic")
"""How a token, or what stands before one, begins."""
# A text with none of these has nothing to mask: each name and pattern here holds one of
# them. Looked up in lower case.
_HINTS: Final = ("=", "\\u", *_LOOKS, *STEMS)
# The same for a text bared of all but letters and digits, which a name that is spelled with
# separators cannot hide in. An `=` alone says nothing there: its name must hold one of these.
_WORDS: Final = "|".join((*_LOOKS, *STEMS, *QUERY_WORDS)).encode()
_COOKIE_VALUE: Final = re.compile(r"set-cookie/[^/]*")
"""The place of a cookie's value; its attributes stand one step below."""
_MARK: Final = re.compile(r"\[masked:[0-9a-f]{4}\]")
_JWT: Final = re.compile(r"(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)*", re.ASCII)
_BEARER: Final = re.compile(
    r"\b(bearer\s+)(?!(?:realm|error|scope|charset)\b)([A-Za-z0-9._~+/=-]+)", re.IGNORECASE
)
# PHP's json_encode writes / as \/.
_USERINFO: Final = re.compile(r"(?:(?<=://)|(?<=:\\/\\/))([^/?#\s\"'<>\\]+)(?=@)")
# Go's encoding/json writes & as \u0026, so a URL in a JSON string is cut there too.
# What has quotes ends with them, if nothing in it can be what stands between two JSON strings.
_PAIR_VALUE: Final = (
    r"""("[^\s"',:{}\[\]<>\\]++"|'[^\s"',:{}\[\]<>\\]++'|(?:[^&;#\s"'<>\\]|\\(?!u0026).?)+)"""
)
_QUERY_PAIR: Final = re.compile(rf"((?<=[?&;#])|(?<=\\u0026))([^=&;#?\s\\]+)={_PAIR_VALUE}")
_TEXT_PAIR: Final = re.compile(
    rf"(?<![^\s,;&?(\[{{\"'])([\w.\[\]%-]{{2,64}})={_PAIR_VALUE}", re.ASCII
)
# Tried only where a piece begins: to try at each of its characters takes the square of the time.
_ENCODED: Final = re.compile(r"(?<![^/?&=#;\s\"<>])(?=[^/?&=#;\s\"<>%+]*+[%+])[^/?&=#;\s\"<>]++")
_ELEMENT: Final = re.compile(r"(<([\w:.-]{2,64})(?:\s[^<>]*)?>)([^<>]+)(?=</|$)", re.ASCII)
_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+'
_JSON_TOKEN: Final = re.compile(
    rf'(?P<key>{_STRING}"\s*+:)|(?P<string>{_STRING}"?)|(?P<open>[{{\[])|(?P<close>[}}\]])'
    r'|(?P<comma>,)|(?P<scalar>[^\s"{}\[\],:]+)|(?P<other>[\s:]+)',
    re.DOTALL,
)
_CLOSED: Final = re.compile(rf'{_STRING}"', re.DOTALL)
_CUT_ESCAPE: Final = re.compile(r"\\u[0-9a-fA-F]{0,3}\Z")
_PATH_NAME: Final = re.compile(r"\['((?:[^'\\]|\\.)*+)'\]", re.DOTALL)


def cut(text: str, limit: int = VALUE_BYTES) -> str:
    """Return the text, or its first `limit` bytes of UTF-8 and an ellipsis; always encodable."""
    if len(text) <= limit and text.isascii():
        return text
    data = text[: limit + 1].encode("utf-8", "backslashreplace")
    if len(data) <= limit and len(text) <= limit:
        return data.decode()
    return data[:limit].decode("utf-8", "ignore") + "…"


def path_names(path: str) -> tuple[str, ...]:
    """Return the member names in an RFC 9535 normalized path; any other path is one name."""
    if not path.startswith("$"):
        return (path,) if path else ()
    names = _PATH_NAME.findall(path)
    return tuple(re.sub(r"\\(.)", r"\1", name) for name in names) if "\\" in path else tuple(names)


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """What is masked besides credentials: what `[redact]` names."""

    headers: tuple[str, ...] = ()
    """Names of headers, in lower case."""
    parameters: tuple[str, ...] = ()
    """Names of parameters of queries and forms, in lower case."""
    members: tuple[str, ...] = ()
    """Names of members of JSON, in lower case; a path counts by its last name."""
    detect: tuple[str, ...] = ()
    """Detectors beside those that are always on."""
    patterns: tuple[str, ...] = ()
    """Regular expressions (RE2)."""


NOTHING_MORE: Final = Hidden()


class Masker:
    """Masks under one key. Safe to share between threads.

    `key` is for tests and for processes that must agree on the marks of one run; without it
    the marks of two runs cannot be matched. With `withhold`, compared values are dropped
    altogether (`--no-values`). Raises ConfigError for a detector or a pattern that is none.
    """

    def __init__(
        self,
        key: bytes | None = None,
        *,
        withhold: bool = False,
        hidden: Hidden = NOTHING_MORE,
    ) -> None:
        self.hidden = hidden
        """What is masked besides credentials."""
        self._headers = frozenset(hidden.headers)
        self._parameters = frozenset(hidden.parameters)
        self._members = frozenset(hidden.members)
        self._detectors = Detectors((*ALWAYS, *hidden.detect), hidden.patterns)
        named = (*hidden.parameters, *hidden.members)
        self._hints = _HINTS + named
        words = {re.escape(plain_name(name)) for name in named} - {""}
        self._words = re.compile(b"|".join([_WORDS, *(word.encode() for word in sorted(words))]))
        self._key = blake2b(os.urandom(32) if key is None else key).digest()
        self.withhold = withhold
        self._known: dict[tuple[str, str, str], str] = {}
        """What was made of the latest values: a service that fails says the same each time."""
        self.mask_endpoint = lru_cache(maxsize=4096)(self._mask_endpoint)
        """Return an endpoint's name as it may leave memory: masked, cut at `NAME_BYTES`."""

    def _may_hold_secret(self, text: str) -> bool:
        lowered = text.lower()
        return any(hint in lowered for hint in self._hints) or self._detectors.may_find(text)

    def _is_harmless(self, text: str) -> bool:
        """Whether there is surely nothing to mask, whatever the text is part of.

        Most texts are, and this is cheaper than to look for each kind of secret.
        """
        if "@" in text or self._detectors.may_find(text):
            return False
        if not text.isascii() or "\\" in text:
            return not self._may_hold_secret(text)
        if "%" in text:
            return False  # a name, or more, may be spelled with escapes
        if "+" in text and self._detectors.may_find(text.replace("+", " ")):
            return False
        return self._words.search(bare(text.encode())) is None

    def _is_member(self, name: str) -> bool:
        """Whether values under this key of JSON are secrets."""
        return is_secret_name(name) or name.lower() in self._members

    def _is_parameter(self, name: str) -> bool:
        """Whether values of this parameter of a query are secrets; it may be percent-encoded."""
        return is_secret_query(name) or self._is_named(unquote_plus(name))

    def _is_named(self, name: str) -> bool:
        """Whether `[redact]` names this parameter, or one that it is part of."""
        if not self._parameters:
            return False
        name = name.lower()
        return name in self._parameters or not self._parameters.isdisjoint(parameter_names(name))

    def mark(self, secret: str) -> str:
        """Return what stands for a secret; an empty text and a mark stay as they are."""
        if not secret or _MARK.fullmatch(secret):
            return secret
        data = secret.encode("utf-8", "backslashreplace")
        return f"[masked:{blake2b(data, key=self._key, digest_size=2).hexdigest()}]"

    def mask_header(self, name: str, value: str) -> str:
        """Return a header value without its credentials; scheme and cookie names stay."""
        name, _, cookie = name.lower().partition("/")
        if name == "set-cookie":
            return self._mask_set_cookie(value, cookie)
        if name == "cookie":
            return "; ".join(self._mask_pair(pair.strip()) for pair in value.split(";"))
        if name in CREDENTIAL_HEADERS:
            scheme, space, rest = value.partition(" ")
            return scheme + space + self.mark(rest) if space else self.mark(value)
        if is_secret_header(name) or name in self._headers:
            return self.mark(value)
        return self.mask_text(value)

    def _mask_pair(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        return name + equals + self.mark(value) if equals else self.mark(pair)

    def _mask_set_cookie(self, value: str, cookie: str) -> str:
        parts = []
        for number, part in enumerate(value.split(";")):
            name = part.partition("=")[0].strip().lower()
            is_cookie = number == 0 and cookie != "" and name == cookie
            is_attribute = not is_cookie and _COOKIE_ATTRIBUTE.fullmatch(name) is not None
            is_attribute &= part.count("=") < 2  # a proxy that folds lines puts a cookie behind
            parts.append(part.strip() if is_attribute else self._mask_pair(part.strip()))
        return "; ".join(parts)

    def mask_target(self, target: str) -> str:
        """Return a request target or URL without credentials in its user part, path or query."""
        return self.mask_text(target)

    def _mask_endpoint(self, endpoint: str) -> str:
        return self.mask_and_cut(endpoint, NAME_BYTES)

    def mask_and_cut(self, text: str, limit: int) -> str:
        """Return a text without the credentials it shows, cut at so many bytes of UTF-8."""
        if len(text) <= limit and text.isascii() and self._is_harmless(text):
            return text
        return cut(self.mask_text(text), limit)

    def mask_text(self, text: str, *, in_json: bool = False, encodings: int = _ENCODINGS) -> str:
        """Return any text without the credentials it shows: tokens, URLs, forms, JSON, elements.

        With `in_json` it is JSON whose members are masked, and its numbers are no card numbers.
        """
        if self._is_harmless(text):
            return text
        if '"' in text and not in_json:
            text = self._mask_members(text, _NESTING)
        if "@" in text:
            text = _USERINFO.sub(lambda found: self.mark(found[1]), text)
        text = _QUERY_PAIR.sub(self._query_pair, text)
        text = _TEXT_PAIR.sub(self._text_pair, text)
        if "<" in text:
            text = _ELEMENT.sub(self._element, text)
        text = _JWT.sub(lambda found: self.mark(found[0]), text)
        text = _BEARER.sub(lambda found: found[1] + self.mark(found[2]), text)
        text = self._detectors.sub(text, self._looks_secret, in_json=in_json)
        if encodings and ("%" in text or "+" in text):
            text = _ENCODED.sub(lambda found: self._encoded(found[0], encodings - 1), text)
        return text

    def _looks_secret(self, _: str, value: str) -> str:
        return self.mark(value)

    def _encoded(self, text: str, encodings: int) -> str:
        """Mask what is seen only without percent-encoding."""
        plain = unquote_plus(text)
        masked = self.mask_text(plain, encodings=encodings)
        return text if masked == plain else masked

    def _query_pair(self, found: re.Match[str]) -> str:
        secret = self._is_parameter(found[2])
        return f"{found[2]}={self._pair_value(found[3])}" if secret else found[0]

    def _text_pair(self, found: re.Match[str]) -> str:
        name = found[1]
        secret = is_secret_name(name) or name.lower() in self._parameters
        return f"{name}={self._pair_value(found[2])}" if secret else found[0]

    def _pair_value(self, value: str) -> str:
        quote = value[0] if value[0] in "\"'" else ""
        return quote + self.mark(value.strip(quote) if quote else value) + quote

    def _element(self, found: re.Match[str]) -> str:
        secret = self._is_member(found[2].rpartition(":")[2])
        return found[1] + self.mark(found[3]) if secret else found[0]

    def mask_json_value(self, path: Sequence[str | int], text: str) -> str:
        """Return the JSON text of the value at `path` (names and positions), masked.

        The text may be whole or cut short. All of it is masked where a name on the path is a
        secret one; a list or an object is masked inside, where its own keys say so.
        """
        names = [name for name in path if isinstance(name, str)]
        if any(self._is_member(name) or self._is_named(name) for name in names):
            return self._mask_secret(text)
        if self._is_harmless(text):
            return text
        masked = self._mask_members(text, _NESTING) if '"' in text else text
        return self.mask_text(masked, in_json=True)

    def _mask_secret(self, text: str) -> str:
        """Mask every leaf of a secret value; text that is not JSON as a whole."""
        if not text.startswith(("{", "[")):
            return self._secret_leaf(text)
        leaves = {"string", "scalar"}
        return "".join(
            self._secret_member(found[0]) if found.lastgroup in leaves else found[0]
            for found in _JSON_TOKEN.finditer(text)
        )

    def _mask_members(self, text: str, nesting: int) -> str:
        """Mask the values of secret keys; `depth` counts brackets inside such a value."""
        parts: list[str] = []
        armed, depth = False, 0
        for found in _JSON_TOKEN.finditer(text):
            kind, token = found.lastgroup, found[0]
            if kind in {"string", "scalar"}:
                token = self._secret_member(token) if armed else self._leaf(token, nesting)
            elif kind == "key":
                armed = depth > 0 or self._is_member(_key_name(token))
            elif kind == "open":
                depth += armed
            elif kind in {"close", "comma"}:
                depth -= depth > 0 and kind == "close"
                armed = depth > 0
            parts.append(token)
        return "".join(parts)

    def _secret_leaf(self, token: str) -> str:
        if token in {"null", "true", "false", '""'}:
            return token
        if token.startswith('"'):
            return '"' + self.mark(token[1:].removesuffix('"')) + '"'
        return self.mark(token)

    def _secret_member(self, token: str) -> str:
        """Mask a leaf inside JSON, which stays JSON: a number becomes a string."""
        masked = self._secret_leaf(token)
        return f'"{masked}"' if masked.startswith("[") else masked

    def _leaf(self, token: str, nesting: int) -> str:
        """Mask JSON inside a JSON string; other leaves are left to `mask_text`."""
        if "\\" not in token or not self._may_hold_secret(token):
            return token
        if nesting == 0:
            return self._secret_leaf(token)
        inner = _unescaped(token)
        masked = self._mask_members(inner, nesting - 1)
        return token if masked == inner else json.dumps(masked, ensure_ascii=False)

    def mask_divergence(self, divergence: Divergence) -> Divergence:
        """Return the divergence as it may be logged and stored: masked, readable, values cut."""
        if not self.withhold and self._is_plain(divergence):
            return divergence
        path, pattern = divergence.path, divergence.path_pattern
        if divergence.where == "header":
            path, pattern = readable(path), readable(pattern)
        return msgspec.structs.replace(
            divergence,
            path=cut(self.mask_text(path[:_SCAN_CHARACTERS])),
            path_pattern=cut(self.mask_text(pattern[:_SCAN_CHARACTERS])),
            baseline=self._value(divergence, divergence.baseline),
            candidate=self._value(divergence, divergence.candidate),
        )

    def _is_plain(self, divergence: Divergence) -> bool:
        """Whether a divergence, as most do, has nothing to mask, to cut or to decode."""
        text = f"{divergence.path} {divergence.baseline} {divergence.candidate}"
        return (
            len(text) <= VALUE_BYTES
            and text.isascii()
            and self._is_harmless(text)
            and divergence.path_pattern.isascii()
            and not (divergence.where == "header" and divergence.path in self._headers)
        )

    def _value(self, divergence: Divergence, value: str | None) -> str | None:
        if value is None:
            return None
        if self.withhold:
            return WITHHELD
        key = divergence.where, divergence.path, value
        masked = self._known.get(key)
        if masked is None:
            masked = self._masked_value(divergence, value)
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[key] = masked
        return masked

    def _masked_value(self, divergence: Divergence, value: str) -> str:
        if _COOKIE_VALUE.fullmatch(divergence.path) and ";" not in value:
            return self.mark(value)  # the value alone, which may hold `=` itself
        if divergence.where == "header":
            return cut(self.mask_header(divergence.path, readable(value[:_SCAN_CHARACTERS])))
        return cut(self.mask_json_value(path_names(divergence.path), value[:_SCAN_CHARACTERS]))


def _key_name(token: str) -> str:
    """Return the name in a `"name":` token, its escapes undone."""
    quoted = token[: token.rindex('"') + 1]
    return _unescaped(quoted) if "\\" in quoted else quoted[1:-1]


def _unescaped(token: str) -> str:
    """Return the text of a JSON string that may be cut short or wrongly escaped."""
    whole = _CLOSED.fullmatch(token) is not None
    try:
        text = json.loads(token if whole else _CUT_ESCAPE.sub("", token) + '"', strict=False)
    except ValueError:
        return re.sub(r"\\(.)", r"\1", token.strip('"'), flags=re.DOTALL)
    return str(text)
