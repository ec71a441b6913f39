"""Comparing rules of one endpoint: how a list is matched, what a value may be off by."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, Literal

import msgspec

from shadow.compare.json_text import Json, Number
from shadow.compare.paths import Path
from shadow.errors import ConfigError

ANY: Final = "*"


class PathPattern(msgspec.Struct, frozen=True):
    """An RFC 9535 path of names, positions and wildcards; it matches whole paths only."""

    text: str
    steps: tuple[tuple[Literal["name", "index", "any"], Any], ...]

    def matches(self, path: Path) -> bool:
        """Whether the path is exactly one that the pattern names."""
        return len(path) == len(self.steps) and all(
            kind == "any" or want == have
            for (kind, want), have in zip(self.steps, path, strict=True)
        )


_STEP: Final = re.compile(
    r"\.(?P<dot>\*|[A-Za-z_\u0080-\U0010ffff][\w\u0080-\U0010ffff-]*)"
    r"|\[(?P<index>[0-9]+)\]"
    r"|\[\*\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)*)'\]"
    r'|\["(?P<double>(?:[^"\\]|\\.)*)"\]'
)


def parse_pattern(text: str) -> PathPattern:
    """Read `$.items[*]['price']`. Raises ConfigError that shows where it stops making sense."""
    if not text.startswith("$"):
        raise ConfigError(f"path {text!r} does not start with $", "write it like $.items[*].price")
    steps: list[tuple[Literal["name", "index", "any"], Any]] = []
    position = 1
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise ConfigError(
                f"path {text!r} is not understood from character {position + 1}: {text[position:]}",
                "names, [n], [*] and .* are known, like $.items[*].price",
            )
        position = step.end()
        quoted = step["single"] if step["single"] is not None else step["double"]
        if quoted is not None:
            steps.append(("name", _unescape(quoted)))
        elif step["index"] is not None:
            steps.append(("index", int(step["index"])))
        elif step["dot"] not in (None, ANY):
            steps.append(("name", step["dot"]))
        else:
            steps.append(("any", None))
    return PathPattern(text, tuple(steps))


_UNESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def _unescape(quoted: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match["code"]:
            return chr(int(match["code"], 16))
        return _UNESCAPES.get(match["one"], match["one"])

    return re.sub(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<one>.))", one, quoted)


class ListRule(msgspec.Struct, frozen=True, kw_only=True):
    """How the items of a list are matched: as a multiset, or by the value at `key`."""

    path: PathPattern
    unordered: bool = False
    key: tuple[str, ...] | None = None


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart two values may be and still be called equal.

    `absolute` in the value's unit, `relative` to the baseline, `ulp` in steps of a double,
    `seconds` for RFC 3339 times. Any of those given suffices.
    """

    path: PathPattern
    absolute: Fraction | None = None
    relative: Fraction | None = None
    ulp: int | None = None
    seconds: float | None = None

    def covers(self, baseline: Json, candidate: Json) -> bool:
        """Whether the two values are within the tolerance."""
        if isinstance(baseline, Number) and isinstance(candidate, Number):
            return self._numbers(baseline.lexeme, candidate.lexeme)
        if self.seconds is None or not (isinstance(baseline, str) and isinstance(candidate, str)):
            return False
        return self._times(baseline, candidate, self.seconds)

    def _numbers(self, baseline: str, candidate: str) -> bool:
        if max(len(baseline), len(candidate)) > 64:
            return False
        floats = (float(baseline), float(candidate))
        if not all(abs(value) < float("inf") for value in floats):
            return False
        if self.ulp is not None and _ulps(*floats) <= self.ulp:
            return True
        left, right = Fraction(floats[0]), Fraction(floats[1])
        if "e" not in (baseline + candidate).lower():
            left, right = Fraction(baseline), Fraction(candidate)
        gap = abs(left - right)
        return (self.absolute is not None and gap <= self.absolute) or (
            self.relative is not None and gap <= self.relative * abs(left)
        )

    @staticmethod
    def _times(baseline: str, candidate: str, seconds: float) -> bool:
        try:
            left, right = datetime.fromisoformat(baseline), datetime.fromisoformat(candidate)
            return abs((left - right).total_seconds()) <= seconds
        except (ValueError, TypeError, OverflowError):
            return False


def _ulps(left: float, right: float) -> int:
    """Representable doubles between two numbers."""
    return abs(_ordinal(left) - _ordinal(right))


def _ordinal(value: float) -> int:
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The comparing rules that hold at one endpoint."""

    lists: tuple[ListRule, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()
    noisy: Callable[[str], bool] | None = None
    """Whether the baseline differs from itself at a path pattern: what differs there counts
    for no budget of differences."""

    alias: Callable[[str], str] | None = None
    """What the baseline calls a key of the candidate's list items."""

    def for_list(self, path: Path) -> ListRule | None:
        """The first list rule for the place."""
        return next((rule for rule in self.lists if rule.path.matches(path)), None)

    def tolerance(self, path: Path, baseline: Json, candidate: Json) -> Tolerance | None:
        """The first tolerance that covers the two values at the place."""
        if not self.tolerances:
            return None
        return next(
            (
                rule
                for rule in self.tolerances
                if rule.path.matches(path) and rule.covers(baseline, candidate)
            ),
            None,
        )


def key_of(item: Json, key: Sequence[str]) -> Json | None:
    """The value at a (nested) key of a list item, or None where it has none."""
    for name in key:
        if not isinstance(item, dict) or name not in item:
            return None
        item = item[name]
    return item
