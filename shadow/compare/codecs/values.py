"""What every codec makes of a body: a tree of JSON-like values, within bounds.

A tree holds `dict`, `list`, `str`, `Number`, `bool` and `None`, as `json_text` reads them, so
that the walk compares it like JSON. What JSON lacks is an object with one telling name:
`{"bytes": "00ff"}`, `{"float": "NaN"}`.
"""

from __future__ import annotations

import hashlib
import math
import time
from typing import Final

import msgspec

from shadow.compare.json_text import Json, Number

MAX_SHOWN_BYTES: Final = 1024
"""Octets that stand in a tree as hex; more stand as their length and digest."""


class UnreadableError(ValueError):
    """The body is not of the format. `advice` says what would make it readable, or is empty."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class OverBudgetError(Exception):
    """Reading the body costs more than comparing one may cost."""


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """What a codec read."""

    value: Json
    repeats: bool = False
    """Some object repeats a name (see `json_text.Repeated`)."""


class Meter:
    """Counts the values of one body against what reading it may cost."""

    def __init__(self, nodes: int, deadline: float) -> None:
        self.limit = nodes
        self.nodes = 0
        self.deadline = deadline
        """On the clock of `time.perf_counter`, in seconds."""

    def spend(self, nodes: int = 1) -> None:
        """Count values. Raises OverBudgetError."""
        before = self.nodes
        self.nodes += nodes
        if self.nodes > self.limit:
            raise OverBudgetError(f"more than {self.limit} values")
        if self.nodes >> 10 != before >> 10 and time.perf_counter() > self.deadline:
            raise OverBudgetError("reading the body takes too long")


def octets(data: bytes) -> Json:
    """Bytes inside a tree: hex, or length and SHA-256 where they are many."""
    if len(data) <= MAX_SHOWN_BYTES:
        return {"bytes": data.hex()}
    digest = hashlib.sha256(data).hexdigest()
    return {"bytes": {"length": Number(str(len(data))), "sha256": digest}}


def real(value: float) -> Json:
    """A floating-point number: `1.0` and never `1`, so that it is no integer."""
    if math.isfinite(value):
        return Number(repr(value))
    return {"float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}


def integer(value: int) -> Number:
    """An integer of at most a few hundred bits."""
    return Number(str(value))
