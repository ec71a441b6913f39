"""How high a rate may still be after what was seen: upper bounds on the divergence rate."""

from __future__ import annotations

import math
from typing import Final

import msgspec

CONFIDENCE: Final = 0.95

_PRECISION: Final = 1e-12  # relative


class RateBound(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the exchanges diverged, and how high the true rate may be.

    Exchanges that are all alike are not as many trials as they are exchanges, so the distinct
    request shapes of each endpoint are counted as well, with a bound of their own: the truth
    lies between the two readings.
    """

    exchanges: int
    """Compared ones, without the hollow."""
    divergent: int
    upper: float | None
    """One-sided 95 % bound on the true rate, a share; None without exchanges."""
    shapes: int | None = None
    """Distinct (endpoint, request shape) among them; None where they were not counted."""
    divergent_shapes: int | None = None
    """Those of which an exchange diverged."""
    shapes_upper: float | None = None
    """The bound with each shape as one trial."""


def rate_bound(divergent: int, exchanges: int, shapes: tuple[int, int] | None = None) -> RateBound:
    """Bound a rate; `shapes` are the distinct request shapes, and those that diverged."""
    return RateBound(
        exchanges=exchanges,
        divergent=divergent,
        upper=upper_bound(divergent, exchanges),
        shapes=None if shapes is None else shapes[0],
        divergent_shapes=None if shapes is None else shapes[1],
        shapes_upper=None if shapes is None else upper_bound(shapes[1], shapes[0]),
    )


def upper_bound(count: int, trials: int, confidence: float = CONFIDENCE) -> float | None:
    """Return the one-sided upper bound of Clopper and Pearson on a rate; None without trials.

    It is the highest rate at which `count` or fewer of `trials` still have a probability of
    1 - confidence: the beta quantile (confidence; count + 1, trials - count). For none of n it
    is 1 - (1 - confidence)^(1/n), about 3/n. Source: Clopper and Pearson, Biometrika 26 (1934).
    """
    if not trials:
        return None
    if count >= trials:
        return 1.0
    if not count:
        return -math.expm1(math.log1p(-confidence) / trials)
    low, high = count / trials, 1.0
    while high - low > _PRECISION * low:
        middle = (low + high) / 2
        if at_most(count, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def lower_bound(count: int, trials: int) -> float | None:
    """Return the one-sided lower bound of Clopper and Pearson on a rate; None without trials.

    It is the lowest rate at which `count` or more of `trials` still have a probability of
    1 - confidence: of what did not happen, the upper bound.
    """
    upper = upper_bound(trials - count, trials)
    return None if upper is None else 1 - upper


def at_most(count: int, trials: int, rate: float) -> float:
    """Return the probability of at most `count` in `trials`; `rate` is not below count / trials.

    There each term of the sum is smaller than the one above it, so the sum is over after some
    √trials of them.
    """
    term = total = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(count + 1)
        - math.lgamma(trials - count + 1)
        + count * math.log(rate)
        + (trials - count) * math.log1p(-rate)
    )
    while count and term > _PRECISION * total:
        term *= count * (1 - rate) / ((trials - count + 1) * rate)
        total += term
        count -= 1
    return total


def clean_exchanges_for(rate: float) -> int:
    """Return how many exchanges without a divergence put the bound at `rate` or below.

    `rate` is a share above 0 and below 1.
    """
    return math.ceil(math.log1p(-CONFIDENCE) / math.log1p(-rate))
