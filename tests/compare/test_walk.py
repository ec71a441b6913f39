from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.difference import ABSENT, Difference
from shadow.compare.json_text import read
from shadow.compare.paths import normalized, pattern
from shadow.compare.rules import ListRule, Rules, Tolerance, parse_pattern
from shadow.compare.walk import Budget, walk
from tests.compare.values import VALUES, strictly_equal, text


def differences(left: str, right: str, rules: Rules | None = None) -> list[Difference]:
    return walk(read(left), read(right), rules or Rules())


def told(left: str, right: str, rules: Rules | None = None) -> list[tuple[str, str]]:
    return [(d.kind, normalized(d.path)) for d in differences(left, right, rules)]


def real(found: list[Difference]) -> list[Difference]:
    return [difference for difference in found if difference.kind != "spelling"]


@given(VALUES, VALUES)
def test_no_difference_exactly_when_type_strictly_equal(left: Any, right: Any) -> None:
    found = real(differences(text(left), text(right)))
    assert (not found) == strictly_equal(left, right)


@given(VALUES)
def test_layout_key_order_and_escapes_are_never_a_difference(value: Any) -> None:
    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            keys = list(item)
            random.Random(len(keys)).shuffle(keys)
            return {key: shuffled(item[key]) for key in keys}
        return [shuffled(entry) for entry in item] if isinstance(item, list) else item

    respelled = json.dumps(shuffled(value), ensure_ascii=True, indent=2)
    assert real(differences(text(value), respelled)) == []


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@given(VALUES, VALUES)
def test_every_reported_path_exists_where_it_says(left: Any, right: Any) -> None:
    for difference in differences(text(left), text(right)):
        if difference.baseline is not ABSENT:
            at(left, difference.path)
        if difference.candidate is not ABSENT and difference.kind in ("extra", "reordered"):
            at(right, difference.path)


@given(VALUES, st.data())
def test_an_edit_of_one_place_is_found_at_that_place(value: Any, data: st.DataObject) -> None:
    document = {"root": value}
    places = list(leaves(document))
    path = data.draw(st.sampled_from(places))
    edited = copy.deepcopy(document)
    at(edited, path[:-1])[path[-1]] = {"new": "value that was not there"}
    found = real(differences(text(document), text(edited)))
    assert found
    assert all(near(document, difference.path, path) for difference in found)


def near(document: Any, reported: tuple[str | int, ...], path: tuple[str | int, ...]) -> bool:
    """The same place, one inside the other, or items of one list (where items moved)."""
    common = 0
    while common < min(len(reported), len(path)) and reported[common] == path[common]:
        common += 1
    if common in (len(reported), len(path)):
        return True
    return isinstance(at(document, path[:common]), list)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ('{"a":1}', '{"a":1.0}', [("type_changed", "$['a']")]),
        ('{"a":1}', '{"a":true}', [("type_changed", "$['a']")]),
        ('{"a":1}', '{"a":"1"}', [("type_changed", "$['a']")]),
        ('{"a":0}', '{"a":false}', [("type_changed", "$['a']")]),
        ('{"a":[]}', '{"a":null}', [("type_changed", "$['a']")]),
        ('{"a":1}', "{}", [("missing", "$['a']")]),
        ("{}", '{"a":null}', [("extra", "$['a']")]),
        ('{"__a":1}', '{"__a":2}', [("value_changed", "$['__a']")]),
        ('{"a":-0.0}', '{"a":0.0}', [("value_changed", "$['a']")]),
        ('{"a":1.50}', '{"a":1.5}', [("spelling", "$['a']")]),
        ('{"a":1e16}', '{"a":1e+16}', [("spelling", "$['a']")]),
        ("9007199254740993", "9007199254740992", [("value_changed", "$")]),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', [("spelling", "$")]),
        ('{"a":1,"a":2}', '{"a":2}', [("missing", "$['a']")]),
        ('{"a":1,"a":2}', '{"a":3,"a":2}', [("value_changed", "$['a']")]),
        ("[1,2,3]", "[3,1,2]", [("reordered", "$")]),
        ("[1,2,3]", "[2,3]", [("missing", "$[0]")]),
        ("[1,2,3]", "[1,9,2,3]", [("extra", "$[1]")]),
        ("[1,2,3]", "[2,3,4]", [("missing", "$[0]"), ("extra", "$[2]")]),
        ("[1,2,3]", "[1,9,3]", [("value_changed", "$[1]")]),
        ("[[1],[2]]", "[[1],[2,3]]", [("extra", "$[1][1]")]),
        ('["\\u003c"]', '["<"]', [("spelling", "$[0]")]),
    ],
)
def test_each_kind(left: str, right: str, expected: list[tuple[str, str]]) -> None:
    assert told(left, right) == expected


def test_a_shift_by_one_is_one_missing_and_one_extra_item() -> None:
    pages = [[{"id": n, "name": f"item {n}"} for n in range(start, start + 50)] for start in (0, 1)]
    assert told(text(pages[0]), text(pages[1])) == [("missing", "$[0]"), ("extra", "$[49]")]


def test_a_timestamp_in_every_item_stays_a_difference_by_position() -> None:
    sides = [[{"id": n, "at": f"{side}:{n}"} for n in range(20)] for side in "ab"]
    found = differences(text(sides[0]), text(sides[1]))
    assert {pattern(difference.path) for difference in found} == {"$[*]['at']"}
    assert len(found) == 20


@pytest.mark.parametrize("depth", [500, 1_500, 10_000])
def test_any_depth_is_walked(depth: int) -> None:
    left, right = ("[" * depth + inner + "]" * depth for inner in "12")
    (found,) = differences(left, right)
    assert (found.kind, len(found.path)) == ("value_changed", depth)


def test_differences_are_bounded_and_say_so() -> None:
    left, right = text(list(range(5_000))), text([f"{n}" for n in range(5_000)])
    found = walk(read(left), read(right), budget=Budget(differences=10))
    assert [difference.kind for difference in found] == ["type_changed"] * 10 + ["over_budget"]


def test_values_are_bounded_and_say_so() -> None:
    left = text([[n, n] for n in range(1_000)])
    found = walk(read(left), read(left.replace("1", "7")), budget=Budget(nodes=100))
    assert found[-1].kind == "over_budget"


def test_five_thousand_reordered_objects_are_one_difference() -> None:
    items = [{"id": n, "name": f"item {n}", "tags": ["a", "b"]} for n in range(5_000)]
    mixed = random.Random(1).sample(items, len(items))
    assert told(text(items), text(mixed)) == [("reordered", "$")]


UNORDERED = Rules(lists=(ListRule(path=parse_pattern("$.items"), unordered=True),))
BY_ID = Rules(lists=(ListRule(path=parse_pattern("$.items"), key=("meta", "id")),))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("[1,2,3]", "[3,2,1]", []),
        ("[1,2,2]", "[2,1,1]", [("value_changed", "$['items'][2]")]),
        ("[1,2]", "[2]", [("missing", "$['items'][0]")]),
        ("[1]", "[2,1]", [("extra", "$['items'][0]")]),
    ],
)
def test_unordered_lists_match_as_multisets(
    left: str, right: str, expected: list[tuple[str, str]]
) -> None:
    assert told(f'{{"items":{left}}}', f'{{"items":{right}}}', UNORDERED) == expected


def items(*pairs: tuple[int, str]) -> str:
    return text({"items": [{"meta": {"id": key}, "v": value} for key, value in pairs]})


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (items((1, "a"), (2, "b")), items((2, "b"), (1, "a")), []),
        (
            items((1, "a"), (2, "b")),
            items((2, "B"), (1, "a")),
            [("value_changed", "$['items'][1]['v']")],
        ),
        (items((1, "a"), (1, "b")), items((1, "a")), [("missing", "$['items'][1]")]),
        (items((1, "a")), items((1, "a"), (3, "c")), [("extra", "$['items'][1]")]),
    ],
)
def test_keyed_lists_match_by_key(left: str, right: str, expected: list[tuple[str, str]]) -> None:
    assert told(left, right, BY_ID) == expected


def test_a_tolerance_excuses_only_its_place_and_size() -> None:
    rules = Rules(tolerances=(Tolerance(path=parse_pattern("$.a"), ulp=1),))
    found = differences('{"a":0.3,"b":0.3}', '{"a":0.30000000000000004,"b":0.31}', rules)
    assert [(d.path, d.rule) for d in found] == [(("a",), "tolerance:$.a"), (("b",), None)]
    (far,) = differences('{"a":0.3}', '{"a":0.31}', rules)
    assert far.rule is None


def test_patterns_match_whole_paths_only() -> None:
    rule = parse_pattern("$.items[*]['x y']")
    assert rule.matches(("items", 3, "x y"))
    assert not rule.matches(("items", 3, "x y", "z"))
    assert not rule.matches(("items", 3))
    assert not rule.matches(("items", 3, "x"))


def test_variable_keys_become_stars() -> None:
    path = ("by_id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "2024-01-02", 4, "17", "name")
    assert pattern(path) == "$['by_id'][*][*][*][*]['name']"


@given(st.text(max_size=12))
def test_names_in_normalized_paths_are_one_line_and_quoted(name: str) -> None:
    shown = normalized((name,))
    assert re.fullmatch(r"\$\['(?:[^'\\\x00-\x1f]|\\[btnfr'\\]|\\u00[0-9a-f]{2})*'\]", shown)
