from __future__ import annotations

from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes.examples import asked
from shadow.compare.classes.inputs import (
    fields_of,
    json_value,
    path_of,
    query_of,
    read_field,
    shown_text,
)
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import Number


@given(st.text(), st.text())
def test_a_field_is_read_as_it_was_escaped(name: str, value: str) -> None:
    assert read_field(f"{quote_plus(name)}={quote_plus(value)}") == (name, value)
    assert read_field(f"{quote(name, safe='')}={quote(value, safe='')}") == (name, value)


def test_a_bad_escape_stays_as_it_stands() -> None:
    assert read_field("a=%zz%4") == ("a", "%zz%4")
    assert read_field("a") == ("a", "")


def test_a_target_is_cut_at_the_first_question_mark() -> None:
    assert path_of(asked("/a%2F?b=?")) == "/a%2F"
    assert query_of(asked("/a?b=?&c")) == "b=?&c"
    assert (path_of(None), query_of(None)) == ("", "")


def test_work_on_a_query_is_bounded() -> None:
    assert len(fields_of("&" * 9_000)) == 1_000
    assert fields_of("a" * 10_001) == []


def test_a_value_is_shown_as_the_text_of_an_input() -> None:
    assert shown_text(Number("1.0")) == "1.0"
    assert shown_text("a\n") == "a"
    assert shown_text(None) is None


def test_what_is_no_json_has_no_value() -> None:
    assert json_value('{"a":[]}') == {"a": []}
    for text in ("{", b"\xff", "1" * 70_000):
        assert json_value(text) is ABSENT
