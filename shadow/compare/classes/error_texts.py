"""How error replies are read: the texts in a body, and what they say after their prefixes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from shadow.compare.classes.base import Side
from shadow.compare.json_text import NotJsonError, read

LONGEST: Final = 10_000
"""Characters of a text that predicates examine; a longer one is never named."""
_MOST_LEAVES: Final = 50
_MOST_PREFIXES: Final = 3


def texts(side: Side) -> tuple[str, ...]:
    """What an error body says: its text, or the strings in its JSON."""
    return _texts(side.text) if side.status >= 400 and len(side.text) <= LONGEST else ()


@lru_cache(maxsize=32)
def _texts(text: str) -> tuple[str, ...]:
    stripped = text.strip(" \r\n")
    if stripped[:1] not in ("{", "["):
        return (stripped,)
    try:
        return tuple(_strings(read(stripped).value))
    except NotJsonError:
        return (stripped,)


def _strings(value: Any) -> Iterator[str]:
    stack, room = [value], _MOST_LEAVES
    while stack and room:
        room -= 1
        item = stack.pop()
        if isinstance(item, str):
            yield str(item)
        elif isinstance(item, dict | list):
            stack.extend(list(item.values() if isinstance(item, dict) else item)[:_MOST_LEAVES])


def reasons(text: str) -> Iterator[str]:
    """A text, and what is left of it after each of its first few `prefix: `."""
    yield text
    for _ in range(_MOST_PREFIXES):
        _, colon, text = text.partition(": ")
        if not colon:
            return
        yield text


def says(side: Side, pattern: re.Pattern[str]) -> bool:
    """Whether an error body says what the whole pattern matches, whatever prefixes it."""
    return any(pattern.fullmatch(reason) for text in texts(side) for reason in reasons(text))


def closes(side: Side) -> bool:
    """Whether the reply closes the connection."""
    return side.headers.get("connection", "").lower() == "close"


_RAW_REPLY: Final = re.compile(
    r"400 Bad Request(?:: [ -~]{1,200})?|505 HTTP Version Not Supported(?:: [ -~]{1,200})?"
    r"|501 Not Implemented(?:: [ -~]{1,200})?|Unsupported transfer encoding"
)


def is_raw_reply(side: Side) -> bool:
    """Whether net/http answered before any handler: it could not read the request."""
    return (
        side.status in (400, 501, 505)
        and closes(side)
        and side.media_type == "text/plain"
        and len(side.text) <= LONGEST
        and _RAW_REPLY.fullmatch(side.text) is not None
    )
