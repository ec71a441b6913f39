"""What diverges under concurrency and not alone: counts by level, and the tests on them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from shadow.model import Divergence, SideName
from shadow.results.bounds import upper_bound
from shadow.results.shares import holm, share_test

ALPHA: Final = 0.05
ALONE: Final = 1
"""The level that is the control: one exchange at a time."""
MAX_UNTOLD: Final = 0.05
"""Share of the comparisons that may be of endpoints asked too little to tell anything."""
MAX_UNFIT: Final = 0.05
"""Share of what was asked that may be incomparable or hollow, as in a replay."""
MAX_SIGNATURES: Final = 2_000
"""Of each side; an answer with ever new keys has no end of them."""
_MOST: Final = 1_000
"""Times as many rounds that are considered when it is said how many would tell."""
_WITHIN: Final = 5
"""Times as many rounds that must be enough to tell, for a difference to be suspected: what was
seen once or twice may be anything that is rare."""

Verdict = Literal["race", "suspected"]
Ended = Literal["rounds", "time", "failed", "interrupted"]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange that diverged under concurrency; values masked, as JSON text."""

    exchange_id: str
    level: int
    baseline: str | None
    """What the baseline answered then; of a race in the baseline: alone."""
    candidate: str | None
    """What the candidate answered; of a race in the baseline: what it did under concurrency."""


class AtLevel(msgspec.Struct, frozen=True, kw_only=True):
    """How often a signature was seen at one level, against alone."""

    level: int
    hits: int
    compared: int
    """Comparisons of its endpoint at this level."""
    p: float
    """Fisher's exact test, two-sided, against alone."""
    p_holm: float
    """The same, corrected for all signatures and levels."""

    @property
    def rate(self) -> float:
        """Share of the comparisons."""
        return self.hits / self.compared if self.compared else 0.0


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that concurrency brings, or that is suspected of it."""

    verdict: Verdict
    side: SideName
    """Whose answers: the candidate's against the baseline's, or the baseline's against its own."""
    signature: str
    endpoint: str
    where: str
    kind: str
    path_pattern: str
    class_id: str | None
    alone_hits: int
    alone_compared: int
    levels: tuple[AtLevel, ...]
    level: int
    """The one that is surest."""
    exchanges: int
    """Distinct exchanges that showed it under concurrency."""
    rounds_needed: int | None = None
    """Rounds that would tell, if the rates stay; None where it is told, or too many."""
    example: Example | None = None

    @property
    def at(self) -> AtLevel:
        """What was seen at `level`."""
        return next(each for each in self.levels if each.level == self.level)


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint asked so little that not even a race in every answer could be told."""

    endpoint: str
    compared: int
    """At the highest level."""
    rounds_needed: int | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the counts say."""

    races: tuple[Race, ...]
    suspected: tuple[Race, ...]
    echoes: tuple[Race, ...]
    """Between the sides, at places where the baseline has a race: it may be that one alone."""
    untold: tuple[Untold, ...]
    untold_share: float
    """Of the comparisons at the highest level."""
    unseen_below: float | None
    """95 % bound on the share of a difference never seen, at the highest level."""
    tests: int
    dropped: int
    """Sightings of signatures that there was no more room for."""


class LevelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was done at one level, in all rounds."""

    level: int
    """Sessions in flight at once."""
    compared: int
    incomparable: int
    hollow: int
    unsent: int
    """Not sent: a value of the session was lacking, or it cannot be written for a target."""
    in_flight_baseline: float
    """Requests that were really in flight at once, on average."""
    in_flight_candidate: float


class RacesSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and what of it concurrency brings."""

    baseline: str
    candidate: str
    exchanges: int
    sessions: int
    skipped: dict[str, int]
    """By reason."""
    rounds: int
    rounds_done: int
    seed: int
    ended: Ended
    duration_s: float
    levels: tuple[LevelSummary, ...]
    found: Found
    again: tuple[str, ...]
    """The words of the command."""
    failure: str = ""
    """What ended it, where it `failed`."""

    @property
    def unfit(self) -> float:
        """Share of what was asked that says nothing: incomparable or hollow."""
        unfit = sum(each.incomparable + each.hollow for each in self.levels)
        return unfit / max(1, unfit + sum(each.compared for each in self.levels))

    @property
    def open_questions(self) -> tuple[str, ...]:
        """Why nothing found does not mean that nothing is there; empty where it does."""
        found, open_ = self.found, []
        if len(self.levels) < 2:
            open_.append("one session is never in flight with another: give more of them")
        if found.suspected:
            open_.append("some of it was seen too seldom to tell")
        if found.untold_share > MAX_UNTOLD:
            open_.append("endpoints were asked too little to tell")
        if self.unfit > MAX_UNFIT:
            open_.append("too much is incomparable or hollow")
        if not self.rounds_done:
            more = ": give it more --max-time" if self.ended == "time" else ""
            open_.append(f"no round was done to its end{more}")
        return tuple(open_)

    @property
    def exit_code(self) -> int:
        """1 where a race is found, 3 where it cannot be told, 4 where it failed, 130 if stopped."""
        if self.ended == "interrupted":
            return 130
        if self.ended == "failed":
            return 4
        if self.found.races:
            return 1
        return 3 if self.open_questions else 0


class _Seen:
    """Where one signature was seen."""

    def __init__(self, endpoint: str, divergence: Divergence) -> None:
        self.endpoint = endpoint
        self.divergence = divergence
        self.hits: Counter[int] = Counter()
        self.exchanges: set[str] = set()
        self.example: Example | None = None


class Counts:
    """How many comparisons there were of each endpoint, and how often each signature was seen."""

    def __init__(
        self, levels: Iterable[int], mask: Callable[[Divergence], Divergence] = lambda each: each
    ) -> None:
        """Count at these levels, the alone among them; what is kept to be shown is masked."""
        self._levels = sorted(set(levels) - {ALONE})
        self._mask = mask
        self._compared: Counter[tuple[SideName, str, int]] = Counter()
        self._seen: dict[tuple[SideName, str], _Seen] = {}
        self._dropped = 0

    def add(
        self,
        side: SideName,
        endpoint: str,
        level: int,
        exchange_id: str,
        divergences: Iterable[Divergence],
    ) -> None:
        """Count one comparison; `divergences` are those that nothing excuses."""
        self._compared[side, endpoint, level] += 1
        for signature, divergence in {each.signature: each for each in divergences}.items():
            seen = self._seen.get((side, signature))
            if seen is None:
                if sum(1 for known, _ in self._seen if known == side) >= MAX_SIGNATURES:
                    self._dropped += 1
                    continue
                seen = self._seen[side, signature] = _Seen(endpoint, self._mask(divergence))
            seen.hits[level] += 1
            if level != ALONE:
                seen.exchanges.add(exchange_id)
                seen.example = seen.example or _example(exchange_id, level, self._mask(divergence))

    def found(self, rounds: int) -> Found:
        """Test every signature at every level, and say what is told and what is not.

        `rounds` are those that were made, so that it can be said how many would tell.
        """
        keys = list(self._seen)
        tables = [self._table(key, level) for key in keys for level in self._levels]
        raw = [share_test(at_level, alone) for at_level, alone in tables]
        adjusted = holm(raw)
        races: list[Race] = []
        suspected: list[Race] = []
        for number, key in enumerate(keys):
            first = number * len(self._levels)
            rows = slice(first, first + len(self._levels))
            levels = tuple(
                AtLevel(level=level, hits=table[0][0], compared=table[0][1], p=p, p_holm=own)
                for level, table, p, own in zip(
                    self._levels, tables[rows], raw[rows], adjusted[rows], strict=True
                )
            )
            race = self._race(key, levels, len(tables), rounds)
            if race is not None:
                (races if race.verdict == "race" else suspected).append(race)
        untold, share = self._untold(len(tables) + len(self._levels), rounds)
        places = {_place(each) for each in races if each.side == "baseline"}
        return Found(
            races=_worst_first(each for each in races if not _is_echo(each, places)),
            suspected=_worst_first(each for each in suspected if not _is_echo(each, places)),
            echoes=_worst_first(each for each in races if _is_echo(each, places)),
            untold=untold,
            untold_share=share,
            unseen_below=upper_bound(0, self._at_top()),
            tests=len(tables),
            dropped=self._dropped,
        )

    def _table(
        self, key: tuple[SideName, str], level: int
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Hits and comparisons of a signature at a level, and alone."""
        side, seen = key[0], self._seen[key]
        at_level = seen.hits[level], self._compared[side, seen.endpoint, level]
        alone = seen.hits[ALONE], self._compared[side, seen.endpoint, ALONE]
        return at_level, alone

    def _race(
        self, key: tuple[SideName, str], levels: tuple[AtLevel, ...], tests: int, rounds: int
    ) -> Race | None:
        """The signature as a finding; None where concurrency has no part in it."""
        seen = self._seen[key]
        alone = seen.hits[ALONE], self._compared[key[0], seen.endpoint, ALONE]
        more = [each for each in levels if each.hits * alone[1] > alone[0] * each.compared]
        sure = [each for each in more if each.p_holm < ALPHA]
        if not more:
            return None
        best = min(more, key=lambda each: each.p)
        needed = None
        if not sure:
            if alone[0] and best.p >= ALPHA:
                return None
            needed = _rounds_to_tell((best.hits, best.compared), alone, tests, rounds)
            if needed is None or needed > _WITHIN * rounds:
                return None
        divergence = seen.divergence
        return Race(
            verdict="race" if sure else "suspected",
            side=key[0],
            signature=divergence.signature,
            endpoint=seen.endpoint,
            where=divergence.where,
            kind=divergence.kind,
            path_pattern=divergence.path_pattern,
            class_id=divergence.class_id,
            alone_hits=alone[0],
            alone_compared=alone[1],
            levels=levels,
            level=best.level,
            exchanges=len(seen.exchanges),
            rounds_needed=needed,
            example=seen.example,
        )

    def _untold(self, tests: int, rounds: int) -> tuple[tuple[Untold, ...], float]:
        """The endpoints at which not even a race in every answer is told; their share."""
        top = max(self._levels, default=ALONE)
        untold = []
        share = 0
        for side, endpoint, level in sorted(self._compared):
            if side != "candidate" or level != ALONE:
                continue
            alone = self._compared[side, endpoint, ALONE]
            at_top = self._compared[side, endpoint, top]
            if share_test((at_top, at_top), (0, alone)) * tests < ALPHA:
                continue
            share += at_top
            needed = None
            if at_top and alone:
                needed = _rounds_to_tell((at_top, at_top), (0, alone), tests, rounds)
            untold.append(Untold(endpoint=endpoint, compared=at_top, rounds_needed=needed))
        return tuple(untold), share / max(1, self._at_top())

    def _at_top(self) -> int:
        """Comparisons of the candidate at the highest level."""
        top = max(self._levels, default=ALONE)
        return sum(
            count
            for (side, _, level), count in self._compared.items()
            if side == "candidate" and level == top
        )


def _rounds_to_tell(
    at_level: tuple[int, int], alone: tuple[int, int], tests: int, rounds: int
) -> int | None:
    """Rounds after which the same rates would be significant; None beyond `_MOST` times as many."""

    def tells(times: int) -> bool:
        more = [(hits * times, compared * times) for hits, compared in (at_level, alone)]
        return share_test(more[0], more[1]) * tests < ALPHA

    low, high = 0, 1  # times as many
    while not tells(high):
        low, high = high, high * 2
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if tells(middle) else (middle, high)
    return high * rounds


def _example(exchange_id: str, level: int, masked: Divergence) -> Example:
    return Example(
        exchange_id=exchange_id,
        level=level,
        baseline=masked.baseline,
        candidate=masked.candidate,
    )


def _place(race: Race) -> tuple[str, str, str]:
    return race.endpoint, race.where, race.path_pattern


def _is_echo(race: Race, places: set[tuple[str, str, str]]) -> bool:
    """Whether it is of the candidate, at a place where the baseline has a race."""
    return race.side == "candidate" and _place(race) in places


def _worst_first(races: Iterable[Race]) -> tuple[Race, ...]:
    """The candidate's before the baseline's, the surest first."""
    order = sorted(races, key=lambda each: (each.side == "baseline", each.at.p, each.signature))
    return tuple(order)
