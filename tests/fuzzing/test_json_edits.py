from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.json_text import Repeated, read
from shadow.fuzzing import json_edits
from shadow.fuzzing.json_edits import MAX_CHARACTERS, values

TEXT = '{ "a" : 1.50, "when":"2024-02-03T10:00:00Z", "list":[ {"x":1e2}, 2 ], "\\u0062":"t\\n" }'
EDITS = (
    *(json_edits.number, json_edits.string, json_edits.date, json_edits.null, json_edits.array),
    *(json_edits.missing_key, json_edits.extra_key, json_edits.duplicate_key, json_edits.key_case),
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(documents, st.sampled_from([None, 1]), st.booleans(), st.integers(0, 99))
def test_what_an_edit_makes_is_json_that_can_be_sent(
    value: object, indent: int | None, ascii_only: bool, seed: int
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # no service can get it
    for edit in EDITS:
        made = edit(text, random.Random(seed))
        if made is not None:
            made.encode()
            read(made)


@pytest.mark.parametrize("edit", EDITS)
def test_everything_else_keeps_its_spelling(edit: json_edits.Edit) -> None:
    for seed in range(50):
        made = edit(TEXT, random.Random(seed))
        if made is None or edit in (json_edits.null, json_edits.missing_key, json_edits.array):
            continue
        prefix = next(
            (place for place, pair in enumerate(zip(TEXT, made, strict=False)) if len({*pair}) > 1),
            min(len(TEXT), len(made)),
        )
        suffix = next(
            (
                place
                for place, pair in enumerate(zip(TEXT[::-1], made[::-1], strict=False))
                if len({*pair}) > 1
            ),
            min(len(TEXT), len(made)),
        )
        longest = max(len(each) for each in TEXT.split('"')) + 2
        assert len(TEXT) - prefix - suffix <= longest


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"a":1}', {"{}"}),
        ('{ "a": 1, "b": 2 }', {'{ "b": 2 }', '{ "a": 1 }'}),
        ('[{"a":[1,2]},3]', {"[{},3]"}),
    ],
)
def test_a_member_goes_with_its_comma(text: str, left: set[str]) -> None:
    assert {json_edits.missing_key(text, random.Random(seed)) for seed in range(20)} == left


def test_a_key_can_stand_twice() -> None:
    made = json_edits.duplicate_key('{"a":1}', random.Random(1))
    assert made is not None
    value = read(made).value
    assert isinstance(value, Repeated)
    assert [name for name, _ in value.pairs] == ["a", "a"]


def test_a_list_becomes_empty_null_or_thousands_within_a_bound() -> None:
    def made(text: str) -> set[str]:
        found = {json_edits.array(text, random.Random(seed)) for seed in range(60)}
        return {each for each in found if each is not None}

    short = made('[{"a":1},2]')
    assert {"[]", "null"} < short
    assert max(len(json.loads(each) or ()) for each in short) == json_edits.THOUSANDS
    assert max(map(len, made(json.dumps(["x" * 10_000])))) <= json_edits.MAX_ADDED + 2


def test_lone_surrogates_and_nul_are_written_as_escapes() -> None:
    made = {str(json_edits.string('"a"', random.Random(seed))) for seed in range(300)}
    assert '"\\ud800"' in made
    assert any("\\u0000" in each for each in made)
    assert any("\N{GRINNING FACE}" in each for each in made)


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", '{"a":NaN}', "[" * 5])
def test_what_is_no_json_is_left_alone(text: str) -> None:
    assert values(text) == ()
    assert [edit(text, random.Random(0)) for edit in EDITS] == [None] * len(EDITS)


def test_a_deep_text_is_taken_apart_and_a_long_one_is_not() -> None:
    assert len(values("[" * 5_000 + "]" * 5_000)) == 5_000
    assert values("[" + "1," * MAX_CHARACTERS + "1]") == ()
