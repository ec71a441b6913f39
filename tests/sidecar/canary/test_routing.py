from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shadow.results.routes import (
    GO_ALL,
    Action,
    Buckets,
    Guard,
    RouteChange,
    RouteState,
    added,
    begun,
    changed,
    is_current,
)
from shadow.sidecar.canary.evidence import Seen
from shadow.sidecar.canary.guards import GuardPolicy, Rollback
from shadow.sidecar.canary.routing import (
    RETRIES_AT_ONCE,
    Choice,
    RetryBudget,
    RouteFlags,
    Routing,
    change_of,
)

ITEMS = "GET /v1/items/{id}"
QUOTE = "POST /v1/quote"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = [f"u-{number}" for number in range(400)]
NO_EVIDENCE: dict[tuple[str, Guard], Buckets] = {}


def routing(**options: Any) -> Routing:
    return Routing(GuardPolicy(**options))


def flags(percent: float = 0.0, **options: Any) -> RouteFlags:
    return RouteFlags(rust_percent=percent, **options)


def choose(over: Routing, key: str, given: RouteFlags, route: str = ITEMS) -> Choice:
    return over.choose(route, key, given, token=f"token of {key}")


def on_rust(over: Routing, given: RouteFlags, route: str = ITEMS) -> set[str]:
    return {key for key in KEYS if choose(over, key, given, route).side == "candidate"}


def state(revision: int, route: str = ITEMS, **options: Any) -> RouteState:
    at = NOON + timedelta(seconds=revision)
    return RouteState(route=route, revision=revision, at=at, **options)


def synced(over: Routing, *states: RouteState) -> tuple[Rollback, ...]:
    return over.sync({each.route: each for each in states}, NO_EVIDENCE)


def divergent(route: str = ITEMS) -> Seen:
    return Seen(route=route, divergent=True, baseline_failed=False, candidate_failed=False)


def tripped(over: Routing, route: str = ITEMS) -> tuple[Rollback, ...]:
    """Let everything diverge until a guard of the route trips."""
    for _ in range(50):
        over.observe(divergent(route))
    return over.check()


ROLLBACK = Rollback(route=ITEMS, guard="divergence", reason="why", evidence={"n": 3})


# Who is served by which side


@pytest.mark.parametrize(
    ("given", "side"),
    [
        (flags(0), "baseline"),
        (flags(100), "candidate"),
        (flags(100, rust_enabled=False), "baseline"),
        (flags(float("nan")), "baseline"),
    ],
)
def test_all_or_nothing(given: RouteFlags, side: str) -> None:
    over = routing()
    found = {choose(over, key, given) for key in KEYS}
    assert [(each.side, each.mirror) for each in found] == [(side, True)]


def test_a_session_is_on_one_side_on_all_sidecars_and_routes() -> None:
    expected = on_rust(routing(), flags(30))
    assert 80 <= len(expected) <= 160
    assert on_rust(routing(alpha=0.5), flags(30), QUOTE) == expected
    assert choose(routing(), "u-17", flags(11.2)).side == "baseline"  # for ever: by its hash
    assert choose(routing(), "u-17", flags(11.3)).side == "candidate"


@given(st.text(), st.floats(0, 100), st.floats(0, 100))
def test_a_higher_share_only_adds_sessions(key: str, one: float, other: float) -> None:
    over = routing()
    less, more = (choose(over, key, flags(each)).side for each in sorted((one, other)))
    assert (less, more) != ("candidate", "baseline")


def test_without_a_session_every_exchange_is_by_itself() -> None:
    over = routing()
    sides = [over.choose(ITEMS, "", flags(50), token=f"t{n}").side for n in range(400)]
    assert 150 <= sides.count("candidate") <= 250


def test_a_sample_is_mirrored_whatever_the_session() -> None:
    over = routing()
    half = flags(50, shadow_sample=0.5)
    found = [over.choose(ITEMS, key, half, token=f"t{n}") for n, key in enumerate(KEYS)]
    for side in ("baseline", "candidate"):
        mirrored = [each.mirror for each in found if each.side == side]
        assert 0.35 <= sum(mirrored) / len(mirrored) <= 0.65
    assert len({over.choose(ITEMS, "u", half, token=f"t{n}").mirror for n in range(20)}) == 2
    assert not choose(over, "u", flags(shadow_sample=0)).mirror


@given(st.sampled_from(KEYS), st.floats(0, 100), st.floats(0, 1))
def test_a_write_goes_to_the_side_of_its_session_and_no_further(
    key: str, percent: float, sample: float
) -> None:
    over = routing()
    given = flags(percent, shadow_sample=sample)
    write = over.choose(QUOTE, key, given, token="t", safe=False)
    assert write.side == over.choose(ITEMS, key, given, token="t").side
    assert not write.mirror


def test_an_operator_s_share_goes_before_the_flag_s() -> None:
    over = routing()
    synced(over, state(1, percent=100), state(1, GO_ALL, percent=0))
    assert choose(over, "u", flags(0)).side == "candidate"
    assert choose(over, "u", flags(100), QUOTE).side == "baseline"
    assert choose(over, "u", flags(100, rust_enabled=False)).side == "baseline"
    synced(over, state(2), state(2, GO_ALL))
    assert choose(over, "u", flags(0)).side == "baseline"
    assert choose(over, "u", flags(100), QUOTE).side == "candidate"


# Fallbacks


def test_fallbacks_are_a_share_of_what_rust_serves() -> None:
    budget = RetryBudget()
    assert sum(budget.spend(7) for _ in range(500)) == RETRIES_AT_ONCE
    for _ in range(500):
        budget.earn()
    assert sum(budget.spend(7) for _ in range(500)) == 50
    assert sum(budget.spend(9) for _ in range(500)) == 2
    assert not budget.spend(8)  # a clock that goes back gives nothing


def test_fallbacks_are_not_saved_up_for_ever() -> None:
    over = routing()
    for _ in range(5_000):
        choose(over, "u", flags(100))
    assert sum(over.may_retry(0) for _ in range(500)) == RETRIES_AT_ONCE
    for _ in range(100):
        over.choose(QUOTE, "u", flags(100), token="t", safe=False)  # never falls back
        choose(over, "u", flags(0))
    assert not over.may_retry(0)
    assert sum(over.may_retry(1e6) for _ in range(500)) == RETRIES_AT_ONCE


# Rollbacks


def test_a_tripped_guard_latches_at_once_and_no_flag_opens_it() -> None:
    over = routing()
    assert over.check() == ()
    first, second = tripped(over)
    assert (first.route, second.route) == (GO_ALL, ITEMS)
    assert over.latched == {GO_ALL, ITEMS}
    assert over.pending == (first, second)
    for percent, route in itertools.product((100, 50, 100), (ITEMS, QUOTE)):
        found = choose(over, "u", flags(percent), route)
        assert (found.side, found.mirror) == ("baseline", True)
    assert tripped(over) == ()


def test_a_latched_route_leaves_the_others_alone() -> None:
    over = routing()
    over.latch(ROLLBACK)
    assert choose(over, "u", flags(100)).side == "baseline"
    assert choose(over, "u", flags(100), QUOTE).side == "candidate"
    assert tripped(over) == ()
    assert [route for route, _ in over.take_deltas()] == [ITEMS]  # it is on Go: no word on `*`


def test_the_latch_of_the_store_is_everybody_s() -> None:
    over = routing()
    synced(over, state(3, latched=True))
    assert choose(over, "u", flags(100)).side == "baseline"
    assert not over.pending
    synced(over, state(4, latched=False, epoch=4))
    assert choose(over, "u", flags(100)).side == "candidate"


def test_a_latch_waits_until_the_store_has_it() -> None:
    over = routing()
    synced(over, state(5, epoch=5))
    over.latch(ROLLBACK)
    for older in (state(5, epoch=5), state(4), state(6, epoch=5, percent=50)):
        synced(over, older)
        assert over.latched == {ITEMS}
        assert list(over.pending) == [ROLLBACK]
    synced(over, state(7, epoch=5, latched=True))
    assert not over.pending
    synced(over, state(6, epoch=5, percent=50))
    assert over.latched == {ITEMS}
    synced(over, state(8, epoch=8))
    assert not over.latched


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    over = routing()
    synced(over, state(5, epoch=5, percent=100))
    over.observe(Seen(route=ITEMS, divergent=False))
    for older in (state(4, latched=True), state(3, percent=0), state(1), state(5, epoch=5)):
        synced(over, older)
        found = choose(over, "u", flags(0)).side
        assert found == ("baseline" if older.revision == 5 else "candidate")
    assert over.take_deltas()[ITEMS, "divergence"] == (1, 0)


def test_a_reset_opens_a_latch_that_the_store_did_not_get() -> None:
    over = routing()
    synced(over)
    over.latch(ROLLBACK)
    synced(over)
    assert list(over.pending) == [ROLLBACK]
    synced(over, state(1, epoch=1))
    assert not over.latched
    assert not over.pending


def test_an_old_reset_opens_no_latch_from_before_the_store_could_be_read() -> None:
    over = routing()
    over.latch(ROLLBACK)
    synced(over, state(9, epoch=9))
    assert list(over.pending) == [ROLLBACK]
    assert over.latched == {ITEMS}
    synced(over, state(10, epoch=10))
    assert not over.latched


def test_a_store_that_was_begun_anew_gets_the_latch_again() -> None:
    over = routing()
    synced(over, state(7, latched=True))
    synced(over, state(8, epoch=8))
    over.latch(ROLLBACK)
    synced(over, state(9, epoch=8, latched=True))
    assert not over.pending
    synced(over)
    assert list(over.pending) == [ROLLBACK]
    later = NOON + timedelta(hours=1)
    synced(over, msgspec.structs.replace(state(1, latched=True), at=later))
    assert over.latched == {ITEMS}
    assert not over.pending
    synced(over, msgspec.structs.replace(state(2, epoch=2), at=later))
    assert not over.latched


def test_a_reset_lets_the_evidence_begin_anew() -> None:
    over = routing()
    synced(over, state(1))
    tripped(over)
    assert synced(over, state(2, latched=True), state(1, GO_ALL, latched=True)) == ()
    over.observe(divergent(QUOTE))
    synced(over, state(3, epoch=3), state(1, GO_ALL, latched=True))
    assert {route for route, _ in over.take_deltas()} == {GO_ALL, QUOTE}
    over.observe(divergent(QUOTE))
    synced(over, state(2, GO_ALL, epoch=2))
    assert over.take_deltas() == {}
    assert not over.latched
    assert over.check() == ()


def test_evidence_from_before_the_first_read_counts() -> None:
    over = routing()
    over.observe(divergent())
    synced(over, state(4, epoch=4))
    assert over.take_deltas() == {(GO_ALL, "divergence"): (1, 1), (ITEMS, "divergence"): (1, 1)}


def test_evidence_of_the_other_sidecars_is_a_reason_too() -> None:
    over = routing()
    [due] = over.sync({}, {(ITEMS, "errors"): added((), 30, 30)})
    assert (due.route, due.guard) == (ITEMS, "errors")
    assert over.latched == {ITEMS}


def test_evidence_is_kept_while_the_store_is_away() -> None:
    over = routing()
    for _ in range(3):
        over.observe(Seen(route=ITEMS, divergent=False))
        assert over.take_deltas()
        over.put_back()
    assert over.take_deltas()[ITEMS, "divergence"] == (3, 0)


def test_a_route_is_known_by_the_name_that_the_store_has() -> None:
    spoken, kept = "GET /a?token=S3CR3T", "GET /a?token=[masked]"
    over = routing(latency_ms={spoken: 5})
    over.observe(Seen(route=spoken, baseline_ms=9, candidate_ms=1))
    assert over.take_deltas() == {(GO_ALL, "latency"): (1, 0), (kept, "latency"): (1, 0)}
    synced(over, state(1, kept, latched=True))
    assert choose(over, "u", flags(100), spoken).side == "baseline"
    over.observe(Seen(route=spoken, divergent=False))
    assert over.take_deltas() == {(kept, "divergence"): (1, 0)}


def test_weights_are_what_rust_serves() -> None:
    over = routing()
    over.observe(Seen(route=ITEMS, divergent=False))
    over.observe(Seen(route="GET /x", divergent=False))
    synced(over, state(1, QUOTE, percent=20), state(1, "GET /x", latched=True))
    assert over.weights(lambda route: flags(150 if route == ITEMS else 50)) == {
        GO_ALL: 0.5,
        ITEMS: 1.0,
        QUOTE: 0.2,
        "GET /x": 0.0,
    }


def test_standings_are_those_of_the_guards() -> None:
    over = routing()
    over.observe(divergent())
    found = [(each.route, each.guard, each.n, each.x) for each in over.standings()]
    assert found == [
        (GO_ALL, "divergence", 1, 1),
        (ITEMS, "divergence", 1, 1),
        (GO_ALL, "errors", 0, 0),
    ]


def test_a_rollback_as_the_ledger_has_it() -> None:
    assert change_of(ROLLBACK, at=NOON, version="1.4", sidecar="pod-1") == RouteChange(
        at=NOON,
        action="rollback",
        route=ITEMS,
        reason="why",
        by="guard:divergence",
        version="1.4",
        evidence={"n": 3, "sidecar": "pod-1"},
    )


# Any order of events, with two sidecars on one store


class FakeStore:
    """What the store does, in memory; `up` says whether it can be reached."""

    def __init__(self) -> None:
        self.up = True
        self.states: dict[str, RouteState] = {}
        self.evidence: dict[tuple[str, Guard], Buckets] = {}
        self._now = NOON

    def change(self, action: Action, route: str, percent: float | None = None) -> None:
        self._now += timedelta(seconds=1)
        self.apply(
            RouteChange(
                at=self._now, action=action, route=route, percent=percent, reason="r", by="b"
            )
        )

    def write(self, rollback: Rollback, known: Mapping[str, RouteState]) -> None:
        self._now += timedelta(seconds=1)
        if is_current(rollback.route, known, self.states):
            self.apply(change_of(rollback, at=self._now, version="", sidecar="s"))

    def apply(self, change: RouteChange) -> None:
        after = changed(self.states.get(change.route) or begun(change), change)
        if after is not None:
            self.states[change.route] = after
        if change.action == "reset":
            self.evidence = {
                key: buckets
                for key, buckets in self.evidence.items()
                if change.route not in {GO_ALL, key[0]}
            }

    def add(
        self,
        deltas: Mapping[tuple[str, Guard], tuple[int, int]],
        known: Mapping[str, RouteState],
    ) -> None:
        for (route, guard), (n, x) in deltas.items():
            if is_current(route, known, self.states):
                self.evidence[route, guard] = added(self.evidence.get((route, guard), ()), n, x)


class Sidecar:
    """A routing as it is driven, and what has to hold of it."""

    def __init__(self) -> None:
        self.routing = Routing(GuardPolicy())
        self.has_read = False
        self.must: dict[str, int] = {}
        """Routes that it knows as latched; a reset opens them that has a higher revision."""


ROUTES = (ITEMS, QUOTE)
sidecars = st.integers(0, 1)
routes = st.sampled_from(ROUTES)
routes_or_all = st.sampled_from((*ROUTES, GO_ALL))
percents = st.sampled_from([0.0, 33.0, 50.0, 99.0, 100.0])


class Routings(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore()
        self.older: dict[str, RouteState] = {}
        self.sidecars = [Sidecar(), Sidecar()]
        self.flags = dict.fromkeys(ROUTES, flags(50))
        self.hits = dict.fromkeys((*ROUTES, GO_ALL), 0)

    def has_latched(self, sidecar: Sidecar, due: tuple[Rollback, ...]) -> None:
        for rollback in due:
            assert rollback.route in sidecar.routing.latched
            assert 0 < rollback.evidence["x"] <= self.hits[rollback.route]
            assert rollback.route not in sidecar.must or self.was_reset(sidecar, rollback.route)
        for route in sidecar.routing.latched - sidecar.must.keys():
            self.must_stay(sidecar, route)

    def must_stay(self, sidecar: Sidecar, route: str) -> None:
        """From now on; one that has read nothing yet knows only that there may be old resets."""
        states = sidecar.routing.states if sidecar.has_read else self.store.states
        sidecar.must[route] = states[route].revision if route in states else 0

    def was_reset(self, sidecar: Sidecar, route: str) -> bool:
        known = self.store.states.get(route)
        return known is not None and known.epoch > sidecar.must[route]

    @rule(route=routes, percent=percents, enabled=st.sampled_from([True, True, False]))
    def flag(self, route: str, percent: float, enabled: bool) -> None:
        self.flags[route] = flags(percent, rust_enabled=enabled)

    @rule(safe=st.booleans())
    def serve(self, safe: bool) -> None:
        for sidecar, route, key in itertools.product(self.sidecars, ROUTES, KEYS[:6]):
            over, given = sidecar.routing, self.flags[route]
            found = over.choose(route, key, given, token=key, safe=safe)
            assert not (found.mirror and not safe)
            if over.latched & {route, GO_ALL} or not given.rust_enabled:
                assert found.side == "baseline"
                continue
            states = over.states
            share = [states[name].percent for name in (route, GO_ALL) if name in states]
            percent = next((each for each in share if each is not None), given.rust_percent)
            assert found.side == choose(routing(), key, flags(percent)).side

    @rule(which=sidecars, route=routes, clean=st.integers(0, 30), hits=st.sampled_from([0, 1, 9]))
    def observe(self, which: int, route: str, clean: int, hits: int) -> None:
        sidecar = self.sidecars[which]
        for place in range(clean + hits):
            seen = divergent(route) if place >= clean else Seen(route=route, divergent=False)
            assert sidecar.routing.observe(seen) == (place >= clean)
        for name in (route, GO_ALL):
            self.hits[name] += hits
        self.has_latched(sidecar, sidecar.routing.check())
        assert sidecar.routing.check() == ()

    @rule(which=sidecars)
    def tick(self, which: int) -> None:
        sidecar = self.sidecars[which]
        over = sidecar.routing
        deltas = over.take_deltas()
        if not self.store.up:
            over.put_back()
            return
        for rollback in over.pending:
            self.store.write(rollback, over.states)
        self.store.add(deltas, over.states)
        due = over.sync(self.store.states, self.store.evidence)
        sidecar.has_read = True
        stored = {route for route, each in self.store.states.items() if each.latched}
        assert over.states == self.store.states
        assert over.latched == stored | {rollback.route for rollback in over.pending}
        self.has_latched(sidecar, due)
        self.latched_until_a_reset()
        sidecar.must.clear()
        for route in over.latched:
            self.must_stay(sidecar, route)

    @rule()
    def remember(self) -> None:
        self.older = dict(self.store.states)

    @rule(which=sidecars)
    def read_what_is_old(self, which: int) -> None:
        over = self.sidecars[which].routing
        known = dict(over.states)
        if known and self.older.keys() <= known.keys():
            newer = [
                name for name in self.older if self.older[name].revision > known[name].revision
            ]
            if not newer:
                self.has_latched(self.sidecars[which], over.sync(self.older, self.store.evidence))
                assert over.states == known

    @rule(which=sidecars)
    def restart(self, which: int) -> None:
        self.sidecars[which] = Sidecar()

    @rule(up=st.booleans())
    def reach(self, up: bool) -> None:
        self.store.up = up

    @rule(route=routes_or_all, action=st.sampled_from(["reset", "abort", "unset"]))
    def change(self, route: str, action: Action) -> None:
        self.store.change(action, route)

    @rule(route=routes_or_all, percent=percents)
    def set_share(self, route: str, percent: float) -> None:
        self.store.change("set", route, percent)

    @invariant()
    def latched_until_a_reset(self) -> None:
        for sidecar in self.sidecars:
            for route in sidecar.must:
                assert route in sidecar.routing.latched or self.was_reset(sidecar, route)

    @invariant()
    def without_hits_no_rollback(self) -> None:
        for sidecar in self.sidecars:
            for rollback in sidecar.routing.pending:
                assert self.hits[rollback.route]

    @precondition(lambda self: self.store.up)
    @rule()
    def agree(self) -> None:
        for which in (0, 1, 0, 1, 0):
            self.tick(which)
        one, other = (sidecar.routing for sidecar in self.sidecars)
        assert one.latched == other.latched
        for route, key in itertools.product(ROUTES, KEYS[:3]):
            assert choose(one, key, flags(50), route) == choose(other, key, flags(50), route)


TestRoutings = Routings.TestCase
TestRoutings.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
