"""What diverges under concurrency only, or more often: shares alone against shares under load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from shadow.model import Divergence
from shadow.results.shares import share_test

Between = Literal["both", "baseline"]
"""Whose answers were compared: both sides', or the baseline's with its own when alone."""
ALPHA: Final = 0.05
MAX_FINDINGS: Final = 10_000


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that concurrency brings, at the level that shows it best."""

    between: Between
    signature: str
    endpoint: str
    example: Divergence
    """One of them, masked."""
    level: int
    """Requests in flight."""
    hits: int
    trials: int
    alone_hits: int
    alone_trials: int
    p: float
    """Two-sided, by Fisher's exact test, adjusted for all signatures and levels (Holm, 1979)."""


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: str
    example: Divergence


class RaceCounts:
    """How often each difference showed at each level. The first level is alone."""

    def __init__(self, levels: Sequence[int]) -> None:
        self.levels = tuple(levels)
        self._trials: Counter[tuple[Between, str, int]] = Counter()
        """By whose, endpoint and level."""
        self._hits: Counter[tuple[Between, str, int]] = Counter()
        """By whose, signature and level."""
        self._shown: dict[tuple[Between, str], _Shown] = {}

    def add(
        self, between: Between, level: int, endpoint: str, divergences: Iterable[Divergence]
    ) -> None:
        """Count one exchange; `divergences` are those that nothing excuses, masked."""
        self._trials[between, endpoint, level] += 1
        for signature, example in {each.signature: each for each in divergences}.items():
            key = between, signature
            if key not in self._shown and len(self._shown) >= MAX_FINDINGS:
                continue
            self._shown.setdefault(key, _Shown(endpoint=endpoint, example=example))
            self._hits[between, signature, level] += 1

    @property
    def asked(self) -> int:
        """How many exchanges were judged, at all levels."""
        return sum(count for (of, _, _), count in self._trials.items() if of == "both")

    def races(self) -> list[Race]:
        """What shows more often under load than alone, each at its best level."""
        tested = sorted(self._tested(), key=lambda race: race.p)
        found: dict[tuple[Between, str], Race] = {}
        worst = 0.0
        for number, race in enumerate(tested):
            worst = max(worst, min(1.0, race.p * (len(tested) - number)))
            if worst > ALPHA:
                break
            key = race.between, race.signature
            found.setdefault(key, msgspec.structs.replace(race, p=worst))
        return sorted(found.values(), key=lambda race: (race.between, race.p, race.signature))

    def _tested(self) -> Iterable[Race]:
        alone = self.levels[0]
        for (between, signature), shown in self._shown.items():
            calm = self._share(between, signature, shown.endpoint, alone)
            for level in self.levels[1:]:
                share = self._share(between, signature, shown.endpoint, level)
                if not share[1] or not calm[1] or share[0] * calm[1] <= calm[0] * share[1]:
                    continue
                yield Race(
                    between=between,
                    signature=signature,
                    endpoint=shown.endpoint,
                    example=shown.example,
                    level=level,
                    hits=share[0],
                    trials=share[1],
                    alone_hits=calm[0],
                    alone_trials=calm[1],
                    p=share_test(calm, share),
                )

    def _share(
        self, between: Between, signature: str, endpoint: str, level: int
    ) -> tuple[int, int]:
        hits = self._hits[between, signature, level]
        return hits, self._trials[between, endpoint, level]

    def rounds_needed(self, rounds: int) -> int:
        """Rounds in which a difference of every second exchange could be told; 0 if these can.

        Of the endpoint that was asked most: what it cannot show, none can.
        """
        alone = self.levels[0]
        most = max((n for (_, _, at), n in self._trials.items() if at == alone), default=0)
        if not most:
            return rounds
        tests = max(1, len(self.levels) - 1)
        each = most / rounds
        for more in range(rounds, 1_000):
            trials = round(each * more)
            if share_test((0, trials), (trials // 2, trials)) * tests <= ALPHA:
                return 0 if more == rounds else more
        return 1_000
