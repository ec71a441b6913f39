"""Secrets and personal data by how they look, wherever they stand in a text.

A detector is a pattern and, where numbers of the kind have check digits, the check. Patterns are
matched by RE2, in time linear in the text whatever the text and, for those of a user, whatever the
pattern. A near miss is left alone: a number that fails its check, a part of a longer word.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import re2

from shadow.errors import ConfigError

ALWAYS: Final = ("jwt", "bearer", "basic", "aws-key", "github-token", "pan")
"""Credentials and card numbers: nobody needs those in a store."""
ASKED_FOR: Final = ("email", "phone", "iban", "ip")
"""Personal data; a replay may need it, so it is redacted where that is asked for."""
NAMES: Final = ALWAYS + ASKED_FOR

MAX_PATTERNS: Final = 100
MAX_PATTERN_CHARS: Final = 1_000

_PATTERNS: Final[dict[str, str]] = {
    "jwt": r"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)*",  # RFC 7515: base64url of `{"`
    "bearer": r"(?i:bearer)[ \t]+([\w.~+/-]{8,}=*)",  # RFC 6750
    "basic": r"(?i:basic)[ \t]+([A-Za-z0-9+/]{4,}={0,2})",  # RFC 7617
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    "aws-key": r"(?:AKIA|ASIA)[A-Z2-7]{16}"
    r"|(?i:aws|secret)[\w. -]{0,20}(?i:key)[\"' ]{0,3}[=:][\"' ]{0,3}([A-Za-z0-9/+]{40})",
    # https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
    "github-token": r"gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{22,251}",
    "pan": r"[2-6][0-9]{3}(?:[ -]?[0-9]){8,34}",  # ISO/IEC 7812-1
    "email": r"[\w.%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
    # ITU-T E.164, and the way numbers are written in North America
    "phone": r"\+[1-9](?:[ .()/-]{0,2}[0-9]){6,14}|\(?[2-9][0-9]{2}\)?[ .-][0-9]{3}[.-][0-9]{4}",
    "iban": r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?",  # ISO 13616-1
    "ip": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
    r"(?:[0-9]{0,3}(?:\.[0-9]{1,3}){3})?",
}
# What each has in it: in a short text found sooner than RE2 is called.
_HINTS: Final[dict[str, str]] = {
    "jwt": "eyJ",
    "bearer": "(?i:bearer)",
    "basic": "(?i:basic)",
    "aws-key": "A[KS]IA|(?i:key)",
    "github-token": "gh[pousr]_|github_pat_",
    "pan": "[2-6][0-9]{3}(?:[ -]?[0-9]){9}",
    "email": "@",
    "phone": r"\+[1-9]|[0-9]{3}[.-][0-9]{4}",
    "iban": "[A-Z]{2}[0-9]{2}",
    "ip": r"[0-9]\.[0-9]|:[0-9A-Fa-f]{0,4}:",
}
_SHORT: Final = 200
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_IBAN_CHARACTERS: Final = {
    # https://www.swift.com/standards/data-standards/iban-international-bank-account-number
    length: frozenset(countries.split())
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
}
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_GROUPED: Final = frozenset({"pan", "iban"})
_NO_TOKEN: Final = frozenset({"realm", "error", "scope", "charset"})
# What each replaces by itself would be another word, number or address with more around it.
_BEFORE: Final = {
    "jwt": _WORD | {"-"},
    "email": frozenset("@"),
    "pan": _WORD | set(".-+"),
    "phone": _WORD | set(".-+"),
    "ip": _WORD | set(".:-"),
}
_AFTER: Final = {
    "email": _WORD | {"@"},
    "ip": _WORD | {"-"},
}


class Found(NamedTuple):
    """Something that was found: what it is, and where, in characters of the text."""

    name: str
    start: int
    end: int


class Detectors:
    """Finds what the named detectors and the patterns recognise. Safe to share between threads."""

    def __init__(self, names: Iterable[str] = ALWAYS, patterns: Iterable[str] = ()) -> None:
        """Take names out of `NAMES`, and regular expressions in RE2's syntax.

        What the n-th pattern finds has the name `pattern n`; where it has a group, that is what is
        found.
        Raises ConfigError for a name that is none and a pattern that RE2 refuses.
        """
        self.names = tuple(dict.fromkeys(names))
        for name in self.names:
            if name not in NAMES:
                raise ConfigError(
                    f"detect: there is no detector {name!r}", f"of {', '.join(NAMES)}"
                )
        self._known = [
            (name, re.compile(_HINTS[name]), _pattern(_PATTERNS[name])) for name in self.names
        ]
        self._patterns = _compiled(patterns)
        self._hint = re.compile("|".join(_HINTS[name] for name in self.names) or r"\Z.")
        self._any = _pattern("|".join(f"(?:{_PATTERNS[name]})" for name in self.names) or r"\z.")

    def may_find(self, text: str) -> bool:
        """Whether there may be something; where not, `find` finds nothing. This is quick."""
        if self._patterns:
            return True
        if len(text) < _SHORT:
            return self._hint.search(text) is not None
        return self._any.search(_ascii(text)) is not None

    def find(self, text: str, *, in_json: bool = False) -> list[Found]:
        """Return what is found, from left to right; of two that overlap the first, or longer.

        With `in_json` the text is JSON, and its numbers are left alone: one of 16 digits is more
        often a time in nanoseconds than a card.
        """
        found = [each for each in self._found(text) if each.end > each.start]
        found.sort(key=lambda each: (each.start, -each.end))
        kept: list[Found] = []
        for each in _without_numbers(text, found) if in_json else found:
            if not kept or each.start >= kept[-1].end:
                kept.append(each)
        return kept

    def sub(self, text: str, mark: Callable[[str, str], str], *, in_json: bool = False) -> str:
        """Return the text with `mark(name, value)` in place of each value that `find` finds."""
        if not self.may_find(text):
            return text
        parts: list[str] = []
        done = 0
        for name, start, end in self.find(text, in_json=in_json):
            parts += (text[done:start], mark(name, text[start:end]))
            done = end
        return "".join(parts) + text[done:] if parts else text

    def _found(self, text: str) -> Iterator[Found]:
        plain = _ascii(text)
        for name, hint, pattern in self._known:
            if not hint.search(plain):
                continue
            for match in pattern.finditer(plain):
                if name in _GROUPED:
                    yield from _within(name, plain, match.start(), match.end())
                    continue
                start, end = _span(match)
                if _is(name, plain, start, end):
                    yield Found(name, start, end)
        whole = text if text.isascii() else text.encode("utf-8", "replace").decode()
        for number, pattern in enumerate(self._patterns, 1):
            for match in pattern.finditer(whole):
                yield Found(f"pattern {number}", *_span(match))


def _ascii(text: str) -> str:
    """Return the text with another character for each that no detector knows."""
    return text if text.isascii() else text.encode("ascii", "replace").decode()


def _span(match: Any) -> tuple[int, int]:
    """Return where the first group stands that takes part, else the whole match."""
    for number in range(1, match.re.groups + 1):
        if match.start(number) >= 0:
            return match.start(number), match.end(number)
    return match.start(), match.end()


def _without_numbers(text: str, found: Iterable[Found]) -> Iterator[Found]:
    """Yield what is no number of JSON: what is in a string, or more than digits."""
    strings = _STRING.finditer(text)
    string = next(strings, None)
    for each in found:
        while string is not None and string.end() <= each.start:
            string = next(strings, None)
        inside = string is not None and string.start() < each.start
        if inside or not text[each.start : each.end].isdigit():
            yield each


def recognised(text: str) -> str:
    """Return the name of the detector that finds all of a text to be one value, or nothing."""
    for each in _all().find(text):
        if each.start == 0 and each.end == len(text):
            return each.name
    return ""


@cache
def _all() -> Detectors:
    return Detectors(NAMES)


def _within(name: str, text: str, start: int, end: int) -> Iterator[Found]:
    """Yield what is one within groups of digits: other numbers may stand before and behind it."""
    value = text[start:end]
    cuts = [start + at for at, character in enumerate(value) if character in " -"]
    for first in (start, *(cut + 1 for cut in cuts)):
        for last in (end, *reversed(cuts)):
            if last > first and _is(name, text, first, last):
                yield Found(name, first, last)
                return


def _compiled(patterns: Iterable[str]) -> list[Any]:
    """Return a user's patterns. Raises ConfigError where they are too many, too long or none."""
    asked_for = list(dict.fromkeys(patterns))
    if len(asked_for) > MAX_PATTERNS:
        raise ConfigError(f"redact: more than {MAX_PATTERNS} patterns", "join some with |")
    for pattern in asked_for:
        if len(pattern) > MAX_PATTERN_CHARS:
            raise ConfigError(
                f"redact: a pattern of {len(pattern)} characters", f"at most {MAX_PATTERN_CHARS}"
            )
    return [_pattern(pattern) for pattern in asked_for]


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> Any:
    """Return a pattern of RE2. Raises ConfigError for one that it refuses."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ConfigError(
            f"redact: {pattern[:60]!r} is no pattern: {reason}",
            "the syntax is RE2's: no look-around and no back-references",
        ) from None


def _is(name: str, text: str, start: int, end: int) -> bool:
    """Whether what a pattern matched is one, by what is around it and by its check digits."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and before in _BEFORE.get(name, _WORD):
        return name == "bearer"
    if after and after in _AFTER.get(name, _WORD):
        return False
    if name == "email" and text[max(0, start - 2) : start] == "//":
        return False  # the user of a URL
    value = text[start:end]
    if name == "bearer":
        return value.rstrip("=") not in _NO_TOKEN and not value.isalpha()
    check = _CHECKS.get(name)
    return check is None or (check(value) and not _goes_on(text, end))


def _is_basic(value: str) -> bool:
    """Whether it is a user and a password, and not what follows in "basic authentication"."""
    bare = value.rstrip("=")
    if len(bare) % 4 == 1:
        return False
    try:
        return ":" in base64.b64decode(bare + "=" * (-len(bare) % 4)).decode()
    except UnicodeDecodeError:
        return False


def _goes_on(text: str, end: int) -> bool:
    """Whether a number goes on behind its end: as a decimal, or joined to another."""
    return text[end : end + 1] in {".", "-"} and text[end + 1 : end + 2].isdigit()


def _is_pan(value: str) -> bool:
    """Whether it is a card number, as those are written: known issuer, grouping and Luhn."""
    groups = [len(group) for group in value.replace("-", " ").split(" ")]
    if len(groups) > 1 and (groups not in _PAN_GROUPS or (" " in value and "-" in value)):
        return False
    digits = value.replace(" ", "").replace("-", "")
    if len(set(digits)) == 1 or digits.endswith("000000"):
        return False
    if not any(
        len(digits) in lengths and low <= digits[: len(low)] <= high
        for low, high, lengths in _ISSUERS
    ):
        return False
    return luhn(digits) == 0


def luhn(digits: str) -> int:
    """Return the check sum of ISO/IEC 7812-1 annex B; 0 where the last digit is right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10


_PAN_GROUPS: Final = ([4, 4, 4, 4], [4, 4, 4, 4, 3], [4, 6, 5], [4, 6, 4])
_ISSUERS: Final = (
    ("4", "4", {13, 16, 19}),
    ("51", "55", {16}),
    ("2221", "2720", {16}),
    ("34", "34", {15}),
    ("37", "37", {15}),
    ("300", "305", {14}),
    ("36", "36", {14}),
    ("38", "39", {14}),
    ("3528", "3589", {16}),
    ("6011", "6011", {16}),
    ("644", "659", {16}),
    ("62", "62", {16, 17, 18, 19}),
    ("5018", "5018", {16}),
    ("6304", "6304", {16}),
    ("6759", "6763", {16}),
)
"""First digits from and to, and how many digits: https://en.wikipedia.org/wiki/Payment_card_number"""


def _is_iban(value: str) -> bool:
    """Whether the length is the country's and the check digits are right (ISO 7064, mod 97-10)."""
    text = value.replace(" ", "")
    if text[:2] not in _IBAN_CHARACTERS.get(len(text), ()):
        return False
    return iban_remainder(text) == 1


def iban_remainder(text: str) -> int:
    """Return the remainder by 97 of an IBAN without spaces; 1 where its check digits are right."""
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97


def _is_phone(value: str) -> bool:
    digits = sum(character.isdigit() for character in value)
    return 8 <= digits <= 15 if value.startswith("+") else digits == 10


def _is_ip(value: str) -> bool:
    if "." not in value and not any(character.isdigit() for character in value):
        return False  # `a::b` is a path in Rust
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not address.is_unspecified


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "basic": _is_basic,
    "pan": _is_pan,
    "iban": _is_iban,
    "phone": _is_phone,
    "ip": _is_ip,
}
