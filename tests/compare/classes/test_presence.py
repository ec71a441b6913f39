from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import presence
from tests.compare.classes.shape_families import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)
from tests.compare.values import VALUES, text

ZEROS: tuple[object, ...] = ("", 0, 0.0, False, [], {})


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(presence)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(presence, go, rust)


@given(VALUES)
def test_a_key_that_go_lacks_is_named_only_for_null_and_zeros(value: object) -> None:
    found = named_json('{"k":1}', f'{{"k":1,"more":{text(value)}}}')
    if value is None:
        assert found == ["omitempty-missing-vs-null"]
    elif any(value == zero and type(value) is type(zero) for zero in ZEROS):
        assert found == ["omitempty-missing-vs-zero"]
    else:
        assert found == [None]


@given(VALUES)
def test_a_key_that_rust_lacks_is_named_only_for_null_and_zeros(value: object) -> None:
    found = named_json(f'{{"k":1,"more":{text(value)}}}', '{"k":1}')
    zero = value is None or any(value == zero and type(value) is type(zero) for zero in ZEROS)
    assert found == ["zero-vs-skipped" if zero else None]


@given(st.sampled_from(["null", "[]", "{}", '""', "0"]), st.sampled_from(["null", "[]", "{}"]))
def test_null_against_empty_is_decided_by_the_empty_side(go: str, rust: str) -> None:
    expected = {
        ("null", "[]"): ["nil-slice-null"],
        ("[]", "null"): ["nil-slice-null"],
        ("null", "{}"): ["nil-map-null"],
        ("{}", "null"): ["unit-struct-null"],
    }
    assert named_json(go, rust) == ([] if go == rust else expected.get((go, rust), [None]))


def test_a_member_that_may_stand_elsewhere_is_not_explained() -> None:
    assert named_json('{"userID":7,"n":"x"}', '{"user_id":0,"n":"x"}') == [None, None]
    assert named_json('{"id":0,"n":"x"}', '{"base":{"id":2},"n":"x"}') == [None, None]


def test_a_repeated_name_is_not_a_missing_one() -> None:
    assert named_json('{"a":0}', '{"a":0,"a":0}') == [None]
