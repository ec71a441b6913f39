"""Two bodies that differ as wholes: what is told where no part of them is compared."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from shadow.compare.codecs import json, spelling
from shadow.compare.codecs.content import Content
from shadow.compare.codecs.recognise import Body
from shadow.compare.difference import Difference
from shadow.model import Kind

BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 4096
"""Characters of a body that a difference keeps."""


def whole(left: Body, right: Body, *, unfinished: bool = False) -> Difference:
    """One difference: the texts, or what tells two binary bodies apart."""
    ours, theirs = left.content.data, right.content.data
    kind: Kind = "value_changed"
    if not ours or not theirs:
        kind = "missing" if ours else "extra"
    elif left.is_json != right.is_json:
        kind = "type_changed"
    if "binary" not in (left.kind, right.kind):
        return _difference(kind, _shown(left), _shown(right), unfinished=unfinished)
    advice = left.advice or right.advice
    shown = [describe(ours, theirs), describe(theirs, ours)]
    told = [f"{side}; {advice}" if advice else side for side in shown]
    return _difference(kind, *told, unfinished=unfinished)


def _shown(body: Body) -> str:
    return body.text.text[:_SHOWN] if body.text is not None else show(body.content.data)


def spelled(left: Body, right: Body) -> Difference:
    """Two bodies that mean the same and have other bytes."""
    ours, theirs = left.content.data, right.content.data
    return _difference(
        "spelling",
        describe(ours, theirs),
        describe(theirs, ours),
        spelling=spelling(left.kind, left.content, right.content),
    )


def over_budget(left: Body, right: Body) -> Difference:
    """Two bodies of which at least one costs too much to read."""

    def told(side: Body) -> str:
        if side.over_budget:
            return f"comparing stopped: {side.over_budget}"
        return describe(side.content.data)

    return _difference("over_budget", told(left), told(right), unfinished=True)


def over_size(ours: bytes, theirs: bytes) -> Difference:
    """Two bodies of which at least one is longer than is read at all."""
    return _difference("over_budget", describe(ours), describe(theirs), unfinished=True)


def undecodable(ours: bytes | str, theirs: bytes | str, *, unfinished: bool = False) -> Difference:
    """Two bodies of which at least one is not what its Content-Encoding says (the reason)."""
    told = [side if isinstance(side, str) else describe(side) for side in (ours, theirs)]
    return _difference("undecodable", *told, unfinished=unfinished)


def one_has_a_bom(ours: bytes, theirs: bytes) -> Difference:
    """Parsers may refuse a byte order mark (RFC 8259 8.1), so it is no spelling."""

    def told(data: bytes) -> str:
        return "byte order mark, then " + show(data[3:]) if data.startswith(BOM) else show(data)

    return _difference("value_changed", told(ours), told(theirs))


def trailing(left: Content, right: Content) -> Difference:
    """Two bodies that are equal but for white space at the end."""
    if json.claims(left) and json.claims(right):
        return json.trailing(left.data, right.data)
    return _difference("value_changed", show(left.data), show(right.data))


def _difference(kind: Kind, baseline: str, candidate: str, **more: Any) -> Difference:
    return Difference(
        where="body", kind=kind, name="", baseline=baseline, candidate=candidate, **more
    )


def show(data: bytes) -> str:
    """The beginning of a body as text, or what tells it apart where it is none."""
    try:
        return data[: _SHOWN * 4].decode()[:_SHOWN]
    except UnicodeDecodeError:
        return data[:_SHOWN].decode("utf-8", "replace") if b"\0" not in data else describe(data)


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
