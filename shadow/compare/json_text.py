"""JSON read without loss: number lexemes, key order, duplicate keys, string spelling.

Values are `dict`, `list`, `str`, `Number`, `bool` and `None`. A number is its lexeme, so
`1`, `1.0` and `1e0` are three values and integers are exact at any size. Two trees compare
with `==` at C speed and type-strictly: no Python number ever occurs in them.
"""

from __future__ import annotations

import json
import json.decoder
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

Json = Any
"""dict[str, Json] | list[Json] | str | Number | bool | None"""


class Number(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="\x00number"):
    """A JSON number as it was written. The tag tells it from a string where both are encoded."""

    lexeme: str

    @property
    def integral(self) -> bool:
        """Written without fraction and exponent."""
        return self.lexeme.lstrip("-").isdigit()


class Text(str):
    """A string that was written with escapes; `lexeme` is how, quotes included."""

    __slots__ = ("lexeme",)
    lexeme: str


class Repeated(dict[str, Json]):
    """An object in which a name occurs more than once: the last value wins, `pairs` has all."""

    __slots__ = ("pairs",)
    pairs: list[tuple[str, Json]]


class NotJsonError(ValueError):
    """The text is not JSON (RFC 8259)."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON text and its value."""

    text: str
    value: Json
    repeats: bool
    """Some object repeats a name, so `==` on the value does not see everything."""

    def whole(self) -> Document:
        """Itself: it is read."""
        return self


def _reject(constant: str) -> Json:
    raise NotJsonError(f"{constant} is not JSON")


def lossless(
    members: Callable[[list[tuple[str, Json]]], Json] | None = None,
) -> json.JSONDecoder:
    """Make a decoder that keeps the lexemes of numbers; `members` makes an object of its pairs."""
    return json.JSONDecoder(
        parse_float=Number,
        parse_int=Number,
        parse_constant=_reject,
        object_pairs_hook=members,
    )


def read(text: str) -> Document:
    """Read a JSON text; strings lose their spelling (`read_exact` keeps it).

    Raises NotJsonError.
    """
    repeats = False

    def members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        nonlocal repeats
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        repeats = True
        return repeated(pairs)

    try:
        value = lossless(members).decode(text)
    except RecursionError:
        return read_exact(text)
    except json.JSONDecodeError as error:
        raise NotJsonError(str(error)) from None
    return Document(text=text, value=value, repeats=repeats)


def repeated(pairs: list[tuple[str, Json]]) -> Repeated:
    """Build the object of pairs in which a name repeats."""
    found = Repeated(pairs)
    found.pairs = pairs
    return found


def pairs_of(value: dict[str, Json]) -> list[tuple[str, Json]]:
    """The members of an object, with all values of a name that repeats."""
    return value.pairs if isinstance(value, Repeated) else list(value.items())


TOKEN: Final = re.compile(
    r"[ \t\n\r]*(?:(?P<mark>[{}\[\]:,])"
    r'|(?P<string>"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>true|false|null)|(?P<end>\Z))"
)
"""The next token after white space; `mark`, `string`, `number`, `word` or `end`."""
_scanstring: Final[Callable[..., tuple[str, int]]] = vars(json.decoder)["scanstring"]
_WORDS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}


def string_value(lexeme: str) -> str:
    """The value of a JSON string, given with its quotes. Raises NotJsonError."""
    if "\\" not in lexeme:
        return lexeme[1:-1]
    try:
        value, _ = _scanstring(lexeme, 1, True)
    except json.JSONDecodeError as error:
        raise NotJsonError(str(error)) from None
    return value


def is_plain_scalar(text: str) -> bool:
    """Whether a JSON text is no container, and no string with escapes."""
    return text[0] not in '{["' or (text[0] == '"' and "\\" not in text)


def read_scalar(text: str) -> Json:
    """The value of a plain scalar."""
    if text[0] == '"':
        return text[1:-1]
    return _WORDS[text] if text in _WORDS else Number(text)


class _Open:
    """A container that is being read."""

    __slots__ = ("is_object", "items", "key", "pairs")

    def __init__(self, *, is_object: bool) -> None:
        self.is_object = is_object
        self.items: list[Json] = []
        self.pairs: list[tuple[str, Json]] = []
        self.key: str | None = None

    @property
    def empty(self) -> bool:
        return not self.items and not self.pairs

    def add(self, value: Json) -> None:
        if self.is_object:
            assert self.key is not None
            self.pairs.append((self.key, value))
            self.key = None
        else:
            self.items.append(value)

    def close(self) -> Json:
        if not self.is_object:
            return self.items
        found = dict(self.pairs)
        return found if len(found) == len(self.pairs) else repeated(self.pairs)


class _ExactReader:
    """Reads one text with an explicit stack: any depth, every lexeme kept."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stack: list[_Open] = []
        self.repeats = False
        self.result: list[Json] = []

    def fail(self, position: int) -> NotJsonError:
        return NotJsonError(f"unexpected text at character {position}")

    def string(self, lexeme: str) -> str:
        if "\\" not in lexeme:
            return lexeme[1:-1]
        spelled = Text(string_value(lexeme))
        spelled.lexeme = lexeme
        return spelled

    def value(self, value: Json) -> None:
        if self.stack:
            self.stack[-1].add(value)
        else:
            self.result.append(value)

    def close(self, mark: str, position: int) -> None:
        if not self.stack or self.stack[-1].is_object != (mark == "}"):
            raise self.fail(position)
        value = self.stack.pop().close()
        self.repeats = self.repeats or isinstance(value, Repeated)
        self.value(value)

    def run(self) -> Document:  # noqa: C901, PLR0912 - one state machine, easier read whole
        position = 0
        # what may come next: "value", "first" (value or close), "key", "key?" (key or
        # close), "colon", "comma" (comma or close), "end"
        state = "value"
        match: Callable[..., re.Match[str] | None] = TOKEN.match
        while True:
            token = match(self.text, position)
            if token is None:
                raise self.fail(position)
            position = token.end()
            group, lexeme = token.lastgroup, token[token.lastgroup or 0]
            if group == "end":
                if state != "end":
                    raise self.fail(position)
                return Document(text=self.text, value=self.result[0], repeats=self.repeats)
            if state in ("key", "key?") and group == "string":
                self.stack[-1].key = self.string(lexeme)
                state = "colon"
            elif state == "colon" and lexeme == ":":
                state = "value"
            elif state in ("comma", "first", "key?") and lexeme in ("]", "}") and group == "mark":
                self.close(lexeme, position)
                state = "comma" if self.stack else "end"
            elif state == "comma" and lexeme == ",":
                state = "key" if self.stack[-1].is_object else "value"
            elif state not in ("value", "first"):
                raise self.fail(position)
            elif group == "mark":
                if lexeme not in ("[", "{"):
                    raise self.fail(position)
                self.stack.append(_Open(is_object=lexeme == "{"))
                state = "key?" if lexeme == "{" else "first"
            else:
                if group == "string":
                    self.value(self.string(lexeme))
                elif group == "number":
                    self.value(Number(lexeme))
                else:
                    self.value(_WORDS[lexeme])
                state = "comma" if self.stack else "end"


def read_exact(text: str) -> Document:
    """Read a JSON text of any depth, keeping the spelling of strings too (`Text`).

    About twenty times slower than `read`. Raises NotJsonError.
    """
    return _ExactReader(text).run()


_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")


def escapes(text: str) -> list[str]:
    """The escape sequences of a text, in order."""
    return _ESCAPE.findall(text) if "\\" in text else []


def json_type(value: Json) -> str:
    """The JSON type of a value, integers and other numbers apart."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, Number):
        return "integer" if value.integral else "number"
    if isinstance(value, bool):
        return "boolean"
    if value is None:
        return "null"
    return "object" if isinstance(value, dict) else "array"


_LONGEST_EXPONENT: Final = 18


def decimal_key(lexeme: str) -> tuple[bool, str, int] | str:
    """A key that two lexemes share exactly when they are the same decimal, signed zero apart.

    (negative, digits without outer zeros, exponent of the last digit). An exponent of more
    than 18 digits is compared as text.
    """
    negative = lexeme.startswith("-")
    mantissa, _, exponent_text = lexeme.lstrip("-").lower().partition("e")
    if len(exponent_text) > _LONGEST_EXPONENT:
        return lexeme
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    if not stripped:
        return (negative, "", 0)
    exponent = int(exponent_text or "0") - len(fraction) + len(digits) - len(stripped)
    return (negative, stripped, exponent)


def to_text(value: Json, limit: int = 4096) -> str:
    """A value as compact JSON, lexemes as they stood; cut after about `limit` characters."""
    if not isinstance(value, dict | list):
        return scalar_text(value, limit)
    parts: list[str] = []
    room = limit
    stack: list[Json] = [value]
    while stack and room > 0:
        item = stack.pop()
        if isinstance(item, _Mark):
            piece = item.text
        elif isinstance(item, dict):
            piece = "{"
            stack.append(_Mark("}"))
            _push_pairs(stack, pairs_of(item)[:room])
        elif isinstance(item, list):
            piece = "["
            stack.append(_Mark("]"))
            _push_items(stack, item[:room])
        else:
            piece = scalar_text(item, room)
        parts.append(piece)
        room -= len(piece)
    return "".join(parts) + ("…" if stack else "")


class _Mark(msgspec.Struct, frozen=True):
    text: str


def _push_pairs(stack: list[Json], pairs: list[tuple[str, Json]]) -> None:
    for index in range(len(pairs) - 1, -1, -1):
        key, value = pairs[index]
        stack.append(value)
        stack.append(_Mark(("," if index else "") + scalar_text(key, len(key) + 2) + ":"))


def _push_items(stack: list[Json], items: list[Json]) -> None:
    for index in range(len(items) - 1, -1, -1):
        stack.append(items[index])
        if index:
            stack.append(_Mark(","))


def scalar_text(value: Json, room: int = 4096) -> str:
    """The JSON text of a string, number, boolean or null; a long string is cut."""
    if isinstance(value, Text):
        return value.lexeme
    if isinstance(value, str):
        cut = value if len(value) <= room else value[:room] + "…"
        text = json.encoder.encode_basestring(cut)
        return text if is_encodable(text) else json.encoder.encode_basestring_ascii(cut)
    if isinstance(value, Number):
        return value.lexeme
    return {True: "true", False: "false", None: "null"}[value]


def is_encodable(text: str) -> bool:
    """Whether a text holds no lone surrogate, which no file or terminal takes."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
