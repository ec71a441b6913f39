"""Two unpaired samples of sessions: the shift between them, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.results.speed.change import MEASURES, judge_changes, rank_sum, shift
from shadow.results.speed.pairs import FEWEST_CLUSTERS, Pairs

Simulate = Callable[..., Pairs]
LOGS = st.lists(st.integers(-300, 300).map(lambda value: value / 100), min_size=1, max_size=12)
IN_TURN = (True, True)


@given(LOGS, LOGS)
def test_the_shift_is_the_median_of_all_differences(one: list[float], other: list[float]) -> None:
    before, after = np.array(one), np.array(other)
    found = shift(before, after)
    wanted = np.median(after[:, None] - before[None, :])
    assert np.log(found.value) == pytest.approx(wanted, abs=1e-6)
    assert found.low <= found.value <= found.high


@given(LOGS, LOGS)
def test_the_other_way_round_it_is_the_inverse(one: list[float], other: list[float]) -> None:
    there = shift(np.array(one), np.array(other))
    back = shift(np.array(other), np.array(one))
    assert there.value * back.value == pytest.approx(1, rel=1e-5)
    assert there.low * back.high == pytest.approx(1, rel=1e-5)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        before, after = random.normal(0, 0.5, 120), random.normal(0.1, 0.5, 150)
        found = shift(before, after)
        held += found.low <= np.exp(0.1) <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_equal_times_are_no_change() -> None:
    same = np.full(100, 7.0)
    assert rank_sum(same, same) == 1.0
    assert rank_sum(same, same + 1) < 0.05


def test_chance_is_seldom_called_a_change(simulate: Simulate) -> None:
    random = np.random.default_rng(5)
    called = 0
    for _ in range(60):
        changes = judge_changes(
            {"GET /a": simulate(random, 150)}, {"GET /a": simulate(random, 150)}, in_turn=IN_TURN
        )["GET /a"]
        called += changes.ratio.verdict in ("faster", "slower")
    assert called <= 6


def test_a_slower_candidate_is_found_and_the_baseline_is_not_blamed(simulate: Simulate) -> None:
    random = np.random.default_rng(6)
    before = {name: simulate(random, 400) for name in ("GET /a", "GET /b")}
    after = {"GET /a": simulate(random, 400, slower=1.5), "GET /b": simulate(random, 400)}
    found = judge_changes(before, after, in_turn=IN_TURN)
    assert found["GET /a"].candidate.verdict == "slower"
    assert found["GET /a"].ratio.verdict == "slower"
    assert found["GET /a"].ratio.shift is not None
    assert found["GET /a"].ratio.shift.value == pytest.approx(1.5, rel=0.1)
    assert found["GET /a"].baseline.verdict not in ("slower", "faster")
    assert found["GET /b"].ratio.verdict not in ("slower", "faster")


def test_a_slower_machine_is_not_in_the_ratio(simulate: Simulate) -> None:
    random = np.random.default_rng(7)
    before, after = simulate(random, 500), simulate(random, 500)
    for name in ("baseline", "candidate"):
        column = getattr(after, f"{name}_service")
        for place, value in enumerate(column):
            column[place] = 2 * value
    (found,) = judge_changes({"GET /a": before}, {"GET /a": after}, in_turn=IN_TURN).values()
    assert (found.baseline.verdict, found.candidate.verdict) == ("slower", "slower")
    assert found.ratio.verdict not in ("slower", "faster")


def test_a_run_with_itself_has_not_changed(simulate: Simulate) -> None:
    pairs = {"GET /a": simulate(np.random.default_rng(8), 300)}
    (found,) = judge_changes(pairs, pairs, in_turn=IN_TURN).values()
    for measure in MEASURES:
        change = getattr(found, measure)
        assert change.p == pytest.approx(1)
        assert change.shift.value == pytest.approx(1, abs=1e-6)
        assert change.verdict not in ("slower", "faster")


def test_too_few_sessions_say_nothing(simulate: Simulate) -> None:
    random = np.random.default_rng(9)
    few, many = simulate(random, FEWEST_CLUSTERS - 1), simulate(random, FEWEST_CLUSTERS)
    (found,) = judge_changes({"GET /a": few}, {"GET /a": many}, in_turn=IN_TURN).values()
    assert (found.ratio.verdict, found.ratio.reason) == ("inconclusive", "few")
    assert found.ratio.sessions == (FEWEST_CLUSTERS - 1, FEWEST_CLUSTERS)
    assert found.ratio.shift is None


def test_a_saturated_generator_withholds_it(simulate: Simulate) -> None:
    random = np.random.default_rng(10)
    late = simulate(random, 200, lag_us=50_000)
    fine = simulate(random, 200)
    (found,) = judge_changes({"GET /a": fine}, {"GET /a": late}, in_turn=IN_TURN).values()
    assert {getattr(found, each).reason for each in MEASURES} == {"saturated"}


def test_an_endpoint_of_one_run_alone_is_left_out(simulate: Simulate) -> None:
    random = np.random.default_rng(11)
    one, other = simulate(random, 150), simulate(random, 150)
    assert judge_changes({"GET /a": one}, {"GET /b": other}, in_turn=IN_TURN) == {}
    assert judge_changes({"GET /a": one}, {"GET /a": Pairs()}, in_turn=IN_TURN) == {}
