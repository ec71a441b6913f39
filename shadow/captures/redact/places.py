"""Rewrites the places of a text where a secret's name stands before its value."""

from __future__ import annotations

import re
from collections.abc import Callable

from shadow.captures.redact.marks import Secret
from shadow.captures.redact.rules import LONGEST_NAME

Named = Callable[[str], Secret | None]
"""Takes a name; returns what secret it names."""
Value = Callable[[str, int, Secret], tuple[int, str]]
"""Takes a text, where a name ends, and what it names; returns where the value ends, and what
stands until then."""


def rewritten(text: str, name: re.Pattern[str], secret_of: Named, value: Value) -> str:
    """Return the text with the values of secret names replaced.

    `name` matches up to the value and has the name as its first group. What lies inside a value
    that was replaced is not looked at again, so the time is that of the text's length.
    """
    parts: list[str] = []
    done = 0
    for found in name.finditer(text):
        if found.start() < done:
            continue
        secret = secret_of(found[1][-LONGEST_NAME:])
        if secret is None:
            continue
        end, new = value(text, found.end(), secret)
        parts += (text[done : found.end()], new)
        done = end
    return "".join(parts) + text[done:] if parts else text
