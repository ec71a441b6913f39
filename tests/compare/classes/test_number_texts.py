from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import number_texts
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(number_texts)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(number_texts, go, rust)


DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9
)


@given(DECIMALS, DECIMALS, st.integers(0, 4))
def test_zeros_at_the_end_are_named_only_for_one_decimal(
    ours: Decimal, theirs: Decimal, more: int
) -> None:
    go, rust = f"{ours:f}", f"{theirs:f}" + "0" * more
    found = named_json(json.dumps([go]), json.dumps([rust]))
    same = go == rust[: len(go)] and ours == theirs
    assert found == (["decimal-trailing-zeros"] * (go != rust) if same else [None])


@given(DECIMALS, DECIMALS)
def test_quotes_are_named_only_for_one_number(ours: Decimal, theirs: Decimal) -> None:
    found = named_json(f'["{ours:f}"]', f"[{theirs:f}]")
    same = ours == theirs and ours.is_signed() == theirs.is_signed()
    assert found == ["number-as-string" if same else None]


@given(st.integers(1, 10**6), st.integers(-30, 30), st.integers(1, 10**6))
def test_an_exponent_in_text_is_named_only_for_one_number(
    digits: int, exponent: int, other: int
) -> None:
    rust = f"{Decimal(digits).scaleb(exponent):f}"
    go = f"{digits}e{exponent:+03}"
    assert named_json(json.dumps([go]), json.dumps([rust])) == ["number-text-format"]
    if other != digits:
        go = f"{other}e{exponent:+03}"
        assert named_json(json.dumps([go]), json.dumps([rust])) == [None]


def test_a_tie_must_be_exact() -> None:
    assert named_json('["0.12"]', '["0.13"]') == [None]
    assert named_json('["472476.12"]', '["472476.13"]') == ["float-display-tie"]
    assert named_json('["472476.22"]', '["472476.23"]') == [None]
    assert named_json('["-472476.12"]', '["-472476.13"]') == ["float-display-tie"]
