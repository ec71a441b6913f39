"""A rate against its bound, and how many more exchanges would decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from shadow.results.bounds import (
    CONFIDENCE,
    at_most,
    clean_exchanges_for,
    lower_bound,
    upper_bound,
)
from shadow.results.failures import mcnemar
from shadow.results.gates.criteria import Criteria
from shadow.results.gates.grounds import Grounds
from shadow.results.gates.verdicts import CriterionResult, GateVerdict
from shadow.results.tally import OTHER

MOST: Final = 1_000_000_000
"""More exchanges than that are no plan."""


def divergence(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """Divergent ÷ (match + equivalent + divergent), without the hollow ones."""
    rate, bound = grounds.summary.rate, criteria.max_divergence_rate
    if bound is None:
        return
    count, trials = (0, 0) if rate is None else (rate.divergent, rate.exchanges)
    note = f"{count:,} of {trials:,} exchanges diverged"
    if rate is not None and rate.shapes is not None:  # many that are alike are not as many trials
        note += f", {rate.divergent_shapes:,} of {rate.shapes:,} request shapes"
    yield judge_share("divergence-rate", count, trials, bound, note)


def errors(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """How often the candidate gave no answer or a 5xx where the baseline did not."""
    bound, summary = criteria.max_error_rate, grounds.summary
    if bound is None:
        return
    if not grounds.evidence or any(each.endpoint == OTHER for each in summary.endpoints):
        note = "who failed is not known of every endpoint"
        yield CriterionResult(
            name="error-rate", verdict="inconclusive", unit="share", bound=bound, note=note
        )
        return
    failing = [each.errors for each in summary.endpoints if each.errors is not None]
    alone = sum(each.candidate_only for each in failing)
    other = sum(each.baseline_only for each in failing)
    compared = sum(each.compared for each in summary.endpoints)
    # Of what the baseline failed some was not compared: to take all of it off is cautious.
    answered = max(alone, compared - other - sum(each.both for each in failing))
    note = f"{summary.candidate.name} failed {alone:,} times alone"
    if alone or other:
        p = mcnemar(other, alone)
        note += f", {summary.baseline.name} {other:,} times (McNemar p = {p:.2g})"
    yield judge_share("error-rate", alone, answered, bound, note)


def judge_share(name: str, count: int, trials: int, bound: float, note: str) -> CriterionResult:
    """Judge a rate, `count` of `trials`, by its two one-sided 95 % bounds.

    It passes where the upper one is at most `bound` and fails where the lower one is above it.
    Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    low, high = lower_bound(count, trials), upper_bound(count, trials)
    if low is None or high is None:
        return CriterionResult(
            name=name,
            verdict="inconclusive",
            unit="share",
            bound=bound,
            more=clean_exchanges_for(bound),
            note="no exchange was compared",
        )
    verdict: GateVerdict = "pass" if high <= bound else "fail" if low > bound else "inconclusive"
    open_ = verdict == "inconclusive"
    return CriterionResult(
        name=name,
        verdict=verdict,
        unit="share",
        measured=count / trials,
        bound=bound,
        low=low,
        high=high,
        more=more_if_clean(count, trials, bound) if open_ else None,
        more_at_rate=more_at_rate(count, trials, bound) if open_ else None,
        note=note,
    )


def more_if_clean(count: int, trials: int, bound: float) -> int | None:
    """Return how many more exchanges without a divergence let the rate pass."""

    def passes(more: int) -> bool:
        upper = upper_bound(count, trials + more)
        return upper is not None and upper <= bound

    return _least(passes)


def more_at_rate(count: int, trials: int, bound: float) -> int | None:
    """Return about how many more exchanges decide, to pass or to fail, at the rate so far.

    None at a rate of just the bound, which nothing decides.
    """
    rate = count / trials
    if rate == bound:
        return None

    def passes(more: int) -> bool:
        total = trials + more
        expected = math.ceil(rate * total)
        return expected < bound * total and at_most(expected, total, bound) <= 1 - CONFIDENCE

    def fails(more: int) -> bool:
        total = trials + more
        others = total - math.floor(rate * total)
        likely = others >= (1 - bound) * total
        return not likely and at_most(others, total, 1 - bound) < 1 - CONFIDENCE

    return _least(passes if rate < bound else fails)


def _least(decides: Callable[[int], bool]) -> int | None:
    """Return the smallest number above 0 that decides, found by doubling and halving."""
    high = 1
    while not decides(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if decides(middle):
            high = middle
        else:
            low = middle
    return high
