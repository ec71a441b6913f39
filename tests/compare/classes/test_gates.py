"""What a class declares about where it can be only saves looking: it never hides the class."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import CLASSES, classify
from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.examples import asked, json_pair
from shadow.compare.classes.inputs import json_value
from shadow.compare.classes.value_types import types_at
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import to_text
from shadow.model import Answer, Request, Response
from tests.compare.classes.mutants import edit
from tests.compare.classes.pairs import Labelled, load, pair_of

MUTANTS_EACH = 10
REQUESTS = (
    None,
    asked("/q?a=1&a=2&b=x;y&c=%zz#d"),
    asked("/p/a%2Fb/%zz?q=a%20b", "POST", '{"K":1,"v":"x"}', Content_Type="application/json"),
    asked("/f", "POST", "a=1;b=2&c", Content_Type="application/x-www-form-urlencoded"),
    asked("/c", "OPTIONS", Cookie='a=1; b="x y"', Origin="https://a.example"),
)


def of(cls: DivergenceClass) -> Iterator[Pair]:
    """The pairs of a class's examples, either way round."""
    for example in (*cls.valid, *cls.invalid):
        if example.go is not None and example.rust is not None:
            yield pair_of(example.go, example.rust, example.request)
            yield pair_of(example.rust, example.go, example.request)


def mutated(pair: Pair, rng: random.Random) -> Iterator[Pair]:
    """The pair with one character of the candidate's body changed."""
    candidate = pair.candidate
    if isinstance(candidate, Answer) and candidate.response.body:
        text = candidate.response.body.decode("utf-8", "replace")
        for _ in range(MUTANTS_EACH):
            changed = edit(text, rng).encode()
            response = Response(
                status=candidate.response.status, headers=candidate.response.headers, body=changed
            )
            yield pair_of(pair.baseline, Answer(response=response), pair.request)


def hidden(pair: Pair) -> list[str]:
    """The classes that are not looked for, and are there."""
    success = pair.go.accepted and pair.go.status == pair.rust.status
    found = [
        cls.id
        for cls in CLASSES.values()
        if cls.whole and success and not cls.on_success and cls.whole(pair)
    ]
    for difference in pair.differences:
        place = Place(difference, pair)
        types = types_at(place)
        found.extend(
            cls.id
            for cls in CLASSES.values()
            if cls.at
            and not (cls.fits(types) and (cls.when is None or cls.when(pair)))
            and cls.at(place)
        )
    return found


def first_of(pair: Pair) -> Iterator[DivergenceClass | None]:
    """The class of each difference, where every predicate is asked everywhere."""
    whole = [cls for cls in CLASSES.values() if cls.whole and cls.whole(pair)]
    for difference in pair.differences:
        place = Place(difference, pair)
        yield (
            CLASSES.get(difference.spelling or "")
            or next((cls for cls in whole if cls.covers_place(place)), None)
            or next((cls for cls in CLASSES.values() if cls.at and cls.at(place)), None)
        )


def check(pair: Pair) -> None:
    assert hidden(pair) == []
    assert list(classify(pair)) == list(first_of(pair))


@pytest.mark.parametrize("cls", CLASSES.values(), ids=lambda cls: cls.id)
def test_no_example_is_hidden(cls: DivergenceClass) -> None:
    rng = random.Random(cls.id)
    for pair in of(cls):
        check(pair)
        for mutant in mutated(pair, rng):
            check(mutant)


@pytest.mark.parametrize("labelled", load(), ids=lambda each: each.id)
def test_no_labelled_pair_is_hidden(labelled: Labelled) -> None:
    check(labelled.pair)
    for mutant in mutated(labelled.pair, random.Random(7)):
        check(mutant)


def values() -> list[str]:
    """The JSON texts of everything that stands in an example, however deep."""
    found = {"0", "1", "-0", "null", '""', "[]", "{}", '"2024-01-02T03:04:05Z"', "true"}
    for cls in CLASSES.values():
        for pair in of(cls):
            stack = [json_value(pair.go.text)]
            while stack:
                value = stack.pop()
                if value is not ABSENT:
                    found.add(to_text(value))
                if isinstance(value, dict | list):
                    stack.extend(value.values() if isinstance(value, dict) else value)
    return sorted(found)


SEEN = values()


@given(st.sampled_from(SEEN), st.sampled_from(SEEN), st.sampled_from(REQUESTS))
def test_no_pair_of_values_is_hidden(go: str, rust: str, request: Request | None) -> None:
    for bodies in ((f'{{"v":{go}}}', f'{{"v":{rust}}}'), (f'{{"v":{go}}}', "{}"), (go, rust)):
        example = json_pair(*bodies)
        assert example.go is not None
        assert example.rust is not None
        check(pair_of(example.go, example.rust, request))


ZONES = st.sampled_from(["Z", "+00:00", "-00:00", "+05:30", "-23:59"])
CLOCKS = st.sampled_from(["00:00:00", "23:59:59.123456789", "23:59:60", "24:00:00", "10:00:00.0"])
DAYS = st.sampled_from(["0001-01-01", "1970-01-01", "2024-02-30", "2026-08-03", "2026-08-04"])
TIMES = st.builds("{}T{}{}".format, DAYS, CLOCKS, ZONES)


@given(TIMES | st.uuids().map(str), TIMES | st.uuids().map(str), st.sampled_from(REQUESTS))
def test_no_pair_of_times_or_uuids_is_hidden(go: str, rust: str, request: Request | None) -> None:
    example = json_pair(f'{{"v":"{go}"}}', f'{{"v":"{rust}"}}')
    assert example.go is not None
    assert example.rust is not None
    check(pair_of(example.go, example.rust, request))
