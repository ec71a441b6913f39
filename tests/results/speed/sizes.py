"""How large a replay has to be for its verdicts on speed to mean something."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

from shadow.results.discovery import ALPHA
from shadow.results.speed.pairs import FEWEST_CLUSTERS
from shadow.results.speed.verdicts import DELTA

EFFICIENCY: Final = 3 / math.pi
"""Of the signed-rank test against the t test under a normal distribution (Pitman)."""


def recommended(
    spread: float,
    *,
    effect: float = 0.10,
    endpoints: int = 1,
    power: float = 0.9,
    delta: float = DELTA,
) -> int:
    """Return how many sessions of an endpoint find an effect with a probability of `power`.

    `spread` is the standard deviation of ln(candidate / baseline) over the medians of sessions,
    `effect` the share by which the candidate is slower, more than `delta`. With several
    `endpoints` judged at once the level is shared among them, as Benjamini and Hochberg do in
    the worst case. Two things have to happen: the test rejects, which takes
    ((z(1 - level/2) + z(power)) · spread / ln(1 + effect))² sessions, and the estimate comes out
    larger than `delta`, which takes (z(power) · spread / ln((1 + effect) / (1 + delta)))².
    Each of the two may fail, so each has half of what may go wrong. Source: Noether, Sample
    size determination for some common nonparametric tests, JASA 82 (1987).
    """
    normal = NormalDist()
    level = normal.inv_cdf(1 - ALPHA / endpoints / 2)
    sure = normal.inv_cdf(1 - (1 - power) / 2)
    rejects = (level + sure) * spread / math.log1p(effect)
    matters = sure * spread / math.log((1 + effect) / (1 + delta))
    return max(FEWEST_CLUSTERS, math.ceil(max(rejects, matters) ** 2 / EFFICIENCY))
