"""A few exchanges of each kind: a day of traffic as a file that replays in a minute.

Of each endpoint, request shape and recorded status so many exchanges are kept, drawn from the
whole capture with a seed. Where order matters, which it does in a session that writes, the whole
session is kept with an exchange of it. The captures are read twice, and only what is kept is
remembered in between.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from shadow.captures.converting import convert, missing
from shadow.captures.formats import WRITINGS
from shadow.captures.reading import read
from shadow.captures.records import Record
from shadow.captures.shapes import shape_of
from shadow.captures.streams import STDIN
from shadow.errors import CaptureError
from shadow.model import Exchange, Request

MAX_KINDS: Final = 200_000
"""Kinds that are told apart; what is beyond them counts as one."""
MAX_SESSIONS: Final = 1_000_000
"""Sessions that are known to write; of those beyond, single exchanges are kept."""

_Kind = tuple[str, bytes, str]
_REST: Final[_Kind] = ("", b"", "")


class SamplePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `shadow sample` goes by."""

    captures: tuple[str, ...]
    out: str
    to: str
    """The format's name, a key of `WRITINGS`."""
    recipients: tuple[str, ...] = ()
    """For whom it is encrypted."""
    per_shape: int
    seed: int
    endpoint: Callable[[Request], str]
    is_safe: Callable[[Request], bool]


class Sample:
    """Draws exchanges of each kind: `see` each of them, then ask `has` of each."""

    def __init__(
        self,
        per_shape: int,
        *,
        seed: int = 0,
        endpoint: Callable[[Request], str],
        is_safe: Callable[[Request], bool],
    ) -> None:
        self._per_shape = per_shape
        self._endpoint = endpoint
        self._is_safe = is_safe
        self._random = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._drawn: dict[_Kind, list[tuple[int, str | None]]] = {}
        """Of each kind, the positions and sessions of those that are kept so far."""
        self._seen: dict[_Kind, int] = {}
        self._writing: set[str] = set()
        self._kept: frozenset[int] | None = None
        self.whole: frozenset[str] = frozenset()
        """Sessions that are kept whole; known after the last `see`."""

    @property
    def kinds(self) -> int:
        """How many kinds there are."""
        return len(self._seen)

    def see(self, position: int, exchange: Exchange) -> None:
        """Take the exchange at a position into account (algorithm R of Vitter, 1985)."""
        request, session = exchange.request, exchange.session
        if session is not None and len(self._writing) < MAX_SESSIONS and not self._is_safe(request):
            self._writing.add(session)
        kind = (self._endpoint(request), shape_of(request), _status(exchange))
        if kind not in self._seen and len(self._seen) >= MAX_KINDS:
            kind = _REST
        seen = self._seen[kind] = self._seen.get(kind, 0) + 1
        drawn = self._drawn.setdefault(kind, [])
        if len(drawn) < self._per_shape:
            drawn.append((position, session))
        elif (place := self._random.randrange(seen)) < self._per_shape:
            drawn[place] = (position, session)

    def close(self) -> None:
        """Decide: everything was seen."""
        drawn = [one for each in self._drawn.values() for one in each]
        self._kept = frozenset(position for position, _ in drawn)
        self.whole = frozenset(
            session for _, session in drawn if session is not None and session in self._writing
        )
        self._drawn.clear()

    def has(self, position: int, exchange: Exchange) -> bool:
        """Whether the exchange at this position is kept."""
        assert self._kept is not None, "close it first"
        return position in self._kept or exchange.session in self.whole


def _status(exchange: Exchange) -> str:
    if exchange.response is not None:
        return str(exchange.response.status)
    return exchange.error.kind if exchange.error is not None else ""


def run(plan: SamplePlan) -> Iterator[str]:
    """Write a sample by a plan, and say in lines what is in it. Raises CaptureError."""
    for path in plan.captures:
        if path == STDIN or Path(path).is_fifo():
            raise CaptureError(
                f"{path}: a pipe cannot be read twice, as a sample is", "save it to a file first"
            )
    sample = Sample(plan.per_shape, seed=plan.seed, endpoint=plan.endpoint, is_safe=plan.is_safe)
    exchanges = 0
    for position, record in enumerate(read(plan.captures)):
        if isinstance(record, Exchange):
            exchanges += 1
            sample.see(position, record)
    sample.close()
    done = convert(_kept(plan, sample), plan.out, WRITINGS[plan.to], recipients=plan.recipients)
    yield from missing(done)
    yield (
        f"{done.written:,} of {exchanges:,} exchanges in {plan.out}: at most {plan.per_shape} of "
        f"each of {sample.kinds:,} kinds, {len(sample.whole):,} sessions whole"
    )


def _kept(plan: SamplePlan, sample: Sample) -> Iterator[Record]:
    for position, record in enumerate(read(plan.captures)):
        if not isinstance(record, Exchange) or sample.has(position, record):
            yield record
