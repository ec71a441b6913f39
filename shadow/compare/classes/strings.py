"""Strings: the same text written with other escapes, and text spoiled on its way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import json_pair
from shadow.compare.classes.value_types import ANY, SPELLED, STRINGS, TEXTS, between
from shadow.compare.json_text import Number, Text

_LONGEST: Final = 10_000
_LONGEST_SPELLED: Final = 1_000_000
"""Escapes are compared in one linear pass, and HTML in a field is often long."""

_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)"
)
_REPLACEMENTS: Final = re.compile("\ufffd+")


def _escapes(value: str) -> dict[int, str]:
    """The escape at each character that was written with one."""
    if not isinstance(value, Text):
        return {}
    found = {}
    saved = 1
    for match in _ESCAPE.finditer(value.lexeme):
        found[match.start() - saved] = match[0]
        saved += len(match[0]) - 1
    return found


def _kind(char: str, go: str | None, rust: str | None) -> str:
    """Why one character is escaped in two ways; `other` where no default stack does so."""
    one_raw = go is None or rust is None
    if char in "<>&" and one_raw:
        return "html"
    if char in "\u2028\u2029" and one_raw:
        return "separator"
    if char in "\b\f\n\r\t" and go and rust and len(go) != len(rust):
        return "control"
    if char == "\ufffd" and one_raw:
        return "replacement"
    return "non-ascii" if ord(char) >= 0x80 and one_raw else "other"


def escape_kinds(go: Any, rust: Any) -> frozenset[str]:
    """Why two equal strings are escaped differently; empty where they are not such a pair."""
    if not isinstance(go, str) or not isinstance(rust, str) or go != rust:
        return frozenset()
    if max(len(getattr(side, "lexeme", "")) for side in (go, rust)) > _LONGEST_SPELLED:
        return frozenset()
    ours, theirs = _escapes(go), _escapes(rust)
    return frozenset(
        _kind(go[at], ours.get(at), theirs.get(at))
        for at in ours.keys() | theirs.keys()
        if ours.get(at) != theirs.get(at)
    )


def _escaped_as(kind: str) -> Callable[[Place], bool]:
    def is_escaped_so(place: Place) -> bool:
        kinds = escape_kinds(place.go, place.rust) if place.in_json else frozenset()
        return kind in kinds and "other" not in kinds

    return is_escaped_so


def _is_invalid_utf8_replacement(place: Place) -> bool:
    """Go replaces each bad byte, Rust each maximal part of a sequence: one to three bytes."""
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str):
        return False
    if go == rust:
        return _escaped_as("replacement")(place)
    if len(go) > _LONGEST or len(rust) > _LONGEST:
        return False
    if _REPLACEMENTS.split(go) != _REPLACEMENTS.split(rust):
        return False
    runs = zip(_REPLACEMENTS.findall(go), _REPLACEMENTS.findall(rust), strict=True)
    return all(len(theirs) <= len(ours) <= 3 * len(theirs) for ours, theirs in runs)


_DEBUG_TOKEN: Final = re.compile(
    r'(?P<string>"(?:[^"\\]|\\(?:[\\"\'nrt0]|u\{[0-9a-f]{1,6}\}))*")'
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark>[\[\]{}()]|, |: )"
)
_DEBUG_ESCAPE: Final = re.compile(r"\\(?:u\{(?P<code>[0-9a-f]+)\}|(?P<one>.))")
_DEBUG_ONE: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_DEEPEST: Final = 32


class _NotDebugError(ValueError):
    pass


class _DebugText:
    """Reads what `{:?}` printed and says the same as Go's `%v` would."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def in_go(self) -> str:
        said = self.value(0)
        if self.position != len(self.text):
            raise _NotDebugError
        return said

    def take(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.position):
            return False
        self.position += len(mark)
        return True

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise _NotDebugError

    def value(self, depth: int) -> str:
        token = _DEBUG_TOKEN.match(self.text, self.position)
        if token is None or depth > _DEEPEST:
            raise _NotDebugError
        self.position = token.end()
        if token["string"]:
            return _DEBUG_ESCAPE.sub(_unescaped, token["string"][1:-1])
        if token["number"]:
            return token["number"].removesuffix(".0")
        if token["word"]:
            return self.named(token["word"], depth)
        if token["mark"] == "[":
            return "[" + " ".join(self.items("]", depth)) + "]"
        if token["mark"] == "{":
            return "map[" + " ".join(_in_key_order(self.members("}", depth))) + "]"
        raise _NotDebugError

    def named(self, word: str, depth: int) -> str:
        if word == "None":
            return "<nil>"
        if word == "Some":
            self.need("(")
            inner = self.value(depth + 1)
            self.need(")")
            return inner
        if self.take(" { "):
            return "{" + " ".join(said for _, said in self.members(" }", depth)) + "}"
        return word

    def items(self, end: str, depth: int) -> list[str]:
        said: list[str] = []
        while not self.take(end):
            if said:
                self.need(", ")
            said.append(self.value(depth + 1))
        return said

    def members(self, end: str, depth: int) -> list[tuple[str, str]]:
        said: list[tuple[str, str]] = []
        while not self.take(end):
            if said:
                self.need(", ")
            key = self.value(depth + 1)
            self.need(": ")
            said.append((key, self.value(depth + 1)))
        return said


def _unescaped(match: re.Match[str]) -> str:
    if not match["code"]:
        return _DEBUG_ONE.get(match["one"], match["one"])
    code = int(match["code"], 16)
    if code > 0x10FFFF:
        raise _NotDebugError
    return chr(code)


def _in_key_order(members: list[tuple[str, str]]) -> list[str]:
    """Go prints a map by key: numbers by value, strings by byte."""
    numeric = all(re.fullmatch(r"-?[0-9]{1,18}", key) for key, _ in members)
    ordered = sorted(members, key=lambda member: int(member[0])) if numeric else sorted(members)
    return [f"{key}:{said}" for key, said in ordered]


def _is_debug_format_leak(place: Place) -> bool:
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(rust, str) or len(rust) > _LONGEST:
        return False
    if rust == "None":
        return go is None or go in ("<nil>", "")
    scalar = _printed(go)
    if scalar is None or not re.match(r'["\[{]|[A-Z][A-Za-z0-9_]*(?: \{|\()', rust):
        return False
    try:
        said = _DebugText(rust).in_go()
    except _NotDebugError:
        return False
    if isinstance(go, str):
        return said == go and rust != go
    return rust.startswith("Some(") and said == scalar


def _printed(value: Any) -> str | None:
    """What Go prints of a scalar with `%v`."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.lexeme if isinstance(value, Number) else None


CLASSES: Final = (
    DivergenceClass(
        id="invalid-utf8-replacement",
        title="Bytes that are not UTF-8, replaced",
        go="One U+FFFD for each bad byte; written \\ufffd up to Go 1.26, raw from 1.27.",
        rust="String::from_utf8_lossy: one raw U+FFFD for each maximal part of a sequence.",
        impact="The data was already spoiled; the count of replacement characters differs.",
        fix_go="Refuse or clean bad input where it enters (utf8.Valid).",
        fix_rust="Replace byte by byte, or refuse bad input where it enters.",
        severity="benign",
        policy="fail",
        at=_is_invalid_utf8_replacement,
        types=TEXTS,
        valid=(
            json_pair(
                '{"v":"a\\ufffdb\\ufffd\\ufffd"}', '{"v":"a\ufffdb\ufffd\ufffd"}', "spelling"
            ),
            json_pair('{"v":"x\\ufffd\\ufffdy"}', '{"v":"x\ufffdy"}', "two bytes, one sequence"),
        ),
        invalid=(
            json_pair('{"v":"x\\ufffdy"}', '{"v":"x\ufffdz"}', "another letter"),
            json_pair('{"v":"x\\ufffdy"}', '{"v":"xy"}', "dropped, not replaced"),
            json_pair('{"v":"x\\ufffdy"}', '{"v":"x?y"}', "another replacement"),
            json_pair('{"v":"\\ufffd"}', '{"v":"\ufffd\ufffd\ufffd"}', "more than Go's bytes"),
        ),
    ),
    DivergenceClass(
        id="html-escape",
        title="<, > and & escaped in JSON strings",
        go="encoding/json writes \\u003c, \\u003e and \\u0026 unless SetEscapeHTML(false).",
        rust="serde_json writes the characters themselves.",
        impact="None for a JSON parser; byte hashes, signatures and golden files change.",
        fix_go="Encode with SetEscapeHTML(false), or gin's PureJSON.",
        fix_rust="A serde_json Formatter that escapes the three characters.",
        severity="benign",
        policy="allow",
        at=_escaped_as("html"),
        types=SPELLED,
        valid=(
            json_pair('{"h":"\\u003cb\\u003eR\\u0026D"}', '{"h":"<b>R&D"}'),
            json_pair('{"h":"\\u003c\\\\u003c\\""}', '{"h":"<\\\\u003c\\""}', "beside a backslash"),
            json_pair('{"h":"\\u003c\\u2028"}', '{"h":"<\u2028"}', "with a line separator"),
        ),
        invalid=(
            json_pair(
                '{"h":"\\u003cb\\u003e"}', '{"h":"&lt;b&gt;"}', "HTML entities are other text"
            ),
            json_pair('{"h":"\\u003cb"}', '{"h":"\\\\u003cb"}', "escaped twice"),
            json_pair('{"h":"\\u003cb\\u003e"}', '{"h":"<b<"}', "another character"),
        ),
    ),
    DivergenceClass(
        id="js-line-separator-escape",
        title="U+2028 and U+2029 escaped in JSON strings",
        go="encoding/json v1 writes \\u2028 and \\u2029, even with SetEscapeHTML(false).",
        rust="serde_json writes the characters as UTF-8.",
        impact="None for a JSON parser.",
        fix_go="encoding/json/v2 writes them raw.",
        fix_rust="A serde_json Formatter that escapes them.",
        severity="benign",
        policy="allow",
        at=_escaped_as("separator"),
        types=SPELLED,
        valid=(
            json_pair('{"t":"a\\u2028b"}', '{"t":"a\u2028b"}'),
            json_pair('["\\u2029"]', '["\u2029"]'),
        ),
        invalid=(
            json_pair('{"t":"a\\u2028b"}', '{"t":"a\\nb"}', "another line end"),
            json_pair('{"t":"a\\u2028b"}', '{"t":"a\u2029b"}', "the other separator"),
        ),
    ),
    DivergenceClass(
        id="control-char-escape",
        title="Backspace and form feed: short or \\u escape",
        go="Up to Go 1.21 \\u0008 and \\u000c; from 1.22 \\b and \\f.",
        rust="\\b and \\f.",
        impact="None for a JSON parser.",
        fix_go="Build with Go 1.22 or later.",
        fix_rust="A serde_json Formatter with write_char_escape.",
        severity="benign",
        policy="allow",
        at=_escaped_as("control"),
        types=SPELLED,
        valid=(
            json_pair('{"t":"a\\u0008b"}', '{"t":"a\\bb"}'),
            json_pair('{"t":"\\u000c"}', '{"t":"\\f"}'),
        ),
        invalid=(
            json_pair('{"t":"a\\u0008b"}', '{"t":"a\\fb"}', "another control character"),
            json_pair('{"t":"a\\u0008b"}', '{"t":"ab"}', "dropped"),
        ),
    ),
    DivergenceClass(
        id="ascii-escape",
        title="Non-ASCII characters escaped in JSON strings",
        go="gin's AsciiJSON writes \\u00e9.",
        rust="serde_json writes the character as UTF-8.",
        impact="None for a JSON parser.",
        fix_go="JSON instead of AsciiJSON.",
        fix_rust="A serde_json Formatter that escapes from U+0080 up.",
        severity="benign",
        policy="allow",
        at=_escaped_as("non-ascii"),
        types=SPELLED,
        valid=(
            json_pair('{"t":"caf\\u00e9"}', '{"t":"caf\u00e9"}'),
            json_pair('{"t":"\\ud83d\\ude00!"}', '{"t":"\U0001f600!"}', "a surrogate pair"),
        ),
        invalid=(
            json_pair('{"t":"caf\\u00e9"}', '{"t":"cafe"}', "accent lost"),
            json_pair('{"t":"caf\\u00e9"}', '{"t":"cafe\u0301"}', "decomposed: other characters"),
            json_pair('{"t":"\\u1f600"}', '{"t":"\U0001f600"}', "gin's five-digit escape"),
        ),
    ),
    DivergenceClass(
        id="gin-ascii-nonbmp",
        title="gin AsciiJSON spoils characters beyond U+FFFF",
        go="gin 1.8 AsciiJSON writes five hex digits, \\u1f600: it decodes to another text.",
        rust="The right text.",
        impact="Go's text is wrong. The two texts differ, so this is never named by itself.",
        fix_go="A newer gin, or JSON instead of AsciiJSON.",
        fix_rust="None: Rust is right.",
        severity="breaking",
        policy="fail",
        needs="never",
        invalid=(
            json_pair('{"t":"\\u1f600"}', '{"t":"\U0001f600"}', "stays unexplained"),
            json_pair('{"t":"a\\u1f389b"}', '{"t":"a\U0001f389b"}', "within a text"),
        ),
    ),
    DivergenceClass(
        id="debug-format-leak",
        title="Rust Debug text in a string field",
        go="%v prints [a b], map[a:2 b:1] and <nil>.",
        rust='{:?} prints ["a", "b"], {"a": 2, "b": 1}, None and Some("x").',
        impact="A bug: debug text reached clients.",
        fix_go="Format the field on purpose, not with %v.",
        fix_rust="Display or an explicit format; unwrap the Option first.",
        severity="breaking",
        policy="fail",
        at=_is_debug_format_leak,
        types=between(ANY, STRINGS) - {"time time", "uuid uuid"},
        valid=(
            json_pair('{"s":"x"}', '{"s":"Some(\\"x\\")"}'),
            json_pair('{"s":5}', '{"s":"Some(5)"}'),
            json_pair('{"s":"<nil>"}', '{"s":"None"}'),
            json_pair('{"s":""}', '{"s":"None"}'),
            json_pair('{"s":"[a b]"}', '{"s":"[\\"a\\", \\"b\\"]"}'),
            json_pair('{"s":"map[a:2 b:1]"}', '{"s":"{\\"b\\": 1, \\"a\\": 2}"}'),
            json_pair('{"s":"{1 <nil> x}"}', '{"s":"P { a: 1, b: None, c: \\"x\\" }"}'),
        ),
        invalid=(
            json_pair('{"s":"x"}', '{"s":"Some(\\"y\\")"}', "another value"),
            json_pair('{"s":"x"}', '{"s":"None"}', "lost"),
            json_pair('{"s":"[a b]"}', '{"s":"[\\"b\\", \\"a\\"]"}', "another order"),
            json_pair('{"s":"map[a:2 b:1]"}', '{"s":"{\\"a\\": 1, \\"b\\": 2}"}', "swapped"),
        ),
    ),
)
