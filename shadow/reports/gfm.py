"""Text of unknown origin in GitHub Flavored Markdown, where it must stay text.

Inside a code span neither emphasis, HTML, links nor @mentions are interpreted
(https://github.github.com/gfm/#code-spans), so that is where such text goes; `prose` is for
sentences of our own that quote a name.
"""

from __future__ import annotations

import html
import re
from typing import Final

from shadow.reports.text import plain

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~&$])")
"""What means something inside a line; nothing here begins a line with a text."""
_JOINED: Final = "\N{ZERO WIDTH SPACE}"
_LINKED: Final = re.compile(r"(@|#|://|\bwww(?=\.))")
"""What GitHub makes a mention, a reference or a link of, even where it is escaped."""


def code(text: str) -> str:
    """A code span that shows just this text, whatever backticks it holds; fit for a table."""
    shown = plain(text).replace("|", r"\|") or " "
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    padded = f" {shown} " if shown[0] in "` " or shown[-1] in "` " else shown
    return f"{fence}{padded}{fence}"


def prose(text: str) -> str:
    """Text outside of a code span: no emphasis, HTML, link, mention or reference comes of it."""
    return _LINKED.sub(rf"\1{_JOINED}", _SPECIAL.sub(r"\\\1", plain(text)))


def ours(text: str) -> str:
    """A text of the catalogue, whose backticks mark code."""
    pieces = re.split(r"`([^`]*)`", text)
    return "".join(code(each) if number % 2 else prose(each) for number, each in enumerate(pieces))


def tag(name: str, text: str) -> str:
    """An HTML element around text, for where Markdown is not read (`summary`)."""
    return f"<{name}>{html.escape(plain(text))}</{name}>"


def fenced(lines: list[str], language: str) -> str:
    """A code block. Every line is one of ours: it begins with a mark that is no backtick."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table; its cells are Markdown already, without line ends."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def folded(summary: str, body: str) -> str:
    """A block that opens on demand; `summary` is HTML, `body` Markdown."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
