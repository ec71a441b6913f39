"""deepdiff's traps, pinned: each is shown to be real, and not to reach a verdict of ours."""

from __future__ import annotations

from typing import Any

import pytest
from deepdiff import DeepDiff  # noqa: TID251 - its traps are what is shown here
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.compare import diff
from shadow.compare.json_text import read
from shadow.compare.paths import normalized
from shadow.compare.rules import parse_pattern
from shadow.compare.walk import walk
from shadow.errors import ConfigError
from tests.compare.values import text

TRAPS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "an integer equals a float in a list": ([1, 2], [1.0, 2], {}),
    "true equals 1 in a list": ([1, 2], [True, 2], {}),
    "keys that start with two underscores are skipped": ({"__a": 1}, {"__a": 2}, {}),
    "minus zero equals zero": ({"a": -0.0}, {"a": 0.0}, {}),
    "significant_digits rounds integers": (
        {"a": 2**53 + 1},
        {"a": 2**53},
        {"significant_digits": 5, "number_format_notation": "e"},
    ),
    "ignore_numeric_type_changes makes true equal 1": (
        {"a": True},
        {"a": 1},
        {"ignore_numeric_type_changes": True},
    ),
    "ignore_order hides multiplicity": ([1, 1, 2], [1, 2, 2], {"ignore_order": True}),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_deepdiff_calls_equal_is_a_difference_here(trap: str) -> None:
    left, right, options = TRAPS[trap]
    assert DeepDiff(left, right, **options) == {}
    found = walk(read(text(left)), read(text(right)))
    assert [difference for difference in found if difference.kind != "spelling"]


def differs(left: Any, right: Any) -> bool:
    found = walk(read(text(left)), read(text(right)))
    return any(difference.kind != "spelling" for difference in found)


def test_max_diffs_can_hide_everything() -> None:
    left, right = [{"a": n} for n in range(9)], [{"a": n + 1} for n in range(9)]
    assert DeepDiff(left, right, ignore_order=True, max_diffs=1) == {}
    assert differs(left, right)


def test_math_epsilon_rounds_integers() -> None:
    assert DeepDiff({"a": 2**53 + 1}, {"a": 2**53}, math_epsilon=1) == {}
    assert differs({"a": 2**53 + 1}, {"a": 2**53})


@pytest.mark.parametrize("path", ["a.b", 'root["a"].b'])
def test_excludes_that_are_written_wrong_match_nothing_without_a_word(path: str) -> None:
    left, right = {"a": {"b": 1}}, {"a": {"b": 2}}
    assert DeepDiff(left, right, exclude_paths=[path]) != {}
    with pytest.raises(ConfigError):
        parse_pattern(path)


def test_keys_with_both_quotes_make_ambiguous_path_strings_there_and_not_here() -> None:
    keys = ["a'\"b", "x']['y"]
    left, right = (dict.fromkeys(keys, value) for value in (1, 2))
    paths = [normalized(d.path) for d in walk(read(text(left)), read(text(right)))]
    assert paths == ["$['a\\'\"b']", "$['x\\'][\\'y']"]


def test_deepdiff_is_quadratic_on_reordered_lists_and_the_walk_is_not() -> None:
    items = [{"id": n, "name": f"item {n}"} for n in range(2_000)]
    found = walk(read(text(items)), read(text(items[::-1])))
    assert [difference.kind for difference in found] == ["reordered"]


def test_deepdiff_fails_on_depth_and_the_walk_does_not() -> None:
    left: Any = 1
    right: Any = 2
    for _ in range(600):
        left, right = [left], [right]
    with pytest.raises(RecursionError):
        DeepDiff(left, right)
    spelled = ["[" * 600 + n + "]" * 600 for n in "12"]
    assert len(walk(read(spelled[0]), read(spelled[1]))) == 1


def test_deepdiff_reports_a_whole_object_where_few_keys_are_common() -> None:
    left = {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}
    right = {"a": 2, "v": 1, "w": 1, "x": 1, "y": 1, "z": 1}
    assert list(DeepDiff(left, right)["values_changed"]) == ["root"]
    found = walk(read(text(left)), read(text(right)))
    assert ("a",) in {difference.path for difference in found}


LISTS = st.lists(st.integers(0, 5), max_size=30)


@given(LISTS, LISTS)
@settings(max_examples=500)
def test_an_alignment_turns_one_list_into_the_other(left: list[int], right: list[int]) -> None:
    alignment = diff.align(left, right)
    assert alignment is not None
    changed = {ours: right[theirs] for ours, theirs in alignment.changed}
    kept = [
        changed.get(index, item)
        for index, item in enumerate(left)
        if index not in alignment.removed
    ]
    new = iter(kept)
    built = [right[index] if index in alignment.added else next(new) for index in range(len(right))]
    assert built == right
    assert next(new, None) is None


@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(0, 9), max_size=12))
def test_moved_is_true_exactly_when_an_item_stands_elsewhere(
    left: list[int], right: list[int]
) -> None:
    width = max(len(left), len(right))
    ours = [left[i] if i < len(left) else None for i in range(width)]
    theirs = [right[i] if i < len(right) else None for i in range(width)]
    off = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    expected = bool({a for a, _ in off if a is not None} & {b for _, b in off if b is not None})
    assert diff.moved(left, right) == expected


def test_lists_beyond_the_bound_are_not_aligned() -> None:
    assert diff.align(list(range(3_000)), list(range(1, 3_000))) is not None
    assert diff.align(list(range(3_000)), list(range(3_000))[::-1]) is None


@given(st.lists(st.sampled_from(["1", '"1"', "true", "1.0", "null", '{"lexeme":"1"}', '["1"]'])))
def test_only_equal_items_share_a_token(lexemes: list[str]) -> None:
    items = read("[" + ",".join(lexemes) + "]").value
    for repeats in (False, True):
        (tokens,) = diff.tokens(items, repeats=repeats)
        for i, left in enumerate(lexemes):
            for j, right in enumerate(lexemes):
                assert (tokens[i] == tokens[j]) == (left == right)
