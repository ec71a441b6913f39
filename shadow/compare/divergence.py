"""A difference as a divergence: its place, signature and values as text, then its verdict."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from shadow.compare.classes import CLASSES
from shadow.compare.classes.base import DivergenceClass
from shadow.compare.difference import ABSENT, Difference
from shadow.compare.json_text import to_text
from shadow.compare.paths import normalized, pattern
from shadow.model import Divergence, Severity, Verdict, Where, is_state

VALUE_LIMIT: Final = 2048
"""Characters of a compared value that are kept; masking cuts them to 1 kB afterwards."""


_ABOUT_LAYOUT: Final = frozenset({"json-trailing-newline", "json-whitespace"})
"""Spellings whose values are texts, not JSON."""


class Excuse(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a divergence, and what it rests on."""

    verdict: Verdict = "divergent"
    rule: str | None = None
    wrong_side: Literal["baseline"] | None = None


DIVERGENT: Final = Excuse()
"""Nothing excuses it."""


def divergence_of(
    difference: Difference, endpoint: str, cls: DivergenceClass | None = None
) -> Divergence:
    """A difference with its path, signature and values as text, not judged yet."""
    path, path_pattern = place_of(difference)
    where: Where = "state" if is_state(endpoint) else difference.where
    return Divergence(
        where=where,
        kind=difference.kind,
        path=path,
        path_pattern=path_pattern,
        signature=_signature_of(endpoint, where, difference, path_pattern),
        baseline=value_text(difference, difference.baseline),
        candidate=value_text(difference, difference.candidate),
        class_id=cls.id if cls else None,
    )


def place_of(difference: Difference) -> tuple[str, str]:
    """Path and path pattern of a difference."""
    if difference.name is not None:
        return difference.name, difference.name
    return normalized(difference.path), pattern(difference.path)


def signature(endpoint: str, where: str, path_pattern: str, kind: str, detail: Any) -> str:
    """What a finding *is*, as 16 hex digits; its class is not part of it."""
    what = [endpoint, where, path_pattern, kind, detail]
    text = json.dumps(what, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


_known_signature: Final = lru_cache(maxsize=4096)(signature)


_LONGEST_KNOWN: Final = 500
"""Characters of a pattern whose signatures are remembered."""


def _signature_of(endpoint: str, where: Where, difference: Difference, path_pattern: str) -> str:
    known = len(path_pattern) <= _LONGEST_KNOWN
    of = _known_signature if known else signature
    return of(endpoint, where, path_pattern, difference.kind, difference.detail)


def value_text(difference: Difference, value: Any) -> str | None:
    """A compared value as text: the JSON as it stood, or the header or body text."""
    if value is ABSENT:
        return None
    is_json = difference.where == "body" and difference.name is None
    if is_json and difference.kind != "over_budget" and difference.spelling not in _ABOUT_LAYOUT:
        return to_text(value, VALUE_LIMIT)
    return str(value)[:VALUE_LIMIT]


def excused(divergence: Divergence, excuse: Excuse) -> Divergence:
    """The divergence with its verdict, and the severity that follows from class and verdict."""
    cls = CLASSES.get(divergence.class_id or "")
    if excuse is DIVERGENT and cls is None and divergence.verdict == "divergent":
        return divergence  # as every divergence is until it is judged
    return msgspec.structs.replace(
        divergence,
        verdict=excuse.verdict,
        rule=excuse.rule,
        wrong_side=excuse.wrong_side,
        severity=severity_of(excuse.verdict, cls),
    )


def severity_of(verdict: Verdict, cls: DivergenceClass | None) -> Severity:
    """A class's own severity; without one, what fails is breaking."""
    if cls is not None:
        return cls.severity
    return "breaking" if verdict == "divergent" else "benign"
