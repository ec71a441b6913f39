from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import numbers
from shadow.compare.classes.examples import Example, answer
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(numbers)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(numbers, go, rust)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


def digits_of(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits and decimal exponent of the first digit."""
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits))
    assert isinstance(exponent, int)
    return "-" * (math.copysign(1, value) < 0), text.rstrip("0") or "0", exponent + len(text) - 1


def plain(digits: str, first: int, point: str) -> str:
    if first < 0:
        return "0." + "0" * (-first - 1) + digits
    if len(digits) <= first + 1:
        return digits.ljust(first + 1, "0") + point
    return digits[: first + 1] + "." + digits[first + 1 :]


def exponential(digits: str, first: int, plus: str) -> str:
    point = "." if len(digits) > 1 else ""
    return f"{digits[0]}{point}{digits[1:]}e{plus if first > 0 else ''}{first}"


def in_go(value: float) -> str:
    """As encoding/json writes a float64."""
    sign, digits, first = digits_of(value)
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return sign + plain(digits, 0 if value == 0 else first, "")
    return sign + exponential(digits, first, "+")


def in_rust(value: float, plus: str) -> str:
    """As serde_json writes an f64."""
    sign, digits, first = digits_of(value)
    if value == 0 or 1e-5 <= abs(value) < 1e16:
        return sign + plain(digits, 0 if value == 0 else first, ".0")
    return sign + exponential(digits, first, plus)


@given(FINITE | st.integers(-(2**70), 2**70).map(float), st.sampled_from(["", "+"]))
def test_every_double_as_both_stacks_write_it_is_named(value: float, plus: str) -> None:
    go, rust = in_go(value), in_rust(value, plus)
    assert float(go) == value == float(rust)
    expected = "negative-zero" if go == "-0" else "float-integral-point"
    if "e" in go + rust:
        expected = "float-exponent-notation"
    assert named_json(f"[{go}]", f"[{rust}]") == [expected] * (go != rust)


@given(FINITE.filter(lambda value: value != 0), st.integers(1, 5), st.booleans())
def test_a_neighbour_is_a_ulp_and_further_off_is_nothing(
    value: float, steps: int, up: bool
) -> None:
    other = value
    for _ in range(steps):
        other = math.nextafter(other, math.inf if up else -math.inf)
    if not math.isfinite(other) or other == 0:
        return
    found = named_json(f"[{in_go(value)}]", f"[{in_rust(other, '+')}]")
    if steps > 1:
        assert found == [None]
    else:
        long = max(len(digits_of(value)[1]), len(digits_of(other)[1])) >= 15
        integers = in_rust(other, "+").lstrip("-").isdigit()
        assert found == (["float-ulp"] if long and not integers else [None])


@given(st.floats(width=32, allow_nan=False, allow_infinity=False).filter(lambda v: v != 0))
def test_a_widened_float32_is_named_and_no_other_double(value: float) -> None:
    short = next(
        text
        for text in (f"{value:.{n}e}" for n in range(9))
        if numbers.single(float(text)) == value
    )
    go, rust = in_go(float(short)), in_rust(value, "+")
    found = named_json(f"[{go}]", f"[{rust}]")
    if len(digits_of(value)[1]) >= 9 and float(short) != value:
        integers = go.lstrip("-").isdigit() and rust.lstrip("-").isdigit()
        assert found == [None if integers else "float32-widened"]
    other = math.nextafter(value, math.inf)
    assert "float32-widened" not in named_json(f"[{go}]", f"[{in_rust(other, '+')}]")


@given(st.integers(-(2**64), 2**64), st.integers(-3000, 3000))
def test_an_integer_is_only_excused_where_go_rounded_it(value: int, more: int) -> None:
    shortest = in_go(float(value))
    for rust in (value, value + more):
        lost = in_go(float(rust)) == shortest and str(rust) != shortest
        found = named_json(f"[{shortest}]", f"[{rust}]")
        assert ("bigint-precision-loss" in found) == lost


def test_an_integer_that_rust_rounded_is_not_excused() -> None:
    assert named_json("[9007199254740993]", "[9007199254740992]") == [None]
    assert named_json("[18446744073709551615]", "[18446744073709552000]") == [None]


def test_what_was_cut_after_the_header_was_sent() -> None:
    def names(sent: str, whole: str) -> list[str | None]:
        return named(
            Example(go=answer(200, sent, Content_Type="application/json"), rust=answer(200, whole))
        )

    assert "float-nonfinite" in names('{"a":1', '{"a":1,"v":null}')
    assert "float-nonfinite" not in names('{"a":null', '{"a":null,"v":1}')
    assert "float-nonfinite" not in names('{"a":2', '{"a":1,"v":null}')
    assert "float-nonfinite" not in names("", '{"a":"null"}')
