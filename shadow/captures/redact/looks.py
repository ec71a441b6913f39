"""Secrets by how they look: what detectors and patterns find, in plain text and in encoded."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, quote_plus, unquote_plus

from shadow.captures.redact.marks import Marks, Secret, octets
from shadow.captures.redact.rules import Redaction
from shadow.detectors import Detectors

# Tried only where a piece begins: to try at each of its characters takes the square of the time.
_PIECE: Final = re.compile(r"(?<![^/?&=#;\s\"<>])(?=[^/?&=#;\s\"<>%+]*+[%+])[^/?&=#;\s\"<>]++")
_LOWER_HEX: Final = re.compile(r"%(?:[0-9][a-f]|[a-f][0-9a-f])")
_ESCAPE: Final = re.compile(r"%[0-9A-F]{2}")
_JSON: Final = re.compile(r"\s*[\[{]")


class Looks:
    """Redacts what looks like a secret. Safe to share between threads."""

    def __init__(self, rules: Redaction, marks: Marks) -> None:
        """Take the rules for detectors and patterns. Raises ConfigError for one that is none."""
        every = rules.all_rules()
        patterns = {rule.what: rule for rule in every if rule.where == "pattern"}
        detectors = {rule.what: rule for rule in every if rule.where == "detect"}
        named = {f"pattern {number}": rule for number, rule in enumerate(patterns.values(), 1)}
        self._secrets = {
            name: Secret(rule.where, name, rule.action, rule.keep_format)
            for name, rule in {**named, **detectors}.items()
        }
        self._has_patterns = bool(patterns)
        self._detectors = Detectors(detectors, patterns)
        self._marks = marks

    def plain(self, text: str) -> str:
        """Return an isomorphic text without what is found in it."""
        if not self._detectors.may_find(text):
            return text
        if self._has_patterns and not text.isascii():
            return _isomorphic(self._sub(octets(text).decode("utf-8", "surrogateescape")))
        return self._sub(text)

    def finds(self, text: str) -> bool:
        """Whether anything is found in an isomorphic text."""
        return self._detectors.may_find(text) and bool(self._detectors.find(text))

    def encoded(self, text: str) -> str:
        """Return a URL or a form without what is found in it, as it stands or percent-encoded."""
        text = self.plain(text)
        return _PIECE.sub(self._piece, text) if "%" in text or "+" in text else text

    def _piece(self, found: re.Match[str]) -> str:
        inner = unquote_plus(found[0], "latin-1")
        redacted = self.plain(inner)
        return found[0] if redacted == inner else spelled_like(found[0], redacted)

    def _sub(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        in_json = _JSON.match(text) is not None
        for name, start, end in self._detectors.find(text, in_json=in_json):
            mark = self._marks.of_unicode(text[start:end], self._secrets[name])
            parts += (text[done:start], mark)
            done = end
        return "".join(parts) + text[done:]


def _isomorphic(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def spelled_like(encoded: str, text: str) -> str:
    """Percent-encode a text as another was: the same characters, in the same way."""
    safe = "".join(set(encoded) - {"%", "+"})
    spelled = (quote_plus if "+" in encoded else quote)(text, safe, "latin-1")
    if _LOWER_HEX.search(encoded):
        return _ESCAPE.sub(lambda found: found[0].lower(), spelled)
    return spelled
