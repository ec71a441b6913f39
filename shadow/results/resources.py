"""What a service used while it was replayed to: CPU and memory, window by window.

One average over a run hides a slow start and a machine that was busy for a while, so the run
is cut into windows, and what is said is the median of them with an interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, TypeVar

import msgspec

Border = TypeVar("Border")

WINDOWS: Final = 20
"""Windows that a run is cut into, where there are readings enough."""
BUSY: Final = 0.85
"""The share of a machine's CPU time above which what runs on it waits for it."""
READ_SHARE: Final = 0.9
"""The share of its readings without which a run was not read through."""
READ_UNTIL: Final = 0.95
"""How far into a run the last reading must be for it to have been read through."""

_GIB: Final = 2**30
_TAIL: Final = 0.025
_MOST: Final = 1e300  # the middle of two larger ones may overflow


class Reading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a source said at one moment; what it does not tell is None."""

    tick: int
    """The number of the moment: readings of both sides that are taken together share it."""
    at_s: float
    """On a clock that never goes back."""
    requests: int
    """Exchanges kept so far."""
    cpu_s: float | None = None
    """CPU time used since the service began."""
    memory_bytes: int | None = None
    peak_bytes: int | None = None
    """The most memory since the service began, where that is kept by the system."""
    gc_longest_s: float | None = None
    """The longest recent pause of Go's collector, as its own metrics tell it."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The median of the windows, and an interval of at least 95 % where there are six or more."""

    median: float
    low: float | None
    high: float | None
    windows: int


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """The run as a sampler saw it, whatever could be read: its ticks, and when it was."""

    ticks: int
    begun_s: float
    ended_s: float
    """On the clock of the readings."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run something was read in."""

    share: float
    """Readings, of those that were tried."""
    until: float
    """The share of the run's time that had passed at the last reading."""

    @property
    def whole(self) -> bool:
        """Whether it was read through the run."""
        return self.share >= READ_SHARE and self.until >= READ_UNTIL


class ResourceUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one service used. None where it could not be read."""

    source: str
    """Where it was read: `pid:123`, `cgroup:…`, `prom:…`."""
    cpu_s_per_1000: Spread | None = None
    """CPU seconds per 1,000 requests, less what the service uses when idle."""
    idle_cores: float | None = None
    """CPU seconds a second before the first request; None where that was not measured."""
    memory_bytes: Spread | None = None
    peak_bytes: int | None = None
    """The most memory seen during the run."""
    requests_per_s: float | None = None
    gc_longest_s: float | None = None
    """Shown and never compared: a Rust service has no such thing."""
    notes: tuple[str, ...] = ()
    """Why something is missing."""
    cpu_read: Extent | None = None
    """None where it is not known, as in runs stored before it was kept."""
    memory_read: Extent | None = None


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What both services used during one run."""

    baseline: ResourceUse | None = None
    candidate: ResourceUse | None = None
    cpu_ratio: Spread | None = None
    """The candidate's CPU time per request as a multiple of the baseline's."""
    machine_busy: float | None = None
    """The share of the generator's machine's CPU time that was in use."""
    baseline_cost: Cost | None = None
    candidate_cost: Cost | None = None
    """None without prices."""

    def priced(self, prices: Prices) -> Resources:
        """Return it with what a million requests cost on each side."""
        costs = [use and cost_per_million(use, prices) for use in (self.baseline, self.candidate)]
        return msgspec.structs.replace(self, baseline_cost=costs[0], candidate_cost=costs[1])


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What an hour costs, in any currency."""

    core_hour: float
    gib_hour: float


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a million requests cost, in the currency of the prices."""

    cpu: float
    memory: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.cpu + self.memory


def resource_use(
    source: str,
    idle: Sequence[Reading],
    run: Sequence[Reading],
    notes: Iterable[str] = (),
    course: Course | None = None,
) -> ResourceUse:
    """Sum readings up: those `idle`, before the first request, and those of the `run`.

    Without its `course` it is not known how much of the run was read.
    """
    told = list(notes)
    idle_cores = _cores(idle)
    windows = list(pairwise(_thinned(run)))
    if any(_cpu(one, other) is None for one, other in windows) and _knows(run, "cpu_s"):
        told.append("the service began anew during the run: what spans that is left out")
    if idle_cores is None and _knows(run, "cpu_s"):
        told.append("no idle time before the run: nothing is taken off")
    span = run[-1].at_s - run[0].at_s if run else 0.0
    pauses = [each.gc_longest_s for each in run if each.gc_longest_s is not None]
    return ResourceUse(
        source=source,
        cpu_s_per_1000=spread(_per_1000(windows, idle_cores or 0.0)),
        idle_cores=idle_cores,
        memory_bytes=spread([float(m) for each in run if (m := each.memory_bytes) is not None]),
        peak_bytes=_peak(run),
        requests_per_s=(run[-1].requests - run[0].requests) / span if span > 0 else None,
        gc_longest_s=max(pauses, default=None),
        notes=tuple(told),
        cpu_read=_extent([each for each in run if each.cpu_s is not None], course),
        memory_read=_extent([each for each in run if each.memory_bytes is not None], course),
    )


def cpu_ratio(
    baseline: Sequence[Reading],
    candidate: Sequence[Reading],
    idle: tuple[Sequence[Reading], Sequence[Reading]] = ((), ()),
) -> Spread | None:
    """Return the candidate's CPU time per request as a multiple of the baseline's.

    Window against window of the same time, so that what slows the machine is in both. A window
    begins and ends where both sides were read, so that one that was not read for a while is
    not compared with another time of the other.
    """
    known = [{e.tick: e for e in run if e.cpu_s is not None} for run in (baseline, candidate)]
    common = _thinned(sorted(known[0].keys() & known[1].keys()))
    sides = [
        _per_1000(list(pairwise(run[tick] for tick in common)), _cores(before) or 0.0, gaps=True)
        for run, before in zip(known, idle, strict=True)
    ]
    return spread([two / one for one, two in zip(*sides, strict=True) if one > 0 and two > 0])


def cost_per_million(use: ResourceUse, prices: Prices) -> Cost | None:
    """Return what a million requests cost at the rate of the run; None where use is unknown.

    The CPU time they take, and the peak of memory for as long as they take to arrive.
    """
    if use.cpu_s_per_1000 is None or use.peak_bytes is None or not use.requests_per_s:
        return None
    core_hours = use.cpu_s_per_1000.median * 1000 / 3600
    hours = 1_000_000 / use.requests_per_s / 3600
    return Cost(
        cpu=core_hours * prices.core_hour,
        memory=use.peak_bytes / _GIB * hours * prices.gib_hour,
    )


def busy_share(times: Sequence[tuple[float, float]]) -> float | None:
    """Return the share of a machine's CPU time in use, the median over the readings.

    A reading is the CPU time in use and in all. Above `BUSY` the services wait for each other,
    for the generator and for whatever else runs there: no time of them is their own. Sums of
    ticks are not exact: of a machine that is idle the difference may be just below nothing.
    """
    shares = [
        max(0.0, (two[0] - one[0]) / (two[1] - one[1]))
        for one, two in pairwise(times)
        if two[1] > one[1]
    ]
    return median(shares) if shares else None


def spread(values: Sequence[float]) -> Spread | None:
    """Return the median with its distribution-free interval; None without values.

    A value that is not finite is none: JSON has no word for it.

    The interval is between two order statistics that are each missed with at most 2.5 %.
    Source: Hahn and Meeker, Statistical Intervals, section 5.2.
    """
    ordered = sorted(each for each in values if abs(each) < _MOST)
    number = len(ordered)
    if not ordered:
        return None
    outside, below = 0, 0.5**number
    while below <= _TAIL:
        outside += 1
        below += math.comb(number, outside) * 0.5**number
    return Spread(
        median=median(ordered),
        low=ordered[outside - 1] if outside else None,
        high=ordered[number - outside] if outside else None,
        windows=number,
    )


def _extent(read: Sequence[Reading], course: Course | None) -> Extent | None:
    if course is None:
        return None
    length = course.ended_s - course.begun_s
    passed = read[-1].at_s - course.begun_s if read else 0.0
    return Extent(
        share=min(1.0, len(read) / course.ticks) if course.ticks else 0.0,
        until=min(1.0, max(0.0, passed / length)) if length > 0 else 0.0,
    )


def _thinned(run: Sequence[Border]) -> list[Border]:
    """Keep what is at the borders of at most `WINDOWS` windows."""
    if len(run) <= WINDOWS + 1:
        return list(run)
    last = len(run) - 1
    return [run[round(place * last / WINDOWS)] for place in range(WINDOWS + 1)]


def _per_1000(
    windows: Sequence[tuple[Reading, Reading]], idle_cores: float, *, gaps: bool = False
) -> list[float]:
    """CPU seconds per 1,000 requests of each window; with `gaps`, 0 where it is not known."""
    found: list[float] = []
    for one, other in windows:
        used, requests = _cpu(one, other), other.requests - one.requests
        if used is not None and requests > 0:
            own = max(0.0, used - idle_cores * (other.at_s - one.at_s))
            found.append(own / requests * 1000)
        elif gaps:
            found.append(0.0)
    return found


def _cpu(one: Reading, other: Reading) -> float | None:
    """CPU time between two readings; None where the counter is unknown or began anew."""
    if one.cpu_s is None or other.cpu_s is None or other.cpu_s < one.cpu_s:
        return None
    return other.cpu_s - one.cpu_s


def _cores(idle: Sequence[Reading]) -> float | None:
    """CPU seconds a second over all idle readings; the median of them, against one hiccup."""
    rates = [
        used / (other.at_s - one.at_s)
        for one, other in pairwise(idle)
        if (used := _cpu(one, other)) is not None and other.at_s > one.at_s
    ]
    return median(rates) if rates else None


def _knows(run: Sequence[Reading], name: str) -> bool:
    return any(getattr(each, name) is not None for each in run)


def _peak(run: Sequence[Reading]) -> int | None:
    """The most memory during the run.

    What the system keeps is since the service began. Only where that rose during the run is it
    of the run; else the most that was seen is.
    """
    seen = max((each.memory_bytes for each in run if each.memory_bytes is not None), default=None)
    kept = [each.peak_bytes for each in run if each.peak_bytes is not None]
    if kept and kept[-1] > kept[0]:
        return max(kept[-1], seen or 0)
    return seen
