"""Text of unknown origin on one line, for where it is written out as it is."""

from __future__ import annotations


def printable(text: str, instead: str = " ", *, keep: str = "") -> str:
    """Return the text with `instead` for each character that is not printable.

    Line ends and what moves a cursor or changes colours are none, nor are surrogates, which
    cannot be encoded. Those in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join([each if each.isprintable() or each in keep else instead for each in text])
