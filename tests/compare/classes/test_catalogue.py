"""The whole catalogue at once: examples, labelled pairs, near-misses, mutants."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings

from shadow.compare.classes import CLASSES, OVER, classify
from shadow.compare.classes.base import DivergenceClass, Pair
from shadow.compare.classes.examples import Example
from shadow.compare.json_text import read
from shadow.judge import QUIET
from shadow.model import Answer, Response
from tests.compare.classes.mutants import mutants
from tests.compare.classes.pairs import Labelled, load, pair_of
from tests.compare.values import VALUES, text

PAIRS = load()
NAMED = [each for each in PAIRS if each.label != "none" and each.decidable != "corpus"]
NEAR_MISSES = [each for each in PAIRS if each.label == "none"]
MUTANTS_EACH = 60
EXCUSED_AT_MOST = 0.01


def named(pair: Pair) -> set[str]:
    return {cls.id for cls in classify(pair) if cls is not None}


def example_pair(example: Example) -> Pair:
    assert example.go is not None
    assert example.rust is not None
    return pair_of(example.go, example.rust, example.request)


def over(cls: DivergenceClass, example: Example) -> bool:
    samples = [(read(go).value, read(rust).value) for go, rust in example.samples]
    return cls.over is not None and cls.over(samples)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=str)
def test_a_class_says_everything_a_reader_needs(cls: DivergenceClass) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cls.id)
    for words in (cls.title, cls.go, cls.rust, cls.impact, cls.fix_go, cls.fix_rust):
        assert words.strip() == words != ""
    assert len(cls.title) <= 80
    decided = [cls.at, cls.whole, cls.over]
    if cls.needs == "never":
        assert decided == [None, None, None]
    elif cls.id not in QUIET:
        assert any(decided)
        assert cls.valid
        assert cls.invalid


@pytest.mark.parametrize("cls", [cls for cls in CLASSES.values() if cls.valid], ids=lambda c: c.id)
def test_valid_examples_are_named_by_the_whole_catalogue(cls: DivergenceClass) -> None:
    for example in cls.valid:
        if example.samples:
            assert over(cls, example), example
        else:
            assert cls.id in named(example_pair(example)), example


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES.values() if cls.invalid], ids=lambda c: c.id
)
def test_invalid_examples_are_not(cls: DivergenceClass) -> None:
    for example in cls.invalid:
        if example.samples:
            assert not over(cls, example), example
        else:
            assert cls.id not in named(example_pair(example)), example


@pytest.mark.parametrize("labelled", NAMED, ids=lambda each: f"{each.id}-{each.label}")
def test_labelled_pairs_are_named_right(labelled: Labelled) -> None:
    got = named(labelled.pair)
    right = {labelled.label, *labelled.accept}
    assert got & right
    assert None not in labelled.names().values()


@pytest.mark.parametrize("labelled", NEAR_MISSES, ids=lambda each: f"{each.id}-{each.looks_like}")
def test_near_misses_are_never_named(labelled: Labelled) -> None:
    assert named(labelled.pair) - QUIET == set()


def test_one_changed_character_is_almost_never_excused() -> None:
    made = [mutant for each in NAMED for mutant in mutants(each, MUTANTS_EACH, seed=1)]
    excused = Counter(mutant.label for mutant in made if mutant.excused)
    assert len(made) > 1_000
    assert excused.total() <= EXCUSED_AT_MOST * len(made), excused


def test_classes_over_a_corpus_do_not_name_each_others_examples() -> None:
    for cls in OVER:
        for example in (each for each in cls.valid if each.samples):
            first = next(other for other in OVER if over(other, example))
            assert first.id == cls.id, (cls.id, example)


@settings(max_examples=200)
@given(VALUES, VALUES)
def test_no_predicate_fails_on_any_pair_of_values(left: object, right: object) -> None:
    sides = [
        Answer(
            response=Response(
                status=200,
                headers=(("Content-Type", "application/json"),),
                body=text({"v": value}).encode(),
            )
        )
        for value in (left, right)
    ]
    pair = pair_of(sides[0], sides[1])
    assert len(classify(pair)) == len(pair.differences)
