from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import strings
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(strings)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(strings, go, rust)


TEXTS = st.text(
    st.sampled_from('ab<>&"\\/\b\f\n\u2028\u2029\ufffd\u00e9\U0001f600')
    | st.characters(codec="utf-8"),
    max_size=12,
)


def in_go(text: str) -> str:
    """As encoding/json of Go 1.21 writes a string, U+FFFD as for a bad byte."""
    plain = json.dumps(text, ensure_ascii=False).replace("\\b", "\\u0008")
    for char in "<>&\u2028\u2029\ufffd":
        plain = plain.replace(char, f"\\u{ord(char):04x}")
    return plain


ESCAPES = {
    "invalid-utf8-replacement",
    "html-escape",
    "js-line-separator-escape",
    "control-char-escape",
    "ascii-escape",
    "raw-json-respelled",
}


@given(TEXTS, TEXTS)
def test_escapes_are_named_only_for_one_text(ours: str, theirs: str) -> None:
    for spelled in (in_go(ours), json.dumps(ours)):
        rust = json.dumps(theirs, ensure_ascii=False)
        found = named_json(f"[{spelled}]", f"[{rust}]")
        if ours == theirs:
            assert len(found) == (spelled != rust)
            assert set(found) <= ESCAPES
        else:
            assert not set(found) & (ESCAPES - {"invalid-utf8-replacement"})


def test_the_first_kind_of_escape_in_a_string_names_it() -> None:
    assert named_json('["<\\ufffd"]'.replace("<", "\\u003c"), '["<\ufffd"]') == [
        "invalid-utf8-replacement"
    ]
    assert named_json('["\\u003c\\u00e9"]', '["<\u00e9"]') == ["html-escape"]
    assert named_json('["\\u2028\\u00e9"]', '["\u2028\u00e9"]') == ["js-line-separator-escape"]
    assert named_json('["\\/\\u003c"]', '["/<"]') == ["raw-json-respelled"]


@given(st.binary(max_size=12))
def test_bad_bytes_are_replaced_by_byte_in_go_and_by_part_in_rust(data: bytes) -> None:
    def by_byte(position: int = 0) -> str:
        said = ""
        while position < len(data):
            for size in (1, 2, 3, 4):
                try:
                    said += data[position : position + size].decode()
                    break
                except UnicodeDecodeError:
                    continue
            else:
                said, size = said + "\ufffd", 1
            position += size
        return said

    go, rust = by_byte(), data.decode("utf-8", "replace")
    found = named_json(json.dumps([go], ensure_ascii=False), json.dumps([rust], ensure_ascii=False))
    assert found == ["invalid-utf8-replacement"] * (go != rust)


WORDS = st.text(
    st.characters(codec="ascii", exclude_characters="\x7f", min_codepoint=32), max_size=6
)
TREES = st.recursive(
    WORDS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


def percent_v(value: object) -> str:
    """As Go prints a value with %v."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{percent_v(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(percent_v, value)) + "]"
    return (
        "<nil>" if value is None else str(value).lower() if value in (True, False) else str(value)
    )


def debug(value: object) -> str:
    """As Rust prints an Option of a value with {:?}."""
    if isinstance(value, dict):
        inner = "{" + ", ".join(f"{debug_text(key)}: {debug(value[key])}" for key in value) + "}"
    elif isinstance(value, list):
        inner = "[" + ", ".join(map(debug, value)) + "]"
    elif isinstance(value, str):
        inner = debug_text(value)
    else:
        inner = str(value).lower()
    return "None" if value is None else f"Some({inner})"


def debug_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def has_numeric_keys(value: object) -> bool:
    if isinstance(value, dict):
        numeric = any(key.lstrip("-").isdigit() for key in value)
        return numeric or any(map(has_numeric_keys, value.values()))
    return isinstance(value, list) and any(map(has_numeric_keys, value))


@given(TREES.filter(lambda tree: not has_numeric_keys(tree)), TREES)
def test_debug_text_is_named_only_where_both_print_one_value(ours: object, theirs: object) -> None:
    go, rust = percent_v(ours), debug(ours)
    assert named_json(json.dumps([go]), json.dumps([rust])) == ["debug-format-leak"]
    if theirs is not None and percent_v(theirs) != go:
        found = named_json(json.dumps([go]), json.dumps([debug(theirs)]))
        assert "debug-format-leak" not in found
