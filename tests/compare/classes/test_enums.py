from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import enums
from tests.compare.classes.shape_families import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)
from tests.compare.values import VALUES, text

WORDS = st.lists(st.from_regex(r"[a-z]{2,6}", fullmatch=True), min_size=1, max_size=3)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(enums)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(enums, go, rust)


@given(WORDS)
def test_the_styles_of_one_name_are_named(words: list[str]) -> None:
    pascal = "".join(map(str.capitalize, words))
    styles = {
        "_".join(words),
        "-".join(words),
        "_".join(words).upper(),
        pascal,
        pascal[0].lower() + pascal[1:],
    }
    for go in styles:
        for rust in styles - {go}:
            assert named_json(text([go]), text([rust])) == ["enum-name-case"]
            assert named_json(text([go]), text([rust + "s"])) == [None]


@given(VALUES.filter(lambda value: value not in (None, {}, [])), VALUES)
def test_a_tagged_variant_is_named_only_with_its_value(value: object, other: object) -> None:
    found = named_json(f'{{"v":{text(value)}}}', f'{{"v":{{"Circle":{text(value)}}}}}')
    assert set(found) == {"enum-externally-tagged"}
    if not isinstance(value, dict) and text(value) != text(other):
        found = named_json(f'{{"v":{text(value)}}}', f'{{"v":{{"Circle":{text([other])}}}}}')
        if not isinstance(value, list):
            assert found == [None]


@pytest.mark.parametrize(
    "rust",
    [
        '{"s":{"Circle":{"r":1,"x":0}}}',
        '{"s":{"Circle":{"r":10}}}',
        '{"s":{"Circle":{"R2":1}}}',
        '{"s":{"Circles":{"r":1}}}',
        '{"s":{"Circle":[1]}}',
    ],
)
def test_a_tagged_variant_that_is_not_the_named_one_is_left(rust: str) -> None:
    assert "enum-externally-tagged" not in named_json('{"s":{"type":"Circle","r":1}}', rust)
