r"""Secrets in JSON, by the name of a member and by path; the rest of the text stays as it is.

By name the text need not be JSON as a whole. Names are looked for at every quote, so a body that
was cut, several documents in one body and JSON in a script are read too, and so is JSON inside a
JSON string, where each quote has backslashes before it: one, then three, then seven.

A string becomes the mark of what it means, escapes undone. A number becomes 0, for the type is
what a service refuses first; numbers are not told apart. true, false, null and "" stay. Of a list
or an object every string and number in it is replaced.
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from shadow.captures.redact.marks import DROPPED, Marks, Secret, octets, scheme_of
from shadow.captures.redact.places import rewritten
from shadow.captures.redact.rules import LONGEST_NAME, Names, Step, member_name

_NAME: Final = re.compile(r'"(?=([^"]*)"\s*+:)', re.ASCII)
_AFTER_NAME: Final = re.compile(r'[^"]*+"\s*+:\s*+', re.ASCII)
_COLON: Final = re.compile(r"\s*+:", re.ASCII)
_TOKEN: Final = re.compile(
    r'(?<!\\)(?P<quote>\\*+)"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<scalar>[^\s,:{}\[\]"\\]++)',
    re.ASCII,
)
_QUOTE: Final = re.compile(r'(?<!\\)(\\*+)"')
_CONTENT: Final = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
# Python and JavaScript write the last two, which are not JSON.
_NUMBER: Final = re.compile(r"-?(?:[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|NaN|Infinity)")
_CONSTANTS: Final = frozenset({"true", "false", "null"})
_STRICT: Final = re.compile(
    r'"(?P<key>[^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+:|"[^"\\]*+(?:\\.[^"\\]*+)*+"|(?P<open>[{\[])'
    r'|(?P<close>[}\]])|(?P<comma>,)|[^\s"{}\[\],:]++',
    re.DOTALL | re.ASCII,
)
_validator: Final = msgspec.json.Decoder(msgspec.Raw)


class Members:
    """Redacts the members of JSON. Safe to share between threads."""

    def __init__(self, names: Names, marks: Marks) -> None:
        self._names = names
        self._marks = marks

    def redact(self, text: str) -> str:
        """Return a text that may hold JSON (isomorphic) without the secrets in it."""
        if self._names.paths and any(map(self._names.ends_path, _names(text))):
            text = self._by_path(text)
        return rewritten(text, _NAME, self._names.member, self._after_name)

    def _after_name(self, text: str, at: int, secret: Secret) -> tuple[int, str]:
        name = _AFTER_NAME.match(text, at)
        start = name.end() if name else at
        end, new = self._value(text, start, secret)
        return end, text[at:start] + (DROPPED if secret.action == "drop" else new)

    def _value(self, text: str, at: int, secret: Secret) -> tuple[int, str]:
        """Return where the value that begins at `at` ends, and the value redacted."""
        parts: list[str] = []
        done = end = at
        depth = 0
        while found := _TOKEN.search(text, end):
            end = found.end()
            start, stop, new = end, end, ""
            if found["open"]:
                depth += 1
            elif found["close"]:
                depth -= 1
            elif found["scalar"]:
                start, new = found.start(), self._scalar(found[0], secret)
            else:
                level = len(found["quote"])
                stop, end = _end_of_string(text, start, level)
                is_name = depth > 0 and _COLON.match(text, end) is not None
                content = text[start:stop]
                new = content if is_name else self._string(content, level, secret)
            parts += (text[done:start], new)
            done = stop
            if depth <= 0:
                break
        return end, "".join(parts) + text[done:end]

    def _scalar(self, token: str, secret: Secret) -> str:
        if token in _CONSTANTS:
            return token
        if not _NUMBER.fullmatch(token):
            return self._marks.of(token, secret)
        return self._marks.of_number(secret) if token.strip("0") else token

    def _string(self, content: str, level: int, secret: Secret) -> str:
        """Return what stands for a string's content, `level` backslashes before its quotes."""
        if "\\" not in content:
            return self._marks.credential(content, secret)
        text = octets(content).decode("utf-8", "surrogateescape")
        for _ in range(level.bit_length() + 1):
            text = _unescaped(text)
        kept = scheme_of(text)
        mark = self._marks.of_bytes(text[len(kept) :].encode("utf-8", "surrogatepass"), secret)
        if mark == DROPPED:
            return mark
        return kept.replace("\t", " ") + mark if mark else content

    def _by_path(self, text: str) -> str:
        """Redact what the paths lead to; where there is no structure, by their last names."""
        if _is_json(text):
            return self._walk(text)
        lines = text.split("\n")
        if len(lines) > 1 and all(not line.strip() or _is_json(line) for line in lines):
            return "\n".join(map(self._walk, lines))
        return rewritten(text, _NAME, self._names.ends_path, self._after_name)

    def _walk(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        place: list[str | int] = []
        for found in _STRICT.finditer(text):
            if found.start() < done:
                continue
            kind = found.lastgroup
            if kind == "key":
                place[-1] = member_name(found["key"]).lower()
            elif kind == "comma":
                last = place[-1]
                place[-1] = last + 1 if isinstance(last, int) else last
            elif kind == "close":
                place.pop()
            elif (secret := self._at(place)) is not None:
                end, new = self._value(text, found.start(), secret)
                dropped = secret.action == "drop"
                parts += (text[done : found.start()], DROPPED if dropped else new)
                done = end
            elif kind == "open":
                place.append(0 if found[0] == "[" else "")
        return "".join(parts) + text[done:]

    def _at(self, place: list[str | int]) -> Secret | None:
        """Return the secret to which a path leads, if this is its place."""
        for path, secret in self._names.paths:
            if _leads_to(path, place):
                return secret
        return None


def _names(text: str) -> list[str]:
    return [name[-LONGEST_NAME:] for name in set(_NAME.findall(text))]


def _leads_to(path: tuple[Step, ...], place: list[str | int]) -> bool:
    return len(path) == len(place) and all(
        step is None or step == here for step, here in zip(path, place, strict=True)
    )


def _is_json(text: str) -> bool:
    try:
        _validator.decode(octets(text))
    except (ValueError, RecursionError):
        return False
    return True


def _end_of_string(text: str, start: int, level: int) -> tuple[int, int]:
    """Return where a string's content ends, and where the string does.

    `level` backslashes stand before its quotes. Undoing one level of escapes takes n of them to
    (n - 1) / 2, and a quote without any closes the string; so does one of an outer string.
    """
    if not level:
        content = _CONTENT.match(text, start)
        end = content.end() if content else start
        return (end, end + 1) if end < len(text) and text[end] == '"' else (len(text),) * 2
    for found in _QUOTE.finditer(text, start):
        count = len(found[1])
        if count < level:
            return found.start(), found.start()
        if count % (2 * level + 2) == level:
            return found.end() - 1 - level, found.end()
    return len(text), len(text)


def _unescaped(text: str) -> str:
    """Return what the content of a JSON string means; the same where that is malformed."""
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
