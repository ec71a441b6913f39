"""Request target → endpoint: the template that requests of one kind share.

Configured templates win; otherwise the template is inferred by a pure function of the
target alone, so that two runs never disagree about an endpoint's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from shadow.errors import ConfigError

_VARIABLE: Final = re.compile(
    r"[0-9]+"  # a number
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a uuid
    r"|(?=[^0-9]*[0-9])[0-9a-zA-Z_-]{16,}={0,2}"  # a long token with a digit: hex, ULID, nanoid
    r"|[-+]?[0-9]+(?:[.,][-+]?[0-9]+)*"  # signed and decimal numbers, coordinates
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}.*"  # a date
    r"|(?=.*[0-9])[0-9a-zA-Z]+(?:[-_.:][0-9a-zA-Z]+)*[-_][0-9]+"  # sku-17, user_42
    r"|[a-zA-Z]+[-_](?=[0-9a-f]*[0-9])[0-9a-f]{6,}"  # usr_9f8e7d
    r"|.*%.*|.*@.*|.{64,}"  # escaped, an e-mail address, or long
)
_LONG: Final = 64
_VERSION: Final = re.compile(r"v[0-9]+(?:\.[0-9]+)*")
_SUFFIX: Final = re.compile(r"\.[a-zA-Z0-9]{1,5}")
MAX_SEGMENTS: Final = 16

_literal: set[str] = set()
"""Segments that stand for themselves: few of them make up most paths."""
_MAX_LITERAL: Final = 4_096


def path_of(target: str) -> str:
    """The path of a request target: without query, fragment, scheme and authority."""
    path = target.partition("?")[0].partition("#")[0]
    if "://" in path and not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path


def infer(path: str) -> str:
    """The template of a path, by the shape of its segments: `/v1/items/7` → `/v1/items/{id}`."""
    segments = path.split("/")
    if len(segments) > MAX_SEGMENTS:
        segments = [*segments[:MAX_SEGMENTS], "…"]
    return "/".join([each if each in _literal else _segment(each) for each in segments])


def _segment(segment: str) -> str:
    if segment.isdigit() and segment.isascii():
        return "{id}"
    if segment and not _VERSION.fullmatch(segment):
        if _VARIABLE.fullmatch(segment):
            return "{id}"
        suffix = _SUFFIX.search(segment)
        if (
            suffix
            and suffix.end() == len(segment)
            and _VARIABLE.fullmatch(segment[: suffix.start()])
        ):
            return "{id}" + suffix[0]
    if len(_literal) < _MAX_LITERAL and len(segment) < _LONG:
        _literal.add(segment)
    return segment


class Template:
    """One endpoint template; `{name}` stands for one segment, a final `{name...}` for the rest."""

    def __init__(self, text: str) -> None:
        method, space, path = text.partition(" ")
        if not space or not path.startswith("/") or not method.isupper():
            raise ConfigError(
                f"endpoint template {text!r} is not METHOD /path",
                "write it like GET /v1/items/{id}",
            )
        self.text = text
        self.method = method
        self.literals = 0
        pattern = ""
        for piece in re.split(r"(\{[^{}/]*\})", path):
            if piece.startswith("{") and piece.endswith("...}"):
                pattern += ".*"
            elif piece.startswith("{"):
                pattern += "[^/]+"
            else:
                self.literals += len(piece)
                pattern += re.escape(piece)
        self.pattern = re.compile(pattern)

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and path is of this endpoint."""
        return method == self.method and self.pattern.fullmatch(path) is not None


class Endpoints:
    """Names the endpoint of a request."""

    def __init__(self, templates: Sequence[str] = ()) -> None:
        """Take templates like `GET /v1/items/{id}`. Raises ConfigError for a malformed one."""
        # The template with more literal text is the more specific one.
        parsed = [Template(text) for text in templates]
        self._templates: dict[str, list[Template]] = {}
        for template in sorted(parsed, key=lambda template: -template.literals):
            self._templates.setdefault(template.method, []).append(template)
        self._named = lru_cache(maxsize=4_096)(self._name)

    def __reduce__(self) -> tuple[type[Endpoints], tuple[list[str]]]:
        """Go to another process as what it was made from."""
        return (Endpoints, (self.templates,))

    @property
    def templates(self) -> list[str]:
        """The templates that were given."""
        ours = self._templates.values()
        return [template.text for each in ours for template in each]

    def name(self, method: str, target: str) -> str:
        """The endpoint of a request: `GET /v1/items/{id}`."""
        return self._named(method, path_of(target))

    def _name(self, method: str, path: str) -> str:
        spellings = (path, unquote(path)) if "%" in path else (path,)
        for template in self._templates.get(method, ()):
            if any(template.matches(method, spelling) for spelling in spellings):
                return template.text
        return f"{method} {infer(path)}"
