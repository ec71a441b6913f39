"""Names differences by the families about scalars and layout alone, in their own order."""

from __future__ import annotations

import json
from types import ModuleType

from hypothesis import strategies as st

from shadow.compare.classes import (
    durations,
    layout,
    number_texts,
    numbers,
    octets,
    strings,
    times,
    uuids,
)
from shadow.compare.classes.base import DivergenceClass, Pair, Place, Samples
from shadow.compare.classes.examples import Example, json_pair
from shadow.compare.json_text import read_exact
from tests.compare.classes.pairs import pair_of
from tests.compare.values import VALUES

MODULES = (uuids, times, durations, octets, numbers, number_texts, strings, layout)
CLASSES: dict[str, DivergenceClass] = {cls.id: cls for module in MODULES for cls in module.CLASSES}

LOOKALIKES = st.sampled_from(
    [
        *("0001-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-02T03:04:05.123456789+02:00"),
        *("0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "Tue, 02 Jan 2024 03:04:05 GMT"),
        *("1e999999999999999999", "-0", "1e-400", "NaN", "+Inf", "007", "1" * 500, "9" * 399),
        *("AQ==", "A===", "=", "-_-_", "P", "PT", "PT1S", "1h", "0.5ns", "90.500000000", "-1.5s"),
        *(
            'Some("x")',
            "Some(",
            "[[[[[[[",
            "{",
            '"\\u{110000}"',
            "None",
            "P { a: 1 }",
            "\ufffd\ufffd",
        ),
        *("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "0" * 32, "\ud800", "[" * 5000, "\\" * 99),
    ]
)
"""Strings that come near to what the predicates look for, and hostile ones."""
ANYTHING = VALUES | LOOKALIKES | st.lists(st.integers(-1, 256), max_size=17)


def class_at(pair: Pair, index: int) -> str | None:
    """The class id of one difference, as the registry would find it."""
    place = Place(pair.differences[index], pair)
    if place.difference.spelling in CLASSES:
        return place.difference.spelling
    for cls in CLASSES.values():
        if cls.whole is not None and cls.covers_place(place) and cls.whole(pair):
            return cls.id
    return next((cls.id for cls in CLASSES.values() if cls.at is not None and cls.at(place)), None)


def named(example: Example) -> list[str | None]:
    """The class id of every difference of an example."""
    assert example.go is not None
    assert example.rust is not None
    pair = pair_of(example.go, example.rust, example.request)
    return [class_at(pair, index) for index in range(len(pair.differences))]


def named_json(go: str, rust: str) -> list[str | None]:
    """The class id of every difference of two JSON bodies."""
    return named(json_pair(go, rust))


def samples_of(example: Example) -> Samples:
    return [(read_exact(go).value, read_exact(rust).value) for go, rust in example.samples]


def check_examples(module: ModuleType) -> None:
    """Each VALID example is named (every difference), no INVALID one is."""
    for cls in module.CLASSES:
        assert len(cls.title) <= 60, cls.id
        assert len(cls.invalid) >= 2, cls.id
        if cls.needs == "corpus":
            assert cls.over is not None, cls.id
            for example in cls.valid:
                assert cls.over(samples_of(example)), (cls.id, example)
            for example in cls.invalid:
                assert not cls.over(samples_of(example)), (cls.id, example)
            continue
        assert len(cls.valid) >= 2 or cls.needs == "never", cls.id
        for example in cls.valid:
            names = named(example)
            assert cls.id in names, (cls.id, example, names)
            assert None not in names, (cls.id, example, names)
        for example in cls.invalid:
            names = named(example)
            assert names, (cls.id, example)
            assert cls.id not in names, (cls.id, example, names)


def check_never_raises(module: ModuleType, go: object, rust: object) -> None:
    """No predicate of a module raises on any two JSON values."""
    example = json_pair(json.dumps({"k": go}), json.dumps({"k": rust}))
    assert example.go is not None
    assert example.rust is not None
    pair = pair_of(example.go, example.rust)
    for difference in pair.differences:
        place = Place(difference, pair)
        for cls in module.CLASSES:
            assert cls.at is None or cls.at(place) in (True, False)
            assert cls.whole is None or cls.whole(pair) in (True, False)
