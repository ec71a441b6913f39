"""Noise: where the baseline differs from itself, and what its values look like there.

A noisy place is still checked. A candidate's difference there is noise only when its value
is of a kind that the baseline was seen to give, and for numbers and times no further from
the baseline's value than the baseline was seen to be from itself, with a margin.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from shadow.compare.kinds import Value, value_of
from shadow.model import BODIES, Divergence

TIME_MARGIN: Final = 10.0
TIME_FLOOR_S: Final = 2.0
"""A time may be 10 times as far off as two baselines were, and always 2 s."""
NUMBER_MARGIN: Final = 3.0
"""A number may be 3 times as far off, in absolute and in relative terms, as two baselines."""
TEXT_MARGIN: Final = 2
"""A free text may be twice as long, or half as long, as those seen."""
REMEMBERED: Final = 512
"""Digests of values that are kept a place, to tell a token from a constant."""
CONSTANT_AFTER: Final = 3
"""Values of a candidate, mostly equal, from which a token is called a constant."""
MAX_PLACES: Final = 5_000


class KindSeen(msgspec.Struct, kw_only=True):
    """One kind of value that the baseline gave at a place."""

    count: int = 0
    shortest: int = 0
    longest: int = 0
    gap: float = 0.0
    """Largest distance of two baselines' values, in the value's unit or seconds."""
    relative_gap: float = 0.0
    """The same as a share of the larger one."""
    lowest: float = 0.0
    highest: float = 0.0
    rises: int = 0
    falls: int = 0
    last: float | None = None

    def see(self, value: Value) -> None:
        """Count one value."""
        self.shortest = min(self.shortest, value.size) if self.count else value.size
        self.longest = max(self.longest, value.size)
        self.count += 1
        if value.number is not None:
            first = self.last is None
            self.lowest = value.number if first else min(self.lowest, value.number)
            self.highest = value.number if first else max(self.highest, value.number)
            if self.last is not None and value.number != self.last:
                self.rises += value.number > self.last
                self.falls += value.number < self.last
            self.last = value.number

    def see_gap(self, left: float, right: float) -> None:
        """Count how far two baselines' values were apart."""
        gap, relative = _gaps(left, right)
        self.gap = max(self.gap, gap)
        self.relative_gap = max(self.relative_gap, relative)

    @property
    def counts_up(self) -> bool:
        """The values grow as the run goes: a request counter."""
        return self.rises >= 5 and self.falls * 10 <= self.rises

    def merge(self, other: KindSeen) -> None:
        """Add what another part of the run saw."""
        both = self.count and other.count
        self.shortest = (
            min(self.shortest, other.shortest) if both else (self.shortest or other.shortest)
        )
        self.longest = max(self.longest, other.longest)
        self.count += other.count
        self.gap = max(self.gap, other.gap)
        self.relative_gap = max(self.relative_gap, other.relative_gap)
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)
        self.rises += other.rises
        self.falls += other.falls


def _gaps(left: float, right: float) -> tuple[float, float]:
    gap = abs(left - right)
    return gap, gap / (max(abs(left), abs(right)) or 1.0)


class Repeats(msgspec.Struct, kw_only=True):
    """How often values repeat: a token never does, a constant always."""

    seen: int = 0
    distinct: int = 0

    def merge(self, other: Repeats) -> None:
        """Add what another part of the run saw."""
        self.seen += other.seen
        self.distinct += other.distinct


class Place(msgspec.Struct, kw_only=True):
    """What was seen at one noisy place."""

    differed: int = 0
    """Baseline pairs that differed here."""
    most_items: int = 0
    """List items gone or new here in one pair, at most."""
    excused: int = 0
    """Exchanges of this run whose presence or status here was called noise."""
    order: bool = False
    """A list whose order the baseline does not keep."""
    kinds: dict[str, KindSeen] = {}
    statuses: list[str] = []
    """Statuses that the baseline gave in turn, where the place is the status."""
    baseline: Repeats = msgspec.field(default_factory=Repeats)
    candidate: Repeats = msgspec.field(default_factory=Repeats)
    """Of the candidate's values that were called noise in this run."""


class Endpoint(msgspec.Struct, kw_only=True):
    """The noise of one endpoint."""

    pairs: int = 0
    """Baseline pairs compared; a place that never differed in them is not noisy."""
    judged: int = 0
    """Exchanges of this run."""
    places: dict[str, Place] = {}
    """By `where path_pattern`."""


class NoiseProfile:
    """Where the baseline is unstable, by endpoint. Grows as pairs of baselines are compared."""

    def __init__(self, endpoints: dict[str, Endpoint] | None = None) -> None:
        self.endpoints = endpoints or {}
        self._digests: dict[tuple[str, str, str], set[bytes]] = {}

    def plain(self, masked: Callable[[str], str]) -> NoiseProfile:
        """Return what may be written down: nothing whose name shows a secret.

        `masked` returns a text without its secrets. An endpoint or a key that holds one is met
        once, so nothing is lost for later.
        """
        return NoiseProfile(
            {
                name: msgspec.structs.replace(
                    each,
                    places={key: seen for key, seen in each.places.items() if masked(key) == key},
                )
                for name, each in self.endpoints.items()
                if masked(name) == name
            }
        )

    def state(self) -> bytes:
        """Everything, for `from_json` in a process that goes on with the run."""
        return msgspec.json.encode(_File(endpoints=self.endpoints))

    def to_json(self) -> bytes:
        """The profile as a file that a person can review."""
        for endpoint in self.endpoints.values():
            for place in endpoint.places.values():
                place.candidate, place.excused = Repeats(), 0
            endpoint.judged = 0
        encoded = msgspec.json.encode(_File(endpoints=self.endpoints), order="sorted")
        return msgspec.json.format(encoded, indent=2) + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> NoiseProfile:
        """Read `to_json`. Raises ValueError (msgspec's are) for anything else."""
        return cls(msgspec.json.decode(data, type=_File).endpoints)

    def learn(self, endpoint: str, differences: Iterable[Divergence]) -> None:
        """Take in what two baselines answered differently to one request."""
        known = self.endpoints.setdefault(endpoint, Endpoint())
        known.pairs += 1
        seen: set[str] = set()
        items: Counter[str] = Counter()
        for difference in differences:
            if difference.kind == "spelling" or _is_unfit(difference):
                continue
            name = place_name(difference)
            if name not in known.places and len(known.places) >= MAX_PLACES:
                continue
            place = known.places.setdefault(name, Place())
            place.differed += name not in seen
            seen.add(name)
            if _is_item(difference):
                items[name] += 1
                place.most_items = max(place.most_items, items[name])
            _learn(place, difference)
            for text in (difference.baseline, difference.candidate):
                if text is not None:
                    self._remember(endpoint, name, "baseline", text, place.baseline)

    def verdict(
        self, endpoint: str, divergence: Divergence, clock_gap_s: float = 0.0
    ) -> str | None:
        """The rule that calls a divergence noise, like `noise:string:uuid-lower`, or None.

        `clock_gap_s` is how much later the candidate answered than the baseline: a recorded
        baseline tells yesterday's time.
        """
        place = self._place(endpoint, divergence)
        if place is None or divergence.where == "transport" or _is_unfit(divergence):
            return None
        if divergence.kind == "reordered":
            return "noise:order" if place.order else None
        if divergence.where == "status":
            given = divergence.candidate
            return f"noise:status {given}" if given in place.statuses else None
        is_json = divergence.where in BODIES and divergence.path.startswith("$")
        baseline = value_of(divergence.baseline, is_json=is_json)
        candidate = value_of(divergence.candidate, is_json=is_json)
        seen = place.kinds.get(candidate.kind)
        if not self._is_own(endpoint) and not candidate.is_token:
            return None
        if seen is None or not _near(seen, baseline, candidate, clock_gap_s):
            return None
        return f"noise:{candidate.kind}"

    def _is_own(self, endpoint: str) -> bool:
        """Whether the endpoint itself was asked twice."""
        known = self.endpoints.get(endpoint)
        return known is not None and known.pairs > 0

    def judged(self, endpoint: str) -> None:
        """Count an exchange that is judged by this profile."""
        if endpoint in self.endpoints:
            self.endpoints[endpoint].judged += 1

    def most_items(self, endpoint: str, divergence: Divergence) -> int:
        """How many items of a list were gone or new, at most, between two baselines."""
        place = self._place(endpoint, divergence)
        return place.most_items if place else 0

    def is_excessive(self, endpoint: str, where: str, path_pattern: str) -> bool:
        """A presence or a status that differs much more often than between two baselines.

        Four standard deviations (and three exchanges) above the baselines' own rate, which is
        taken with two successes and two failures added (Agresti and Coull 1998).
        """
        known, place = (
            self.endpoints.get(endpoint),
            self._known(endpoint, f"{where} {path_pattern}"),
        )
        if known is None or place is None or not place.excused:
            return False
        expected = known.judged * (place.differed + 2) / (known.pairs + 4)
        return place.excused > expected + 4 * math.sqrt(expected + 1) + 3

    def observe(self, endpoint: str, divergence: Divergence) -> None:
        """Remember a candidate's value that was called noise: it may turn out a constant."""
        place = self._place(endpoint, divergence)
        if place is not None and is_rated(divergence):
            place.excused += 1
        if place is not None and divergence.candidate is not None:
            name = place_name(divergence)
            self._remember(endpoint, name, "candidate", divergence.candidate, place.candidate)

    def _remember(self, endpoint: str, name: str, side: str, text: str, repeats: Repeats) -> None:
        """Count a value, and whether it is new; beyond `REMEMBERED` values it is not counted."""
        digests = self._digests.setdefault((endpoint, name, side), set())
        if len(digests) >= REMEMBERED:
            return
        digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
        repeats.seen += 1
        repeats.distinct += digest not in digests
        digests.add(digest)

    def is_constant(self, endpoint: str, divergence: Divergence) -> bool:
        """A place where the baseline's tokens never repeat and the candidate's mostly do."""
        if not self.repeats(endpoint, divergence.where, divergence.path_pattern):
            return False
        is_json = divergence.where in BODIES and divergence.path.startswith("$")
        return value_of(divergence.candidate, is_json=is_json).is_token

    def repeats(self, endpoint: str, where: str, path_pattern: str) -> bool:
        """Whether the candidate's values at a place mostly repeat, and the baseline's never do."""
        place = self._known(endpoint, f"{where} {path_pattern}")
        if place is None:
            return False
        ours, theirs = place.baseline, place.candidate
        fresh = ours.seen == ours.distinct
        return fresh and theirs.seen >= CONSTANT_AFTER and theirs.distinct * 2 <= theirs.seen

    def is_noisy(self, endpoint: str, where: str, path_pattern: str) -> bool:
        """Whether the baseline was seen to differ from itself at the place."""
        return self._known(endpoint, f"{where} {path_pattern}") is not None

    def unordered(self, endpoint: str) -> tuple[str, ...]:
        """Path patterns of the lists whose order the baseline does not keep."""
        known = self.endpoints.get(endpoint)
        if known is None:
            return ()
        return tuple(
            name.removeprefix("body ")
            for name, place in known.places.items()
            if place.order and name.startswith("body $")
        )

    def part(self, endpoint: str) -> NoiseProfile:
        """What judging an exchange of one endpoint reads, to be judged by in another process.

        It has the profile's own objects in it and no digests: not a profile to learn with.
        """
        known = self.endpoints.get(endpoint)
        if known is not None and known.pairs:
            return NoiseProfile({endpoint: known})
        headers = {
            name: Endpoint(
                pairs=each.pairs,
                places={place: seen for place, seen in each.places.items() if _is_of_header(place)},
            )
            for name, each in self.endpoints.items()
        }
        return NoiseProfile(headers)

    def merge(self, other: NoiseProfile, *, begun_with: NoiseProfile | None = None) -> None:
        """Add what another part of the run learned.

        `begun_with` is what the other one knew at its start: how often that was seen is not
        counted again.
        """
        begun = begun_with.endpoints if begun_with else {}
        for name, theirs in other.endpoints.items():
            mine = self.endpoints.setdefault(name, Endpoint())
            before = begun.get(name, Endpoint())
            mine.pairs += theirs.pairs - before.pairs
            mine.judged += theirs.judged - before.judged
            for where, place in theirs.places.items():
                known = mine.places.setdefault(where, Place())
                known.differed += place.differed - before.places.get(where, Place()).differed
                known.excused += place.excused
                known.most_items = max(known.most_items, place.most_items)
                known.order = known.order or place.order
                for kind, seen in place.kinds.items():
                    known.kinds.setdefault(kind, KindSeen()).merge(seen)
                known.statuses = sorted({*known.statuses, *place.statuses})
                known.baseline.merge(place.baseline)
                known.candidate.merge(place.candidate)

    def _place(self, endpoint: str, divergence: Divergence) -> Place | None:
        return self._known(endpoint, place_name(divergence))

    def _known(self, endpoint: str, name: str) -> Place | None:
        """A place of the endpoint; a header's, of an endpoint that was never asked twice.

        Writes are never sent twice, so what a request id looks like there is taken from the
        endpoint that shows it best.
        """
        known = self.endpoints.get(endpoint)
        if known is not None and known.pairs:
            return known.places.get(name)
        if not _is_of_header(name):
            return None
        others = (other.places.get(name) for other in self.endpoints.values())
        places = [place for place in others if place is not None]
        return max(places, key=lambda place: place.differed, default=None)


class _File(msgspec.Struct, kw_only=True):
    v: Literal[1] = 1
    endpoints: dict[str, Endpoint]


def _is_of_header(name: str) -> bool:
    """Whether a place is a header, by the name that the profile gives it."""
    return name.startswith("header ")


def _is_item(divergence: Divergence) -> bool:
    """An item of a list that one side lacks."""
    return divergence.kind in ("missing", "extra") and divergence.path_pattern.endswith("[*]")


def is_rated(divergence: Divergence) -> bool:
    """What is or is not there, now and then: how often it differs says whether it is noise."""
    if divergence.where == "status":
        return True
    return divergence.kind in ("missing", "extra") and not _is_item(divergence)


def _is_unfit(divergence: Divergence) -> bool:
    """A difference that no noise explains: unread bodies, and whole bodies of other kinds."""
    if divergence.kind in ("undecodable", "over_budget"):
        return True
    whole = divergence.where == "body" and not divergence.path
    return whole and divergence.kind != "value_changed"


def place_name(divergence: Divergence) -> str:
    """How a profile names a place: `body $['items'][*]['at']`, `header x-request-id`."""
    return f"{divergence.where} {divergence.path_pattern}"


def _learn(place: Place, difference: Divergence) -> None:
    if difference.kind == "reordered":
        place.order = True
        return
    if difference.where == "status":
        given = {*place.statuses, difference.baseline or "", difference.candidate or ""}
        place.statuses = sorted(given)
        return
    is_json = difference.where in BODIES and difference.path.startswith("$")
    values = []
    for text in (difference.baseline, difference.candidate):
        value = value_of(text, is_json=is_json)
        values.append(value)
        seen = place.kinds.setdefault(value.kind, KindSeen())
        seen.see(value)
    left, right = values
    if left.kind == right.kind and left.number is not None and right.number is not None:
        place.kinds[left.kind].see_gap(left.number, right.number)


def _near(seen: KindSeen, baseline: Value, candidate: Value, clock_gap_s: float) -> bool:
    """Whether a candidate's value is where the baseline's values were."""
    if candidate.number is None:
        if candidate.is_token:
            return seen.shortest <= candidate.size <= seen.longest
        return seen.shortest <= candidate.size * TEXT_MARGIN and (
            candidate.size <= seen.longest * TEXT_MARGIN
        )
    if baseline.number is None or baseline.kind != candidate.kind:
        spread = seen.highest - seen.lowest
        return seen.lowest - spread <= candidate.number <= seen.highest + spread
    gap, relative = _gaps(baseline.number, candidate.number)
    if candidate.is_time:
        shifted = abs(candidate.number - baseline.number - clock_gap_s)
        return min(gap, shifted) <= max(seen.gap * TIME_MARGIN, TIME_FLOOR_S)
    if seen.counts_up:
        return 0 < candidate.number <= seen.highest * NUMBER_MARGIN
    return gap <= seen.gap * NUMBER_MARGIN and relative <= seen.relative_gap * NUMBER_MARGIN
