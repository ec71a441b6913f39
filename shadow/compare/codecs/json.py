"""JSON: the documents themselves, and how two texts of equal documents are laid out."""

from __future__ import annotations

from typing import Final

from shadow.compare.codecs.content import Content, charset, decoded
from shadow.compare.difference import Difference
from shadow.compare.json_text import Document, NotJsonError, escapes
from shadow.compare.parts import Unread, glance
from shadow.compare.parts import compare as compare_documents
from shadow.compare.rules import Rules
from shadow.compare.walk import Budget

LINES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
"""Media types of NDJSON."""


def claims(content: Content) -> bool:
    """Whether the body is labelled as JSON or begins like it."""
    kind = content.media_type
    if kind == "application/json" or kind.endswith("+json") or kind in LINES:
        return True
    return content.data.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[")


def text_of(content: Content) -> str | None:
    """The text in UTF-8, which JSON always is (RFC 8259 8.1), or else as it is labelled."""
    text = decoded(content.data, "utf-8")
    if text is None and charset(content):
        text = decoded(content.data, charset(content))
    return None if text is None else text.removeprefix("\ufeff")


def read(text: str) -> Unread | Document | None:
    """The document, or None where the text is not JSON."""
    try:
        return glance(text)
    except NotJsonError:
        return None


def compare(
    left: Unread | Document, right: Unread | Document, rules: Rules, budget: Budget
) -> list[Difference]:
    """Every difference of two documents of which the texts differ."""
    found = compare_documents(left, right, rules, budget)
    ends = (left.text.endswith("\n"), right.text.endswith("\n"))
    if ends[0] != ends[1]:
        found.append(
            Difference(
                where="body",
                kind="spelling",
                baseline="ends with a newline" if ends[0] else "ends with no newline",
                candidate="ends with a newline" if ends[1] else "ends with no newline",
                spelling="json-trailing-newline",
            )
        )
    if _spaced(left.text) != _spaced(right.text) or not found:
        found.append(_white_space_or_escapes(left.text, right.text))
    return found


def trailing(ours: bytes, theirs: bytes) -> Difference:
    """Two JSON texts that are equal but for the white space at the end."""
    newline = ours == theirs + b"\n" or theirs == ours + b"\n"
    return Difference(
        where="body",
        kind="spelling",
        baseline=_tail(ours),
        candidate=_tail(theirs),
        spelling="json-trailing-newline" if newline else "json-whitespace",
    )


def _tail(data: bytes) -> str:
    end = data[len(data.rstrip(b" \t\r\n")) :]
    return "ends with " + repr(end[:40].decode()) if end else "ends with no white space"


def _white_space_or_escapes(left: str, right: str) -> Difference:
    """What is left when all values are equal: white space, or escapes in names of members."""
    spelling = "json-whitespace" if escapes(left) == escapes(right) else "escape"
    what = "white space between tokens" if spelling == "json-whitespace" else "escapes in names"
    return Difference(
        where="body", kind="spelling", baseline=what, candidate=f"other {what}", spelling=spelling
    )


def _spaced(text: str) -> bool:
    """Whether the first tokens of a text stand apart: a cheap sign of pretty-printing."""
    head = text.lstrip()[:2]
    return len(head) == 2 and head[0] in "{[" and head[1] in " \t\r\n"
