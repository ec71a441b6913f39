"""Numbers: the same value in another notation, and values a stack cannot keep."""

from __future__ import annotations

import math
import re
import struct
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.examples import Example, answer, json_pair
from shadow.compare.classes.strings import escape_kinds
from shadow.compare.classes.value_types import NUMBERS, between
from shadow.compare.json_text import NotJsonError, Number, decimal_key, read_exact

LONGEST: Final = 400
"""Characters of a number that is looked at: the longest double has 327 without an exponent."""


def _lexemes(place: Place) -> tuple[str, str] | None:
    """Both sides as they were written, where both are JSON numbers."""
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, Number) or not isinstance(rust, Number):
        return None
    if len(go.lexeme) > LONGEST or len(rust.lexeme) > LONGEST:
        return None
    return go.lexeme, rust.lexeme


def has_exponent(lexeme: str) -> bool:
    """Whether a number is written with an exponent."""
    return "e" in lexeme or "E" in lexeme


def _is_zero(lexeme: str) -> bool:
    key = decimal_key(lexeme)
    return isinstance(key, tuple) and not key[1]


def _shortest(lexeme: str) -> float | None:
    """The double of a lexeme with exactly the shortest digits for it, else None."""
    value = float(lexeme)
    if not math.isfinite(value) or decimal_key(lexeme) != decimal_key(repr(value)):
        return None
    return value


def _digits(lexeme: str) -> int:
    key = decimal_key(lexeme)
    return len(key[1]) if isinstance(key, tuple) else 0


def single(value: float) -> float | None:
    """The value rounded to a float32."""
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return None
    return float(rounded)


def _digits_of_single(value: float) -> int:
    """Significant digits that the shortest text of a float32 needs."""
    return next(n for n in range(1, 18) if single(float(f"{value:.{n - 1}e}")) == value)


def _is_negative_zero(place: Place) -> bool:
    lexemes = _lexemes(place)
    if lexemes is None or lexemes[0] == lexemes[1] or not all(map(_is_zero, lexemes)):
        return False
    return any(lexeme.startswith("-") for lexeme in lexemes)


def _is_float_integral_point(place: Place) -> bool:
    lexemes = _lexemes(place)
    return lexemes is not None and lexemes[1] == lexemes[0] + ".0" and place.go.integral


def _is_float_exponent_notation(place: Place) -> bool:
    lexemes = _lexemes(place)
    if lexemes is None or lexemes[0] == lexemes[1] or not any(map(has_exponent, lexemes)):
        return False
    return decimal_key(lexemes[0]) == decimal_key(lexemes[1])


def _is_float32_widened(place: Place) -> bool:
    """One side is the shortest text of a float32, the other of the same value as a double."""
    lexemes = _lexemes(place)
    if lexemes is None or (place.go.integral and place.rust.integral):
        return False
    short, long = sorted(lexemes, key=_digits)
    value = _shortest(long)
    if value is None or _digits(long) < 9 or _digits(short) > 9 or single(value) != value:
        return False
    if single(float(short)) != value or decimal_key(short) == decimal_key(long):
        return False
    return _digits(short) == _digits_of_single(value)


def _is_float_ulp(place: Place) -> bool:
    """Neighbouring doubles, both written with their shortest digits."""
    lexemes = _lexemes(place)
    if lexemes is None or (place.go.integral and place.rust.integral):
        return False
    if max(map(_digits, lexemes)) < 15:
        return False
    go, rust = map(_shortest, lexemes)
    if go is None or rust is None:
        return False
    return rust in (math.nextafter(go, math.inf), math.nextafter(go, -math.inf)) and go != rust


def _is_bigint_precision_loss(place: Place) -> bool:
    lexemes = _lexemes(place)
    if lexemes is None or not place.rust.integral or abs(int(lexemes[1])) <= 2**53:
        return False
    rounded = decimal_key(repr(float(lexemes[1])))
    return decimal_key(lexemes[0]) == rounded != decimal_key(lexemes[1])


def _is_raw_json_respelled(place: Place) -> bool:
    """Fractions with other zeros, or escapes that neither stack writes by itself."""
    if place.in_json and "other" in escape_kinds(place.go, place.rust):
        return True
    lexemes = _lexemes(place)
    if lexemes is None or lexemes[0] == lexemes[1]:
        return False
    if not all("." in lexeme and not has_exponent(lexeme) for lexeme in lexemes):
        return False
    return decimal_key(lexemes[0]) == decimal_key(lexemes[1])


_NOT_FINITE: Final = re.compile(r"unsupported value: (?:NaN|\+Inf|-Inf)")


def _is_nonfinite_text(place: Place) -> bool:
    """The text of protojson for a float that JSON has no number for."""
    if not place.in_json or place.rust is not None or not isinstance(place.go, str):
        return False
    return place.go in ("NaN", "Infinity", "-Infinity")


def _is_float_nonfinite(pair: Pair) -> bool:
    """Go could not encode the float and Rust wrote null for it."""
    go, rust = pair.go, pair.rust
    if go.status < 200 or rust.status != 200:
        return False
    if go.status == 200 and not _NOT_FINITE.search(go.text):
        sent = go.text.rstrip()
        is_json = go.media_type == "application/json" or go.media_type.endswith("+json")
        cut = is_json and rust.text.startswith(sent) and sent != rust.text.rstrip()
        return cut and _has_null(rust.text, len(sent))
    return bool(_NOT_FINITE.search(go.text)) and _has_null(rust.text, 0)


def _has_null(text: str, start: int) -> bool:
    """A JSON text holds a null at or after a position."""
    if "null" not in text[start:]:
        return False
    try:
        stack = [read_exact(text).value]
    except NotJsonError:
        return False
    while stack:
        value = stack.pop()
        if value is None:
            return True
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return False


CLASSES: Final = (
    DivergenceClass(
        id="float-nonfinite",
        title="NaN or infinity, which JSON cannot hold",
        go='An encoding error: 500, or 200 with an empty body; protojson writes "NaN".',
        rust="serde_json writes null.",
        impact="A failed request became a success with a null in it.",
        fix_go="Guard the division where the value arises.",
        fix_rust="The same guard, so that null is not written unseen.",
        severity="breaking",
        policy="fail",
        at=_is_nonfinite_text,
        types=between(("string",), ("null",)),
        on_success=True,
        whole=_is_float_nonfinite,
        valid=(
            Example(
                go=answer(200, "", Content_Type="application/json"),
                rust=answer(200, '{"v":null}'),
                note="the encoder failed after the header was sent",
            ),
            Example(
                go=answer(500, "json: unsupported value: NaN\n", Content_Type="text/plain"),
                rust=answer(200, '{"v":null}'),
            ),
            json_pair('{"v":"NaN"}', '{"v":null}', "protojson"),
        ),
        invalid=(
            Example(
                go=answer(200, "", Content_Type="application/json"),
                rust=answer(200, '{"v":0}'),
                note="no null",
            ),
            Example(
                go=answer(500, "database is down\n", Content_Type="text/plain"),
                rust=answer(200, '{"v":null}'),
                note="another error",
            ),
            json_pair('{"v":"Nan"}', '{"v":null}', "a name"),
        ),
    ),
    DivergenceClass(
        id="negative-zero",
        title="Zero with a sign",
        go="A float that is negative zero is written -0.",
        rust="-0.0.",
        impact="None for most clients; a typed integer client may refuse -0.0.",
        fix_go="Add 0 before encoding.",
        fix_rust="x + 0.0 before serialising.",
        severity="benign",
        policy="fail",
        at=_is_negative_zero,
        types=NUMBERS,
        valid=(
            json_pair('{"v":-0}', '{"v":-0.0}'),
            json_pair('{"v":0}', '{"v":-0.0}', "one side signed"),
        ),
        invalid=(
            json_pair('{"v":-0}', '{"v":-0.1}', "not zero"),
            json_pair('{"v":0}', '{"v":0.0}', "no sign: float-integral-point"),
        ),
    ),
    DivergenceClass(
        id="float-integral-point",
        title="A whole float with or without .0",
        go="float64 1 is written 1.",
        rust="f64 1 is written 1.0.",
        impact="None in JavaScript; integer-typed decoders (Go, Java, Rust) refuse 1.0.",
        fix_go="None: there is no option.",
        fix_rust="An integer type, or a Formatter with write_f64.",
        severity="risky",
        policy="fail",
        at=_is_float_integral_point,
        types=NUMBERS,
        valid=(
            json_pair('{"v":1}', '{"v":1.0}'),
            json_pair('{"v":[-12,0]}', '{"v":[-12.0,0.0]}'),
        ),
        invalid=(
            json_pair('{"v":1}', '{"v":1.1}', "another value"),
            json_pair('{"v":1}', '{"v":10}', "ten times as much"),
            json_pair('{"v":1}', '{"v":"1.0"}', "text"),
        ),
    ),
    DivergenceClass(
        id="float-exponent-notation",
        title="A float with or without exponent",
        go="Plain from 1e-6 up to 1e21, else 1e-7, 1e+21.",
        rust="Plain from 1e-5 up to 1e16, else 1e-6, 1e16 (1e+16 from serde_json 1.0.147).",
        impact="None for a JSON parser; patterns and integer parsers break.",
        fix_go="An integer type, where the value is whole.",
        fix_rust="A Formatter with write_f64; the same serde_json in every replica.",
        severity="risky",
        policy="fail",
        at=_is_float_exponent_notation,
        types=NUMBERS,
        valid=(
            json_pair('{"v":10000000000000000}', '{"v":1e+16}'),
            json_pair('{"v":0.0000015}', '{"v":1.5e-6}'),
            json_pair('{"v":1e+21}', '{"v":1e21}', "both, with and without plus"),
        ),
        invalid=(
            json_pair('{"v":1e+21}', '{"v":1e20}', "a tenth"),
            json_pair('{"v":10000000000000000}', '{"v":1.1e+16}', "another value"),
        ),
    ),
    DivergenceClass(
        id="float32-widened",
        title="A 32-bit float written as a 64-bit one",
        go="float32 0.1 is written 0.1; as float64 0.10000000149011612.",
        rust="f32 the same; json!, Value and `as f64` write the long form.",
        impact="Seen by people and by comparisons; the value is the same float.",
        fix_go="Keep the field float32, or float64 from the start.",
        fix_rust="Keep f32 up to the serializer: no json! and no Value.",
        severity="risky",
        policy="fail",
        at=_is_float32_widened,
        types=NUMBERS,
        valid=(
            json_pair('{"v":0.1}', '{"v":0.10000000149011612}'),
            json_pair('{"v":3.4000000953674316}', '{"v":3.4}', "widened in Go"),
            json_pair('{"v":-1.5e-7}', '{"v":-1.500000053056283e-07}', "small"),
        ),
        invalid=(
            json_pair('{"v":0.1}', '{"v":0.10000000149011613}', "a digit off"),
            json_pair('{"v":0.1}', '{"v":0.1000000015}', "rounded"),
            json_pair('{"v":0.2}', '{"v":0.10000000149011612}', "another value"),
            json_pair('{"v":123456790}', '{"v":123456792}', "integers"),
        ),
    ),
    DivergenceClass(
        id="float-ulp",
        title="Neighbouring doubles",
        go="Constant expressions are exact; maths functions are Go's own; some CPUs fuse.",
        rust="Computed step by step; serde_json without float_roundtrip reads one step off.",
        impact="Small, but it sums up, breaks equality, and stored data can drift.",
        fix_go="Round before writing.",
        fix_rust='serde_json = { features = ["float_roundtrip"] }; round before writing.',
        severity="risky",
        policy="fail",
        at=_is_float_ulp,
        types=NUMBERS,
        valid=(
            json_pair('{"v":0.3}', '{"v":0.30000000000000004}'),
            json_pair('{"v":1.557407724654902}', '{"v":1.5574077246549023}'),
            json_pair('{"v":1}', '{"v":0.9999999999999999}'),
        ),
        invalid=(
            json_pair('{"v":0.3}', '{"v":0.31}', "a cent off"),
            json_pair('{"v":0.3}', '{"v":0.3000000000000001}', "two steps off"),
            json_pair('{"v":0.3}', '{"v":0.30000000000000003}', "not the shortest digits"),
            json_pair('{"v":9007199254740993}', '{"v":9007199254740992}', "integers"),
        ),
    ),
    DivergenceClass(
        id="bigint-precision-loss",
        title="An integer beyond 2^53 that Go rounded",
        go="Numbers through any are float64: 9007199254740993 becomes ...992.",
        rust="serde_json::Value keeps 64-bit integers exact.",
        impact="The value on the wire changed; Rust's is the right one.",
        fix_go="Decoder.UseNumber, or a typed int64.",
        fix_rust="None: Rust is right.",
        severity="breaking",
        policy="fail",
        at=_is_bigint_precision_loss,
        types=NUMBERS,
        valid=(
            json_pair('{"v":9007199254740992}', '{"v":9007199254740993}'),
            json_pair('{"v":18446744073709552000}', '{"v":18446744073709551615}'),
            json_pair(
                '{"v":1.2345678901234568e+29}',
                '{"v":123456789012345678901234567890}',
                "arbitrary_precision",
            ),
        ),
        invalid=(
            json_pair('{"v":9007199254740993}', '{"v":9007199254740992}', "lost in Rust"),
            json_pair('{"v":9007199254740992}', '{"v":9007199254740994}', "exact as a double"),
            json_pair('{"v":41}', '{"v":42}', "small"),
        ),
    ),
    DivergenceClass(
        id="raw-json-respelled",
        title="JSON passed through, spelled as it came or anew",
        go="json.RawMessage keeps numbers and escapes as they came: 1.50.",
        rust="serde_json::Value writes them anew: 1.5; RawValue keeps them.",
        impact="None for a JSON parser; hashes over the bytes change.",
        fix_go="Decode and encode, where a fixed spelling is wanted.",
        fix_rust="Box<RawValue> keeps the text.",
        severity="benign",
        policy="allow",
        at=_is_raw_json_respelled,
        types=NUMBERS,
        valid=(
            json_pair('{"v":1.50}', '{"v":1.5}'),
            json_pair('{"v":2.00,"a":1}', '{"a":1,"v":2.0}', "with other key order"),
            json_pair('{"u":"a\\/b"}', '{"u":"a/b"}', "an escape kept by RawMessage"),
        ),
        invalid=(
            json_pair('{"v":1.50}', '{"v":1.05}', "another value"),
            json_pair('{"v":1.0}', '{"v":1}', "an integer to typed clients"),
            json_pair('{"u":"a\\/b"}', '{"u":"a\\\\/b"}', "a backslash more"),
        ),
    ),
)
