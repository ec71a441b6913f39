from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.json_text import (
    NotJsonError,
    Number,
    Text,
    decimal_key,
    read,
    read_exact,
    to_text,
)
from tests.compare.values import VALUES, text


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_the_exact_reader_agrees_with_the_fast_one(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    spelled = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_exact(spelled).value == read(spelled).value


@given(VALUES)
def test_a_value_is_shown_as_it_stood(value: Any) -> None:
    spelled = text(value, separators=(",", ":"))
    assert to_text(read(spelled).value, 1 << 20) == spelled


@given(st.text(alphabet='[]{}",:0123456789.eE+-truefalsn\\u \n', max_size=24))
def test_both_readers_accept_the_same_texts(candidate: str) -> None:
    assert outcome(read, candidate) == outcome(read_exact, candidate)


def outcome(reader: Any, candidate: str) -> Any:
    try:
        return reader(candidate).value
    except NotJsonError:
        return "not JSON"


@pytest.mark.parametrize(
    "bad", ["", "NaN", "[Infinity]", "[1,]", '{"a" 1}', "[1 2]", '"\x01"', "01", "1.", "{1:2}", "]"]
)
def test_what_is_not_json_is_refused(bad: str) -> None:
    for reader in (read, read_exact):
        with pytest.raises(NotJsonError):
            reader(bad)


def test_lexemes_survive() -> None:
    found = read_exact('{"n":1.50,"s":"a\\u003cb"}').value
    assert found["n"] == Number("1.50")
    assert isinstance(found["s"], Text)
    assert (found["s"], found["s"].lexeme) == ("a<b", '"a\\u003cb"')


def test_repeated_names_are_visible() -> None:
    document = read('{"a":1,"a":2}')
    assert document.repeats
    assert document.value.pairs == [("a", Number("1")), ("a", Number("2"))]


NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@given(NUMBERS, NUMBERS)
def test_decimal_keys_are_equal_exactly_when_the_decimals_are(left: str, right: str) -> None:
    same = Decimal(left) == Decimal(right) and (
        Decimal(left).is_signed() == Decimal(right).is_signed()
    )
    assert (decimal_key(left) == decimal_key(right)) == same


def test_a_hostile_exponent_costs_nothing() -> None:
    assert decimal_key("1e" + "9" * 1_000) != decimal_key("1")


def test_a_long_value_is_cut() -> None:
    shown = to_text(read(text(["x" * 100_000] * 1_000)).value, 500)
    assert len(shown) < 1_200
    assert shown.endswith("…")


def test_a_lone_surrogate_is_shown_escaped() -> None:
    assert to_text(read('"\\ud800"').value) == '"\\ud800"'


@pytest.mark.parametrize(
    ("lexeme", "other"),
    [
        (str(2**64), str(2**64 + 1)),
        ("0.1", "0.1000000000000000055511151231257827"),
    ],
)
def test_numbers_that_other_parsers_fold_stay_apart(lexeme: str, other: str) -> None:
    assert json.loads(lexeme) == json.loads(other) or float(lexeme) == float(other)
    assert read(lexeme).value != read(other).value
    assert decimal_key(lexeme) != decimal_key(other)
