from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.json_lookup import scalars_at
from shadow.compare.json_places import Value, values
from shadow.compare.json_text import NotJsonError
from shadow.compare.paths import pattern

names = st.sampled_from(["a", "b", "a'b", "7", "2026-08-03", "é", "", "a]['b"])
trees = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False, width=16),
        names,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=25,
)


def told(value: Value) -> tuple[object, ...]:
    return value.path, value.kind, value.start, value.end, value.name, value.depth


def scalars(text: str) -> list[Value]:
    return [each for each in values(text) if each.kind not in ("object", "array")]


def place_of(value: Value) -> str:
    return pattern(value.path)


@given(tree=trees, indent=st.sampled_from([None, 0, 2]), ascii_=st.booleans(), data=st.data())
def test_scalars_at_some_places_are_those_among_all(
    tree: object, indent: int | None, ascii_: bool, data: st.DataObject
) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_)
    text = (
        data.draw(st.sampled_from(["", " ", "\n"])) + text + data.draw(st.sampled_from(["", "\t"]))
    )
    everything = scalars(text)
    places = sorted({place_of(each) for each in everything} | {"$", "$['a']", "$[*]['b']"})
    wanted = data.draw(st.sets(st.sampled_from(places)))
    found = [told(each) for each in scalars_at(text, wanted)]
    assert found == [told(each) for each in everything if place_of(each) in wanted]


def test_each_of_a_name_that_repeats_is_found() -> None:
    text = '{"id":1,"x":{"id":2},"id":{"a":3},"id":4}'
    assert [text[each.start : each.end] for each in scalars_at(text, ["$['id']"])] == ["1", "4"]


@pytest.mark.parametrize(
    "text", ["", "{", '{"a":1}x', "[1,]", '{"a" 1}', "NaN", '{"a":NaN}', '"\x01"', '"\\q"', "01"]
)
def test_what_is_no_json_is_refused_wherever_it_is_looked_at(text: str) -> None:
    with pytest.raises(NotJsonError):
        list(scalars_at(text, ["$['b']"]))
    with pytest.raises(NotJsonError):
        list(values(text))


def test_a_text_nested_hundreds_deep_is_read_all_the_same() -> None:
    text = "[" * 20_000 + "1" + "]" * 20_000
    (scalar, *_) = scalars_at(text, ["$['a']"])
    assert scalar.depth == 20_000


def test_to_find_one_place_takes_a_fraction_of_the_time_of_all() -> None:
    """A session's value is put into each of its requests inside the event loop of a replay."""
    items = [{"id": n, "name": f"item {n}", "tags": ["a", "b"]} for n in range(4_000)]
    text = json.dumps({"items": items, "parent_id": "p-1"})

    def seconds(patterns: list[str] | None) -> float:
        begun = time.thread_time()
        found = scalars(text) if patterns is None else list(scalars_at(text, patterns))
        assert text[found[-1].start : found[-1].end] == '"p-1"'
        return time.thread_time() - begun

    assert min(seconds(["$['parent_id']"]) for _ in range(3)) < seconds(None) / 5
