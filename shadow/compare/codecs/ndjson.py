"""NDJSON: one JSON document a line. Paths begin with the record: `$[7]['price']`."""

from __future__ import annotations

from typing import Final

from shadow.compare.codecs import json
from shadow.compare.codecs.content import Content
from shadow.compare.json_text import Document

name: Final = "ndjson"


def claims(content: Content, text: str) -> bool:
    """Whether a text that may be JSON and is not may be lines of it."""
    return content.media_type in json.LINES or "\n" in text.strip()


def records(baseline: str, candidate: str) -> tuple[Document, Document] | None:
    """Two NDJSON texts as two arrays; None where a record is not JSON.

    Lines that stand equal at the same position are not parsed: `null` stands for both.
    """
    # Not splitlines: a string may hold U+2028 as it is.
    ours, theirs = (text.removesuffix("\n").split("\n") for text in (baseline, candidate))
    if len(ours) == len(theirs):
        same = [a == b for a, b in zip(ours, theirs, strict=True)]
        ours = ["null" if equal else line for equal, line in zip(same, ours, strict=True)]
        theirs = ["null" if equal else line for equal, line in zip(same, theirs, strict=True)]
    found = (json.read("[" + ",".join(ours) + "]"), json.read("[" + ",".join(theirs) + "]"))
    if found[0] is None or found[1] is None:
        return None
    left, right = found[0].whole(), found[1].whole()
    same_length = len(left.value) == len(ours) and len(right.value) == len(theirs)
    return (left, right) if same_length else None
