"""Acceptance rules: a divergence somebody has taken responsibility for, until a date."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from shadow.compare.paths import Path
from shadow.compare.rules import PathPattern
from shadow.model import BODIES, Divergence

WARN_DAYS: Final = 14
"""Days before its end from which a rule is warned about."""


class Responsibility(msgspec.Struct, frozen=True, kw_only=True):
    """Who accepts a divergence, why, and until when."""

    name: str
    """What events and reports call the rule: `accept:html-escape`."""
    reason: str
    owner: str
    expires: date
    """The last day on which it holds."""

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return today > self.expires

    def expires_soon(self, today: date) -> bool:
        """Whether it ends within `WARN_DAYS`."""
        return not self.expired(today) and (self.expires - today).days <= WARN_DAYS


class AcceptRule(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[accept]]` entry; every condition that is given must hold."""

    by: Responsibility
    class_id: str | None = None
    signature: str | None = None
    endpoint: str | None = None
    path: PathPattern | None = None
    header: str | None = None
    kind: str | None = None
    baseline: str | None = None
    """A shell pattern for the baseline's whole value: `*` is any text."""
    candidate: str | None = None
    verdict: Literal["accepted", "go-is-wrong"] = "accepted"

    def covers(self, endpoint: str, divergence: Divergence, path: Path | None) -> bool:
        """Whether the rule covers a divergence; `path` is its JSON path, where it has one."""
        return (
            self.class_id in (None, divergence.class_id)
            and self.signature in (None, divergence.signature)
            and self.endpoint in (None, endpoint)
            and self.kind in (None, divergence.kind)
            and self._covers_place(divergence, path)
            and _matches(self.baseline, divergence.baseline)
            and _matches(self.candidate, divergence.candidate)
        )

    def _covers_place(self, divergence: Divergence, path: Path | None) -> bool:
        if self.header is not None:
            return divergence.where == "header" and divergence.path == self.header
        if self.path is None:
            return True
        return divergence.where in BODIES and path is not None and self.path.matches(path)


def _matches(pattern: str | None, text: str | None) -> bool:
    # Shell patterns, not regular expressions: they cannot be made to run for ever.
    return pattern is None or (text is not None and fnmatchcase(text, pattern))
