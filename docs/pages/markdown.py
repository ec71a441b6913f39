"""Text as Markdown that shows just that text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def page(title: str, *blocks: str) -> str:
    """A page: its title, a note that it is generated, and its blocks."""
    note = "<!-- Written by docs/generate.py: change the code, then run `make docs`. -->"
    return "\n\n".join([f"# {title}", note, *(block for block in blocks if block)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown, on one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", " ".join(text.split()))


def prose(text: str) -> str:
    """Plain text as Markdown that shows just that; what stands in backticks is left alone."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([\\<>*\[\]]|\b_|_\b)", r"\\\1", piece)
        for piece in pieces
    )


def sentence(text: str) -> str:
    """The text with a capital at its beginning, unless it begins with a name like `a/b`."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def fenced(text: str, kind: str = "") -> str:
    """A code block, whatever the text holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}"
