from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shadow.compare.json_places import Value, edited, values, without_member
from shadow.compare.json_text import NotJsonError, Number, Repeated, read
from tests.compare.values import SCALARS

TEXT = '{ "a" : 1.50, "list":[ {"x":1e2}, 2 ], "\\u0062":"t\\n", "a": true }'
SPACE = st.sampled_from(["", " ", "\n\t", "\r "])


def spelled(value: Any) -> st.SearchStrategy[str]:
    return st.booleans().map(lambda escaped: json.dumps(value, ensure_ascii=escaped))


def joined(parts: list[str], space: str, marks: str) -> str:
    return marks[0] + space + f"{space},{space}".join(parts) + space + marks[1]


SCALAR = SCALARS.flatmap(spelled) | st.sampled_from(["1.50", "-0", "1E+2", '"\\u0041\\/"'])
MEMBER = st.tuples(st.sampled_from(["a", "b", "é", '"\\', "a:,{}"]).flatmap(spelled), SPACE)
TEXTS = st.recursive(
    SCALAR,
    lambda inner: (
        st.builds(joined, st.lists(inner, max_size=4), SPACE, st.just("[]"))
        | st.builds(
            joined,
            st.lists(
                st.builds(lambda name, value: f"{name[0]}{name[1]}:{value}", MEMBER, inner),
                max_size=4,
            ),
            SPACE,
            st.just("{}"),
        )
    ),
    max_leaves=20,
)
"""JSON texts of every spelling: white space, escapes, numbers, names that stand twice."""


def members(container: Any) -> list[Any]:
    if isinstance(container, dict):
        pairs = container.pairs if isinstance(container, Repeated) else list(container.items())
        return [value for _, value in pairs]
    return container if isinstance(container, list) else []


def count(value: Any) -> int:
    return 1 + sum(map(count, members(value)))


def scalars(text: str) -> list[Value]:
    return [each for each in values(text) if each.kind not in ("object", "array")]


def text_at(text: str, value: Value) -> str:
    return text[value.start : value.end]


def test_each_value_stands_where_it_is_said_to() -> None:
    found = [(each.path, each.kind, text_at(TEXT, each)) for each in values(TEXT)]
    assert found == [
        (("a",), "number", "1.50"),
        (("list", 0, "x"), "number", "1e2"),
        (("list", 0), "object", '{"x":1e2}'),
        (("list", 1), "number", "2"),
        (("list",), "array", '[ {"x":1e2}, 2 ]'),
        (("b",), "string", '"t\\n"'),
        (("a",), "word", "true"),
        ((), "object", TEXT),
    ]
    named = [TEXT[slice(*each.name)] for each in values(TEXT) if each.name is not None]
    assert named == ['"a"', '"x"', '"list"', '"\\u0062"', '"a"']


@given(TEXTS)
def test_every_value_is_found_once_and_read_alone_is_the_same(text: str) -> None:
    whole = read(text).value
    found = list(values(text))
    assert len(found) == count(whole)
    for each in found:
        here = whole
        for step in each.path:
            if isinstance(here, Repeated):
                return  # the path leads to the last of them
            here = here[step]
        assert read(text_at(text, each)).value == here
        assert each.depth == len(each.path)


@given(TEXTS, SPACE)
def test_a_text_in_which_nothing_is_edited_is_the_same(text: str, space: str) -> None:
    text = f"{space}{text}{space}"
    assert edited(text, lambda _, __: None) == text
    assert edited(text, lambda _, lexeme: lexeme) == text


@given(TEXTS, st.integers(0, 30), st.sampled_from(["null", '"other"', "17"]))
def test_an_edit_at_a_place_changes_nothing_else(text: str, position: int, other: str) -> None:
    before = scalars(text)
    assume(before)
    place = before[position % len(before)]
    changed = edited(text, lambda value, _: other if value.start == place.start else None)
    assert changed == text[: place.start] + other + text[place.end :]
    assert [each.path for each in scalars(changed)] == [each.path for each in before]


@given(TEXTS, st.integers(0, 30))
def test_a_member_goes_and_the_others_stay(text: str, position: int) -> None:
    named = [each for each in values(text) if each.name is not None]
    assume(named)
    member = named[position % len(named)]
    changed = without_member(text, member)
    kept = [each for each in scalars(text) if not member.start <= each.start < member.end]
    left = scalars(changed)
    assert [text_at(changed, each) for each in left] == [text_at(text, each) for each in kept]
    assert [each.path for each in left if each.name] == [each.path for each in kept if each.name]


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", '{"a":NaN}', "[" * 5, '{"a" 1}', "1 2"])
def test_what_is_no_json_is_refused_before_anything_is_yielded(text: str) -> None:
    with pytest.raises(NotJsonError):
        next(values(text), None)


def test_depth_and_length_cost_no_more_than_their_characters() -> None:
    deep = list(values("[" * 50_000 + "]" * 50_000))
    assert len(deep) == 50_000
    assert [inner.depth - outer.depth for inner, outer in pairwise(deep)] == [1] * 49_999
    long = list(values("[" + "1," * 50_000 + "1]"))
    assert [each.path for each in long[-3:]] == [(49_999,), (50_000,), ()]


@given(st.text(alphabet='[]{}",:0.1eE-truefalsn\\u \n', max_size=24))
def test_whatever_is_json_is_taken_apart(text: str) -> None:
    try:
        whole = read(text).value
    except NotJsonError:
        return
    assert len(list(values(text))) == count(whole)
    if isinstance(whole, Number):
        assert next(values(text)).kind == "number"
