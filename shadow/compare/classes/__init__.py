"""The catalogue: every named Go→Rust cause of divergence, specific before general."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.value_types import types_at

FAMILIES: Final = (
    "member_case",
    "queries",
    "paths",
    "forms",
    "leniency",
    "decoding",
    "refusals",
    "routing",
    "redirects",
    "static_files",
    "replies",
    "cookies",
    "framing",
    "content_types",
    "cors",
    "headers",
    "errors",
    "uuids",
    "times",
    "durations",
    "octets",
    "numbers",
    "number_texts",
    "strings",
    "protobuf",
    "urls",
    "semantics",
    "enums",
    "shapes",
    "presence",
    "layout",
)
"""One module a family; a place takes the first class that recognises it, in this order."""


def _catalogue() -> dict[str, DivergenceClass]:
    found: dict[str, DivergenceClass] = {}
    for family in FAMILIES:
        for cls in import_module(f"{__name__}.{family}").CLASSES:
            assert cls.id not in found, cls.id
            found[cls.id] = cls
    return found


CLASSES: Final[dict[str, DivergenceClass]] = _catalogue()
"""Every class by id, in the order in which they are tried."""

_WHOLE: Final = tuple(cls for cls in CLASSES.values() if cls.whole)
_AT: Final = tuple(cls for cls in CLASSES.values() if cls.at)
OVER: Final = tuple(
    sorted(
        (cls for cls in CLASSES.values() if cls.over), key=lambda cls: cls.id != "char-vs-number"
    )
)
"""The classes that are decided at the end of a run, over all samples of a place.

A letter beside its code point also looks like a name beside its number: the exact class first.
"""


def classify(pair: Pair) -> Sequence[DivergenceClass | None]:
    """The class of each difference of a pair, or None where no known cause explains it."""
    spelled = [CLASSES.get(difference.spelling or "") for difference in pair.differences]
    if None not in spelled:
        return spelled  # the usual case: nothing but known spellings, nothing to look for
    search = _Search(pair)
    return [
        known or search.class_of(Place(difference, pair))
        for known, difference in zip(spelled, pair.differences, strict=True)
    ]


class _Search:
    """Looks for the class of each place of one exchange, among those that can be it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        success = pair.go.accepted and pair.go.status == pair.rust.status
        self.explaining = [
            cls
            for cls in _WHOLE
            if cls.whole is not None and (cls.on_success or not success) and cls.whole(pair)
        ]
        self.at: dict[str, Sequence[DivergenceClass]] = {}
        """By the types at a place, the classes that can be there."""

    def class_of(self, place: Place) -> DivergenceClass | None:
        for cls in self.explaining:
            if cls.covers_place(place):
                return cls
        types = types_at(place)
        classes = self.at.get(types)
        if classes is None:
            classes = self.at[types] = self.classes_at(types)
        for cls in classes:
            if cls.at is not None and cls.at(place):
                return cls
        return None

    def classes_at(self, types: str) -> Sequence[DivergenceClass]:
        return [cls for cls in _of_types(types) if cls.when is None or cls.when(self.pair)]


@cache  # there are some hundred pairs of types
def _of_types(types: str) -> Sequence[DivergenceClass]:
    return tuple(cls for cls in _AT if cls.fits(types))
