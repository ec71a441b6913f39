from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shadow.results.failures import Failures, judge_errors, mcnemar


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_it_is_the_exact_binomial_test(baseline: int, candidate: int) -> None:
    total = baseline + candidate
    exact = stats.binomtest(baseline, total, 0.5).pvalue if total else 1.0
    assert mcnemar(baseline, candidate) == pytest.approx(exact, rel=1e-6, abs=1e-200)


def test_only_exchanges_that_one_side_failed_tell_the_sides_apart() -> None:
    judged = judge_errors(
        {
            "worse": Failures(both=5, baseline_only=1, candidate_only=20),
            "better": Failures(both=0, baseline_only=20, candidate_only=1),
            "alike": Failures(both=900, baseline_only=3, candidate_only=4),
            "clean": Failures(),
        }
    )
    verdicts = {name: each.verdict for name, each in judged.items()}
    assert verdicts == {"worse": "more", "better": "fewer", "alike": "no-difference"}
    assert judged["worse"].p < judged["worse"].q < 0.001
    assert judged["alike"].p == judged["alike"].q == 1.0


def test_many_endpoints_do_not_make_chance_a_finding() -> None:
    alone = judge_errors({"a": Failures(candidate_only=7, baseline_only=0)})
    assert alone["a"].verdict == "more"
    among = {f"e{n}": Failures(candidate_only=1, baseline_only=1) for n in range(20)}
    assert judge_errors({"a": Failures(candidate_only=7), **among})["a"].verdict == "no-difference"
