"""Plain text: one value where either side is a single line, else the list of its lines.

A line that changed is one difference, at `$[n]` with lines counted from 0. The ends of lines
(CRLF, LF, CR) are no part of them; where they differ it is one difference of its own. Text in
two charsets that are both labelled as what they are is spelling.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from shadow.compare.codecs.content import Content, charset, decoded, text_of
from shadow.compare.difference import Difference

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_NAMES: Final = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}
_SNIFFED: Final = 8192
"""First bytes of a body of which a NUL says that it is no text."""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A body that is text."""

    text: str
    guessed: bool = False
    """It is in no charset that it could be in, and stands as ISO-8859-1."""

    @property
    def lines(self) -> list[str]:
        """The lines without their ends; an empty one at the end where the last line is ended."""
        return _LINE_END.split(self.text)

    @property
    def is_one_line(self) -> bool:
        """There is no end of a line but at the end of the text."""
        return _LINE_END.search(self.text.rstrip("\r\n")) is None


def read(content: Content) -> Text | None:
    """The text, or None where the body is not text."""
    wide = charset(content).startswith(("utf-16", "utf-32"))
    if not wide and b"\0" in content.data[:_SNIFFED]:
        return None
    text = text_of(content)
    if text is not None:
        return Text(text=text)
    if "charset" in content.parameters or content.media_type.startswith("text/"):
        return Text(text=decoded(content.data, "latin1") or "", guessed=True)
    return None


def line_ends(left: Text, right: Text) -> Difference | None:
    """The difference of the ends of lines of two texts, where they have other kinds of them."""
    ends = [_LINE_END.findall(side.text) for side in (left, right)]
    if ends[0] == ends[1]:
        return None
    kinds = [[_NAMES[end] for end in _NAMES if end in side] for side in ends]
    if kinds[0] == kinds[1] and len(ends[0]) != len(ends[1]):
        return None  # lines came or went, and that is told by itself
    shown = ["lines end with " + (" and ".join(side) or "nothing") for side in kinds]
    if kinds[0] == kinds[1]:
        place = next(n for n, pair in enumerate(zip(*ends, strict=True)) if pair[0] != pair[1])
        shown = [f"line {place} ends with {_NAMES[side[place]]}" for side in ends]
    return Difference(
        where="body",
        kind="value_changed",
        name="",
        baseline=shown[0],
        candidate=shown[1],
        detail="line-ends",
    )
