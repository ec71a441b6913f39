"""The median of values that are too many to make, and its interval, by counting them."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Final

from shadow.results.speed.verdicts import Ratio

_PRECISION: Final = 1e-7  # of a log ratio
_Z: Final = 1.959963984540054  # the normal distribution's 97.5 % quantile


def middle(
    number: int, deviation: float, within: tuple[float, float], at_most: Callable[[float], int]
) -> Ratio:
    """Return the median of so many log ratios, and its 95 % interval, as ratios.

    They lie `within` two bounds, and `at_most` counts those that are not above a value. The
    interval is between two order statistics: those that a rank test, whose statistic has this
    standard deviation, would not reject by its normal approximation.
    """

    def ranked(rank: int) -> float:
        return _ranked(rank, number, within, at_most)

    outside = max(0, int(number / 2 - _Z * deviation))
    centre = (ranked((number + 1) // 2) + ranked(number // 2 + 1)) / 2
    low, high = min(centre, ranked(outside + 1)), max(centre, ranked(number - outside))
    return Ratio(value=exp(centre), low=exp(low), high=exp(high))


def _ranked(
    rank: int, number: int, within: tuple[float, float], at_most: Callable[[float], int]
) -> float:
    """Return the value that has this rank (from 1), to `_PRECISION`.

    The bound that so many are not above is moved by interpolation and by halving in turn.
    """
    low, high = within
    below, above = 0, number
    halve = False
    while high - low > _PRECISION:
        share = 0.5 if halve else min(max((rank - below) / (above - below), 0.01), 0.99)
        bound = low + (high - low) * share
        count = at_most(bound)
        if count >= rank:
            high, above = bound, count
        else:
            low, below = bound, count
        halve = not halve
    return high
