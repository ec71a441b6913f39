"""Names differences by the families about presence, shapes, URLs, semantics and errors alone."""

from __future__ import annotations

import json
from types import ModuleType

from hypothesis import strategies as st

from shadow.compare.classes import enums, errors, presence, protobuf, semantics, shapes, urls
from shadow.compare.classes.base import DivergenceClass, Pair, Place, Samples
from shadow.compare.classes.examples import Example, json_pair
from shadow.compare.json_text import read_exact
from tests.compare.classes.pairs import pair_of
from tests.compare.values import VALUES

MODULES = (protobuf, urls, semantics, errors, enums, shapes, presence)
CLASSES: tuple[DivergenceClass, ...] = tuple(cls for module in MODULES for cls in module.CLASSES)
SPELLINGS = {cls.id for cls in CLASSES}

LOOKALIKES = st.sampled_from(
    [
        *("active", "Active", "IN_PROGRESS", "Ok", "STRAßE", "i\u0307", "\ufffd", "a\ufffd"),
        *("http://h", "http://h:80/../%2E", "http://[::1", "a%2", "%ff+%7E", "/..?%", "\ud800%20+"),
        *("&#34;", "&quot;", "&#x110000;", "&#0;", "&", "strconv.Atoi: parsing", ": ", "é" * 99),
    ]
)
KEYS = st.sampled_from(
    ["Ok", "Err", "Valid", "String", "Circle", "type", "t", "c", "ID", "id", "_"]
)
LEAVES = VALUES | LOOKALIKES
URL = st.fixed_dictionaries(
    dict.fromkeys(("Scheme", "Host", "Path", "RawQuery"), LEAVES),
    optional=dict.fromkeys(("User", "RawPath", "Fragment", "ForceQuery"), LEAVES),
)
ANYTHING = LEAVES | st.dictionaries(KEYS, LEAVES | st.dictionaries(KEYS, LEAVES), max_size=4) | URL
"""JSON values that come near to what the predicates look for."""


def places(example: Example) -> list[Place]:
    assert example.go is not None
    assert example.rust is not None
    pair: Pair = pair_of(example.go, example.rust, example.request)
    return [Place(difference, pair) for difference in pair.differences]


def name_of(place: Place) -> str | None:
    """The class that the comparison gave a place, or the first of these that recognises it."""
    if place.difference.spelling in SPELLINGS:
        return place.difference.spelling
    return next((cls.id for cls in CLASSES if cls.at is not None and cls.at(place)), None)


def named(example: Example) -> list[str | None]:
    """The class of each difference, in the order of the families, but for spellings of others."""
    found = [(place, name_of(place)) for place in places(example)]
    return [name for place, name in found if name is not None or place.kind != "spelling"]


def named_json(go: str, rust: str) -> list[str | None]:
    return named(json_pair(go, rust))


def samples_of(example: Example) -> Samples:
    return [(read_exact(go).value, read_exact(rust).value) for go, rust in example.samples]


def check_examples(module: ModuleType) -> None:
    """Every difference of a VALID example has its class (and no earlier one); INVALID has none."""
    for cls in module.CLASSES:
        assert len(cls.title) <= 60, cls.id
        if cls.needs == "never":
            assert cls.at is cls.over is cls.whole is None, cls.id
            continue
        assert len(cls.valid) >= 2, cls.id
        assert len(cls.invalid) >= 2, cls.id
        for examples, expected in ((cls.valid, True), (cls.invalid, False)):
            for example in examples:
                assert _recognises(cls, example) == expected, (cls.id, example)


def _recognises(cls: DivergenceClass, example: Example) -> bool:
    if cls.over is not None:
        return cls.over(samples_of(example))
    names = named(example)
    assert names, example
    return all(name == cls.id for name in names) if cls.id in names else False


def check_never_raises(module: ModuleType, go: object, rust: object) -> None:
    """No predicate of a module raises on any two JSON values."""
    for left, right in ((go, rust), ({"k": go}, {"k": rust}), ({"k": go}, {"K": rust})):
        for place in places(json_pair(json.dumps(left), json.dumps(right))):
            for cls in module.CLASSES:
                assert cls.at is None or cls.at(place) in (True, False)
                assert cls.over is None or cls.over([(place.go, place.rust)] * 2) in (True, False)


def mutants(body: str) -> list[str]:
    """Every deletion of one character, and some substitutions and insertions."""
    found = {body[:i] + body[i + 1 :] for i in range(len(body))}
    for other in '0a"-, ':
        found |= {body[:i] + other + body[i + 1 :] for i in range(len(body))}
        found |= {body[:i] + other + body[i:] for i in range(len(body) + 1)}
    return sorted(found - {body})
