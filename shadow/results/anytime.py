"""Tests and bounds of a rate that stay valid however often they are looked at.

Source: STATISTICS "Divergence rate, live". Pure arithmetic without scipy, which takes a quarter
of a second and 44 MB to import; everything is in natural logarithms, so nothing underflows.

An *e-value* is evidence against "the rate is `rate` or lower": where that holds, it is expected to
be at most 1 whenever one chooses to stop, so it ever reaches 1/alpha with a probability of at most
alpha (Ville's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from shadow.results.routes import BUCKET, MAX_BUCKETS, Buckets

ALPHA: Final = 0.05

_PRECISION: Final = 1e-10  # relative
_TINY: Final = 1e-300
_LOG_BETA_HALVES: Final = math.log(math.pi)  # of B(½, ½)


def log_e(hits: int, trials: int, rate: float) -> float:
    """Return the log e-value of `hits` in `trials` against a rate of at most `rate`.

    For each p above `rate` the likelihood ratio of p to `rate` is a supermartingale wherever the
    true rate is `rate` or lower; this is their mixture over a Beta(½, ½) prior cut to (rate, 1).
    Only a hit raises it. `rate` is above 0 and below 1. Source: Howard, Ramdas, McAuliffe and
    Sekhon, Annals of Statistics 49 (2021); Lindon and Malek, arXiv 2205.14762.
    """
    prior = math.log(2 * math.acos(math.sqrt(rate)))  # its mass above `rate`, times B(½, ½)
    return _log_mixed(hits, trials - hits, rate) - prior


def log_detector(buckets: Buckets, rate: float) -> float:
    """Return the log of the Shiryaev-Roberts e-detector of a rate above `rate`.

    It is the sum of the e-values of everything since the start of each bucket, of the newest
    `MAX_BUCKETS`: so a million clean trials are no credit for those that follow. Wherever the
    rate is `rate` or lower, its expectation is at most the number of buckets that were begun.
    Minus infinity without trials. Source: Shin, Ramdas and Rinaldo, arXiv 2203.03532.
    """
    return _log_sum(log_e(hits, trials, rate) for trials, hits in since_each(buckets))


def log_detector_bound(buckets: Buckets, rate: float) -> float:
    """Return a quick upper bound on `log_detector`.

    A mixture of likelihood ratios is at most the largest: of the rate that was seen, to `rate`.
    """
    return _log_sum(log_ratio(hits, trials, rate) for trials, hits in since_each(buckets))


def log_ratio(hits: int, trials: int, rate: float) -> float:
    """Return the log of the largest likelihood ratio of any higher rate to `rate`; at least 0."""
    if hits <= trials * rate:
        return 0.0
    found = hits * math.log(hits / (trials * rate))
    misses = trials - hits
    return found + (misses * math.log(misses / (trials * (1 - rate))) if misses else 0.0)


def since_each(buckets: Buckets) -> Iterator[tuple[int, int]]:
    """Yield trials and hits since the start of each of the newest buckets, newest first."""
    trials = hits = 0
    for bucket in buckets[: -MAX_BUCKETS - 1 : -1]:
        trials += bucket.n
        hits += bucket.x
        yield trials, hits


def strongest(buckets: Buckets, rate: float) -> tuple[int, int]:
    """Return the trials and hits since the start of the bucket that most speaks against `rate`."""
    return max(since_each(buckets), key=lambda since: log_e(since[1], since[0], rate))


def log_thresholds(alpha: float, horizon: int) -> tuple[float, float]:
    """Return the log thresholds of the e-value and of the e-detector that share an `alpha`.

    Each gets half of it. The e-value keeps to its half for ever: 2/alpha. The e-detector does so
    for `horizon` trials, in which N/S buckets of S trials begin: 2N/(S·alpha). It is expected to
    be at most N/S then, so that divided by N/S it is an e-value too.
    """
    threshold = math.log(2 / alpha)
    return threshold, threshold + log_restarts(horizon)


def log_restarts(horizon: int) -> float:
    """Return the log of the number of buckets that begin within so many trials."""
    return math.log(math.ceil(horizon / BUCKET))


def rejected(log_values: Mapping[str, float], alpha: float, hypotheses: int) -> list[str]:
    """Return the names whose e-values, among so many hypotheses, are evidence: by e-BH.

    They are the k largest, for the largest k of which the smallest is still hypotheses / (k·alpha).
    At whatever time one stops, a share of at most alpha of them is expected to be false, however
    the e-values depend on each other. Source: Wang and Ramdas, Journal of the Royal Statistical
    Society B 84 (2022).
    """
    bar = math.log(hypotheses / alpha)
    falling = sorted(log_values, key=lambda name: -log_values[name])
    for count in range(len(falling), 0, -1):
        if log_values[falling[count - 1]] >= bar - math.log(count):
            return falling[:count]
    return []


def rate_at_most(hits: int, trials: int, alpha: float = ALPHA) -> float:
    """Return an upper bound on the rate that holds at all times at once.

    Its confidence is 1 - alpha. It is the upper end of the confidence sequence: of the rates to
    which the likelihood ratio of the uncut mixture stays below 1/alpha. 8.2e-4 after none of
    10,000, where one look has 3.0e-4. The same sources as `log_e`.
    """
    misses = trials - hits
    if not misses:
        return 1.0
    least = _log_beta(hits + 0.5, misses + 0.5) - _LOG_BETA_HALVES + math.log(alpha)
    low, high = hits / trials, 1.0
    while high - low > _PRECISION * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if hits * math.log(middle) + misses * math.log1p(-middle) > least:
            low = middle
        else:
            high = middle
    return high


def _log_mixed(hits: int, misses: int, rate: float) -> float:
    """Log of the integral from `rate` to 1 of (p/rate)^hits ((1-p)/(1-rate))^misses / √(p(1-p)).

    The incomplete beta function, from whichever end has the smaller part of it, over what the
    likelihood of `rate` is: by the continued fraction both have a common factor, which cancels.
    """
    a, b = hits + 0.5, misses + 0.5
    halves = (math.log(rate) + math.log1p(-rate)) / 2
    if rate > (a + 1) / (a + b + 2):
        return halves - math.log(b) + math.log(_fraction(1 - rate, b, a))
    log_odds = hits * math.log(rate) + misses * math.log1p(-rate)
    whole = _log_beta(a, b) - log_odds
    below = halves - math.log(a) + math.log(_fraction(rate, a, b))
    return whole + math.log1p(-math.exp(below - whole))


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction F of the incomplete beta function, where x < (a+1)/(a+b+2).

    The integral from 0 to x of t^(a-1) (1-t)^(b-1) is x^a (1-x)^b F / a. By Lentz's method; it
    takes 2 to 30 steps, and where x is the mean, the root of the trials. Source: Press et al.,
    Numerical Recipes, 3rd edition, section 6.4.
    """
    above, below = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    found = below
    step = 0
    while True:
        step += 1
        twice = a + 2 * step
        term = step * (b - step) * x / ((twice - 1) * twice)
        below = 1 / ((1 + term * below) or _TINY)
        above = (1 + term / above) or _TINY
        found *= above * below
        term = -(a + step) * (a + b + step) * x / (twice * (twice + 1))
        below = 1 / ((1 + term * below) or _TINY)
        above = (1 + term / above) or _TINY
        found *= above * below
        if abs(above * below - 1) < _PRECISION:
            return found


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_sum(logs: Iterable[float]) -> float:
    """Return the log of the sum of what these are logs of."""
    found = list(logs)
    largest = max(found, default=-math.inf)
    if not found:
        return largest
    return largest + math.log(sum(math.exp(each - largest) for each in found))
