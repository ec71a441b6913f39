"""The parts of a text that may be a value of their own: an id in a URL, a token after `Bearer`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

LONGEST: Final = 8_192
"""Characters of a text that is looked into."""
_LEVELS: Final = (
    re.compile(r"[^\s,;\"'<>()\[\]{}|\\]+"),
    re.compile(r"[^\s,;\"'<>()\[\]{}|\\=&?#]+"),
    re.compile(r"[^\s,;\"'<>()\[\]{}|\\=&?#/:@]+"),
)
"""What a value may consist of, the longest parts first: words, parameters, segments."""
_ONE: Final = re.compile(r"[A-Za-z0-9_.~-]*")
"""A text without parts."""
SEGMENT: Final = _LEVELS[-1]
"""The smallest parts."""
SHORTEST: Final = 6
"""Characters of a value that may be specific."""
_VALUE: Final = re.compile(r"[!-~]{6,4096}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?|1[0-9]{9}(?:[0-9]{3}){0,3}(?:\.\d+)?")
"""RFC 3339, and seconds to nanoseconds since 1970 of the years 2001 to 2033."""
_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DIGIT: Final = re.compile(r"[0-9]")
_LETTER: Final = re.compile(r"[A-Za-z]")
_WORDS: Final = re.compile(r"[A-Za-z]*[a-z]{3,}[A-Za-z]*(?:[-_. /][A-Za-z]+)*")


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text, the longest first: first of all the whole."""
    if len(text) > LONGEST:
        return
    yield (0, len(text))
    if _ONE.fullmatch(text):
        return
    seen = {(0, len(text))}
    for level in _LEVELS:
        for match in level.finditer(text):
            if match.span() not in seen:
                seen.add(match.span())
                yield match.span()


def level_of(text: str, start: int, end: int) -> int:
    """Of which level a part is: 0 for a word, 1 for a parameter, 2 for a segment."""
    for number, level in enumerate(_LEVELS):
        around = text[max(0, start - 1) : start], text[end : end + 1]
        if level.fullmatch(text, start, end) and not any(map(level.fullmatch, around)):
            return number
    return len(_LEVELS) - 1


def replaced(text: str, other: Callable[[str], str | None]) -> str | None:
    """The text with another one for each part that has one, the longest first; None without any.

    `other` says what stands in the place of a part.
    """
    taken: list[tuple[int, int, str]] = []
    covered = bytearray(min(len(text), LONGEST))
    for start, end in pieces(text):
        if 1 in covered[start:end]:
            continue
        instead = other(text[start:end])
        if instead is not None:
            taken.append((start, end, instead))
            covered[start:end] = b"\1" * (end - start)
    if not taken:
        return None
    parts, position = [], 0
    for start, end, instead in sorted(taken):
        parts += [text[position:start], instead]
        position = end
    return "".join([*parts, text[position:]])


def is_specific(text: str) -> bool:
    """Whether a value is so particular that two equal ones are one: an id, a token.

    `1`, `true`, `en`, `electronics`, a price, a date or a time are not. Of digits it takes seven
    (23 bits), of letters and digits eight with a digit among them, or six of hex and the like
    behind a prefix (`usr_9f8e7d`), of letters alone sixteen in both cases or twenty in any.
    """
    if not _VALUE.fullmatch(text) or _TIME.fullmatch(text):
        return False
    if _DECIMAL.fullmatch(text):
        return text.isdigit() and len(text) >= 7
    digits = len(_DIGIT.findall(text))
    letters = len(_LETTER.findall(text))
    if not digits:
        mixed = text.lower() != text and text.upper() != text
        return not _WORDS.fullmatch(text) and letters >= (16 if mixed else 20)
    return digits + letters >= 8


def are_specific(one: str, other: str) -> bool:
    """Whether two values that stand for one thing are specific.

    Of one length it is enough that one is: a random value may have no digit.
    """
    both = is_specific(one), is_specific(other)
    return any(both) if len(one) == len(other) else all(both)
