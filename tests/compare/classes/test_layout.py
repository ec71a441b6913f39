from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import layout
from shadow.compare.json_text import read
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(layout)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(layout, go, rust)


@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=6), st.randoms())
def test_members_in_another_order_are_only_a_spelling(members: dict[str, int], random: Any) -> None:
    shuffled = list(members.items())
    random.shuffle(shuffled)
    found = named_json(json.dumps(members), json.dumps(dict(shuffled)))
    assert found == ["object-key-order"] * (list(members.items()) != shuffled)


def test_every_difference_of_a_repeated_name_is_named() -> None:
    assert named_json('{"id":1}', '{"id":1,"id":2}') == ["duplicate-output-key"] * 2
    assert named_json('{"id":{"a":1}}', '{"id":{"a":1},"id":{"a":1}}') == ["duplicate-output-key"]
    assert "duplicate-output-key" not in named_json('{"id":1}', '{"id":1.0,"id":2}')


def is_array_order(*samples: tuple[str, str]) -> bool:
    over = layout.CLASSES[2].over
    assert over is not None
    return over([(read(go).value, read(rust).value) for go, rust in samples])


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([("[1,3,2]", "[1,2,3]"), ("[2,1,3]", "[1,2,3]")], True),
        ([("[1,3,2]", "[1,2,3]"), ("[1,3,2]", "[1,2,3]")], False),
        ([("[1,2,3]", "[2,1,3]"), ("[1,2,3]", "[2,3,1]")], True),
        ([("[1,3,2]", "[1,2,3]"), ("[2,1,3]", "[1,2,4]")], False),
        ([("[1,3,2]", "[2,3,1]"), ("[2,3,1]", "[1,3,2]")], False),
        ([("[1,2]", "[2,1]"), ("[2,1]", "[1,2]")], False),
        ([("null", "[]"), ("[]", "null")], False),
        ([], False),
    ],
)
def test_an_order_must_be_shown_to_be_unstable(
    samples: list[tuple[str, str]], expected: bool
) -> None:
    assert is_array_order(*samples) is expected


def test_a_member_that_is_the_same_everywhere_is_no_sort_key() -> None:
    go = '[{"k":"x","n":2},{"k":"x","n":3},{"k":"x","n":1}]'
    rust = '[{"k":"x","n":1},{"k":"x","n":2},{"k":"x","n":3}]'
    assert not is_array_order((go, rust), (go.replace("3", "4"), rust.replace("3", "4")))


@given(st.lists(st.tuples(ANYTHING, ANYTHING), max_size=4))
def test_samples_of_anything_never_raise(samples: list[tuple[object, object]]) -> None:
    texts = [(json.dumps(go), json.dumps(rust)) for go, rust in samples]
    assert is_array_order(*texts) in (True, False)
