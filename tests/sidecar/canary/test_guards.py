from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigError
from shadow.results.routes import GO_ALL, Buckets, Guard, added
from shadow.sidecar.canary import evidence
from shadow.sidecar.canary.evidence import Seen
from shadow.sidecar.canary.guards import (
    GUARDS,
    MAX_ROUTES,
    PLANNED,
    GuardPolicy,
    Guards,
    GuardStanding,
    Rollback,
)

ITEMS = "GET /v1/items/{id}"
QUOTE = "POST /v1/quote"
LATENCY = GuardPolicy(latency_ms={ITEMS: 50})


def pair(*, ours: bool, theirs: bool, divergent: bool | None = False, route: str = ITEMS) -> Seen:
    return Seen(route=route, divergent=divergent, baseline_failed=ours, candidate_failed=theirs)


def judged(divergent: bool, route: str = ITEMS) -> Seen:
    return pair(ours=False, theirs=False, divergent=divergent, route=route)


def timed(ours: float | None, theirs: float | None, route: str = ITEMS) -> Seen:
    return Seen(route=route, baseline_ms=ours, candidate_ms=theirs)


def counts(guards: Guards, route: str = ITEMS) -> dict[Guard, tuple[int, int]]:
    """What of each guard goes to the store."""
    return {guard: found for (name, guard), found in guards.take().items() if name == route}


def count(guards: Guards, seen: Seen, *, in_all: bool) -> bool:
    return guards.count(seen.route, seen, in_all=in_all)


def feed(guards: Guards, seen: Seen, times: int, *, in_all: bool = True) -> tuple[Rollback, ...]:
    """Count an exchange so often, or until something trips."""
    for _ in range(times):
        count(guards, seen, in_all=in_all)
        due = guards.tripped(())
        if due:
            return due
    return ()


def standing(guards: Guards, route: str, guard: Guard = "divergence") -> GuardStanding:
    return next(s for s in guards.standings() if (s.route, s.guard) == (route, guard))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_divergence_rate": 0}, "guards.max_divergence_rate = 0"),
        ({"max_divergence_rate": 1.0}, "guards.max_divergence_rate = 1.0"),
        ({"alpha": math.nan}, "guards.alpha = nan"),
        ({"horizon": 0}, "guards.horizon = 0"),
        ({"latency_ms": {ITEMS: 0}}, r'guards.latency_ms."GET /v1/items/{id}" = 0'),
        ({"latency_objective_ms": math.inf}, "guards.latency_objective_ms = inf"),
    ],
)
def test_a_policy_that_cannot_be_meant(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        GuardPolicy(**options)
    assert str(caught.value).startswith(named)


def test_which_guards_are_on() -> None:
    assert GuardPolicy().on == ("divergence", "errors")
    assert GuardPolicy(errors=False).on == ("divergence",)
    assert LATENCY.on == GuardPolicy(latency_objective_ms=9).on == GUARDS
    assert (LATENCY.objective(ITEMS), LATENCY.objective(QUOTE)) == (50, None)
    assert GuardPolicy(latency_objective_ms=9).objective(QUOTE) == 9


def test_alpha_is_shared_out() -> None:
    for policy in (GuardPolicy(), LATENCY, GuardPolicy(errors=False)):
        guards = Guards(policy)
        for route in (ITEMS, QUOTE):
            count(guards, judged(divergent=False, route=route), in_all=True)
        shares = {each.route: math.exp(-each.threshold_e) for each in guards.standings()}
        whole = 2 * len(policy.on) * (shares[GO_ALL] + PLANNED * shares[ITEMS])
        assert whole == pytest.approx(policy.alpha)
        all_of_them = standing(guards, GO_ALL)
        restarts = all_of_them.threshold_sr - all_of_them.threshold_e
        assert restarts == pytest.approx(math.log(1_000))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (judged(divergent=False), {"divergence": (1, 0)}),
        (judged(divergent=True), {"divergence": (1, 1)}),
        (pair(ours=False, theirs=False, divergent=None), {}),
        (pair(ours=False, theirs=True, divergent=True), {"errors": (1, 1)}),
        (pair(ours=True, theirs=False, divergent=True), {"errors": (1, 0)}),
        (pair(ours=True, theirs=True, divergent=True), {}),
        (Seen(route=ITEMS, candidate_failed=True), {}),
        (Seen(route=ITEMS, baseline_failed=False), {}),
        (timed(10, 20), {}),
        (timed(50, 50.1), {"latency": (1, 1)}),
        (timed(51, 50), {"latency": (1, 0)}),
        (timed(60, 70), {}),
        (timed(None, 70), {}),
        (timed(70, None), {}),
        (timed(10, 70, route=QUOTE), {}),
    ],
)
def test_what_an_exchange_is_evidence_of(
    seen: Seen, expected: dict[Guard, tuple[int, int]]
) -> None:
    guards = Guards(LATENCY)
    hit = count(guards, seen, in_all=True)
    assert hit == any(x for _, x in expected.values())
    taken = guards.take()
    assert taken == {
        (route, guard): found for route in (GO_ALL, ITEMS) for guard, found in expected.items()
    }


def test_without_the_guard_of_errors_a_failure_is_a_divergence() -> None:
    guards = Guards(GuardPolicy(errors=False))
    count(guards, pair(ours=False, theirs=True, divergent=True), in_all=True)
    count(guards, pair(ours=True, theirs=False, divergent=True), in_all=True)  # Go is the worse
    assert counts(guards) == {"divergence": (1, 1)}


def test_without_an_objective_nothing_is_slow() -> None:
    guards = Guards(GuardPolicy())
    assert not count(guards, timed(1, 1e9), in_all=True)
    assert guards.take() == {}


def test_the_evidence_of_a_rollback() -> None:
    guards = Guards(GuardPolicy())
    assert feed(guards, judged(divergent=False), 50) == ()
    [all_of_them] = feed(guards, judged(divergent=True), 50)
    assert (all_of_them.route, all_of_them.guard) == (GO_ALL, "divergence")
    found = all_of_them.evidence
    assert (found["n"], found["x"], found["tripped"]) == (53, 3, "e-process")
    assert found["rate"] == pytest.approx(3 / 53)
    assert found["max_rate"] == 0.001
    assert found["log_e"] >= found["threshold_e"] == pytest.approx(math.log(2 / 0.0125))
    assert found["log_sr"] < found["threshold_sr"]
    assert (found["recent_n"], found["recent_x"]) == (53, 3)
    assert all_of_them.reason == "the candidate diverged in 3 of 53 exchanges"


def test_a_route_needs_more_evidence_than_all_of_them() -> None:
    guards = Guards(GuardPolicy())
    assert feed(guards, judged(divergent=False), 50, in_all=False) == ()
    [own] = feed(guards, judged(divergent=True), 50, in_all=False)
    assert (own.route, own.evidence["n"], own.evidence["x"]) == (ITEMS, 54, 4)
    assert own.evidence["threshold_e"] == pytest.approx(math.log(2 * PLANNED / 0.0125))


def test_after_a_long_clean_time_the_detector_says_what_is_recent() -> None:
    guards = Guards(GuardPolicy())
    held: Buckets = ()
    for _ in range(300):
        held = added(held, 1_000, 0)
    guards.read({(ITEMS, "divergence"): held})
    [due] = feed(guards, judged(divergent=True), 20, in_all=False)
    assert due.evidence["tripped"] == "e-detector"
    assert due.evidence["log_sr"] >= due.evidence["threshold_sr"]
    x = due.evidence["x"]
    assert (due.evidence["recent_n"], due.evidence["recent_x"]) == (x, x)
    assert due.reason == (
        f"the candidate diverged in {x} of {300_000 + x:,} exchanges, {x} of the latest {x}"
    )


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (pair(ours=False, theirs=True), "failed alone in 10 of 10 exchanges that one side failed"),
        (timed(5, 500), "was slow alone in 10 of 10 exchanges in which one side was"),
    ],
)
def test_a_worse_candidate_trips_the_guard_of_what_it_is_worse_in(seen: Seen, reason: str) -> None:
    [due] = feed(Guards(LATENCY), seen, 30)
    assert due.reason == f"the candidate {reason}"


def test_a_route_trips_alone_and_is_named_once() -> None:
    guards = Guards(LATENCY)
    for _ in range(40_000):
        count(guards, judged(divergent=False, route=QUOTE), in_all=True)
    for _ in range(8):
        count(guards, judged(divergent=True), in_all=False)
    for _ in range(60):
        count(guards, pair(ours=False, theirs=True), in_all=False)
    due = guards.tripped(())
    assert [(each.route, each.guard) for each in due] == [(ITEMS, "divergence")]


def test_what_is_latched_is_not_tripped_again() -> None:
    guards = Guards(GuardPolicy())
    for _ in range(30):
        count(guards, judged(divergent=True), in_all=True)
    assert guards.tripped({GO_ALL}) == ()
    assert [each.route for each in guards.tripped({ITEMS})] == [GO_ALL]
    count(guards, judged(divergent=True), in_all=True)
    assert [each.route for each in guards.tripped(())] == [GO_ALL, ITEMS]


def test_many_routes_bear_each_other_out() -> None:
    def tripped(routes: int) -> set[str]:
        guards = Guards(GuardPolicy())
        names = [f"GET /{place}" for place in range(routes)]
        for name in names:
            for place in range(200):
                count(guards, judged(divergent=place < 4, route=name), in_all=False)
        return {each.route for each in guards.tripped(())}

    assert tripped(2) == set()
    assert len(tripped(40)) == 40


def test_routes_beyond_the_bound_count_for_all_of_them_alone() -> None:
    guards = Guards(GuardPolicy())
    for place in range(MAX_ROUTES + 5):
        count(guards, judged(divergent=True, route=f"GET /{place}"), in_all=True)
    guards.read({("GET /more", "divergence"): added((), 5, 5)})
    assert len(guards.routes) == MAX_ROUTES + 1
    taken = guards.take()
    assert taken[GO_ALL, "divergence"] == (MAX_ROUTES + 5, MAX_ROUTES + 5)


def test_the_stored_evidence_of_other_sidecars_trips_too() -> None:
    guards = Guards(GuardPolicy())
    guards.read({(ITEMS, "errors"): added((), 40, 40)})
    assert [(each.route, each.guard) for each in guards.tripped(())] == [(ITEMS, "errors")]


def test_what_is_forgotten_begins_anew() -> None:
    guards = Guards(GuardPolicy())
    for route in (ITEMS, QUOTE):
        count(guards, judged(divergent=True, route=route), in_all=True)
    guards.forget(ITEMS)
    assert set(guards.routes) == {GO_ALL, QUOTE}
    guards.forget(GO_ALL)
    assert guards.take() == {}
    assert [each.n for each in guards.standings()] == [0, 0]


def test_a_thousand_routes_cost_nothing_while_nothing_is_seen_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clients can make as many, and each look, each round with the store is in the event loop."""
    guards = Guards(GuardPolicy())
    routes = [f"GET /r{number}" for number in range(MAX_ROUTES)]
    for route in routes:
        for ours in (False, True):
            count(guards, pair(ours=ours, theirs=False, route=route), in_all=True)
    stored = {key: added((), *counted) for key, counted in guards.take().items()}
    guards.read(stored)
    before = guards.standings()
    calls: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            calls.append(name)
            return real(*given)

        return call

    for name in ("added", "log_e", "rate_at_most", "log_detector_bound"):
        monkeypatch.setattr(evidence, name, watched(name, getattr(evidence, name)))
    assert guards.take() == {}
    guards.read(dict(stored))
    assert guards.standings() == before
    assert calls == []
    count(guards, pair(ours=False, theirs=True, route=routes[7]), in_all=False)
    assert guards.take() == {(routes[7], "errors"): (1, 1)}
    changed = [each for each in guards.standings() if each not in before]
    assert changed == [standing(guards, routes[7], "errors")]


def test_standings_are_of_what_was_seen() -> None:
    guards = Guards(GuardPolicy())
    for place in range(2_000):
        count(guards, judged(divergent=place % 1_000 == 0), in_all=True)
    found = guards.standings()
    assert [(each.route, each.guard) for each in found] == [
        (GO_ALL, "divergence"),
        (ITEMS, "divergence"),
        (GO_ALL, "errors"),
    ]
    assert (found[1].n, found[1].x) == (2_000, 2)
    assert found[1].upper == pytest.approx(0.0064, rel=0.01)
    assert found[1].log_e < found[0].threshold_e < found[1].threshold_e
    assert (found[2].upper, found[2].log_sr) == (1, -math.inf)
    assert not guards.tripped(())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_a_candidate_that_is_never_worse_never_trips(pairs: list[tuple[bool, bool]]) -> None:
    guards = Guards(LATENCY)
    for ours, theirs in pairs:
        count(guards, pair(ours=ours or theirs, theirs=theirs), in_all=True)
        count(guards, timed(500 if ours or theirs else 5, 500 if theirs else 5), in_all=True)
        assert guards.tripped(()) == ()


def test_a_perfect_candidate_never_trips() -> None:
    guards = Guards(GuardPolicy())
    clean = judged(divergent=False)
    for _ in range(1_000):
        for _ in range(1_000):
            count(guards, clean, in_all=True)
        assert guards.tripped(()) == ()
    found = standing(guards, GO_ALL)
    assert (found.n, found.x) == (1_000_000, 0)
    assert found.upper < 1.2e-5


class Stream:
    """Trials of one guard on all routes, as the store of many sidecars has them."""

    def __init__(self, guard: Guard, policy: GuardPolicy, clean: int = 0) -> None:
        self.guards = Guards(policy)
        self.guard = guard
        self.held: Buckets = ()
        self.add(clean)

    def add(self, trials: int, hits: int = 0) -> tuple[Rollback, ...]:
        """Add misses, a bucket at a time, and hits behind them."""
        left = trials - hits
        while left:
            room = 1_000 - (self.held[-1].n if self.held else 0) % 1_000
            self.held = added(self.held, min(room, left), 0)
            left -= min(room, left)
        self.held = added(self.held, hits, hits)
        self.guards.read({(GO_ALL, self.guard): self.held})
        return self.guards.tripped(())

    def exchanges_to_alarm(self, rate: float, chance: random.Random, most: int) -> int | None:
        """How many trials it takes; None where so many are not enough."""
        trials = 0
        while trials < most:
            gap = 1 + int(math.log(1 - chance.random()) / math.log1p(-rate))
            trials += gap
            if self.add(gap, 1):
                return trials
        return None


@pytest.mark.parametrize("rate", [0.001, 0.0005])
def test_at_the_tolerated_rate_and_below_it_nothing_trips(rate: float) -> None:
    for seed in range(3):
        stream = Stream("divergence", GuardPolicy())
        assert stream.exchanges_to_alarm(rate, random.Random(seed), 1_000_000) is None


def test_go_against_go_does_not_trip() -> None:
    chance = random.Random(1)
    guards = Guards(LATENCY)
    for _ in range(300):
        for _ in range(100):  # of some it is the first that is slow, or fails, of some the other
            count(guards, timed(chance.choice((5, 500)), chance.choice((5, 500))), in_all=True)
            count(
                guards, pair(ours=chance.random() < 0.1, theirs=chance.random() < 0.1), in_all=True
            )
        assert guards.tripped(()) == ()
    assert standing(guards, GO_ALL, "latency").n > 10_000
    assert standing(guards, GO_ALL, "errors").n > 4_000


def medians(rate: float, clean: int, seeds: Sequence[int]) -> float:
    found = []
    for seed in seeds:
        stream = Stream("divergence", GuardPolicy(), clean)
        taken = stream.exchanges_to_alarm(rate, random.Random(seed), 1_000_000)
        found.append(math.inf if taken is None else taken)
    return statistics.median(found)


@pytest.mark.parametrize(
    ("rate", "clean", "expected"),
    [
        (0.05, 0, 60),
        (0.05, 10_500, 190),
        (0.05, 1_000_500, 190),
        (0.01, 0, 540),
        (0.01, 10_500, 1_300),
        (0.01, 1_000_500, 1_300),
        (0.002, 0, 24_000),
        (0.002, 1_000_500, 33_000),
    ],
)
def test_how_many_exchanges_a_defect_takes(rate: float, clean: int, expected: float) -> None:
    assert medians(rate, clean, range(11)) == pytest.approx(expected, rel=0.35)
