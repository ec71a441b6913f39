"""What is said of the speed of an endpoint, and when."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from shadow.results.discovery import ALPHA

DELTA: Final = 0.05
"""A change of the service time by less than this share does not matter."""
RESOLUTION_US: Final = 10
"""A difference of less than this at the median request is not told.

At 70 µs a request, two processes of one Go program came out some 7 µs apart in single runs on
a busy machine: that much says nothing of the programs.
"""
MANY: Final = 100
"""Times as many exchanges as there were: an answer beyond it is no plan."""

SpeedVerdict = Literal["faster", "slower", "equivalent", "inconclusive", "withheld"]
SpeedReason = Literal["", "few", "wide", "near", "fine", "saturated"]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """The candidate's time as a multiple of the baseline's, with its 95 % interval."""

    value: float
    low: float
    high: float


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A duration or a difference in µs, with its 95 % interval."""

    value: int
    low: int
    high: int


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile of the service time of both sides, in µs, over the same exchanges."""

    percentile: int
    baseline: int
    candidate: int
    difference: Span
    """Candidate less baseline."""
    ratio: Ratio | None = None
    """Candidate as a multiple of the baseline; None in what was stored before it was known."""


class Jitter(msgspec.Struct, frozen=True, kw_only=True):
    """p99 less p50 of the response time: where pauses show, as those of Go's collector."""

    baseline: Span
    candidate: Span
    ratio: Ratio | None = None
    """Candidate as a multiple of the baseline."""


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one endpoint and what it rests on."""

    verdict: SpeedVerdict
    """`faster` and `slower` are said of the candidate."""
    reason: SpeedReason = ""
    """Why not: `few` sessions, a `wide` interval, an effect too `near` the threshold or too
    `fine` for the generator's clock, a `saturated` generator."""
    pairs: int
    """Exchanges that both sides answered alike, without warm-up, hollow ones and errors."""
    sampled: bool = False
    """There were more pairs: whole sessions were drawn from them."""
    sessions: int
    """Sessions, or blocks of exchanges without one: what counts as one independent trial."""
    ratio: Ratio | None = None
    """Hodges-Lehmann, over the sessions' medians."""
    apart_us: int | None = None
    """What the ratio comes to at the baseline's median request, in µs."""
    p: float | None = None
    """Wilcoxon's signed-rank test over the sessions' medians."""
    q: float | None = None
    """`p` after Benjamini and Hochberg, over the endpoints of the run."""
    more: int | None = None
    """About how many more exchanges would decide; None where that cannot be said."""
    shifts: tuple[Shift, ...] = ()
    """p50, p90 and p99, each where there are enough pairs."""
    jitter: Jitter | None = None
    lag_p99_us: int | None = None
    """How late the generator sent, 99th percentile."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How a service time, or the ratio of two, changed from one run to another."""

    verdict: SpeedVerdict = "inconclusive"
    """`slower` where it is longer (or the ratio higher) in the later run."""
    reason: SpeedReason = "few"
    """As in `Speed`."""
    sessions: tuple[int, int] = (0, 0)
    """Sessions, or blocks of exchanges without one, of the earlier and of the later run."""
    shift: Ratio | None = None
    """The later run's as a multiple of the earlier one's: Hodges-Lehmann."""
    p: float | None = None
    """Mann and Whitney's test over the sessions' medians."""
    q: float | None = None
    """`p` after Benjamini and Hochberg, over the endpoints."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What changed at one endpoint: each side's service time, and the ratio of both."""

    baseline: Change
    candidate: Change
    ratio: Change
    """Of candidate over baseline: what slows a whole machine is in both and falls out of it."""


def decide(ratio: Ratio, q: float, apart_us: float) -> tuple[SpeedVerdict, SpeedReason]:
    """Judge an effect: its size and its interval both count.

    Different where it is both significant and larger than `DELTA`; equivalent where the whole
    interval lies within it; else nothing can be said yet. What is `apart_us` by less than the
    generator can tell is not called different.
    """
    if q < ALPHA and abs(ratio.value - 1) > DELTA:
        if abs(apart_us) < RESOLUTION_US:
            return "inconclusive", "fine"
        return ("faster" if ratio.value < 1 else "slower"), ""
    if ratio.low >= 1 - DELTA and ratio.high <= 1 + DELTA:
        return "equivalent", ""
    return "inconclusive", "wide"


def more_exchanges(ratio: Ratio, pairs: int) -> int | None:
    """Return about how many more exchanges would make the interval narrow enough to decide.

    Its half-width goes with 1/√n. It must not reach 1 where the effect is larger than `DELTA`,
    nor leave ±`DELTA` where it is smaller. None where that takes more than `MANY` times what
    there was, which is so where the effect is about as large as `DELTA` itself.
    """
    effect, half = abs(math.log(ratio.value)), math.log(ratio.high / ratio.low) / 2
    edge = math.log1p(DELTA)
    wanted = effect if abs(ratio.value - 1) > DELTA else edge - effect
    if wanted <= 0 or half > wanted * math.sqrt(MANY):
        return None
    return max(1, math.ceil(pairs * ((half / wanted) ** 2 - 1)))
