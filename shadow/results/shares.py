"""Whether two shares differ by more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

_TIE: Final = 1e-7  # relative: two ways to the same probability round differently
_PRECISION: Final = 1e-12  # relative


class _Draw(NamedTuple):
    """Hits among the first `one` of `one + other` trials, of which `hits` hit: hypergeometric."""

    one: int
    other: int
    hits: int

    @property
    def low(self) -> int:
        return max(0, self.hits - self.other)

    @property
    def high(self) -> int:
        return min(self.hits, self.one)

    @property
    def mode(self) -> int:
        return (self.one + 1) * (self.hits + 1) // (self.one + self.other + 2)

    def log(self, count: int) -> float:
        """The logarithm of the probability of a count from `low` to `high`."""
        return (
            _log_choose(self.one, count)
            + _log_choose(self.other, self.hits - count)
            - _log_choose(self.one + self.other, self.hits)
        )

    def above(self, count: int) -> float:
        """The probability of `count + 1` as a multiple of that of `count`."""
        more, less = (self.one - count) * (self.hits - count), self.other - self.hits + count + 1
        return more / ((count + 1) * less)


def share_test(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the p-value of Fisher's exact test, two-sided: each share is hits and trials.

    It is the probability of every split of the hits that is no more likely than the one seen.
    The terms of each tail are summed until they no longer matter. Source: Agresti, Categorical
    Data Analysis, section 3.5.
    """
    draw = _Draw(one=first[1], other=second[1], hits=first[0] + second[0])
    limit = draw.log(first[0]) + _TIE
    mode = min(max(draw.mode, draw.low), draw.high)
    if draw.log(mode) <= limit:
        return 1.0
    left = _last(draw.low, mode, lambda count: draw.log(count) <= limit)
    right = -_last(-draw.high, -mode, lambda count: draw.log(-count) <= limit)
    return min(1.0, _tail(draw, left, -1) + _tail(draw, right, 1))


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values of several tests, made larger so that they may be looked at together.

    Where nothing is to be found, the probability that any of them is at most alpha is at most
    alpha, however the tests depend on each other. Source: Holm, Scandinavian Journal of
    Statistics 6 (1979).
    """
    adjusted = [1.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last count from `low` to `high` up to which something holds; `low - 1` for none."""
    low -= 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _tail(draw: _Draw, count: int, step: int) -> float:
    """Sum the probabilities from a count outward."""
    if not draw.low <= count <= draw.high:
        return 0.0
    term = total = math.exp(draw.log(count))
    while draw.low <= count + step <= draw.high and term > _PRECISION * total:
        term *= draw.above(count) if step > 0 else 1 / draw.above(count - 1)
        total += term
        count += step
    return total


def _log_choose(number: int, chosen: int) -> float:
    return math.lgamma(number + 1) - math.lgamma(chosen + 1) - math.lgamma(number - chosen + 1)
