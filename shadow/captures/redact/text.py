r"""Secrets in text by their name: parameters of URLs, fields of forms, members, elements.

All text is isomorphic (see `shadow.model`), bodies included, so whatever is no secret keeps its
bytes. Parameters are found as far inside as percent-encoding puts them: in the URL that is a
parameter of another, and in the JSON that is a field of a form.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from shadow.captures.redact.dropping import without_dropped
from shadow.captures.redact.looks import Looks, spelled_like
from shadow.captures.redact.marks import Marks, Secret
from shadow.captures.redact.members import Members
from shadow.captures.redact.places import Named, Value, rewritten
from shadow.captures.redact.rules import Names, member_name

_PARAMETER: Final = re.compile(r'[?&;#]([^=&;#?\s"<>\\]++)=', re.ASCII)
_URL_VALUE: Final = re.compile(r"[^&#]*+")
_FORM_VALUE: Final = re.compile(r"[^&]*+")
# In a text a URL is followed by other things. Go's encoding/json writes & as \u0026, and PHP's
# writes / as \/.
_PARAMETER_IN_TEXT: Final = re.compile(
    r'[?&;#6](?:(?<!6)|(?<=\\u0026))([^=&;#?\s"\'<>\\]++)=(?!=)', re.ASCII
)
# As `password="x"` in a log: of names alone that are secrets anywhere, for `code=1` is none there.
_PAIR_IN_TEXT: Final = re.compile(r"(?<![^\s,(\[{\"'>])([\w.\[\]%-]{2,64})=(?!=)", re.ASCII)
# Nothing in it can be what stands between two strings of JSON.
_QUOTED: Final = re.compile(r"""(\\*+["'])([^\s"',:{}\[\]<>\\]++)(\1)""", re.ASCII)
_VALUE_IN_TEXT: Final = re.compile(r'(?:[^&#\s"\'<>\\]|\\(?!u0026|["\'nrt<>\\]).)*+', re.ASCII)
_ENCODED_PARAMETER: Final = re.compile(
    r'%(?:25)*+(?:3F|26|23|3B)([^=&;#?%\s"<>\\]++)%(?:25)*+3D', re.ASCII | re.IGNORECASE
)
_ENCODED_VALUE: Final = re.compile(
    r'(?:(?!%(?:25)*+(?:26|23))[^&#\s"<>\\])*+', re.ASCII | re.IGNORECASE
)
_ENCODED_RUN: Final = re.compile(r'(?<==)[^&#\s"<>]++', re.ASCII)
_USERINFO: Final = re.compile(r"(?:(?<=://)|(?<=:\\/\\/))[^/?#\s\"'<>\\]+(?=@)", re.ASCII)
_ELEMENT: Final = re.compile(r"<([\w:.-]{2,64})(?:\s[^<>]*+)?>", re.ASCII)
_ATTRIBUTE: Final = re.compile(r"\s([\w:.-]{2,64})\s*+=\s*+(?=[\"'])", re.ASCII)
_CDATA: Final = re.compile(r"\s*+<!\[CDATA\[", re.ASCII)
_USER: Final = Secret("url", "user and password")
_SHORT: Final = 200
"""Characters below which it is as quick to look for names as to ask whether there may be any."""


class Texts:
    """Redacts texts. Safe to share between threads."""

    def __init__(self, names: Names, marks: Marks, looks: Looks) -> None:
        self._names = names
        self._marks = marks
        self._looks = looks
        self._members = Members(names, marks)
        self._url_value = self._up_to(_URL_VALUE)
        self._form_value = self._up_to(_FORM_VALUE)
        self._encoded_value = self._up_to(_ENCODED_VALUE)

    def url(self, url: str) -> str:
        """Return a request target, or the URL that is all of a header's value."""
        return without_dropped(self._looks.encoded(self._url(url)))

    def _url(self, url: str) -> str:
        if '"' in url:
            url = self._members.redact(url)
        if "@" in url:
            url = self._userinfo(url)
        if "=" not in url and "%" not in url:
            return url
        path, mark, query = url.partition("?")
        if ";" in path or "#" in path:
            path = rewritten(path, _PARAMETER, self._names.query, self._url_value)
        query = rewritten(mark + query, _PARAMETER, self._names.query, self._url_value)
        return self._encoded(path + query, self._names.query)

    def form(self, text: str) -> str:
        """Return the body of a form (application/x-www-form-urlencoded)."""
        text = self._members.redact(text) if '"' in text else text
        text = rewritten(f"&{text}", _PARAMETER, self._names.field, self._form_value)
        text = self._userinfo(self._encoded(text, self._names.field))
        return without_dropped(self._looks.encoded(text)).removeprefix("&")

    def text(self, text: str) -> str:
        """Return any other text: a header's value, JSON, XML, a page, a log."""
        if len(text) < _SHORT or self._names.may_be_in(text):
            text = self._named(text)
        if "@" in text:
            text = self._userinfo(text)
        return without_dropped(self._looks.plain(text))

    def looks_secret(self, text: str) -> bool:
        """Whether something in a text, of whatever bytes, looks like a secret."""
        return self._looks.finds(text)

    def _named(self, text: str) -> str:
        if '"' in text:
            text = self._members.redact(text)
        if "<" in text:
            text = rewritten(text, _ELEMENT, self._element_name, self._element)
            text = rewritten(text, _ATTRIBUTE, self._element_name, self._attribute)
        if "=" in text or "%" in text:
            text = rewritten(text, _PARAMETER_IN_TEXT, self._names.query, self._value_in_text)
            text = rewritten(text, _PAIR_IN_TEXT, self._names.member, self._value_in_text)
            text = self._encoded(text, self._names.query)
        return text

    def _up_to(self, pattern: re.Pattern[str]) -> Value:
        """Return what replaces a value that is as long as the pattern says."""

        def value(text: str, at: int, secret: Secret) -> tuple[int, str]:
            found = pattern.match(text, at)
            raw = found[0] if found else ""
            return at + len(raw), self._marks.of_query(raw, secret)

        return value

    def _value_in_text(self, text: str, at: int, secret: Secret) -> tuple[int, str]:
        quoted = _QUOTED.match(text, at)
        if quoted:
            return quoted.end(), quoted[1] + self._marks.of(quoted[2], secret) + quoted[3]
        found = _VALUE_IN_TEXT.match(text, at)
        raw = found[0] if found else ""
        meant = member_name(raw)
        mark = self._marks.of_query(meant, secret)
        return at + len(raw), raw if mark == meant else mark

    def _encoded(self, text: str, secret_of: Named) -> str:
        """Redact URLs and JSON that are percent-encoded themselves."""
        if "%" not in text:
            return text
        if "3D" in text or "3d" in text:
            text = rewritten(text, _ENCODED_PARAMETER, secret_of, self._encoded_value)
        return _ENCODED_RUN.sub(self._encoded_json, text) if "%22" in text else text

    def _encoded_json(self, found: re.Match[str]) -> str:
        if "%22" not in found[0]:
            return found[0]
        inner = unquote_plus(found[0], "latin-1")
        redacted = self._members.redact(inner)
        return found[0] if redacted == inner else spelled_like(found[0], redacted)

    def _userinfo(self, text: str) -> str:
        if "://" not in text and ":\\/\\/" not in text:
            return text
        return _USERINFO.sub(lambda found: self._marks.of(found[0], _USER), text)

    def _element_name(self, name: str) -> Secret | None:
        return self._names.member(name.rpartition(":")[2])

    def _element(self, text: str, at: int, secret: Secret) -> tuple[int, str]:
        opening = _CDATA.match(text, at)
        start = opening.end() if opening else at
        end = text.find("]]>" if opening else "<", start)
        end = len(text) if end < 0 else end
        return end, text[at:start] + self._marks.of(text[start:end], secret)

    def _attribute(self, text: str, at: int, secret: Secret) -> tuple[int, str]:
        end = text.find(text[at], at + 1)
        end = len(text) if end < 0 else end
        return end, text[at] + self._marks.of(text[at + 1 : end], secret)
