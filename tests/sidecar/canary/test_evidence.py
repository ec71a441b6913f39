from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import (
    Answer,
    Judgement,
    NoAnswer,
    Observation,
    Outcome,
    Response,
    Timing,
)
from shadow.results.anytime import log_detector, log_e, log_thresholds, rate_at_most
from shadow.results.routes import BUCKET, Bucket, Buckets, added
from shadow.sidecar.canary.evidence import Evidence, Seen, figures_of, has_failed, seen_of

RATE = 0.001
_, BAR = log_thresholds(0.1, 1_000_000)


def answer(status: int = 200, ms: float | None = 3) -> Answer:
    timing = None if ms is None else Timing(due=0, sent=1, done=1 + ms / 1000)
    return Answer(response=Response(status=status), timing=timing)


RESET = NoAnswer(kind="reset")


@pytest.mark.parametrize(
    ("observation", "failed"),
    [(answer(), False), (answer(499), False), (answer(500), True), (answer(503), True)],
)
def test_what_has_failed(observation: Observation, failed: bool) -> None:
    assert has_failed(observation) == failed
    assert has_failed(RESET)


@pytest.mark.parametrize(
    ("outcome", "hollow", "divergent"),
    [
        (Outcome.MATCH, False, False),
        (Outcome.EQUIVALENT, False, False),
        (Outcome.DIVERGENT, False, True),
        (Outcome.DIVERGENT, True, None),
        (Outcome.MATCH, True, None),
        (Outcome.INCOMPARABLE, False, None),
        (Outcome.SKIPPED, False, None),
    ],
)
def test_what_a_judgement_says(outcome: Outcome, hollow: bool, divergent: bool | None) -> None:
    judgement = Judgement(outcome=outcome, hollow="state" if hollow else "")
    assert seen_of("GET /a", judgement, answer(ms=250), answer(ms=500)) == Seen(
        route="GET /a",
        divergent=divergent,
        baseline_failed=False,
        candidate_failed=False,
        baseline_ms=250.0,
        candidate_ms=500.0,
    )


def test_what_failed_has_no_time() -> None:
    judgement = Judgement(outcome=Outcome.DIVERGENT)
    seen = seen_of("GET /a", judgement, answer(502), RESET)
    assert (seen.baseline_failed, seen.candidate_failed) == (True, True)
    assert (seen.baseline_ms, seen.candidate_ms) == (None, None)
    assert seen_of("GET /a", judgement, answer(ms=None), answer()).baseline_ms is None


def test_what_takes_too_long_on_either_side_says_nothing_of_speed() -> None:
    judgement = Judgement(outcome=Outcome.MATCH)
    for pair in ((answer(ms=16_000), answer()), (answer(), answer(ms=16_000))):
        seen = seen_of("GET /a", judgement, *pair, longest_ms=15_000)
        assert (seen.baseline_ms, seen.candidate_ms, seen.divergent) == (None, None, False)


def count(evidence: Evidence, trials: int, hits: int = 0) -> None:
    for place in range(trials):
        evidence.count(hit=place < hits)


def sums(buckets: Buckets) -> tuple[int, int]:
    return sum(bucket.n for bucket in buckets), sum(bucket.x for bucket in buckets)


def test_own_trials_fill_buckets_where_there_is_no_store() -> None:
    evidence = Evidence()
    count(evidence, 2_500, hits=3)
    assert [bucket.n for bucket in evidence.buckets()] == [1_000, 1_000, 500]
    assert [bucket.x for bucket in evidence.buckets()] == [3, 0, 0]


def test_own_trials_without_a_store_stay_bounded() -> None:
    evidence = Evidence()
    for _ in range(300):
        evidence.n = BUCKET - 1
        evidence.count(hit=False)
        evidence.put_back()
    assert sums(evidence.buckets()) == (300_000, 0)
    assert len(evidence.buckets()) == 256


def test_own_trials_go_into_the_bucket_that_the_store_has_open() -> None:
    evidence = Evidence()
    evidence.read((Bucket(1_000, 1), Bucket(10, 0)))
    count(evidence, 5, hits=1)
    assert evidence.buckets() == (Bucket(1_000, 1), Bucket(15, 1))


Step = Literal["count", "hit", "take", "read", "unread", "fail"]


@given(st.lists(st.sampled_from(["count", "hit", "take", "read", "unread", "fail"])))
def test_no_trial_is_lost_or_counted_twice(steps: list[Step]) -> None:
    evidence = Evidence()
    store: Buckets = ()
    counted = hits = 0
    for step in steps:
        if step in {"count", "hit"}:
            count(evidence, 700, hits=700 if step == "hit" else 0)
            counted, hits = counted + 700, hits + 700 * (step == "hit")
            continue
        taken = evidence.take()
        if step == "fail":
            evidence.put_back()
        else:
            store = added(store, *taken)
        if step == "read":  # else what was written is not read back before the next time
            evidence.read(store)
            assert evidence.buckets() == store
        assert sums(evidence.buckets()) == (counted, hits)
    assert evidence.take()[0] == counted - sums(store)[0]


def test_what_is_read_is_weighed_only_with_new_hits() -> None:
    evidence = Evidence()
    reads: list[tuple[Buckets, bool]] = [
        ((Bucket(1_000, 0),), False),
        ((Bucket(1_000, 0), Bucket(20, 1)), True),
        ((Bucket(1_000, 0), Bucket(900, 1)), False),
        ((Bucket(1_000, 0), Bucket(900, 2)), True),
        ((), True),
    ]
    for stored, is_news in reads:
        evidence.read(stored)
        assert evidence.hit == is_news
        weighed = evidence.weighed(RATE, BAR)
        assert weighed.x == sums(stored)[1]
        assert evidence.hit is False
        assert not is_news or weighed.n == sums(stored)[0]


def test_what_is_known_stays_until_it_is_weighed() -> None:
    evidence = Evidence()
    count(evidence, 1_000, hits=1)
    before = evidence.weighed(RATE, BAR)
    count(evidence, 50, hits=1)
    assert evidence.known(RATE, BAR) == before
    shown = evidence.shown(RATE, BAR).figures
    assert shown == figures_of(evidence.buckets(), RATE, BAR)
    assert evidence.weighed(RATE, BAR) == shown
    count(evidence, 50)
    again = evidence.shown(RATE, BAR).figures
    assert (again.n, again.log_sr) == (1_100, shown.log_sr)
    assert again.log_e < shown.log_e


def test_the_bound_that_is_shown_holds_though_it_may_be_of_fewer_trials() -> None:
    evidence = Evidence()
    count(evidence, 1_000, hits=1)
    first = evidence.shown(RATE, BAR).upper
    assert first == rate_at_most(1, 1_000)
    count(evidence, 100)
    assert evidence.shown(RATE, BAR).upper == first
    count(evidence, 1)
    assert evidence.shown(RATE, BAR).upper == rate_at_most(1, 1_101) < first
    count(evidence, 1, hits=1)
    assert evidence.shown(RATE, BAR).upper == rate_at_most(2, 1_102) > first
    evidence.weighed(RATE, BAR)
    assert evidence.shown(RATE, BAR).figures == figures_of(evidence.buckets(), RATE, BAR)
    evidence.read(())
    assert evidence.shown(RATE, BAR).figures[:2] == (1_102, 2)
    evidence.take()
    evidence.read((Bucket(n=2_000, x=2),))
    assert evidence.shown(RATE, BAR).figures[:2] == (2_000, 2)


def test_the_bound_that_is_shown_is_of_no_trials_that_are_gone() -> None:
    """The store may be begun anew, with fewer trials and as few hits."""
    evidence = Evidence()
    evidence.read((Bucket(n=10_000, x=0),))
    assert evidence.shown(RATE, BAR).upper == rate_at_most(0, 10_000)
    evidence.read((Bucket(n=10, x=0),))
    assert evidence.shown(RATE, BAR).upper == rate_at_most(0, 10)


@given(st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 12)), min_size=1, max_size=6))
def test_figures_are_exact_where_a_threshold_may_be_reached(counts: list[tuple[int, int]]) -> None:
    buckets = tuple(Bucket(n=n, x=min(n, x)) for n, x in counts)
    found = figures_of(buckets, RATE, BAR)
    exact = log_detector(buckets, RATE)
    n, x = sums(buckets)
    assert found[:3] == (n, x, log_e(x, n, RATE))
    if found.log_sr >= BAR or exact >= BAR:
        assert found.log_sr == exact
    else:
        assert exact <= found.log_sr + 1e-9
