"""Rewrites the places of a text where a secret's name stands before its value."""

from __future__ import annotations

import re
from collections.abc import Callable

from shadow.captures.redact.rules import LONGEST_NAME

Value = Callable[[str, int], tuple[int, str]]
"""Takes a text and where a name ends; returns where the value ends, and what stands until then."""


def rewritten(
    text: str, name: re.Pattern[str], is_secret: Callable[[str], bool], value: Value
) -> str:
    """Return the text with the values of secret names replaced.

    `name` matches up to the value and has the name as its first group. What lies inside a value
    that was replaced is not looked at again, so the time is that of the text's length.
    """
    parts: list[str] = []
    done = 0
    for found in name.finditer(text):
        if found.start() < done or not is_secret(found[1][-LONGEST_NAME:]):
            continue
        end, new = value(text, found.end())
        parts += (text[done : found.end()], new)
        done = end
    return "".join(parts) + text[done:] if parts else text
