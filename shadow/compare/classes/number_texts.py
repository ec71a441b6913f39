"""Numbers in quotes: the same value as text, in another notation."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import json_pair
from shadow.compare.classes.numbers import LONGEST, has_exponent, single
from shadow.compare.classes.value_types import STRINGS, TEXTS, among
from shadow.compare.json_text import Number, decimal_key

_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_NUMBER: Final = re.compile(_DECIMAL.pattern + r"(?:[eE][+-]?[0-9]{1,18})?")
_INFINITIES: Final = {
    **dict.fromkeys(("+Inf", "Inf", "inf", "Infinity", "+Infinity"), "+"),
    **dict.fromkeys(("-Inf", "-inf", "-Infinity"), "-"),
}


def _texts(place: Place) -> tuple[str, str] | None:
    """Both sides, where both are short strings."""
    go, rust = place.go, place.rust
    if not place.in_json or not isinstance(go, str) or not isinstance(rust, str):
        return None
    return (go, rust) if len(go) <= LONGEST and len(rust) <= LONGEST else None


def _is_number_as_string(place: Place) -> bool:
    return place.in_json and (_quotes(place.go, place.rust) or _quotes(place.rust, place.go))


def _quotes(text: Any, value: Any) -> bool:
    """The text says exactly what the number or boolean is."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return False
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if not isinstance(value, Number) or len(value.lexeme) > LONGEST:
        return False
    return bool(_NUMBER.fullmatch(text)) and decimal_key(text) == decimal_key(value.lexeme)


def _is_float_display_tie(place: Place) -> bool:
    """Go's and Rust's last digit are as near to the float; Go took the even one below."""
    texts = _texts(place)
    if texts is None or not all(map(_DECIMAL.fullmatch, texts)):
        return False
    go, rust = texts
    if "." not in go or len(go) != len(rust) or len(go) > 40 or go[:-1] != rust[:-1]:
        return False
    if int(go[-1]) % 2 or int(rust[-1]) != int(go[-1]) + 1:
        return False
    middle = float(go + "5")
    if Fraction(middle) != Fraction(go + "5"):
        return False
    as_double = float(go) == float(rust) == middle
    return as_double or single(float(go)) == single(float(rust)) == middle


def _is_decimal_trailing_zeros(place: Place) -> bool:
    texts = _texts(place)
    if texts is None or texts[0] == texts[1] or not all(map(_DECIMAL.fullmatch, texts)):
        return False
    return decimal_key(texts[0]) == decimal_key(texts[1])


def _is_number_text_format(place: Place) -> bool:
    texts = _texts(place)
    if texts is None or texts[0] == texts[1]:
        return False
    if texts[0] in _INFINITIES:
        return _INFINITIES[texts[0]] == _INFINITIES.get(texts[1])
    if not all(map(_NUMBER.fullmatch, texts)) or not any(map(has_exponent, texts)):
        return False
    return decimal_key(texts[0]) == decimal_key(texts[1])


CLASSES: Final = (
    DivergenceClass(
        id="number-as-string",
        title="A number in quotes",
        go='The ",string" tag, protojson\'s 64-bit integers and shopspring/decimal are quoted.',
        rust="Plain numbers: i64, f64, prost with serde, rust_decimal with serde-float.",
        impact="Breaks typed clients, and JavaScript beyond 2^53.",
        fix_go='Drop ",string".',
        fix_rust="serde_with::DisplayFromStr on the field.",
        severity="breaking",
        policy="fail",
        at=_is_number_as_string,
        types=among(STRINGS, ("number", "boolean")),
        valid=(
            json_pair('{"id":"9007199254740993"}', '{"id":9007199254740993}'),
            json_pair('{"p":"1.10"}', '{"p":1.1}', "decimal"),
            json_pair('{"b":"true"}', '{"b":true}', "boolean"),
            json_pair('{"n":7}', '{"n":"7"}', "quoted by Rust"),
        ),
        invalid=(
            json_pair('{"id":"9007199254740993"}', '{"id":9007199254740992}', "another number"),
            json_pair('{"zip":"007"}', '{"zip":7}', "leading zeros are lost"),
            json_pair('{"b":"true"}', '{"b":1}', "one is not true"),
        ),
    ),
    DivergenceClass(
        id="float-display-tie",
        title="A float as text, rounded the other way at a tie",
        go="Shortest digits, a tie to the even digit: float32 472476.125 is 472476.12.",
        rust="format! and to_string round a tie up: 472476.13.",
        impact="One digit at the end of a text.",
        fix_go="A fixed number of decimals.",
        fix_rust="Text through serde_json or ryu.",
        severity="benign",
        policy="fail",
        at=_is_float_display_tie,
        types=TEXTS,
        valid=(
            json_pair('{"s":"472476.12"}', '{"s":"472476.13"}', "float32"),
            json_pair('{"s":"70368744177664.12"}', '{"s":"70368744177664.13"}', "float64"),
        ),
        invalid=(
            json_pair('{"s":"472476.12"}', '{"s":"472476.14"}', "two off"),
            json_pair('{"s":"472476.13"}', '{"s":"472476.12"}', "the other way round"),
            json_pair('{"s":"1.12"}', '{"s":"1.13"}', "no tie: two floats"),
        ),
    ),
    DivergenceClass(
        id="decimal-trailing-zeros",
        title="A decimal as text, with or without final zeros",
        go='shopspring/decimal trims: "1.1".',
        rust='rust_decimal keeps the scale: "1.10".',
        impact="The same decimal; clients that compare text break.",
        fix_go="StringFixed with the agreed scale.",
        fix_rust="normalize() before serialising.",
        severity="risky",
        policy="fail",
        at=_is_decimal_trailing_zeros,
        types=TEXTS,
        valid=(
            json_pair('{"p":"1.1"}', '{"p":"1.10"}'),
            json_pair('{"p":"5.00"}', '{"p":"5"}'),
        ),
        invalid=(
            json_pair('{"p":"1.1"}', '{"p":"1.01"}', "another value"),
            json_pair('{"p":"1"}', '{"p":"10"}', "ten times as much"),
            json_pair('{"p":"1.1"}', '{"p":"01.10"}', "leading zero"),
        ),
    ),
    DivergenceClass(
        id="number-text-format",
        title="A number as text, with or without exponent",
        go="%v and FormatFloat 'g' write 1e+06, 1e-07 and +Inf.",
        rust="{} never writes an exponent: 1000000, 0.0000001 and inf.",
        impact="Breaks clients that parse the text by a pattern.",
        fix_go="strconv.FormatFloat with 'f'.",
        fix_rust="{:e}, where an exponent is wanted.",
        severity="breaking",
        policy="fail",
        at=_is_number_text_format,
        types=TEXTS,
        valid=(
            json_pair('{"s":"1e+06"}', '{"s":"1000000"}'),
            json_pair('{"s":"1.5e-07"}', '{"s":"0.00000015"}'),
            json_pair('{"s":"+Inf"}', '{"s":"inf"}'),
        ),
        invalid=(
            json_pair('{"s":"1e+06"}', '{"s":"100000"}', "a tenth"),
            json_pair('{"s":"+Inf"}', '{"s":"-inf"}', "another sign"),
            json_pair('{"s":"1e+06"}', '{"s":"1,000,000"}', "grouped"),
        ),
    ),
)
