from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.results.bounds import upper_bound
from shadow.results.gates.amount import comparable, complete, coverage, exchanges
from shadow.results.gates.criteria import (
    Criteria,
    exchanges_needed,
    exchanges_needed_of_each,
)
from shadow.results.tally import OTHER

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("finished", "pass"), ("interrupted", "inconclusive"), ("running", "inconclusive")],
)
def test_only_a_finished_run_is_evidence(make_grounds: Make, state: str, verdict: str) -> None:
    (found,) = complete(make_grounds(state=state), Criteria())
    assert found.verdict == verdict
    assert (state in found.note) == (verdict != "pass")


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        ({"read": 1000}, ["pass", "pass"]),
        ({"read": 1000, "incomparable": 50}, ["pass", "pass"]),
        ({"read": 1000, "incomparable": 51}, ["inconclusive", "pass"]),
        ({"read": 1000, "skipped": 900, "incomparable": 6}, ["inconclusive", "pass"]),
        ({"read": 1000, "hollow": 51}, ["pass", "inconclusive"]),
        ({"read": 0}, ["inconclusive", "inconclusive"]),
        ({"read": 7, "skipped": 7}, ["inconclusive", "inconclusive"]),
    ],
)
def test_too_much_that_says_nothing(
    make_grounds: Make, changes: dict[str, int], verdicts: list[str]
) -> None:
    found = comparable(make_grounds(**changes), Criteria())
    assert [each.verdict for each in found] == verdicts


def test_how_much_may_say_nothing_is_asked_for(make_grounds: Make) -> None:
    grounds = make_grounds(read=1000, incomparable=51, hollow=10)
    criteria = Criteria(max_incomparable=0.06, max_hollow=0.001)
    verdicts = [each.verdict for each in comparable(grounds, criteria)]
    assert verdicts == ["pass", "inconclusive"]


@pytest.mark.parametrize(
    ("criteria", "needed"),
    [
        (Criteria(), None),
        (Criteria(max_divergence_rate=0.001), 2995),
        (Criteria(max_divergence_rate=0.01), 299),
        (Criteria(max_divergence_rate=0.01, max_error_rate=0.0001), 29956),
        (Criteria(max_divergence_rate=0.001, min_exchanges=10), 10),
    ],
)
def test_exchanges_in_all_follow_from_the_bounds_on_rates(
    criteria: Criteria, needed: int | None
) -> None:
    assert exchanges_needed(criteria) == needed


@given(st.floats(1e-6, 0.999))
def test_as_many_clean_exchanges_as_are_asked_for_pass(rate: float) -> None:
    needed = exchanges_needed(Criteria(max_divergence_rate=rate))
    assert needed is not None
    bound = upper_bound(0, needed)
    assert bound is not None
    assert bound <= rate * (1 + 1e-9)


@pytest.mark.parametrize(
    ("criteria", "needed"),
    [
        (Criteria(), 1),
        (Criteria(max_latency_ratio=((50, 1.1),)), 120),
        (Criteria(max_latency_ratio=((50, 1.1), (99, 1.1))), 388),
        (Criteria(max_jitter_ratio=1.1), 388),
        (Criteria(max_jitter_ratio=1.1, min_exchanges_per_endpoint=7), 7),
    ],
)
def test_exchanges_of_each_endpoint_follow_from_the_bounds_on_latency(
    criteria: Criteria, needed: int
) -> None:
    assert exchanges_needed_of_each(criteria) == needed


def test_exchanges_are_counted_without_the_hollow_ones(
    make_grounds: Make, make_endpoint: Make
) -> None:
    grounds = make_grounds([make_endpoint(60, hollow=50), make_endpoint(30, name="GET /b")])
    (found,) = exchanges(grounds, Criteria(min_exchanges=100))
    assert (found.verdict, found.measured, found.more) == ("inconclusive", 90, 10)
    (found,) = exchanges(grounds, Criteria(min_exchanges=90))
    assert (found.verdict, found.more) == ("pass", None)
    assert list(exchanges(grounds, Criteria(max_cpu_ratio=1))) == []


@pytest.mark.parametrize(
    ("asked", "verdict", "more"),
    [
        ({"min_exchanges_per_endpoint": 10}, "inconclusive", 3 + 10),
        ({"min_exchanges_per_endpoint": 10, "min_coverage": 0.75}, "inconclusive", 3),
        ({"min_exchanges_per_endpoint": 10, "min_coverage": 0.5}, "pass", None),
        ({"min_exchanges_per_endpoint": 7, "min_coverage": 0.75}, "pass", None),
        ({"min_coverage": 0.76}, "inconclusive", 1),
        ({"min_coverage": 0.0}, "pass", None),
    ],
)
def test_coverage_is_of_the_endpoints_of_the_run(
    make_grounds: Make,
    make_endpoint: Make,
    asked: dict[str, Any],
    verdict: str,
    more: int | None,
) -> None:
    sizes = {"GET /a": 100, "GET /b": 10, "GET /c": 7, "GET /d": 0}
    endpoints = [make_endpoint(size, name=name, hollow=20) for name, size in sizes.items()]
    (found,) = coverage(make_grounds(endpoints), Criteria(**asked))
    assert (found.verdict, found.more) == (verdict, more)


def test_coverage_is_of_the_templates_where_there_are_some(
    make_grounds: Make, make_endpoint: Make
) -> None:
    endpoints = [make_endpoint(50), make_endpoint(0, name="GET /odd")]
    criteria = Criteria(min_coverage=1.0)
    (found,) = coverage(make_grounds(endpoints, templates=["GET /a"]), criteria)
    assert found.verdict == "pass"
    (found,) = coverage(make_grounds(endpoints, templates=["GET /a", "GET /never"]), criteria)
    assert (found.verdict, found.endpoint, found.measured) == ("inconclusive", "GET /never", 0.5)


def test_endpoints_that_were_counted_together_are_not_covered(
    make_grounds: Make, make_endpoint: Make
) -> None:
    endpoints = [make_endpoint(50), make_endpoint(10_000, name=OTHER)]
    (found,) = coverage(make_grounds(endpoints), Criteria(min_coverage=1.0))
    assert found.verdict == "inconclusive"


def test_a_run_of_nothing_covers_nothing(make_grounds: Make) -> None:
    (found,) = coverage(make_grounds(), Criteria(min_coverage=0.5))
    assert (found.verdict, found.measured) == ("inconclusive", None)
