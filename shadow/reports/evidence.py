"""The evidence in words: who is faster, who fails more, how high the rate may still be."""

from __future__ import annotations

import math
from typing import Final

from shadow.reports.text import DASH, milliseconds, plural
from shadow.results.bounds import RateBound
from shadow.results.failures import Errors
from shadow.results.resources import Resources
from shadow.results.speed.verdicts import DELTA, Ratio, Speed

_DELTA: Final = f"{100 * DELTA:.0f} %"
_TAIL: Final = 99
_COARSE: Final = 2  # points: the width of an interval from which decimals say nothing


def speed_text(speed: Speed, baseline: str, candidate: str) -> str:
    """Say the verdict on one endpoint, as `rust 12 % faster (95 % CI 9 to 15 %)` with a dash.

    A percentage is of the baseline's service time: 12 % faster takes 88 % of it.
    """
    ratio = speed.ratio
    if speed.verdict == "withheld":
        lag = milliseconds(speed.lag_p99_us)
        return f"withheld: the generator was the bottleneck ({lag} late)"
    more = "" if speed.more is None else f"about {plural(_rounded(speed.more), 'more exchange')}"
    if ratio is None:
        return f"inconclusive: {more}"
    if speed.verdict in ("faster", "slower"):
        sign = -1 if speed.verdict == "faster" else 1
        value, low, high = _percentages(ratio, sign)
        return f"{candidate} {value} % {speed.verdict} (95 % CI {low}{DASH}{high} %)"
    value, low, high = _percentages(ratio, 1)
    interval = f"(95 % CI {low} to {high} %)"
    if speed.verdict == "equivalent":
        return f"{candidate} as fast as {baseline}, within {_DELTA} {interval}"
    if speed.reason == "fine":
        return f"inconclusive: {abs(speed.apart_us or 0)} µs apart, too little to tell {interval}"
    return f"inconclusive: {more or f'too near {_DELTA} to tell'} {interval}"


def _percentages(ratio: Ratio, sign: int) -> tuple[str, str, str]:
    """The change and its interval in %, the smaller end first, as precise as it is sure."""
    value, *ends = (sign * 100 * (each - 1) for each in (ratio.value, ratio.low, ratio.high))
    low, high = sorted(ends)
    digits = 0 if high - low >= _COARSE else 1
    return f"{value:.{digits}f}", f"{low:.{digits}f}", f"{high:.{digits}f}"


def _rounded(count: int) -> int:
    """Round up to two digits: the number is an estimate."""
    unit = int("1" + "0" * (len(str(count)) - 2)) if count >= 100 else 1
    return -(-count // unit) * unit


def tail_text(speed: Speed) -> str:
    """Say that the slowest requests became slower where the verdict on all of them does not.

    `p99 35 % slower`, with the interval; a percentage is of the baseline's p99.
    """
    tail = next((shift for shift in speed.shifts if shift.percentile == _TAIL), None)
    if tail is None or speed.verdict == "slower" or not tail.baseline:
        return ""
    value, low, high = (
        100 * each / tail.baseline
        for each in (tail.difference.value, tail.difference.low, tail.difference.high)
    )
    if low <= 0 or value <= 100 * DELTA:
        return ""
    return f"p{_TAIL} {value:.0f} % slower (95 % CI {low:.0f}{DASH}{high:.0f} %)"


def errors_text(errors: Errors, candidate: str) -> str:
    """Say who fails more, where that is no chance; else nothing."""
    if errors.verdict == "no-difference":
        return ""
    often = "more often" if errors.verdict == "more" else "less often"
    alone = f"{errors.candidate_only:,} times alone, against {errors.baseline_only:,}"
    return f"{candidate} fails {often}: {alone}"


def rate_text(rate: RateBound) -> str:
    """Say how often exchanges diverged and how high the true rate may be.

    `0 divergences in 41,200; true rate below 0.0073 % (95 %)`, and the same with each request
    shape as one trial, where that is known.
    """
    seen = f"0 divergences in {rate.exchanges:,}"
    if rate.divergent:
        seen = f"{rate.divergent:,} of {plural(rate.exchanges, 'exchange')} diverged"
    if rate.upper is None:
        return seen
    seen = f"{seen}; true rate below {share(rate.upper)} (95 %)"
    if rate.shapes_upper is None:
        return seen
    alike = f"{rate.divergent_shapes:,} of {plural(rate.shapes or 0, 'request shape')}"
    return f"{seen}; {alike}, below {share(rate.shapes_upper)}"


def resources_texts(resources: Resources, baseline: str, candidate: str) -> list[str]:
    """Say what both services used, a line each for CPU, memory and what could not be read."""
    sides = ((baseline, resources.baseline), (candidate, resources.candidate))
    used = [(name, use) for name, use in sides if use is not None]
    cpu = [f"{name} {use.cpu_s_per_1000.median:.3g} s" for name, use in used if use.cpu_s_per_1000]
    memory = [f"{name} {_megabytes(use.peak_bytes)}" for name, use in used if use.peak_bytes]
    ratio = resources.cpu_ratio
    if cpu and ratio is not None and ratio.low is not None and ratio.high is not None:
        ends = f"95 % CI {100 * ratio.low:.0f}{DASH}{100 * ratio.high:.0f} %"
        cpu.append(f"{candidate} takes {100 * ratio.median:.0f} % ({ends})")
    lines = [f"CPU per 1,000 requests: {', '.join(cpu)}"] if cpu else []
    lines += [f"peak memory: {', '.join(memory)}"] if memory else []
    priced = ((baseline, resources.baseline_cost), (candidate, resources.candidate_cost))
    costs = [f"{name} {cost.total:.3g}" for name, cost in priced if cost is not None]
    lines += [f"a million requests cost: {', '.join(costs)}"] if costs else []
    return lines + [f"resources of {name}: {note}" for name, use in used for note in use.notes]


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.0f} MB"


def share(value: float) -> str:
    """Format a share as a percentage of two digits: `0.0073 %`, `0.30 %`, `12 %`."""
    percent = 100 * value
    digits = max(0, 1 - math.floor(math.log10(percent))) if percent > 0 else 0
    return f"{percent:.{digits}f} %"
