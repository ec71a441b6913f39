"""How the latencies of two runs differ, endpoint by endpoint.

The sessions of two runs are not paired, though they often have the same names: a run may keep
other sessions than another (a sample, other captures), an exchange without a session stands in
a block that is another one in each run, and what two replays of one session share is small
beside what a machine does in between. So each run gives its sessions' medians, and two samples
of them are compared: Mann and Whitney's test, and the shift of Hodges and Lehmann with the
interval that goes with it. Pairing holds within a run only: there it makes the ratio of both
sides, in which whatever slows a whole machine falls out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
import numpy as np
from scipy import stats

from shadow.results.discovery import adjusted
from shadow.results.speed.effect import Floats, clusters, log_ratios, medians
from shadow.results.speed.judging import saturated
from shadow.results.speed.pairs import FEWEST_CLUSTERS, Pairs
from shadow.results.speed.ranks import middle
from shadow.results.speed.verdicts import Change, Changes, Ratio, decide

Measure = Literal["baseline", "candidate", "ratio"]
MEASURES: Final[tuple[Measure, ...]] = ("baseline", "candidate", "ratio")


def judge_changes(
    before: Mapping[str, Pairs], after: Mapping[str, Pairs], *, in_turn: tuple[bool, bool]
) -> dict[str, Changes]:
    """Judge how each endpoint that both runs have pairs of has changed.

    `in_turn` says of each run that one side was asked at a time. False discoveries are held
    down over the endpoints, for each measure apart.
    """
    names = sorted(name for name in before.keys() & after.keys() if before[name] and after[name])
    found = {name: _measured(before[name], after[name], in_turn=in_turn) for name in names}
    for measure in MEASURES:
        tested = [name for name in names if found[name][measure].p is not None]
        p_values = [p for name in tested if (p := found[name][measure].p) is not None]
        for name, q in zip(tested, adjusted(p_values), strict=True):
            typical_us = _typical(before[name], measure)
            found[name][measure] = _concluded(found[name][measure], q, typical_us)
    return {name: Changes(**each) for name, each in found.items()}


def _measured(before: Pairs, after: Pairs, *, in_turn: tuple[bool, bool]) -> dict[Measure, Change]:
    """Measure one endpoint on its own; there is a p-value where it can be judged."""
    groups = clusters(before), clusters(after)
    sizes = (int(groups[0].max()) + 1, int(groups[1].max()) + 1)
    late = (saturated(before, in_turn=in_turn[0]), saturated(after, in_turn=in_turn[1]))
    if any(late):
        withheld = Change(verdict="withheld", reason="saturated", sessions=sizes)
        return dict.fromkeys(MEASURES, withheld)
    if min(sizes) < FEWEST_CLUSTERS:
        return dict.fromkeys(MEASURES, Change(sessions=sizes))
    found: dict[Measure, Change] = {}
    for measure in MEASURES:
        one = medians(_logs(before, measure), groups[0])
        other = medians(_logs(after, measure), groups[1])
        found[measure] = Change(sessions=sizes, shift=shift(one, other), p=rank_sum(one, other))
    return found


def _logs(pairs: Pairs, measure: Measure) -> Floats:
    if measure == "ratio":
        return log_ratios(pairs)
    times = np.frombuffer(getattr(pairs, f"{measure}_service"), dtype=np.uint32)
    return np.log(np.maximum(times, 1).astype(np.float64))


def _typical(pairs: Pairs, measure: Measure) -> float:
    """The median service time that a change is a share of, in µs."""
    side = "candidate" if measure == "ratio" else measure
    return float(np.median(np.frombuffer(getattr(pairs, f"{side}_service"), dtype=np.uint32)))


def _concluded(change: Change, q: float, typical_us: float) -> Change:
    assert change.shift is not None
    verdict, reason = decide(change.shift, q, (change.shift.value - 1) * typical_us)
    return msgspec.structs.replace(change, verdict=verdict, reason=reason, q=q)


def rank_sum(before: Floats, after: Floats) -> float:
    """Return the p-value of Mann and Whitney's test, two-sided, corrected for ties.

    Source: Mann and Whitney, Annals of Mathematical Statistics 18 (1947).
    """
    if before[0] == before.max() == before.min() == after.max() == after.min():
        return 1.0  # every session took the same time
    return float(stats.mannwhitneyu(after, before, method="asymptotic").pvalue)


def shift(before: Floats, after: Floats) -> Ratio:
    """Return the median of all differences after less before, and its 95 % interval, as ratios.

    The interval holds the shifts that Mann and Whitney's test would not reject. Source:
    Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, sections 4.2 and 4.3.
    """
    one, other = np.sort(before), np.sort(after)
    number = len(one) * len(other)

    def at_most(bound: float) -> int:
        return int(np.searchsorted(other, one + bound, side="right").sum())

    deviation = (number * (len(one) + len(other) + 1) / 12) ** 0.5
    within = float(other[0] - one[-1]), float(other[-1] - one[0])
    return middle(number, deviation, within, at_most)
