from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import shapes
from shadow.compare.json_text import Number
from tests.compare.classes.shape_families import (
    ANYTHING,
    check_examples,
    check_never_raises,
    mutants,
    named_json,
)
from tests.compare.values import VALUES, text

WORD = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
NAMES = st.lists(WORD, min_size=1, max_size=3)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(shapes)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(shapes, go, rust)


@given(NAMES, VALUES, VALUES)
def test_a_renamed_field_is_named_only_with_its_value(
    words: list[str], value: object, other: object
) -> None:
    go, rust = "".join(map(str.capitalize, words)), "_".join(words)
    same = named_json(f'{{"{go}":{text(value)}}}', f'{{"{rust}":{text(value)}}}')
    assert same == ["field-name-case"] * 2
    if json.dumps(value) != json.dumps(other) and not alike(value, other):
        found = named_json(f'{{"{go}":{text(value)}}}', f'{{"{rust}":{text(other)}}}')
        assert found == [None, None]


def alike(go: object, rust: object) -> bool:
    """Naively: equal numbers, and null for what is empty, at any depth."""
    if isinstance(go, bool) or isinstance(rust, bool):
        return go is rust
    if isinstance(go, dict) and isinstance(rust, dict):
        return go.keys() == rust.keys() and all(alike(go[key], rust[key]) for key in go)
    if isinstance(go, list) and isinstance(rust, list):
        return len(go) == len(rust) and all(map(alike, go, rust))
    if isinstance(go, (int, float)) and isinstance(rust, (int, float)):
        return go == rust
    return go == rust or (go is None and rust in ([], {}))


@given(st.dictionaries(WORD, VALUES, min_size=1, max_size=4), VALUES)
def test_an_embedded_struct_is_named_either_way_round(
    inner: dict[str, object], value: object
) -> None:
    flat, nested = {**inner, "OWN": value}, {"BASE": inner, "OWN": value}
    for go, rust in ((flat, nested), (nested, flat)):
        assert set(named_json(text(go), text(rust))) == {"embedded-vs-nested"}


def test_a_changed_value_in_a_nested_struct_is_not_excused() -> None:
    found = named_json('{"id":1,"at":"x","n":1}', '{"base":{"id":1,"at":"y"},"n":1}')
    assert found == [None, None, None]


@pytest.mark.parametrize(
    ("go", "rust"),
    [
        ('{"UserID":12,"Name":"ab"}', '{"user_id":12,"name":"ab"}'),
        ('{"id":12,"name":"ab"}', '{"base":{"id":12},"name":"ab"}'),
        ('{"n":{"String":"xy","Valid":true}}', '{"n":"xy"}'),
        ('{"v":{"a":12,"b":"xy"}}', '{"v":{"Ok":{"a":12,"b":"xy"}}}'),
    ],
)
def test_one_changed_character_of_a_value_leaves_its_place_unnamed(go: str, rust: str) -> None:
    """Digits and quoted letters of the answer are values: with one changed, something is left."""
    assert None not in named_json(go, rust)
    for match in re.finditer(r'(?<=[:"])(?:[0-9]+|[a-z]+)(?=[,}]|"[,}])', rust):
        for other in mutants(match[0]):
            changed = rust[: match.start()] + other + rust[match.end() :]
            if other and other.isalnum() and not other.startswith("0") and is_json(changed):
                assert None in named_json(go, changed), changed


def is_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def test_much_is_not_examined() -> None:
    many = [{"id": index} for index in range(20_000)]
    body = f'{{"Items":{text(many)}}}'
    assert named_json(body, body.replace("Items", "items")) == [None, None]


@given(st.integers(0, 0x10FFFF), st.integers(0, 0x10FFFF))
def test_characters_and_their_numbers(one: int, two: int) -> None:
    cls = next(cls for cls in shapes.CLASSES if cls.id == "char-vs-number")
    assert cls.over is not None
    samples = [(Number(str(one)), chr(one)), (Number(str(two)), chr(two))]
    assert cls.over(samples) == (one != two)
    assert not cls.over([*samples, (Number(str(one)), chr(one ^ 1))])
