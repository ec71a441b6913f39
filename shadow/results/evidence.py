"""What the rows of a run say that its counts do not: pairs, failures, request shapes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Final

from shadow.results.failures import Failures
from shadow.results.speed.pairs import WARM_UP, Pairs

PairRow = tuple[str, str | None, int, int, int, int]
"""Endpoint, session, and service and response time of the baseline and of the candidate."""

MAX_TOTAL: Final = 2_000_000
"""Pairs that are kept over all endpoints."""
MAX_SHAPES: Final = 200_000
"""Distinct request shapes that are told apart; beyond, they are no longer counted."""


class EndpointEvidence:
    """What was gathered of one endpoint."""

    __slots__ = ("divergent_shapes", "failures", "pairs", "shapes", "warming")

    def __init__(self) -> None:
        self.pairs = Pairs()
        self.warming = WARM_UP
        """Pairs that are still to be left out."""
        self.failures = Failures()
        self.shapes: set[str] = set()
        """Request shapes of the compared exchanges that are not hollow."""
        self.divergent_shapes: set[str] = set()


class Evidence:
    """Gathered row by row, in order; `endpoints` are those wanted."""

    def __init__(self, endpoints: Collection[str]) -> None:
        self.endpoints = {name: EndpointEvidence() for name in endpoints}
        self._total = 0
        self._shapes = 0
        self._paired = False

    @property
    def paired(self) -> bool:
        """Whether there are pairs of latencies, be it of warm-up alone."""
        return self._paired or any(each.warming < WARM_UP for each in self.endpoints.values())

    @property
    def shapes_counted(self) -> bool:
        """Whether there were few enough request shapes to tell them apart."""
        return self._shapes < MAX_SHAPES

    def add_pairs(self, rows: Iterable[PairRow]) -> None:
        """Take pairs of latencies, in the order of the run."""
        ordered = sorted(rows, key=itemgetter(0))
        for name, group in groupby(ordered, key=itemgetter(0)):
            found = self.endpoints.get(name)
            if found is None:
                continue
            chosen = list(group)
            warm, found.warming = found.warming, max(0, found.warming - len(chosen))
            if len(chosen) > warm:
                _, sessions, *times = zip(*chosen[warm:], strict=True)
                before = len(found.pairs)
                found.pairs.extend(sessions, *times)
                self._total += len(found.pairs) - before
        while self._total > MAX_TOTAL:
            pairs = max((each.pairs for each in self.endpoints.values()), key=len)
            self._total -= len(pairs)
            pairs.thin(len(pairs) // 2)
            self._total += len(pairs)

    def add_paired(self, rows: Iterable[tuple[int]]) -> None:
        """Take whether there are pairs, which are not asked for."""
        self._paired = any(exists for (exists,) in rows)

    def add_failures(self, rows: Iterable[tuple[str, int, int, int]]) -> None:
        """Take, by endpoint, in how many exchanges both, the baseline, the candidate failed."""
        for name, *counts in rows:
            if name in self.endpoints:
                self.endpoints[name].failures = Failures(*counts)

    def add_requests(self, rows: Iterable[tuple[str, str, bool]]) -> None:
        """Take endpoint and target of compared exchanges, and whether they diverged."""
        for name, target, divergent in rows:
            found = self.endpoints.get(name)
            if found is None:
                continue
            shape = request_shape(target)
            if shape not in found.shapes:
                if self._shapes >= MAX_SHAPES:
                    continue
                found.shapes.add(shape)
                self._shapes += 1
            if divergent:
                found.divergent_shapes.add(shape)


def request_shape(target: str) -> str:
    """Return what requests of one endpoint share that differ in values alone.

    These are the names of the query, in order, each with the kind of its value: a number, any
    other text, or nothing. Path parameters are in the endpoint's template already.

    >>> request_shape("/v1/items?page=2&sort=name&q=")
    'page=0&q=&sort=a'
    """
    _, mark, query = target.partition("?")
    return _query_shape(query) if mark else ""


@lru_cache(maxsize=4_096)
def _query_shape(query: str) -> str:
    parts = _TEXT.sub("=a", _NUMBER.sub("=0", query)).split("&")
    return "&".join(sorted(set(parts)))


_NUMBER: Final = re.compile(r"=-?[0-9]+(?:\.[0-9]+)?(?=&|$)")
_TEXT: Final = re.compile(r"=(?!0(?:&|$))[^&]+")
