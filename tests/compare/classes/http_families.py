"""Names differences by the families about requests and HTTP alone."""

from __future__ import annotations

from types import ModuleType

from shadow.compare.classes import (
    content_types,
    cookies,
    cors,
    decoding,
    forms,
    framing,
    headers,
    leniency,
    member_case,
    paths,
    queries,
    redirects,
    refusals,
    replies,
    routing,
    static_files,
)
from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.model import Observation, Request
from tests.compare.classes.pairs import pair_of

MODULES = (
    *(member_case, queries, paths, forms, leniency, decoding, refusals),
    *(routing, redirects, static_files, replies, cookies),
    *(framing, content_types, cors, headers),
)
"""The families about requests and HTTP, in the order in which they are tried."""
CLASSES: tuple[DivergenceClass, ...] = tuple(cls for module in MODULES for cls in module.CLASSES)
SPELLINGS = {cls.id for cls in CLASSES}


def named(pair: Pair) -> list[str | None]:
    """The class of each difference, by these families alone."""
    explaining = [cls for cls in CLASSES if cls.whole is not None and cls.whole(pair)]
    found = []
    for difference in pair.differences:
        place = Place(difference, pair)
        wholes = (cls.id for cls in explaining if cls.covers_place(place))
        places = (cls.id for cls in CLASSES if cls.at is not None and cls.at(place))
        spelling = difference.spelling if difference.spelling in SPELLINGS else None
        found.append(spelling or next(wholes, None) or next(places, None))
    return found


def names(go: Observation, rust: Observation, request: Request | None = None) -> set[str | None]:
    """The classes of all differences but spellings."""
    return loud_names(pair_of(go, rust, request))


def loud_names(pair: Pair) -> set[str | None]:
    loud = zip(pair.differences, named(pair), strict=True)
    return {name for difference, name in loud if difference.kind != "spelling"}


def explained_by(
    module: ModuleType, go: Observation, rust: Observation, request: Request | None = None
) -> list[str]:
    """The classes of a family that recognise the exchange or a place of it, the first first."""
    pair = pair_of(go, rust, request)
    places = [Place(difference, pair) for difference in pair.differences]
    return [
        cls.id
        for cls in module.CLASSES
        if (cls.whole is not None and cls.whole(pair))
        or (cls.at is not None and any(map(cls.at, places)))
    ]
