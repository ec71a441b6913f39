"""Text of unknown origin made safe for a terminal, and numbers made short."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from rich.cells import cell_len, set_cell_size

ABSENT: Final = "(absent)"
DASH: Final = "\N{EN DASH}"

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NARROW: Final = re.compile(r"[\x20-\x7e\xa1-\xac\xae-\u02ff…\u2013]*")
_CONTEXT: Final = 12  # characters shown before the place where two values part


def plain(text: str) -> str:
    r"""Show control, invisible and direction-changing characters as escapes such as `\x1b`.

    A report may hold whatever a service answered; none of it may move the cursor, change
    colours or reorder what is read.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    if character == "\n":
        return "\\n"
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cut_end(text: str, width: int) -> str:
    """Cut a text to a width in terminal cells, at its end."""
    if _width(text) <= width:
        return text
    room = max(width - 1, 0)
    kept = text[:room] if _NARROW.fullmatch(text) else set_cell_size(text, room)
    return kept.rstrip() + "…"


def _width(text: str) -> int:
    """Terminal cells; where each character takes one, none is measured on its own."""
    return len(text) if _NARROW.fullmatch(text) else cell_len(text)


def cut_path(path: str, width: int) -> str:
    """Cut a path to a width in terminal cells, at its start: its end says most."""
    if _width(path) <= width:
        return path
    kept = path[max(0, len(path) - width) :]
    while kept and cell_len(kept) > width - 1:
        kept = kept[1:]
    return "…" + kept[max(kept.find("["), 0) :]


def pair(baseline: str | None, candidate: str | None, width: int) -> tuple[str, str]:
    """Show two values in a width each, from just before the place where they part."""
    texts = [ABSENT if value is None else plain(value) for value in (baseline, candidate)]
    start = 0
    if baseline is not None and candidate is not None:
        common = _common(*texts)
        longest = max(map(_width, texts))
        context = min(_CONTEXT, width // 3)
        start = common - context if longest > width and common > width // 2 else 0
    shown = [cut_end("…" + text[start:] if start > 0 else text, width) for text in texts]
    return shown[0], shown[1]


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def percent(share: float | None) -> str:
    """Format a share so that a small one does not read as none: `5.2%`, `<0.1%`."""
    if share is None:
        return DASH
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{share:.0%}" if share >= 0.9995 else f"{share:.1%}"


def milliseconds(microseconds: int | None) -> str:
    """Format a duration in three digits or so: `0.38 ms`, `12.1 ms`, `1.20 s`."""
    if microseconds is None:
        return DASH
    value, unit = microseconds / 1000, "ms"
    if value >= 1000:
        value, unit = value / 1000, "s"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def flow(pieces: Iterable[str], width: int) -> list[str]:
    """Fill lines of a width with pieces that are never broken themselves."""
    lines: list[str] = []
    for piece in pieces:
        if lines and cell_len(lines[-1]) + 1 + cell_len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(f"  {piece}" if lines else piece)
    return lines


def plural(count: int, noun: str) -> str:
    """Format a count with its noun: `1 finding`, `2,000 findings`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
