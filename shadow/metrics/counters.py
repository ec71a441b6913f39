"""What the live path counts: plain integers in dictionaries.

A bump is a hash and an addition, made for each request. Labels are bounded: so many endpoints
and reasons have a series of their own, whatever comes later counts as `(other)`. Nothing here
masks: names of endpoints and routes are given as `Masker.mask_endpoint` returns them. They may
still hold anything a client can send.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import product
from typing import Final, Literal, get_args

from shadow.metrics.names import METRICS, OURS
from shadow.model import Kind, NoAnswerKind, Outcome, SideName, Verdict
from shadow.printable import printable
from shadow.results.routes import GO_ALL, Guard

OTHER: Final = "(other)"
"""Stands for every label value beyond the bound."""
MAX_ENDPOINTS: Final = 200
"""Endpoints and routes, which share their names, that have a series of their own, besides those
that the config names: whatever else clients ask for, these are told apart."""
MAX_REASONS: Final = 50
LABEL_CHARACTERS: Final = 200
"""Where a label value is cut."""
BOUNDS_S: Final = (
    *(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper ends of the buckets of a latency, in seconds; the last bucket is open."""

ShedReason = Literal["queue-full", "queue-bytes"]
Labels = tuple[str, ...]
"""The values of a metric's labels, in their order."""

_SIDES: Final[tuple[SideName, ...]] = get_args(SideName)
_CODES: Final = {0: "none", 1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}


class LabelValues:
    """The values of one label: the first so many as they are shown, `(other)` for the rest.

    Those that are `expected` are shown however many came before.
    """

    def __init__(self, most: int, expected: Iterable[str] = ()) -> None:
        self._most = most
        self._expected = frozenset(each[:LABEL_CHARACTERS] for each in expected)
        self._values: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return the value that stands for a text."""
        value = self._values.get(text)
        return self._learn(text) if value is None else value

    def _learn(self, text: str) -> str:
        if len(text) > LABEL_CHARACTERS:
            return self.of(text[:LABEL_CHARACTERS])
        if len(self._values) >= self._most and text not in self._expected:
            return OTHER
        self._values[text] = value = shown(text)
        return value


def shown(text: str) -> str:
    """Return a text on one line that can be encoded: U+FFFD for what is not printable."""
    return printable(text, "\N{REPLACEMENT CHARACTER}")


class Durations:
    """How many durations fell into each bucket of `BOUNDS_S`, and their sum in seconds."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def record(self, seconds: float) -> None:
        """Count one; an upper end belongs to its bucket."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


class Counters:
    """What the live path counts. All from one thread, the event loop's: two would lose counts."""

    def __init__(self, endpoints: Iterable[str] = ()) -> None:
        """Take the names of the endpoints that the config has, masked."""
        self.endpoints = LabelValues(MAX_ENDPOINTS, endpoints)
        """Of endpoints and of routes."""
        self.endpoints.of(GO_ALL)  # before clients can fill it
        self.durations = {side: Durations() for side in _SIDES}
        self.tables: dict[str, defaultdict[Labels, int]] = {
            metric.name: defaultdict(int, dict.fromkeys(_from_the_start(metric.name), 0))
            for metric in OURS
            if metric.type == "counter"
        }
        """The counts of each counter, by its labels."""
        self._requests = self.tables["shadow_requests_total"]
        self._exchanges = self.tables["shadow_exchanges_total"]
        self._skipped = self.tables["shadow_skipped_total"]
        self._sheds = self.tables["shadow_sheds_total"]
        self._divergences = self.tables["shadow_divergences_total"]
        self._failures = self.tables["shadow_upstream_failures_total"]
        self._reasons = LabelValues(MAX_REASONS)
        self._refusals = LabelValues(MAX_REASONS)
        self._results = LabelValues(MAX_REASONS)

    def answered(self, side: SideName, status: int) -> None:
        """A client was answered by a side; `status` is 0 where it got no answer."""
        self._requests[side, _CODES.get(status // 100, OTHER)] += 1

    def timed(self, side: SideName, seconds: float) -> None:
        """A side took so long to answer, mirrored or served."""
        self.durations[side].record(seconds)

    def judged(self, outcome: Outcome) -> None:
        """An exchange was compared; one that was not is `skipped` or `shed`."""
        self._exchanges[(outcome,)] += 1

    def skipped(self, reason: str) -> None:
        """An exchange was not compared: it ends in the outcome `skipped`."""
        self._exchanges[("skipped",)] += 1
        self._skipped[(self._reasons.of(reason),)] += 1

    def shed(self, reason: ShedReason) -> None:
        """A copy was dropped: its exchange is skipped, the reason is `shed`."""
        self._exchanges[("skipped",)] += 1
        self._skipped[("shed",)] += 1
        self._sheds[(reason,)] += 1

    def diverged(self, endpoint: str, kind: Kind, verdict: Verdict) -> None:
        """A difference was found; the endpoint's name is masked."""
        self._divergences[self.endpoints.of(endpoint), kind, verdict] += 1

    def upstream_failed(self, side: SideName, kind: NoAnswerKind) -> None:
        """A side gave no complete answer."""
        self._failures[side, kind] += 1

    def fell_back(self, route: str) -> None:
        """Go answered for Rust; the route's name is masked."""
        self.tables["shadow_fallbacks_total"][(self.endpoints.of(route),)] += 1

    def rolled_back(self, route: str, guard: Guard) -> None:
        """A guard set a route to Go; the route's name is masked."""
        self.tables["shadow_rollbacks_total"][self.endpoints.of(route), guard] += 1

    def store_failed(self) -> None:
        """A write to the store failed; it is tried again."""
        self.tables["shadow_store_failures_total"][()] += 1

    def store_lost(self, records: int = 1) -> None:
        """Records were dropped without a write, as where too many wait for the store."""
        self.tables["shadow_store_lost_total"][()] += records

    def events_lost(self, events: int = 1) -> None:
        """Events were not written."""
        self.tables["shadow_events_lost_total"][()] += events

    def recorded(self, exchanges: int = 1) -> None:
        """Exchanges were written to a capture."""
        self.tables["shadow_recorded_total"][()] += exchanges

    def record_lost(self, exchanges: int = 1) -> None:
        """Exchanges could not be written to a capture."""
        self.tables["shadow_record_lost_total"][()] += exchanges

    def judge_failed(self) -> None:
        """Judging an exchange failed."""
        self.tables["shadow_judge_failures_total"][()] += 1

    def refused(self, reason: str) -> None:
        """A client's connection or request was refused."""
        self.tables["shadow_client_refused_total"][(self._refusals.of(reason),)] += 1

    def upgraded(self, result: str) -> None:
        """A client asked for another protocol."""
        self.tables["shadow_upgrades_total"][(self._results.of(result),)] += 1


def _from_the_start(name: str) -> Iterable[Labels]:
    """Return the labels of a counter that are there at 0, before anything was counted.

    `increase()` does not see the first count of a series that begins with it.
    """
    codes = [each for each in _CODES.values() if each != "1xx"]
    known: dict[str, Iterable[Labels]] = {
        "shadow_requests_total": product(_SIDES, codes),
        "shadow_exchanges_total": product([each.value for each in Outcome]),
        "shadow_skipped_total": [("shed",)],
        "shadow_sheds_total": product(get_args(ShedReason)),
        "shadow_upstream_failures_total": product(_SIDES, get_args(NoAnswerKind)),
    }
    return known.get(name, () if METRICS[name].labels else ((),))
