"""Bytes as words of a POSIX shell."""

from __future__ import annotations

import itertools
import re
from typing import Final

_WORD: Final = re.compile(rb"[A-Za-z0-9_@%+=:,./-]+")


def quoted(text: str) -> str:
    """An isomorphic string as one word of a POSIX shell.

    Text stands in single quotes; bytes that a terminal should not be shown are written by
    `printf` in octal (POSIX, Shell Command Language 2.2.2 and printf).
    """
    data = text.encode("latin-1", "replace").replace(b"\0", b"")
    if _WORD.fullmatch(data):
        return data.decode("ascii")
    return "".join(_segments(data)) or "''"


def _segments(data: bytes) -> list[str]:
    """Runs of what can be shown in single quotes, and of what cannot by `printf`."""
    found: list[str] = []
    for shown, piece in _runs(data.decode("utf-8", "surrogateescape")):
        if shown:
            found.append("'" + piece.replace("'", "'\\''") + "'")
        else:
            octal = "".join(f"\\{each:03o}" for each in piece.encode("utf-8", "surrogateescape"))
            found.append(f"\"$(printf '{octal}')\"")
    return found


def _runs(text: str) -> list[tuple[bool, str]]:
    runs = itertools.groupby(text, key=lambda each: each == "\n" or each.isprintable())
    return [(shown, "".join(characters)) for shown, characters in runs]


def is_shown(body: bytes) -> bool:
    """Whether a body is text that a terminal can be shown."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(each in "\n\t" or each.isprintable() for each in text)
