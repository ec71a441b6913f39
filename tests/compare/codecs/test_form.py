from __future__ import annotations

import random
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.codecs import form
from shadow.compare.codecs.values import OverBudgetError, UnreadableError
from shadow.compare.json_text import to_text
from tests.compare.codecs.answers import (
    SPELLING,
    content,
    diverges,
    found,
    meter,
    mutated,
    reads_or_refuses,
    verdicts,
)

LABEL = "application/x-www-form-urlencoded"
SEED = b"a=1&b=2&a=%41+%20&c"
WORDS = st.text("ab&=+% é\0", max_size=4)
FIELDS = st.lists(
    st.tuples(st.sampled_from(["a", "b c", "é"]) | WORDS, WORDS), min_size=1, max_size=5
)
RANDOM = st.randoms(use_true_random=False)


def by_name(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def _escaped(text: str, choose: random.Random) -> str:
    every = "".join(f"%{byte:02{choose.choice('xX')}}" for byte in text.encode())
    return choose.choice((quote(text, safe=""), quote_plus(text), every))


def written(fields: list[tuple[str, str]], choose: random.Random) -> str:
    """A form in any of the ways it may be written, the values of each field in their order."""
    values = by_name(fields)
    order = [name for name, _ in fields]
    choose.shuffle(order)
    pairs = [f"{_escaped(name, choose)}={_escaped(values[name].pop(0), choose)}" for name in order]
    return "&".join(pairs) + choose.choice(("", "&"))


@given(FIELDS, RANDOM, RANDOM)
def test_escapes_and_order_of_fields_are_spelling(
    fields: list[tuple[str, str]], one: random.Random, two: random.Random
) -> None:
    assert verdicts(written(fields, one), written(fields, two), LABEL) <= SPELLING


@given(FIELDS, FIELDS, RANDOM)
def test_another_value_diverges(
    left: list[tuple[str, str]], right: list[tuple[str, str]], choose: random.Random
) -> None:
    ours, theirs = written(left, choose), written(right, choose)
    assert diverges(ours, theirs, LABEL) == (by_name(left) != by_name(right))


@given(FIELDS, RANDOM)
def test_reads_what_the_standard_library_reads(
    fields: list[tuple[str, str]], choose: random.Random
) -> None:
    text = written(fields, choose)
    read = form.read(content(text, LABEL), meter()).value
    assert read == by_name(parse_qsl(text, keep_blank_values=True))


@given(mutated(SEED, b"%ff", b"=", b"&&"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("form", content(data, LABEL))


def test_places() -> None:
    assert found("tag=a&tag=b&q=1", "tag=a&tag=c&q=1", LABEL) == [
        ("value_changed", "$['tag'][1]", '"b"', '"c"')
    ]
    assert found("a=1", "a=1&a=1", LABEL) == [("extra", "$['a'][1]", None, '"1"')]


def test_another_order_of_fields_is_one_spelling() -> None:
    assert [each[:2] for each in found("a=1&b=2", "b=2&a=1", LABEL)] == [("spelling", "")]


def test_charsets() -> None:
    latin = content("a=%E9", LABEL + "; charset=iso-8859-1")
    assert to_text(form.read(latin, meter()).value) == '{"a":["é"]}'
    with pytest.raises(UnreadableError):
        form.read(content("a=%E9", LABEL), meter())


def test_size_is_bounded() -> None:
    with pytest.raises(OverBudgetError):
        form.read(content("a&" * 9_000, LABEL), meter(8_000))
