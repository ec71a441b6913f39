"""Which service answers an exchange, and when its route goes back to Go for good.

Pure: flags, the store's states, observations and a clock in; decisions out. One sidecar has one
`Routing`, used by one thread. Whoever drives it

- asks `choose` for every request, and tells `observe` what was seen of it,
- calls `check` soon after `observe` has said that something speaks against the candidate,
- again and again writes the rollbacks that are `pending` and what `take_deltas` returns to the
  store, both under the `states` they are from, so that none outlives a reset; says `put_back`
  where that failed; else reads states and evidence and hands them to `sync`. One round at a time:
  what is taken in a second one is not in the evidence that the first reads.

A broken store holds up none of it: the route is latched here at once, and evidence stays here
until the store has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from shadow.model import SideName
from shadow.results.routes import GO_ALL, Buckets, Guard, RouteChange, RouteState, route_name
from shadow.sidecar.canary.evidence import Seen
from shadow.sidecar.canary.guards import GuardPolicy, Guards, GuardStanding, Rollback

RETRY_SHARE: Final = 0.1
"""Fallbacks per safe request that Rust serves, in the long run."""
RETRIES_PER_SECOND: Final = 1.0
"""Further ones, so that a route with few requests has some too."""
RETRIES_AT_ONCE: Final = 100.0
"""Most that are saved up, and as many to begin with: until a guard trips."""

_SPAN: Final = 2**64


class RouteFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags say of one route."""

    rust_enabled: bool = True
    """The kill switch: where it is off, Go answers."""
    rust_percent: float = 0.0
    """The share of sessions that Rust serves, 0 to 100."""
    shadow_sample: float = 1.0
    """The share of exchanges that are sent to the other service too, 0 to 1."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one exchange."""

    side: SideName
    """The service whose answer the client gets."""
    mirror: bool
    """Whether it is sent to the other service too, to compare."""


class RetryBudget:
    """A token bucket for the fallbacks to Go: a dead Rust must not double the load on Go."""

    def __init__(self) -> None:
        self._tokens = RETRIES_AT_ONCE
        self._at: float | None = None

    def earn(self) -> None:
        """Count a safe request that Rust serves."""
        self._tokens = min(RETRIES_AT_ONCE, self._tokens + RETRY_SHARE)

    def spend(self, now: float) -> bool:
        """Whether there is one more; `now` is in seconds of a clock that does not go back."""
        gone = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._tokens = min(RETRIES_AT_ONCE, self._tokens + gone * RETRIES_PER_SECOND)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Routing:
    """The decisions of one sidecar about one version of the candidate."""

    def __init__(self, policy: GuardPolicy) -> None:
        self._guards = Guards(policy)
        # The same in all sidecars of a service, so that a session is on one side in all of them.
        self._sessions = blake2b(digest_size=8, person=b"session")
        self._tokens = blake2b(digest_size=8, person=b"sample")
        self._budget = RetryBudget()
        self._states: dict[str, RouteState] = {}
        self._percents: dict[str, float] = {}
        self._latched: dict[str, int | None] = {}
        """With the revision that a reset has to be newer than; None until it is known."""
        self._synced = False
        self._own: dict[str, Rollback] = {}
        self._unconfirmed: set[str] = set()

    def choose(
        self, route: str, key: str, flags: RouteFlags, *, token: str, safe: bool = True
    ) -> Choice:
        """Say who answers a request, and whether the other service gets it too.

        `key` is the session, empty where there is none; `token` is unique to the exchange. `safe`
        says that it may be sent twice: a write is served by the side that its session is on, and
        by no other. Of one session every sidecar says the same, on all routes of one percentage;
        a higher percentage only adds sessions to Rust.
        """
        sample = flags.shadow_sample
        mirror = safe and (sample >= 1 or (sample > 0 and _share(self._tokens, token) < sample))
        percent = self._percent(route_name(route), flags)
        if percent >= 100 or (percent > 0 and _share(self._sessions, key or token) * 100 < percent):
            if safe:
                self._budget.earn()
            return Choice("candidate", mirror)
        return Choice("baseline", mirror)

    def _percent(self, route: str, flags: RouteFlags) -> float:
        """Return the share of sessions that Rust serves."""
        if self._latched and (route in self._latched or GO_ALL in self._latched):
            return 0.0
        if not flags.rust_enabled:
            return 0.0
        of_all = self._percents.get(GO_ALL, flags.rust_percent)
        return self._percents.get(route, of_all)

    def may_retry(self, now: float) -> bool:
        """Whether a request that Rust failed may go to Go within the budget; `now` in seconds."""
        return self._budget.spend(now)

    def observe(self, seen: Seen) -> bool:
        """Count what was seen of an exchange; say whether it speaks against the candidate.

        What is latched is on Go already and counts for itself alone, not for `*`.
        """
        route = route_name(seen.route)
        return self._guards.count(route, seen, in_all=route not in self._latched)

    def check(self) -> tuple[Rollback, ...]:
        """Return the rollbacks that are due by now; they are latched already."""
        due = self._guards.tripped(self._latched)
        for rollback in due:
            self.latch(rollback)
        return due

    def latch(self, rollback: Rollback) -> None:
        """Set a route to Go until a reset, before the store knows."""
        if rollback.route not in self._latched:
            self.close(rollback.route)
            self._own[rollback.route] = rollback
            self._unconfirmed.add(rollback.route)

    def close(self, route: str) -> None:
        """Set a route to Go until a reset, by the word of an operator that the store may not have.

        To enter it there is for whoever took that word.
        """
        if route not in self._latched:
            known = self._states.get(route)
            unknown = 0 if self._synced else None
            self._latched[route] = known.revision if known else unknown

    @property
    def pending(self) -> tuple[Rollback, ...]:
        """Own rollbacks that the store does not show yet."""
        return tuple(each for route, each in self._own.items() if route in self._unconfirmed)

    @property
    def states(self) -> Mapping[str, RouteState]:
        """The states under which the evidence was gathered that `take_deltas` returns."""
        return self._states

    @property
    def latched(self) -> frozenset[str]:
        """The routes that are on Go until a reset."""
        return frozenset(self._latched)

    def take_deltas(self) -> dict[tuple[str, Guard], tuple[int, int]]:
        """Return trials and hits by (route, guard) since the last time, for the store."""
        return self._guards.take()

    def put_back(self) -> None:
        """Take back what was taken last: the store did not get it."""
        self._guards.put_back()

    def sync(
        self,
        states: Mapping[str, RouteState],
        evidence: Mapping[tuple[str, Guard], Buckets],
    ) -> tuple[Rollback, ...]:
        """Take over what the store says; return the rollbacks that are due, latched already.

        It was read after everything that was taken, and not put back, had been written.
        """
        for route, state in states.items():
            self._take_over(route, state)
        self._unconfirmed |= self._own.keys() - states.keys()  # not yet, or the store is another
        self._latched = {route: bar or 0 for route, bar in self._latched.items()}
        self._synced = True
        self._percents = {
            route: state.percent
            for route, state in self._states.items()
            if state.percent is not None
        }
        self._guards.read(evidence)
        return self.check()

    def _take_over(self, route: str, state: RouteState) -> None:
        """Take over the state of a route, unless it is from before what is known.

        Only a reset that is newer than a latch opens it. A lower revision of a later time is of
        a store that was begun anew, where the latch is as new as what that store says.
        """
        known = self._states.get(route)
        if known and state.revision < known.revision and state.at <= known.at:
            return
        self._states[route] = state
        if self._synced and state.epoch > (known.epoch if known else 0):
            self._guards.forget(route)
        if known and state.revision < known.revision and self._latched.get(route):
            self._latched[route] = 0
        bar = self._latched.get(route, state.revision)
        if state.latched or bar is None:
            self._latched[route] = state.revision
        elif state.epoch > bar:
            del self._latched[route]
            self._own.pop(route, None)
        if route in self._own and not state.latched:
            self._unconfirmed.add(route)
        else:
            self._unconfirmed.discard(route)

    def weights(self, flags_of: Callable[[str], RouteFlags]) -> dict[str, float]:
        """Return the share of sessions that Rust serves, 0 to 1, of each route that is known."""
        routes = {*self._guards.routes, *self._states}
        return {
            route: min(1.0, max(0.0, self._percent(route, flags_of(route)) / 100))
            for route in routes
        }

    def standings(self) -> list[GuardStanding]:
        """Return where every guard stands on every route."""
        return self._guards.standings()


def change_of(rollback: Rollback, *, at: datetime, version: str, sidecar: str) -> RouteChange:
    """Return a rollback as an entry of the ledger."""
    return RouteChange(
        at=at,
        action="rollback",
        route=rollback.route,
        reason=rollback.reason,
        by=f"guard:{rollback.guard}",
        version=version,
        evidence={**rollback.evidence, "sidecar": sidecar},
    )


def _share(seeded: blake2b, key: str) -> float:
    """Return a number from 0 up to 1 that a key always has, evenly spread over keys."""
    digest = seeded.copy()
    digest.update(key.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest(), "big") / _SPAN
