from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shadow.results.speed.effect import (
    clusters,
    hodges_lehmann,
    lags,
    log_ratios,
    medians,
    signed_rank,
)
from shadow.results.speed.pairs import Pairs

DIFFERENCES = st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=1, max_size=60)


def paired(sessions: list[str | None], **columns: list[int]) -> Pairs:
    one = [1000] * len(sessions)
    names = ("baseline_service", "baseline_response", "candidate_service", "candidate_response")
    pairs = Pairs()
    pairs.extend(sessions, *(columns.get(name, one) for name in names))
    return pairs


def test_the_depression_data_of_hollander_and_wolfe() -> None:
    """Table 3.1; R's wilcox.test gives 0.46 (0.010 to 0.786), p = 0.039."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    differences = np.array(before) - np.array(after)
    found = hodges_lehmann(differences)
    logs = [math.log(each) for each in (found.value, found.low, found.high)]
    assert logs == pytest.approx([0.46, 0.010, 0.786], abs=1e-6)
    assert signed_rank(differences) == pytest.approx(0.0391, abs=1e-4)


@settings(deadline=None)
@given(DIFFERENCES)
def test_it_is_the_median_of_all_averages(differences: list[float]) -> None:
    averages = sorted(
        (one + other) / 2 for place, one in enumerate(differences) for other in differences[place:]
    )
    found = hodges_lehmann(np.array(differences))
    assert math.log(found.value) == pytest.approx(median(averages), abs=1e-6)
    assert found.low <= found.value <= found.high
    assert any(math.log(found.low) == pytest.approx(each, abs=1e-6) for each in averages)


def test_its_interval_is_what_the_test_would_not_reject() -> None:
    random = np.random.default_rng(3)
    differences = random.normal(0.1, 0.5, 300)
    found = hodges_lehmann(differences)
    for end in (found.low, found.high):
        assert signed_rank(differences - math.log(end)) == pytest.approx(0.05, abs=0.003)


def test_equal_pairs_are_no_evidence() -> None:
    assert signed_rank(np.zeros(200)) == 1.0
    zeros = np.array([0.0] * 90 + [0.1] * 10)
    assert signed_rank(zeros) == stats.wilcoxon(zeros, zero_method="pratt").pvalue


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-9, 9)), min_size=1, max_size=50))
def test_the_median_of_each_cluster(rows: list[tuple[int, float]]) -> None:
    present = sorted({number for number, _ in rows})
    cluster = np.array([present.index(number) for number, _ in rows])
    found = medians(np.array([value for _, value in rows]), cluster)
    expected = [median(value for number, value in rows if number == each) for each in present]
    assert list(found) == pytest.approx(expected)


def test_a_session_is_a_cluster_and_so_is_a_block_without_one() -> None:
    names: list[str | None] = ["a", None, "b", "a", None]
    assert len(set(clusters(paired(names)))) == 4, "few: each exchange without a session is one"
    found = clusters(paired(names))
    assert found[0] == found[3] != found[2]
    many = clusters(paired([None] * 8000))
    assert list(np.bincount(many)) == [20] * 400
    some = clusters(paired([None] * 500))
    assert list(np.bincount(some)) == [5] * 100, "never fewer than a hundred blocks"
    assert list(clusters(paired([]))) == []


def test_ratios_of_service_times() -> None:
    pairs = paired(["a"] * 3, baseline_service=[100, 0, 7], candidate_service=[200, 0, 7])
    assert list(log_ratios(pairs)) == pytest.approx([math.log(2), 0, 0])


def test_who_is_asked_second_is_not_late() -> None:
    late = paired(
        ["a"] * 2,
        baseline_service=[100, 100],
        baseline_response=[150, 350],
        candidate_service=[200, 200],
        candidate_response=[350, 260],
    )
    assert [list(each) for each in lags(late, in_turn=False)] == [[50, 250], [150, 60]]
    assert [list(each) for each in lags(late, in_turn=True)] == [[50, 60], [50, 60]]
    early = paired(["a"], baseline_service=[9], baseline_response=[5])
    assert list(lags(early, in_turn=False)[0]) == [0]
