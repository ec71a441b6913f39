from __future__ import annotations

import pytest

from shadow.reports.gates import render, said
from shadow.results.gates.verdicts import CriterionResult, GateResult, combined

SHARE = CriterionResult(
    name="divergence-rate",
    verdict="inconclusive",
    unit="share",
    measured=0.0002,
    bound=0.001,
    low=0.0001,
    high=0.0012,
    more=995,
    more_at_rate=1_600,
    note="1 of 5,000 exchanges diverged",
)
RATIO = CriterionResult(
    name="latency-p99",
    verdict="fail",
    unit="ratio",
    measured=1.3456,
    bound=1.1,
    low=1.2,
    high=1.5,
    endpoint="GET /v1/items/{id}",
    note="the worst of 3 endpoints",
)
COUNT = CriterionResult(
    name="exchanges", verdict="inconclusive", unit="count", measured=5000, bound=6000, more=1000
)
PLAIN = CriterionResult(name="complete", verdict="pass")
BARE = CriterionResult(
    name="cpu", verdict="inconclusive", unit="ratio", bound=1, note="the CPU time is not known"
)


@pytest.mark.parametrize(
    ("criterion", "text"),
    [
        (
            SHARE,
            (
                "0.020 % (95 % bounds 0.010 %\N{EN DASH}0.12 %), at most 0.10 %; 995 more exchanges"
                " if all are clean, about 1,600 at this rate; 1 of 5,000 exchanges diverged"
            ),
        ),
        (
            RATIO,
            (
                "1.35 (95 % CI 1.2\N{EN DASH}1.5), at most 1.1; the worst of 3 endpoints;"
                " GET /v1/items/{id}"
            ),
        ),
        (COUNT, "5,000, at least 6,000; about 1,000 more exchanges"),
        (PLAIN, ""),
        (BARE, "at most 1; the CPU time is not known"),
    ],
)
def test_a_criterion_in_words(criterion: CriterionResult, text: str) -> None:
    assert said(criterion).plain == text


def gate(*criteria: CriterionResult) -> GateResult:
    return GateResult(
        phase="replay", run_id="r1", verdict=combined(criteria), criteria=tuple(criteria)
    )


def test_what_is_missed_stands_first() -> None:
    text = render(gate(PLAIN, SHARE, RATIO, COUNT), width=200)
    first, *lines = text.splitlines()
    assert first == "gate replay  FAIL  run r1"
    order = ["fail", "inconclusive", "inconclusive", "pass"]
    assert [line.split()[0] for line in lines] == order


def test_colours_only_where_they_are_shown() -> None:
    assert "\x1b[" not in render(gate(RATIO))
    assert "\x1b[" in render(gate(RATIO), color=True)


def test_an_endpoint_moves_no_cursor() -> None:
    hostile = CriterionResult(
        name="latency-p50", verdict="fail", endpoint="GET /\x1b[2J[bold]", note="a\rb"
    )
    text = render(gate(hostile))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "GET /\\x1b[2J[bold]" in text
