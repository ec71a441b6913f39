"""Values at which two implementations part, made of a value that was sent. Pure.

Numbers are lexemes and dates are text, so that each stands in JSON, a query or a path as it is
meant. A text may hold lone surrogates and NUL: whoever writes it escapes them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

Edge = Callable[[str, random.Random], str]
"""Makes another value of one."""
LONG: Final = 10_000
"""Characters of a long string."""
_LONGEST_INTEGER: Final = 40
_NEAR: Final = 100
_INTEGER: Final = re.compile(r"-?[0-9]{1,40}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_DATE: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,12})?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)

FIXED_NUMBERS: Final = (
    *("0", "-1", "1", "-0", "-0.0", "0.1", "1.0", "1e2", "1E+2", "1e-7"),
    *("2147483647", "2147483648", "-2147483649", "4294967296"),
    *("9007199254740992", "9007199254740993", "-9007199254740993"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("18446744073709551615", "18446744073709551616", "1e400", "-1e400", "1e-400"),
)
"""The edges of i32, u32, doubles, i64 and u64, and spellings of numbers."""
FIXED_STRINGS: Final = (
    "",
    " ",
    "x" * LONG,
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "\N{LATIN SMALL LETTER SHARP S}\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",
    "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 100,
    "\N{GRINNING FACE}",
    "\ud800",
    "\udc00\ud800",
    "<b>&amp;\"'</b>",
    "\u2028\u2029",
    "\0",
    "\ufffd\ufeff",
    "null",
    "%s%n{}",
)
_DAYS: Final = (
    *("2024-02-29", "2023-02-29", "1900-02-29", "2024-02-30", "2024-04-31"),
    *("9999-12-31", "10000-01-01", "0000-01-01", "0001-01-01", "1969-12-31", "1970-01-01"),
    *("2024-13-01", "2024-00-10", "2024-1-1"),
)
_TIMES: Final = ("23:59:60", "23:59:61", "24:00:00", "00:00:00", "23:59:59", "12:60:00", "12:00")
_FRACTIONS: Final = (".0", ".1", ".270", ".123456", ".123456789", ".1234567891", ".", ",5")
_ZONES: Final = (
    *("Z", "z", "", "+00:00", "-00:00", "+05:30", "+14:00", "-23:59", "+24:00", "+0200", "+02"),
    " UTC",
)


def is_number(text: str) -> bool:
    """Whether a text of a path, a query or a form is a number of ordinary length."""
    return _NUMBER.fullmatch(text) is not None


def is_date(text: str) -> bool:
    """Whether a text is a date, or a date and a time as RFC 3339 has them."""
    return _DATE.fullmatch(text) is not None


def number(lexeme: str, draw: random.Random) -> str:
    """Another number than this one: its neighbours, one near by, itself respelled, or an edge."""
    choices = list(FIXED_NUMBERS)
    if _INTEGER.fullmatch(lexeme) and len(lexeme) <= _LONGEST_INTEGER:
        value = int(lexeme)
        near = str(value + draw.randint(-_NEAR, _NEAR))
        own = [str(value + 1), str(value - 1), str(-value), near, f"{value}.0", f"{value}e0"]
        choices = own if draw.random() < 0.5 else choices
    return draw.choice(choices)


def string(text: str, draw: random.Random) -> str:
    """Another text than this one: an edge, or itself with something at its end or beginning."""
    kept = text[:LONG]
    own = (f" {kept}", f"{kept} ", f"{kept}\t", f"{kept}\u0301", f"{kept}\0", f"{kept}\ud800")
    cased = (kept.upper(), kept.lower())
    return draw.choice(FIXED_STRINGS if draw.random() < 0.6 else (*own, *cased))


def date(text: str, draw: random.Random) -> str:
    """Another date than this one, or this one with another time, fraction or zone."""
    found = _DATE.fullmatch(text)
    assert found is not None
    day, time, zone = found["day"], found["time"], found["zone"] or ""
    if time is None:
        return draw.choice((*_DAYS, f"{day}T00:00:00Z"))
    separator = text[len(day)]
    choices = (
        draw.choice(_DAYS) + text[len(day) :],
        f"{day}{separator}{draw.choice(_TIMES)}{zone}",
        f"{day}{separator}{time}{draw.choice(_FRACTIONS)}{zone}",
        f"{day}{separator}{time}{draw.choice(_ZONES)}",
        f"{day}{draw.choice('t ')}{time}{zone}",
        f"2016-12-31{separator}23:59:60{zone}",
        day,
    )
    return draw.choice(choices)
