from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow.results.gates.criteria import Criteria
from shadow.results.gates.judging import judge_gate
from shadow.results.gates.verdicts import (
    CriterionResult,
    GateResult,
    GateVerdict,
    combined,
    exit_code,
)

Make = Callable[..., Any]
VERDICTS: list[GateVerdict] = ["pass", "fail", "inconclusive"]
RANK = {"pass": 0, "inconclusive": 1, "fail": 2}

EVERYTHING = Criteria(
    min_coverage=0.9,
    max_divergence_rate=0.001,
    max_latency_ratio=((50, 1.1), (99, 1.2)),
    max_jitter_ratio=1.2,
    max_error_rate=0.001,
    max_cpu_ratio=1.0,
    max_memory_ratio=1.0,
    max_accepted_rules=3,
    owners_required=True,
    no_new_since="previous",
)


@given(st.lists(st.sampled_from(VERDICTS), max_size=8))
def test_the_worst_verdict_is_that_of_the_gate(verdicts: list[GateVerdict]) -> None:
    found = combined(tuple(CriterionResult(name="x", verdict=each) for each in verdicts))
    if "fail" in verdicts:
        assert found == "fail"
    elif "inconclusive" in verdicts or not verdicts:
        assert found == "inconclusive"
    else:
        assert found == "pass"


@pytest.mark.parametrize(
    ("verdict", "code", "lenient"), [("pass", 0, 0), ("fail", 1, 1), ("inconclusive", 3, 0)]
)
def test_exit_codes(verdict: GateVerdict, code: int, lenient: int) -> None:
    gate = GateResult(phase="p", run_id="r", verdict=verdict, criteria=())
    assert (exit_code(gate), exit_code(gate, "fail"), exit_code(gate, "pass")) == (
        code,
        code,
        lenient,
    )


def test_without_any_evidence_no_criterion_that_needs_some_passes(make_grounds: Make) -> None:
    gate = judge_gate("replay", make_grounds(evidence=False), EVERYTHING)
    assert gate.verdict == "inconclusive"
    passed = {each.name for each in gate.criteria if each.verdict == "pass"}
    assert passed == {"complete", "accepted-rules"}


def test_every_criterion_is_there_once(make_grounds: Make) -> None:
    names = [each.name for each in judge_gate("p", make_grounds(), EVERYTHING).criteria]
    assert names == [
        "complete",
        "incomparable",
        "hollow",
        "exchanges",
        "coverage",
        "divergence-rate",
        "error-rate",
        "latency-p50",
        "latency-p99",
        "jitter",
        "cpu",
        "memory",
        "accepted-rules",
        "owners",
        "new-findings",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=4),
    shares=st.lists(st.floats(0, 0.01), min_size=4, max_size=4),
    more=st.integers(0, 30),
    rate=st.sampled_from([0.0005, 0.001, 0.01, 0.2]),
    coverage=st.sampled_from([None, 0.5, 1.0]),
    state=st.sampled_from(["finished", "interrupted"]),
)
def test_a_gate_passes_where_all_of_it_does_and_never_for_more_divergences(
    *,
    make_grounds: Make,
    make_endpoint: Make,
    sizes: list[int],
    shares: list[float],
    more: int,
    rate: float,
    coverage: float | None,
    state: str,
) -> None:
    criteria = Criteria(max_divergence_rate=rate, min_coverage=coverage)
    gates = []
    for extra in (0, more):
        endpoints = [
            make_endpoint(size, min(size, int(size * share) + extra), name=f"GET /{number}")
            for number, (size, share) in enumerate(zip(sizes, shares, strict=False))
        ]
        gates.append(judge_gate("p", make_grounds(endpoints, state=state), criteria))
    assert RANK[gates[0].verdict] <= RANK[gates[1].verdict]
    for gate in gates:
        verdicts = {each.verdict for each in gate.criteria}
        assert (gate.verdict == "pass") == (verdicts == {"pass"})
        assert (gate.verdict == "fail") == ("fail" in verdicts)
    assert state == "finished" or gates[0].verdict != "pass"


def test_enough_clean_exchanges_pass(make_grounds: Make, make_endpoint: Make) -> None:
    criteria = Criteria(max_divergence_rate=0.001)
    for exchanges, verdict in ((2994, "inconclusive"), (2995, "pass")):
        gate = judge_gate("replay", make_grounds([make_endpoint(exchanges)]), criteria)
        assert (gate.phase, gate.run_id, gate.verdict) == (
            "replay",
            "20261122-130501-3f2a",
            verdict,
        )
