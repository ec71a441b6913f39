"""Semantics: what Go and Rust compute differently from one piece of business logic."""

from __future__ import annotations

import html.entities
import re
import unicodedata
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.examples import Example, answer, json_pair
from shadow.compare.classes.value_types import NUMBERS, TEXTS
from shadow.compare.difference import ABSENT, Difference
from shadow.compare.json_text import NotJsonError, Number, read
from shadow.compare.paths import Path

MAX_TEXT: Final = 10_000
_REPLACEMENT: Final = "\ufffd"


def _text_pair(place: Place) -> tuple[str, str] | None:
    """Two different strings of a JSON body, not too long to look at."""
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return None
    return (str(go), str(rust)) if max(len(go), len(rust)) <= MAX_TEXT else None


_SATURATED: Final = frozenset(
    {
        # Go on amd64 (the hardware's "integer indefinite"), Rust's `as`: above the range, NaN.
        (-(2**63), 2**63 - 1),
        (-(2**63), 0),
        (-(2**31), 2**31 - 1),
        (-(2**31), 0),
        (2**63, 2**64 - 1),
        (2**63, 0),
        # -1.0 as an unsigned integer.
        (2**64 - 1, 0),
        (2**32 - 1, 0),
    }
)
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")


def _is_float_to_int(place: Place) -> bool:
    if not place.in_json:
        return False
    numbers = [_integer(place.go), _integer(place.rust)]
    return tuple(numbers) in _SATURATED


def _integer(value: Any) -> int | None:
    if isinstance(value, Number) and _INTEGER.fullmatch(value.lexeme):
        return int(value.lexeme)
    return None


def _is_slice_boundary(place: Place) -> bool:
    """Go cut a rune in two; Rust left it out, or cut after as many characters."""
    pair = _text_pair(place)
    if pair is None:
        return False
    go, rust = pair
    rest = go.rstrip(_REPLACEMENT)
    kept = len(go) - len(rest)  # one replacement a byte: the first bytes of one rune
    if not 1 <= kept <= 3:
        return False
    return rust == rest or _cut_by_characters(rest, kept, rust)


def _cut_by_characters(rest: str, kept: int, rust: str) -> bool:
    """Whether `rust` begins with them, in no more characters than Go's slice had bytes."""
    try:
        if len(rust) > len(rest.encode()) + kept or not rust.startswith(rest):
            return False
        return len(rust[len(rest) :][:1].encode()) > kept
    except UnicodeEncodeError:
        return False


def _is_case_mapping(place: Place) -> bool:
    """Go maps one rune to one rune; Rust maps ß to SS, İ to i and a dot, a final Σ to ς."""
    pair = _text_pair(place)
    if pair is None:
        return False
    go, rust = pair
    if go.isascii() and rust.isascii():
        return False
    if go == rust.replace("i\u0307", "i"):
        return True
    return _final_sigma(go, rust) or _full_upper(go, rust)


def _final_sigma(go: str, rust: str) -> bool:
    if len(go) != len(rust):
        return False
    changed = {(a, b) for a, b in zip(go, rust, strict=True) if a != b}
    return changed == {("\u03c3", "\u03c2")}  # small sigma, final small sigma


def _full_upper(go: str, rust: str) -> bool:
    """Whether `rust` is `go` with some characters that only full upper-casing changes mapped."""
    position = 0
    for character in go:
        mapped = character.upper()
        special = len(mapped) > 1 or unicodedata.category(character) == "Lt"
        if special and rust.startswith(mapped, position):
            position += len(mapped)
        elif rust.startswith(character, position):
            position += 1
        else:
            return False
    return position == len(rust)


_ENTITY: Final = re.compile(
    r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,30}));"
)
_SOFT: Final = frozenset(map(ord, "/=`+"))
"""Characters that some escapers escape and that mean the same raw, in text and in attributes."""


def _is_entity_escape(place: Place) -> bool:
    """The same characters stand escaped on both sides, by other names of the entities."""
    pair = _text_pair(place) if place.in_json else _whole_texts(place)
    if pair is None:
        return False
    go, rust = pair
    if not _ENTITY.search(go) or not _ENTITY.search(rust):
        return False
    return _ENTITY.sub(_numeric, go) == _ENTITY.sub(_numeric, rust)


def _whole_texts(place: Place) -> tuple[str, str] | None:
    """Two different whole bodies of equal status, not too long to look at."""
    if place.where != "body" or place.kind != "value_changed":
        return None
    go, rust = place.pair.go, place.pair.rust
    if go.status != rust.status or max(len(go.text), len(rust.text)) > MAX_TEXT:
        return None
    return (go.text, rust.text) if go.text != rust.text else None


def _numeric(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        text = html.entities.html5.get(f"{name};", "")
    else:
        number = int(decimal) if decimal is not None else int(hexadecimal, 16)
        remapped = number < 0x20 or 0x7F <= number < 0xA0 or 0xD800 <= number < 0xE000
        text = "" if remapped or number > 0x10FFFF else chr(number)
    if len(text) != 1:
        return match[0]
    return text if ord(text) in _SOFT else f"&#{ord(text)};"


def _is_split_empty(place: Place) -> bool:
    """Rust's list is Go's list of single characters between two empty strings."""
    if not place.in_json:
        return False
    if isinstance(place.go, list) and isinstance(place.rust, list):
        return bool(place.rust == ["", *place.go, ""]) and _single_characters(place.go)
    if place.go is not ABSENT or place.rust != "" or not isinstance(place.key, int):
        return False
    parent = place.difference.path[:-1]
    added = [difference for difference in place.pair.differences if _is_below(difference, parent)]
    if len(added) != 2 or not all(_is_empty_item(difference) for difference in added):
        return False
    go = _at(place.pair, parent)
    if not isinstance(go, list) or not _single_characters(go):
        return False
    return [difference.path[-1] for difference in added] == [0, len(go) + 1]


def _is_below(difference: Difference, parent: Path) -> bool:
    """A difference of values, not of spelling, within the value at a path."""
    inside = difference.where == "body" and difference.path[: len(parent)] == parent
    return inside and difference.kind != "spelling"


def _is_empty_item(difference: Difference) -> bool:
    """Added by Rust: an item that is the empty string."""
    return difference.kind == "extra" and bool(difference.candidate == "")


def _single_characters(items: Any) -> bool:
    return len(items) <= MAX_TEXT and all(
        isinstance(item, str) and len(item) == 1 for item in items
    )


def _at(pair: Pair, path: Path) -> Any:
    """The value at a path of Go's body; ABSENT where the body is too long or has no such path."""
    try:
        value = read(pair.go.text).value
    except NotJsonError:
        return ABSENT
    for step in path:
        members = dict(enumerate(value)) if isinstance(value, list) else value
        if not isinstance(members, dict) or step not in members:
            return ABSENT
        value = members[step]
    return value


_HTML: Final = "text/html; charset=utf-8"

CLASSES: Final = (
    DivergenceClass(
        id="float-to-int-saturate",
        title="A float out of range became an integer",
        go="Left to the machine: on amd64 int64(1e20) is the smallest int64, uint64(-1.0) 2^64-1.",
        rust="`as` saturates: the largest or smallest value; NaN is 0.",
        impact="A bug on both sides: the number means nothing.",
        fix_go="Check the range before converting.",
        fix_rust="Check the range before `as`.",
        severity="breaking",
        policy="fail",
        at=_is_float_to_int,
        types=NUMBERS,
        valid=(
            json_pair('{"v":-9223372036854775808}', '{"v":9223372036854775807}'),
            json_pair('{"v":18446744073709551615}', '{"v":0}'),
            json_pair('{"v":-2147483648}', '{"v":2147483647}'),
            json_pair('{"v":-9223372036854775808}', '{"v":0}', note="NaN"),
            json_pair('{"v":9223372036854775808}', '{"v":18446744073709551615}'),
        ),
        invalid=(
            json_pair('{"v":-9223372036854775808}', '{"v":9223372036854775806}'),
            json_pair('{"v":44}', '{"v":255}', note="8 bits: not decidable"),
            json_pair('{"v":9223372036854775807}', '{"v":-9223372036854775808}'),
            json_pair('{"v":-9223372036854775807}', '{"v":9223372036854775807}'),
        ),
    ),
    DivergenceClass(
        id="string-slice-boundary",
        title="Go cut a character in two",
        go="s[:n] counts bytes; half a rune becomes U+FFFD in JSON.",
        rust=".chars().take(n) counts characters; a byte slice panics (not a char boundary).",
        impact="A bug: the text ends with a replacement character.",
        fix_go="Cut at a rune's boundary.",
        fix_rust="Count what the Go side should count.",
        severity="breaking",
        policy="fail",
        at=_is_slice_boundary,
        types=TEXTS,
        valid=(
            json_pair('{"s":"caf\\ufffd"}', '{"s":"caf"}'),
            json_pair('{"s":"caf\\ufffd"}', '{"s":"café"}', note="4 bytes, 4 characters"),
            json_pair('{"s":"日\\ufffd"}', '{"s":"日本語"}', note="4 bytes, at most 4 characters"),
            json_pair('{"s":"a\\ufffd\\ufffd\\ufffd"}', '{"s":"a"}'),
        ),
        invalid=(
            json_pair('{"s":"caf\\ufffd"}', '{"s":"ca"}'),
            json_pair('{"s":"caf\\ufffd"}', '{"s":"cafe"}', note="e is not cut in two"),
            json_pair('{"s":"caf\\ufffd"}', '{"s":"café!"}'),
            json_pair('{"s":"a\\ufffd\\ufffd\\ufffd\\ufffd"}', '{"s":"a"}'),
            json_pair('{"s":"caf"}', '{"s":"caf\\ufffd"}'),
        ),
    ),
    DivergenceClass(
        id="case-mapping",
        title="Upper or lower case beyond ASCII",
        go="One rune maps to one: ß and ﬁ stay, İ becomes i, Σ the same small letter everywhere.",
        rust="Full mappings: SS and FI, i and a combining dot, a final form of the small sigma.",
        impact="Rare; breaks look-ups by the mapped text.",
        fix_go="Use golang.org/x/text/cases.",
        fix_rust="Map character by character with the simple mappings.",
        severity="risky",
        policy="fail",
        at=_is_case_mapping,
        types=TEXTS,
        valid=(
            json_pair('{"s":"STRAßE"}', '{"s":"STRASSE"}'),
            json_pair('{"s":"\u03bf\u03b4\u03bf\u03c3"}', '{"s":"\u03bf\u03b4\u03bf\u03c2"}'),
            json_pair('{"s":"istanbul"}', '{"s":"i\u0307stanbul"}'),
            json_pair('{"s":"ﬁne ŉ"}', '{"s":"FIne \u02bcN"}'),
        ),
        invalid=(
            json_pair('{"s":"STRASE"}', '{"s":"STRASSE"}'),
            json_pair('{"s":"école"}', '{"s":"ÉCOLE"}', note="both languages map é alike"),
            json_pair('{"s":"STRAßE"}', '{"s":"STRASSEN"}'),
            json_pair('{"s":"\u03bf\u03b4\u03bf\u03c2"}', '{"s":"\u03bf\u03b4\u03bf\u03c3"}'),
            json_pair('{"s":"active"}', '{"s":"ACTIVE"}'),
        ),
    ),
    DivergenceClass(
        id="split-empty-separator",
        title="Split by nothing: Rust adds an empty string at each end",
        go='strings.Split("abc", "") is [a b c].',
        rust='"abc".split("") is ["", "a", "b", "c", ""].',
        impact="A bug: two items too many.",
        fix_go="Nothing to do.",
        fix_rust="Use .chars().",
        severity="breaking",
        policy="fail",
        at=_is_split_empty,
        types=frozenset({"array array", "absent string"}),
        valid=(
            json_pair('{"l":["a","b","c"]}', '{"l":["","a","b","c",""]}'),
            json_pair('["é"]', '["","é",""]'),
            json_pair('{"l":[]}', '{"l":["",""]}'),
            json_pair('{"l":["a","a"]}', '{"l":["","a","a",""]}'),
        ),
        invalid=(
            json_pair('{"l":["a","b"]}', '{"l":["","a","c",""]}'),
            json_pair('{"l":["ab"]}', '{"l":["","ab",""]}', note="not split by nothing"),
            json_pair('{"l":["a","b"]}', '{"l":["","a","b"]}'),
            json_pair('{"l":["a","b"]}', '{"l":["","a","","b"]}'),
            json_pair('{"l":["a","b"]}', '{"l":["a","b","",""]}'),
        ),
    ),
    DivergenceClass(
        id="html-entity-escape",
        title="Other names for the same HTML entities",
        go="html/template writes &#34; and &#39;.",
        rust="askama and html-escape write &quot; and &#x27;.",
        impact="A browser shows the same.",
        fix_go="Nothing to do.",
        fix_rust="Escape with the numeric forms where the text is compared.",
        severity="benign",
        policy="fail",
        at=_is_entity_escape,
        types=TEXTS | {"text"},
        valid=(
            json_pair('{"h":"&#34;a&#34; &amp; b"}', '{"h":"&quot;a&quot; &amp; b"}'),
            json_pair('{"h":"it&#39;s"}', '{"h":"it&#x27;s"}'),
            Example(
                go=answer(body="<p>&#34;</p>", Content_Type=_HTML),
                rust=answer(body="<p>&quot;</p>", Content_Type=_HTML),
            ),
        ),
        invalid=(
            json_pair('{"h":"&#34;a"}', '{"h":"&#39;a"}'),
            json_pair('{"h":"&amp;lt;"}', '{"h":"&lt;"}', note="escaped twice"),
            json_pair('{"h":"&lt;b&gt; &amp;"}', '{"h":"<b> &amp;"}', note="markup"),
            json_pair('{"h":"it&#39;s"}', '{"h":"it\'s"}', note="not escaped"),
        ),
    ),
    DivergenceClass(
        id="int-overflow-wrap",
        title="An integer overflow: Go wraps, Rust panics",
        go="Integers wrap silently.",
        rust="Debug builds and overflow-checks panic: a dropped connection or a 500.",
        impact="A bug has come to light. Never named by itself: a wrapped value cannot be told "
        "from any other value, nor a panic from any other.",
        fix_go="Check before computing.",
        fix_rust="Use checked_* or, for parity, wrapping_*.",
        severity="breaking",
        policy="fail",
        needs="never",
    ),
    DivergenceClass(
        id="shift-overflow",
        title="A shift by the width of the type or more",
        go="uint32(1) << 32 is 0.",
        rust="Debug builds panic; release builds give 1.",
        impact="A bug. Never named by itself: the answers do not show that a shift made the value.",
        fix_go="Check the count before shifting.",
        fix_rust="Use checked_shl.",
        severity="breaking",
        policy="fail",
        needs="never",
    ),
    DivergenceClass(
        id="regex-unicode-class",
        title="Unicode or ASCII classes in a regular expression",
        go=r"\d, \w, \s and \b are ASCII; there is no (?x) and no &&.",
        rust=r"\d, \w, \s and \b are Unicode unless (?-u); there is no \Q…\E.",
        impact="A bug. Never named by itself: the answers do not show which pattern matched.",
        fix_go="Write [0-9] and the like.",
        fix_rust="Write [0-9] and the like, or (?-u).",
        severity="breaking",
        policy="fail",
        needs="never",
    ),
    DivergenceClass(
        id="date-overflow-normalise",
        title="A day that the month does not have",
        go="AddDate and Date normalise: 31 January and one month is 2 March.",
        rust="chrono clamps to the month's last day, or gives None.",
        impact="A bug. Never named by itself: dates a few days apart at a month's end may as well "
        "be two different dates.",
        fix_go="Clamp to the month's last day.",
        fix_rust="Normalise as Go does, where parity is wanted.",
        severity="breaking",
        policy="fail",
        needs="never",
    ),
)
