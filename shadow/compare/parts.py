"""JSON opened one level at a time, so that only what differs is ever read.

Equal texts have equal values, so nothing below a pair of equal texts has to be looked at. A
container is opened into the texts of what it holds, at C speed, and only where both sides are
plain: no name repeats, and names are spelled alike. What is not plain, and what the walk wants
as values (a list by rule, or one whose items moved), is read in full and walked as ever.

The outcome is the same as that of `walk` over both documents read to their ends, which is what
`Budget.in_parts` set to False does; `tests/compare/test_parts.py` holds one against the other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Raw

from shadow.compare.difference import Around, Difference
from shadow.compare.json_text import (
    Document,
    Json,
    Number,
    escapes,
    is_plain_scalar,
    read,
    read_exact,
    read_scalar,
)
from shadow.compare.paths import Step
from shadow.compare.rules import Rules
from shadow.compare.walk import NO_RULES, Budget, OverBudgetError, Walk, Work, walk

_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_items: Final = msgspec.json.Decoder(list[Raw]).decode
_close: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(float_hook=Number).decode
_sorted: Final = msgspec.msgpack.Encoder(enc_hook=str, order="sorted").encode
_OBJECT, _ARRAY = b"{["
_MOST_PASSES: Final = 8
"""Times the length of both texts that may be looked at before they are read to their ends.

A container is passed over once for each that it stands in: that is too much only where they
stand hundreds deep.
"""
_SLACK: Final = 1 << 16


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is JSON, and is not read yet."""

    text: str
    compact: bytes
    """The text without white space between tokens, in UTF-8."""

    def whole(self) -> Document:
        """Read it to its end."""
        return read(self.text)


def glance(text: str) -> Unread | Document:
    """See that a text is JSON; a text that is hard to tell is read. Raises NotJsonError."""
    try:
        return Unread(text=text, compact=msgspec.json.format(text.encode(), indent=-1))
    except (ValueError, RecursionError):
        return read(text)


def compare(
    baseline: Unread | Document,
    candidate: Unread | Document,
    rules: Rules = NO_RULES,
    budget: Budget | None = None,
) -> list[Difference]:
    """Every difference of two documents, as `walk` tells them."""
    if baseline.text == candidate.text:
        return []
    budget = budget or Budget()
    if budget.in_parts and isinstance(baseline, Unread) and isinstance(candidate, Unread):
        try:
            return _InParts(baseline, candidate, rules, budget).run()
        except (_UnsureError, RecursionError):
            pass  # at the edge of the depth that msgspec follows
    return walk(baseline.whole(), candidate.whole(), rules, budget)


class _UnsureError(Exception):
    """Only reading both documents to their ends can tell, or is cheaper."""


class _InParts(Walk):
    def __init__(self, baseline: Unread, candidate: Unread, rules: Rules, budget: Budget) -> None:
        super().__init__(Raw(baseline.compact), Raw(candidate.compact), rules, budget)
        self.spelled = "\\" in baseline.text or "\\" in candidate.text
        self.exact = self.spelled and escapes(baseline.text) != escapes(candidate.text)
        self.looked_at = 0
        self.most = _MOST_PASSES * (len(baseline.compact) + len(candidate.compact)) + _SLACK

    def visit(self, step: Step | None, left: Any, right: Any, around: Any) -> None:
        if not isinstance(left, Raw):
            super().visit(step, left, right, around)
            return
        before = self.nodes
        self.spend(1)
        ours, theirs = bytes(left), bytes(right)
        if ours == theirs:
            return
        self.look_at(len(ours) + len(theirs))
        if ours[0] == theirs[0] == _OBJECT:
            opened = self.open_objects(step, ours, theirs)
        elif ours[0] == theirs[0] == _ARRAY:
            opened = self.open_lists(step, ours, theirs)
        else:
            opened = False
        if not opened:
            self.nodes = before  # they are counted again as values
            super().visit(step, self.value(ours), self.value(theirs), around)

    def open_objects(self, step: Step | None, left: bytes, right: bytes) -> bool:
        """Compare two objects member by member, where they are plain and in one order."""
        ours, theirs = _members(left), _members(right)
        # Equal when put together again: no name repeats, or is spelled with escapes.
        plain = _close(ours) == left and _close(theirs) == right
        if not plain or not _in_one_order(ours, theirs):
            return False
        # Not bound to this walk, which has the differences: they would be one cycle.
        held = Around(partial(_values, left, right, exact=self.exact))
        self.members(step, ours, theirs, held)
        return True

    def open_lists(self, step: Step | None, left: bytes, right: bytes) -> bool:
        """Compare two lists item by item, where items stand for each other by position."""
        ours, theirs = _items(left), _items(right)
        apart = self.apart(step, ours, theirs)
        if apart is None:
            return False
        self.one_sided_items(step, ours, theirs)
        self.pairs(step, ours, theirs, [(index, index) for index in apart])
        return True

    def look_at(self, octets: int) -> None:
        before = self.looked_at
        self.looked_at += octets
        if self.looked_at > self.most:
            raise _UnsureError
        if self.looked_at >> 20 != before >> 20 and time.perf_counter() > self.deadline:
            raise OverBudgetError(f"more than {self.budget.seconds:g} s")

    def read(self, value: Any) -> Json:
        """The value of a part; any other value is one already."""
        return self.value(bytes(value)) if isinstance(value, Raw) else value

    def value(self, part: bytes) -> Json:
        """The value of a part, read to its end."""
        text = part.decode()
        if is_plain_scalar(text):
            return read_scalar(text)
        self.look_at(len(part))
        document = _document(text, exact=self.exact)
        self.repeats = self.repeats or document.repeats
        return document.value

    def members(
        self, step: Step | None, left: dict[str, Raw], right: dict[str, Raw], around: Around
    ) -> None:
        work: list[Work] = []
        for key, value in left.items():
            other = right.get(key)
            if other is None:
                self.one_sided("missing", Step(step, key), self.read(value), around)
            elif value != other:
                work.append((Step(step, key), value, other, around))
        if left.keys() != right.keys():
            for key, value in right.items():
                if key not in left:
                    self.one_sided("extra", Step(step, key), self.read(value), around)
        self.spend(len(work))
        if any(_is_container(value) or _is_container(other) for _, value, other, _ in work):
            self.stack.extend(reversed(work))
        else:
            for below, value, other, held in work:
                self.leaves(below, self.read(value), self.read(other), held)

    def apart(self, step: Step | None, left: list[Raw], right: list[Raw]) -> list[int] | None:
        """Where items differ that stand for each other by position.

        None where a rule says else, or where an item may have moved: items that may be equal
        stand at two positions.
        """
        self.spend(len(left) + len(right))
        if self.rules.lists and self.list_rule(step) is not None:
            return None
        apart = [index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b]
        if len(left) == len(right) and len(apart) <= 1:
            return apart
        ours = _tokens([*(left[index] for index in apart), *left[len(right) :]])
        theirs = _tokens([*(right[index] for index in apart), *right[len(left) :]])
        if ours is None or theirs is None or not ours.isdisjoint(theirs):
            return None
        return apart


def _document(text: str, *, exact: bool) -> Document:
    return read_exact(text) if exact else read(text)


def _values(left: bytes, right: bytes, *, exact: bool) -> tuple[Json, Json]:
    """Two objects that were looked at before, so reading them is within what that may cost."""
    ours, theirs = (_document(side.decode(), exact=exact) for side in (left, right))
    return ours.value, theirs.value


def _is_container(part: Raw) -> bool:
    return memoryview(part)[0] in b"{["


def _in_one_order(left: dict[str, Raw], right: dict[str, Raw]) -> bool:
    """Whether the names that both have come in one order."""
    ours, theirs = list(left), list(right)
    if ours == theirs:
        return True
    return [key for key in ours if key in right] == [key for key in theirs if key in left]


def _tokens(items: Sequence[Raw]) -> set[bytes] | None:
    """Bytes that equal items share; None where there is no telling."""
    try:
        return {_sorted(_decode(item)) for item in items}
    except (ValueError, OverflowError, RecursionError):
        return None
