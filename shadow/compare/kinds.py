"""What kind of value a text is: a uuid, a time, a token, a number, free text."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_TIME: Final = re.compile(
    r"(?P<whole>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<fraction>\.[0-9]{1,9})?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})"
)
_HTTP_DATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
_TOLD: Final = re.compile(r"([0-9]{1,15}) bytes, sha256 [0-9a-f]{16}")
"""How a binary body is told where its value would stand."""
_UUID_LENGTH: Final = 36
_NIL_UUIDS: Final = ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_HEX: Final = re.compile(r"(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}")
_TOKEN: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/_.=-]{16,}")
_EPOCHS: Final = (("epoch-s", 1), ("epoch-ms", 10**3), ("epoch-us", 10**6), ("epoch-ns", 10**9))
_EPOCH_YEARS: Final = (10**9, 4 * 10**9)
"""Seconds from 2001 to 2096: smaller and larger integers are numbers, not times."""
_LONGEST: Final = 4096


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One compared value, seen as an instance of a kind."""

    kind: str
    """JSON type and kind, like `string:uuid`; `absent` where the side has no value."""
    size: int = 0
    """Characters of a text, items of a list."""
    number: float | None = None
    """A number's value, or a time in seconds since 1970."""

    @property
    def is_time(self) -> bool:
        """Whether `number` is a moment."""
        return self.number is not None and ("time" in self.kind or "epoch" in self.kind)

    @property
    def is_token(self) -> bool:
        """A random identifier: two that are equal by chance do not happen."""
        return self.kind.rpartition(":")[2].partition("-")[0] in ("uuid", "hex", "token")


ABSENT: Final = Value(kind="absent")


def value_of(text: str | None, *, is_json: bool) -> Value:  # noqa: PLR0911 - one a JSON type
    """The kind of a compared value: JSON text in a JSON body, else plain text."""
    if text is None:
        return ABSENT
    if not is_json:
        told = _TOLD.match(text)
        return Value(kind="text:binary", size=int(told[1])) if told else _string(text, "text")
    if text.startswith('"'):
        try:
            return _string(_unquoted(text), "string")
        except ValueError:
            return Value(kind="string:cut", size=len(text))
    if text.startswith(("{", "[")):
        return Value(kind="object" if text[0] == "{" else "array", size=len(text))
    if text in ("true", "false", "null"):
        return Value(kind="boolean" if text != "null" else "null")
    return _number(text, "number")


_PLAIN: Final = re.compile(r'"([^"\\\x00-\x1f]*)"')


def _unquoted(text: str) -> str:
    """The string that a JSON text is. Raises ValueError where it is none."""
    plain = _PLAIN.fullmatch(text)
    return plain[1] if plain else str(json.loads(text))


def _string(text: str, of: str) -> Value:  # noqa: PLR0911 - one a kind
    if not text or len(text) > _LONGEST:
        return Value(kind=f"{of}:{'long' if text else 'empty'}", size=len(text))
    if len(text) == _UUID_LENGTH and text.lower() in _NIL_UUIDS:
        return Value(kind=f"{of}:nil", size=len(text))
    if len(text) == _UUID_LENGTH and _UUID.fullmatch(text.lower()):
        case = "lower" if text == text.lower() else "upper"
        return Value(kind=f"{of}:uuid-{case}", size=len(text))
    moment = _moment(text)
    if moment is not None:
        kind = "http-date-time" if text.endswith("GMT") else _time_kind(text)
        return Value(kind=f"{of}:{kind}", size=len(text), number=moment)
    if _NUMBER.fullmatch(text):
        return _number(text, of)
    for case, spelled in (("lower", text), ("upper", text.swapcase())):
        if _HEX.fullmatch(spelled):
            return Value(kind=f"{of}:hex-{case}", size=len(text))
    if _TOKEN.fullmatch(text):
        return Value(kind=f"{of}:token", size=len(text))
    return Value(kind=f"{of}:free", size=len(text))


def _time_kind(text: str) -> str:
    return "time-z" if text.endswith("Z") else "time-offset"


def _moment(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 or an HTTP date; None for other texts."""
    match = _TIME.fullmatch(text)
    try:
        if match:
            whole = datetime.fromisoformat(match["whole"] + match["offset"])
            return whole.timestamp() + float(match["fraction"] or 0)
        if _HTTP_DATE.fullmatch(text):
            return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        pass
    return None


def _number(text: str, of: str) -> Value:
    try:
        number = float(text)
    except ValueError:
        return Value(kind=f"{of}:cut", size=len(text))
    if not math.isfinite(number):
        return Value(kind=f"{of}:huge", size=len(text))
    if text.isdigit():
        for name, scale in _EPOCHS:
            if _EPOCH_YEARS[0] <= number / scale < _EPOCH_YEARS[1]:
                return Value(kind=f"{of}:{name}", size=len(text), number=number / scale)
    kind = "integer" if text.removeprefix("-").isdigit() else "number"
    return Value(kind=f"{of}:{kind}", size=len(text), number=number)
