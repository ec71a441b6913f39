"""The verdicts by simulation: how often chance is called a difference, and a real one found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from shadow.results.speed import judging
from shadow.results.speed.effect import clusters, log_ratios, medians
from shadow.results.speed.pairs import Pairs
from tests.results.speed.sizes import recommended

Simulate = Callable[..., Pairs]

RUNS = 400
ENDPOINTS = 5


@pytest.fixture(autouse=True)
def _without_percentiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict takes them, and they are most of the work."""
    monkeypatch.setattr(judging, "BOOTSTRAPPED", 0)


def spread(pairs: Pairs) -> float:
    return float(np.std(medians(log_ratios(pairs), clusters(pairs)), ddof=1))


def test_no_difference_is_seldom_called_one(simulate: Simulate) -> None:
    """At a nominal 5 %, over 2,000 endpoints: one standard error is half a percent."""
    random = np.random.default_rng(20261125)
    significant = called = raw = total = 0
    for _ in range(RUNS):
        paired = {
            f"GET /{n}": simulate(random, 110, per_session=8, session_effect=0.35)
            for n in range(ENDPOINTS)
        }
        for name, speed in judging.judge_speed(paired, in_turn=True).items():
            assert speed.p is not None
            total += 1
            significant += speed.p < 0.05
            called += speed.verdict in ("faster", "slower")
            raw += stats.wilcoxon(log_ratios(paired[name]), zero_method="pratt").pvalue < 0.05
    assert total == RUNS * ENDPOINTS
    assert 0.03 <= significant / total <= 0.06, "the test has the level that it says"
    assert called / total <= 0.06
    assert raw / total > 0.2, "without sessions it would not have: the simulation has teeth"


def test_ten_percent_are_found_at_the_recommended_size(simulate: Simulate) -> None:
    random = np.random.default_rng(20261126)
    pilot = spread(simulate(random, 2000))
    sessions, runs = recommended(pilot, endpoints=ENDPOINTS), 120
    found = others = 0
    for _ in range(runs):
        paired = {f"GET /{n}": simulate(random, sessions) for n in range(1, ENDPOINTS)}
        paired["slow"] = simulate(random, sessions, slower=1.10)
        speeds = judging.judge_speed(paired, in_turn=True)
        found += speeds.pop("slow").verdict == "slower"
        others += sum(each.verdict in ("faster", "slower") for each in speeds.values())
    assert found / runs >= 0.90
    assert others / (runs * (ENDPOINTS - 1)) <= 0.06


def test_a_faster_candidate_is_found_as_well(simulate: Simulate) -> None:
    random = np.random.default_rng(20261127)
    sessions, runs = recommended(spread(simulate(random, 2000))), 100
    speeds = [
        judging.judge_speed({"a": simulate(random, sessions, slower=1 / 1.10)}, in_turn=True)["a"]
        for _ in range(runs)
    ]
    assert sum(each.verdict == "faster" for each in speeds) / runs >= 0.90
    ratios = [each.ratio for each in speeds if each.ratio]
    covered = sum(each.low <= 1 / 1.10 <= each.high for each in ratios)
    assert covered / runs >= 0.90, "the interval covers the truth"


def test_equal_services_are_called_equal_once_there_is_enough(simulate: Simulate) -> None:
    random = np.random.default_rng(20261128)
    speeds = [
        judging.judge_speed({"a": simulate(random, 1500)}, in_turn=True)["a"] for _ in range(40)
    ]
    assert all(each.verdict == "equivalent" for each in speeds)


def test_exchanges_without_sessions_that_slow_each_other_down() -> None:
    """Trouble that lasts makes neighbours alike; blocks of them keep the level, single ones not."""
    random = np.random.default_rng(20261129)
    runs, size = 500, 2000
    blocks = single = 0
    for _ in range(runs):
        trouble = np.repeat(random.normal(0, 0.3, size // 5), 5)
        baseline = np.exp(7 + random.normal(0, 0.3, size) + trouble).astype(int)
        candidate = np.exp(7 + random.normal(0, 0.3, size)).astype(int)
        times = [column.tolist() for column in (baseline, baseline, candidate, candidate)]
        pairs = Pairs()
        pairs.extend([None] * size, *times)
        speed = judging.judge_speed({"a": pairs}, in_turn=True)["a"]
        assert speed.p is not None
        blocks += speed.p < 0.05
        single += stats.wilcoxon(log_ratios(pairs), zero_method="pratt").pvalue < 0.05
    assert blocks / runs <= 0.09
    assert single / runs > 0.12
