"""Places in a body: RFC 9535 normalized paths and the patterns that group them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

Path = tuple[str | int, ...]

_ESCAPES: Final = {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    "'": "\\'",
    "\\": "\\\\",
}
_SPECIAL: Final = re.compile(r"[\x00-\x1f'\\]")
_VARIABLE_KEY: Final = re.compile(
    r"-?[0-9]+"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{16,}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?"
)


ITEM: Final = "[*]"
"""The step of a pattern to an item of a list, or to a member with a variable key."""
_STEP: Final = re.compile(r"\[(?:\*|'(?:[^'\\]|\\.)*')\]")


def is_variable(key: str) -> bool:
    """A key that is a value in disguise: an integer, a uuid, hex of 16 or more, a date."""
    return _VARIABLE_KEY.fullmatch(key) is not None


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"


def _written(key: str) -> tuple[str, str]:
    """The step to a member, in a path and in a pattern."""
    name = "['" + _SPECIAL.sub(_escape, key) + "']"
    return name, ITEM if is_variable(key) else name


_known: Final = lru_cache(maxsize=4096)(_written)
_LONGEST_KNOWN: Final = 100
"""Characters of a key that is remembered."""


def _steps(key: str) -> tuple[str, str]:
    return _known(key) if len(key) <= _LONGEST_KNOWN else _written(key)


def normalized(path: Path) -> str:
    """The RFC 9535 section 2.7 normalized path: `$['items'][3]['price']`."""
    return "$" + "".join(
        [f"[{step}]" if isinstance(step, int) else _steps(step)[0] for step in path]
    )


def pattern(path: Path) -> str:
    """The path with list positions and variable keys as `*`: `$['items'][*]['price']`."""
    return "$" + "".join([ITEM if isinstance(step, int) else _steps(step)[1] for step in path])


def steps_of(text: str) -> list[str]:
    """The steps of a pattern, each as `pattern` writes it: `['items']`, `[*]`."""
    return _STEP.findall(text)


class Step:
    """A path under construction, as a link to its parent: cheap however deep."""

    __slots__ = ("key", "parent")

    def __init__(self, parent: Step | None, key: str | int) -> None:
        self.parent = parent
        self.key = key


def unlink(step: Step | None) -> Path:
    """The path that ends at a step; None is the root."""
    keys: list[Any] = []
    while step is not None:
        keys.append(step.key)
        step = step.parent
    return tuple(reversed(keys))
