"""An exchange without its secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

import msgspec

from shadow.captures.redact.body import Bodies
from shadow.captures.redact.looks import Looks
from shadow.captures.redact.marks import DROPPED, Marks, Saw, Secret
from shadow.captures.redact.rules import LONGEST_NAME, Names, Redaction
from shadow.captures.redact.text import Texts
from shadow.model import Exchange, Headers, NoAnswer, Request, Response

_NAMELESS: Final = Secret("cookie", "")
SESSION: Final = Secret("session", "session")
_URLS: Final = frozenset(
    {
        *("referer", "location", "content-location", "destination", ":path"),
        *("x-original-url", "x-original-uri", "x-rewrite-url", "x-envoy-original-path"),
        *("x-forwarded-uri", "x-forwarded-path"),
    }
)
"""Headers whose value is one URL, whatever characters it has."""
_COOKIE_ATTRIBUTES: Final = frozenset(
    {
        *("expires", "max-age", "domain", "path", "secure", "httponly", "samesite"),
        *("partitioned", "priority"),
    }
)
_FOLDED: Final = re.compile(r"(.*?),([^,=]+=.*)", re.DOTALL)
_NO_RULES: Final = Redaction()

Treatment = Callable[[str], str]


class Redactor:
    """Redacts under one key; whatever an exchange holds, it raises nothing.

    Safe to share between threads. To redact a second time changes nothing.
    """

    def __init__(self, key: bytes, rules: Redaction = _NO_RULES, *, saw: Saw | None = None) -> None:
        """Take the key, what is redacted beside what always is, and who is told of each secret.

        Raises ConfigError for a malformed JSON path, a pattern or a detector that is none.
        """
        self._marks = Marks(key, saw)
        self._names = Names(rules)
        self._texts = Texts(self._names, self._marks, Looks(rules, self._marks))
        self._bodies = Bodies(self._names, self._marks, self._texts)
        self._treatment = lru_cache(4096)(self._treatment_of)

    def redact(self, exchange: Exchange) -> Exchange:
        """Return the exchange as it may be written.

        A body that cannot be looked into is left out and marked truncated. The session gets
        the mark that the cookie or the header has which it was taken from.
        """
        response, error, session = exchange.response, exchange.error, exchange.session
        return Exchange(
            id=exchange.id,
            request=self._request(exchange.request),
            response=None if response is None else self._response(response),
            error=None if error is None else self._error(error),
            latency_ms=exchange.latency_ms,
            session=None if session is None else self._marks.unicode_credential(session, SESSION),
            ts=exchange.ts,
        )

    def _request(self, request: Request) -> Request:
        kept = self._bodies.redact(request)
        return Request(
            method=request.method,
            target=self._texts.url(request.target),
            headers=self._headers(request.headers),
            body=kept.body,
            decoded=kept.decoded,
            truncated=kept.truncated,
        )

    def _response(self, response: Response) -> Response:
        kept = self._bodies.redact(response)
        return Response(
            status=response.status,
            headers=self._headers(response.headers),
            body=kept.body,
            decoded=kept.decoded,
            truncated=kept.truncated,
        )

    def _error(self, error: NoAnswer) -> NoAnswer:
        return msgspec.structs.replace(error, detail=self._texts.text(error.detail))

    def _headers(self, headers: Headers) -> Headers:
        treatment = self._treatment
        treated = [(name, treatment(name[-LONGEST_NAME:])(value)) for name, value in headers]
        if any(DROPPED in value for _, value in treated):
            return tuple([(name, value) for name, value in treated if DROPPED not in value])
        return tuple(treated)

    def _treatment_of(self, name: str) -> Treatment:
        """Return what is done to the values of a header."""
        lower = name.lower()
        if lower == "cookie":
            return self._cookie
        if lower in ("set-cookie", "set-cookie2"):
            return self._set_cookie
        secret = self._names.header(lower)
        if secret is not None:
            return partial(self._marks.credential, secret=secret)
        return self._texts.url if lower in _URLS else self._texts.text

    def _cookie(self, value: str) -> str:
        pairs = [self._pair(pair) for pair in value.split(";")]
        kept = [pair for pair in pairs if DROPPED not in pair]
        if len(kept) == len(pairs):
            return ";".join(pairs)
        return ";".join(kept).lstrip() or DROPPED

    def _set_cookie(self, value: str) -> str:
        pair, *attributes = value.split(";")
        return ";".join([self._pair(pair), *map(self._attribute, attributes)])

    def _attribute(self, text: str) -> str:
        """Return an attribute; a proxy that folds lines has put the next cookie behind it."""
        folded = _FOLDED.fullmatch(text)
        if folded:
            return f"{self._attribute(folded[1])},{self._pair(folded[2])}"
        name = text.partition("=")[0].strip(" \t").lower()
        return text if name in _COOKIE_ATTRIBUTES else self._pair(text)

    def _pair(self, pair: str) -> str:
        """Return a cookie with the mark of its value; one without `=` has only a value."""
        name, equals, value = pair.partition("=")
        if not equals:
            bare = pair.lstrip(" \t")
            return pair[: len(pair) - len(bare)] + self._marks.of_cookie(bare, _NAMELESS)
        secret = self._names.cookie(name.strip(" \t")[-LONGEST_NAME:])
        if secret is None:
            return pair
        return name + equals + self._marks.of_cookie(value, secret)
