"""Compares two bodies: bytes first, then by what they are."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Literal

import msgspec

from shadow.compare import encodings
from shadow.compare.difference import Difference
from shadow.compare.json_text import Document, NotJsonError, escapes, read
from shadow.compare.rules import Rules
from shadow.compare.walk import Budget, walk
from shadow.model import Response, header, header_values

BodyKind = Literal["json", "ndjson", "text", "binary", "undecodable"]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """One body, content-encoding undone, and what it was found to be."""

    kind: BodyKind
    data: bytes
    document: Document | None = None
    text: str = ""
    fault: str = ""
    """Why it could not be decoded."""


_NDJSON: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)


def media_type(response: Response) -> str:
    """The media type without parameters, in lower case; empty where none is given."""
    return (header(response.headers, "content-type") or "").partition(";")[0].strip().lower()


def _plain(response: Response, bound: int) -> bytes:
    if response.decoded:
        return response.body
    codings = header_values(response.headers, "content-encoding")
    return encodings.decode(response.body, codings, bound) if codings else response.body


def compare_bodies(
    baseline: Response, candidate: Response, rules: Rules, budget: Budget, bound: int
) -> list[Difference]:
    """Every difference of two bodies; none when the decoded bytes are equal."""
    ours, theirs = decoded(baseline, bound), decoded(candidate, bound)
    if isinstance(ours, str) or isinstance(theirs, str):
        same = ours == theirs and baseline.body == candidate.body
        return [] if same else [_undecodable(ours, theirs)]
    if ours == theirs:
        return []
    if ours.startswith(BOM) != theirs.startswith(BOM):
        return [_one_has_a_bom(ours, theirs)]
    if ours.rstrip(b" \t\r\n") == theirs.rstrip(b" \t\r\n"):
        return [_trailing(ours, theirs, baseline, candidate)]
    left, right = recognise(baseline, ours), recognise(candidate, theirs)
    if baseline.status // 100 != candidate.status // 100:
        # An error page against a result is one difference, not one for every field.
        return [_whole(left, right)]
    return _structured(left, right, rules, budget)


BOM: Final = b"\xef\xbb\xbf"


def _one_has_a_bom(ours: bytes, theirs: bytes) -> Difference:
    """Parsers may refuse a byte order mark (RFC 8259 8.1), so it is no spelling."""
    return Difference(
        where="body",
        kind="value_changed",
        name="",
        baseline="byte order mark, then " + _show(ours[3:])
        if ours.startswith(BOM)
        else _show(ours),
        candidate=(
            "byte order mark, then " + _show(theirs[3:])
            if theirs.startswith(BOM)
            else _show(theirs)
        ),
    )


def decoded(response: Response, bound: int) -> bytes | str:
    """The body after content-decoding, or why there is none (text)."""
    try:
        return _plain(response, bound)
    except encodings.UndecodableError as error:
        return str(error)


def _undecodable(ours: bytes | str, theirs: bytes | str) -> Difference:
    return Difference(
        where="body",
        kind="undecodable",
        name="",
        baseline=ours if isinstance(ours, str) else describe(ours),
        candidate=theirs if isinstance(theirs, str) else describe(theirs),
    )


def _trailing(ours: bytes, theirs: bytes, baseline: Response, candidate: Response) -> Difference:
    """Equal but for white space at the end."""
    if _looks_json(baseline, ours) and _looks_json(candidate, theirs):
        newline = ours == theirs + b"\n" or theirs == ours + b"\n"
        spelling = "json-trailing-newline" if newline else "json-whitespace"
        return Difference(
            where="body",
            kind="spelling",
            baseline=_tail(ours),
            candidate=_tail(theirs),
            spelling=spelling,
        )
    return Difference(
        where="body",
        kind="value_changed",
        name="",
        baseline=_show(ours),
        candidate=_show(theirs),
    )


def _tail(data: bytes) -> str:
    end = data[len(data.rstrip(b" \t\r\n")) :]
    return "ends with " + repr(end[:40].decode()) if end else "ends with no white space"


def _looks_json(response: Response, data: bytes) -> bool:
    kind = media_type(response)
    if kind == "application/json" or kind.endswith("+json") or kind in _NDJSON:
        return True
    return data.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[")


def recognise(response: Response, data: bytes) -> Body:
    """What a decoded body is, by media type and by a look at it."""
    if _looks_json(response, data):
        text = _utf8(data)
        if text is not None:
            document = _json(text)
            if document is not None:
                return Body(kind="json", data=data, document=document, text=text)
            if media_type(response) in _NDJSON or "\n" in text.strip():
                return Body(kind="ndjson", data=data, text=text)
    if b"\0" not in data[:8192]:
        text = _utf8(data)
        if text is not None:
            return Body(kind="text", data=data, text=text)
    return Body(kind="binary", data=data)


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _json(text: str) -> Document | None:
    try:
        return read(text)
    except NotJsonError:
        return None


def _structured(left: Body, right: Body, rules: Rules, budget: Budget) -> list[Difference]:
    if left.document is not None and right.document is not None:
        return _documents(left.document, right.document, rules, budget)
    if left.kind == right.kind == "ndjson":
        records = _records(left.text, right.text)
        if records is not None:
            return _documents(*records, rules, budget)
    return [_whole(left, right)]


def _documents(left: Document, right: Document, rules: Rules, budget: Budget) -> list[Difference]:
    found = walk(left, right, rules, budget)
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


def _records(left: str, right: str) -> tuple[Document, Document] | None:
    """Two NDJSON texts as two arrays; None where a record is not JSON.

    Lines that stand equal at the same position are not parsed: `null` stands for both.
    """
    ours, theirs = left.splitlines(), right.splitlines()
    if len(ours) == len(theirs):
        same = [a == b for a, b in zip(ours, theirs, strict=True)]
        ours = ["null" if equal else line for equal, line in zip(same, ours, strict=True)]
        theirs = ["null" if equal else line for equal, line in zip(same, theirs, strict=True)]
    documents = (_json("[" + ",".join(ours) + "]"), _json("[" + ",".join(theirs) + "]"))
    if documents[0] is None or documents[1] is None:
        return None
    if len(documents[0].value) != len(ours) or len(documents[1].value) != len(theirs):
        return None
    return documents[0], documents[1]


def _whole(left: Body, right: Body) -> Difference:
    kind: Any = "value_changed"
    if (left.kind in ("json", "ndjson")) != (right.kind in ("json", "ndjson")) and (
        left.data and right.data
    ):
        kind = "type_changed"
    elif not left.data or not right.data:
        kind = "missing" if left.data else "extra"
    if left.kind == "binary" or right.kind == "binary":
        shown = (describe(left.data, right.data), describe(right.data, left.data))
    else:
        shown = (_show(left.data), _show(right.data))
    return Difference(where="body", kind=kind, name="", baseline=shown[0], candidate=shown[1])


def _show(data: bytes, limit: int = 4096) -> str:
    try:
        return data[: limit * 4].decode()[:limit]
    except UnicodeDecodeError:
        return data[:limit].decode("utf-8", "replace") if b"\0" not in data else describe(data)


def describe(data: bytes, other: bytes | None = None) -> str:
    """Length, digest and, against another body, the first differing offset."""
    text = f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"
    if other is None:
        return text
    return f"{text}, first difference at byte {first_difference(data, other)}"


def first_difference(left: bytes, right: bytes) -> int:
    """The first offset at which two byte strings differ (the shorter's length if a prefix)."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
