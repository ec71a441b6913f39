"""Every endpoint of a run to its verdict on speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from shadow.results.discovery import adjusted
from shadow.results.speed.effect import (
    Integers,
    clusters,
    hodges_lehmann,
    lags,
    log_ratios,
    medians,
    signed_rank,
)
from shadow.results.speed.pairs import FEWEST_CLUSTERS, Pairs
from shadow.results.speed.resampling import percentiles
from shadow.results.speed.verdicts import Speed, decide, more_exchanges

BOOTSTRAPPED: Final = 50
"""Endpoints, those with most pairs, whose percentiles get an interval."""
LAG_US: Final = 1000
LAG_SHARE: Final = 0.05
"""The generator is saturated where the p99 of its lag is above both: 1 ms, and 5 % of p50."""


def judge_speed(
    paired: Mapping[str, Pairs], *, in_turn: bool, intervals: int | None = None
) -> dict[str, Speed]:
    """Judge the speed of each endpoint; `in_turn` says that one side was asked at a time.

    The percentiles of `intervals` endpoints (`BOOTSTRAPPED` by default) get one, which takes about
    half a second each.
    """
    found = {name: _measured(pairs, in_turn=in_turn) for name, pairs in paired.items()}
    tested = {name: each for name, (each, _) in found.items() if each.p is not None}
    q_values = adjusted([each.p for each in tested.values() if each.p is not None])
    most = sorted(tested, key=lambda name: (-tested[name].pairs, name))[
        : BOOTSTRAPPED if intervals is None else intervals
    ]
    speeds = {name: each for name, (each, _) in found.items()}
    for name, q in zip(tested, q_values, strict=True):
        speeds[name] = _concluded(tested[name], q)
    for name in most:
        shifts, jitter = percentiles(paired[name], found[name][1], in_turn=in_turn, seed=0)
        speeds[name] = msgspec.structs.replace(speeds[name], shifts=shifts, jitter=jitter)
    return speeds


def _measured(pairs: Pairs, *, in_turn: bool) -> tuple[Speed, Integers]:
    """Measure one endpoint on its own; there is a p-value where it can be judged."""
    cluster = clusters(pairs)
    sessions = int(cluster.max()) + 1 if len(cluster) else 0
    speed = Speed(
        verdict="inconclusive",
        reason="few",
        pairs=len(pairs),
        sampled=pairs.sampled,
        sessions=sessions,
        lag_p99_us=_lag_p99(pairs, in_turn=in_turn),
    )
    if _late(pairs, speed.lag_p99_us):
        return msgspec.structs.replace(speed, verdict="withheld", reason="saturated"), cluster
    if sessions < FEWEST_CLUSTERS:
        missing = FEWEST_CLUSTERS - sessions
        more = -(-len(pairs) * missing // sessions) if sessions else missing
        return msgspec.structs.replace(speed, more=more), cluster
    differences = medians(log_ratios(pairs), cluster)
    ratio, p = hodges_lehmann(differences), signed_rank(differences)
    middle = float(np.median(np.frombuffer(pairs.baseline_service, dtype=np.uint32)))
    apart = round((ratio.value - 1) * middle)
    return msgspec.structs.replace(speed, ratio=ratio, p=p, apart_us=apart), cluster


def _concluded(speed: Speed, q: float) -> Speed:
    assert speed.ratio is not None
    assert speed.apart_us is not None
    verdict, reason = decide(speed.ratio, q, speed.apart_us)
    more = more_exchanges(speed.ratio, speed.pairs) if reason == "wide" else None
    if reason == "wide" and more is None:
        reason = "near"
    return msgspec.structs.replace(speed, verdict=verdict, reason=reason, more=more, q=q)


def _lag_p99(pairs: Pairs, *, in_turn: bool) -> int | None:
    if not len(pairs):
        return None
    late = np.sort(np.maximum(*lags(pairs, in_turn=in_turn)))
    return int(late[-(-len(late) * 99 // 100) - 1])


def saturated(pairs: Pairs, *, in_turn: bool) -> bool:
    """Whether the generator sent so late that the latencies are its own."""
    return _late(pairs, _lag_p99(pairs, in_turn=in_turn))


def _late(pairs: Pairs, lag: int | None) -> bool:
    if lag is None or lag <= LAG_US:
        return False
    services = (pairs.baseline_service, pairs.candidate_service)
    middle = min(float(np.median(np.frombuffer(each, dtype=np.uint32))) for each in services)
    return lag > LAG_SHARE * middle
