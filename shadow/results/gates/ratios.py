"""Latency, CPU and memory: the candidate as a multiple of the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec

from shadow.results.gates.criteria import TAIL, Criteria, exchanges_needed_of_each
from shadow.results.gates.grounds import Grounds, compared
from shadow.results.gates.verdicts import CriterionResult, GateVerdict
from shadow.results.latency import minimum_count
from shadow.results.resources import READ_SHARE, Extent
from shadow.results.speed.pairs import FEWEST_CLUSTERS
from shadow.results.speed.verdicts import MANY, RESOLUTION_US, Ratio, Speed
from shadow.results.summary import EndpointSummary

SPREAD_WINDOWS: Final = 6
"""Windows below which the CPU ratio has no interval."""


class _Asked(NamedTuple):
    """A ratio of speed that is asked for."""

    name: str
    bound: float
    pairs: int
    """Without which it has no interval."""
    measured: Callable[[Speed], tuple[Ratio | None, int]]
    """Takes it, and how many µs it comes to, from what is known of an endpoint."""


def latency(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """Percentiles of the service time: the candidate is not slower by more than the bound."""
    for percentile, bound in criteria.max_latency_ratio:
        pairs = minimum_count(percentile)
        asked = _Asked(f"latency-p{percentile}", bound, pairs, partial(_shift, percentile))
        yield _every(asked, grounds, criteria)


def _shift(percentile: int, speed: Speed) -> tuple[Ratio | None, int]:
    shift = next((each for each in speed.shifts if each.percentile == percentile), None)
    return (None, 0) if shift is None else (shift.ratio, shift.difference.value)


def jitter(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """The tail: p99 less p50 of the response time."""
    if criteria.max_jitter_ratio is not None:
        asked = _Asked("jitter", criteria.max_jitter_ratio, minimum_count(TAIL), _tail)
        yield _every(asked, grounds, criteria)


def _tail(speed: Speed) -> tuple[Ratio | None, int]:
    tail = speed.jitter
    return (None, 0) if tail is None else (tail.ratio, tail.candidate.value - tail.baseline.value)


def _every(asked: _Asked, grounds: Grounds, criteria: Criteria) -> CriterionResult:
    """Judge every covered endpoint; of the others only one that fails all the same counts.

    One that fails decides. All must pass, which needs no allowance for their number: the worst
    of them passes wrongly no more often than one alone.
    """
    withheld = grounds.summary.speed_withheld
    if withheld is not None:
        return _undecided(asked.name, asked.bound, withheld.text)
    needed = exchanges_needed_of_each(criteria)
    found = ((each, _one(asked, each)) for each in grounds.summary.endpoints)
    judged = [
        result for each, result in found if compared(each) >= needed or result.verdict == "fail"
    ]
    if not judged:
        return _undecided(asked.name, asked.bound, f"no endpoint has {needed:,} exchanges")
    return _worst(judged)


def _undecided(name: str, bound: float, note: str) -> CriterionResult:
    return CriterionResult(name=name, verdict="inconclusive", unit="ratio", bound=bound, note=note)


def _one(asked: _Asked, endpoint: EndpointSummary) -> CriterionResult:
    """Judge one endpoint."""
    speed = endpoint.speed
    ratio, apart_us = (None, 0) if speed is None else asked.measured(speed)
    if speed is None or ratio is None:
        more, note = _why_not(speed, asked.pairs)
        found = _undecided(asked.name, asked.bound, note)
        return msgspec.structs.replace(found, more=more, endpoint=endpoint.endpoint)
    verdict, more = judge_ratio(ratio, asked.bound, speed.pairs)
    note = "" if verdict != "inconclusive" or more else "too near the bound to tell"
    if verdict == "fail" and abs(apart_us) < RESOLUTION_US:
        verdict, note = "inconclusive", f"{abs(apart_us)} µs apart: too little to tell"
    return CriterionResult(
        name=asked.name,
        verdict=verdict,
        unit="ratio",
        measured=ratio.value,
        bound=asked.bound,
        low=ratio.low,
        high=ratio.high,
        more=more,
        endpoint=endpoint.endpoint,
        note=note,
    )


def _why_not(speed: Speed | None, pairs: int) -> tuple[int | None, str]:
    """Say why an endpoint has no interval, and how many more exchanges it takes."""
    if speed is None:
        return None, "no pair of answers was timed"
    if speed.verdict == "withheld":
        return None, "the generator was the bottleneck"
    if speed.reason == "few":
        return speed.more, f"{speed.sessions:,} sessions, of {FEWEST_CLUSTERS} that it takes"
    if speed.pairs < pairs:
        return pairs - speed.pairs, f"{speed.pairs:,} pairs, of {pairs:,} that it takes"
    return None, "no interval: only the endpoints with most pairs have one"


def _worst(judged: Sequence[CriterionResult]) -> CriterionResult:
    """Return what decides: a miss, else what is not decided, else what came closest."""
    missed = [each for each in judged if each.verdict == "fail"]
    undecided = [each for each in judged if each.verdict == "inconclusive"]
    deciding = missed or undecided or list(judged)
    worst = max(deciding, key=lambda each: each.high if each.high is not None else math.inf)
    told = [worst.note] if worst.note else []
    if len(deciding) > 1 and deciding is not judged and worst.verdict != "pass":
        told.append(f"and {len(deciding) - 1:,} more of {len(judged):,} endpoints")
    elif len(judged) > 1:
        told.append(f"the worst of {len(judged):,} endpoints")
    more = None
    if worst.verdict == "inconclusive":
        needs = [each.more for each in undecided]
        more = None if None in needs else sum(each or 0 for each in needs)
    return msgspec.structs.replace(worst, more=more, note="; ".join(told))


def judge_ratio(ratio: Ratio, bound: float, pairs: int) -> tuple[GateVerdict, int | None]:
    """Test non-inferiority: the whole interval at or below the bound passes, above it fails.

    Also return about how many more exchanges would decide: the interval's half-width goes with
    1/√n on the scale of the logarithm. None where that is beyond `MANY` times as many.
    """
    if ratio.high <= bound:
        return "pass", None
    if ratio.low > bound:
        return "fail", None
    wanted = abs(math.log(bound) - math.log(ratio.value))
    end = ratio.high if ratio.value <= bound else ratio.low
    half = abs(math.log(max(end, 1e-9)) - math.log(ratio.value))
    if wanted <= 0 or half > wanted * math.sqrt(MANY):
        return "inconclusive", None
    return "inconclusive", max(1, math.ceil(pairs * ((half / wanted) ** 2 - 1)))


def cpu(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """CPU time per request, window against window."""
    bound, resources = criteria.max_cpu_ratio, grounds.summary.resources
    if bound is None:
        return
    spread = resources and resources.cpu_ratio
    if not resources or not spread:
        note = "the CPU time of both services is not known"
        yield _undecided("cpu", bound, note)
        return
    uses = (resources.baseline, resources.candidate)
    unread = _unread([use.cpu_read if use else None for use in uses])
    if unread:
        yield _undecided("cpu", bound, unread)
        return
    verdict: GateVerdict = "inconclusive"
    note = f"{spread.windows} windows, of {SPREAD_WINDOWS} that an interval takes"
    if spread.low is not None and spread.high is not None:
        ratio = Ratio(value=spread.median, low=spread.low, high=spread.high)
        verdict, _ = judge_ratio(ratio, bound, spread.windows)
        note = "" if verdict != "inconclusive" else "a longer run narrows the interval"
    yield CriterionResult(
        name="cpu",
        verdict=verdict,
        unit="ratio",
        measured=spread.median,
        bound=bound,
        low=spread.low,
        high=spread.high,
        note=note,
    )


def memory(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """The peak of memory: one number of each side, so there is no interval."""
    bound, resources = criteria.max_memory_ratio, grounds.summary.resources
    if bound is None:
        return
    sides = (resources.baseline, resources.candidate) if resources else (None, None)
    baseline, candidate = (each.peak_bytes if each else None for each in sides)
    if not baseline or candidate is None:
        note = "the memory of both services is not known"
        yield _undecided("memory", bound, note)
        return
    unread = _unread([use.memory_read if use else None for use in sides])
    if unread:
        yield _undecided("memory", bound, unread)
        return
    measured = candidate / baseline
    yield CriterionResult(
        name="memory",
        verdict="pass" if measured <= bound else "fail",
        unit="ratio",
        measured=measured,
        bound=bound,
    )


def _unread(extents: Sequence[Extent | None]) -> str:
    """Say which side was not read through the run, and why; nothing where both were."""
    told: list[str] = []
    for name, extent in zip(("baseline", "candidate"), extents, strict=True):
        if extent is None:
            told.append(f"how much of the run the {name} was read in is not known")
        elif extent.share < READ_SHARE:
            told.append(f"{100 * extent.share:.3g} % of the readings of the {name} could be taken")
        elif not extent.whole:
            passed = f"{100 * extent.until:.3g} % of the run had passed"
            told.append(f"the {name} was last read when {passed}")
    return "; ".join(told)
