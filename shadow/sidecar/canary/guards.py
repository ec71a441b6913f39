"""The guards: counts of what was seen of both services in, the rollbacks that are due out. Pure.

**What they watch**, on each route and on all together (`*`):

- `divergence`: of the exchanges that were judged against an answer of Go, the share that
  diverged. An exchange that a side failed is left to `errors`, else a candidate that fails just
  as often as Go would trip this guard; with that one off, a candidate that failed alone diverged.
- `errors`: of the exchanges that exactly one side failed (5xx, no answer, a fallback to Go), the
  share that the candidate did. It is the worse service where that is above one half.
- `latency`: the same of the exchanges in which exactly one side was slower than the objective.

So a candidate that is as good as Go, or better, trips a guard only by chance, and chance has a
budget.

**How the budget is shared.** `alpha` is for the probability of a false alarm within `horizon`
trials of a candidate version; each further horizon costs as much again. All guards that are on
have an equal part. Half of it is for `*` and half for the routes, by e-BH over as many as there
are, and over at least `PLANNED`, since nobody says beforehand how many there will be. Each of
these halves is halved between the e-process and the e-detector of `shadow.results.anytime`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec

from shadow.errors import ConfigError
from shadow.results.anytime import (
    ALPHA,
    log_restarts,
    log_thresholds,
    rejected,
    strongest,
)
from shadow.results.routes import GO_ALL, Buckets, Guard
from shadow.sidecar.canary.evidence import Evidence, Figures, Seen

GUARDS: Final[tuple[Guard, ...]] = ("divergence", "errors", "latency")
MAX_ROUTES: Final = 1_000
"""Routes with evidence of their own; what is seen of further ones counts for `*` alone."""
PLANNED: Final = 32
"""Routes to share alpha among before there are as many."""

_TRIALS: Final[Mapping[Guard, tuple[str, str]]] = {
    "divergence": ("diverged in", "exchanges"),
    "errors": ("failed alone in", "exchanges that one side failed"),
    "latency": ("was slow alone in", "exchanges in which one side was"),
}


class GuardPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is tolerated of a candidate. Raises ConfigError for what cannot be meant."""

    max_divergence_rate: float = 0.001
    """The share of exchanges that may diverge."""
    alpha: float = ALPHA
    """See the module."""
    horizon: int = 1_000_000
    """In trials of a guard."""
    errors: bool = True
    """Whether it is watched who fails more."""
    latency_ms: Mapping[str, float] = {}
    """Objectives by endpoint, for the time from sending to the last byte."""
    latency_objective_ms: float | None = None
    """The objective of every other endpoint; None for none."""

    def __post_init__(self) -> None:
        for name in ("max_divergence_rate", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(
                    f"guards.{name} = {getattr(self, name)}", "it is a share above 0 and below 1"
                )
        if self.horizon < 1:
            raise ConfigError(f"guards.horizon = {self.horizon}", "it is a number of exchanges")
        for route, objective in (*self.latency_ms.items(), ("", self.latency_objective_ms)):
            if objective is not None and not 0 < objective < math.inf:
                name = f'latency_ms."{route}"' if route else "latency_objective_ms"
                raise ConfigError(f"guards.{name} = {objective}", "it is milliseconds above 0")

    @property
    def on(self) -> tuple[Guard, ...]:
        """The guards that are on."""
        latency = bool(self.latency_ms) or self.latency_objective_ms is not None
        wanted = (True, self.errors, latency)
        return tuple(guard for guard, on in zip(GUARDS, wanted, strict=True) if on)

    @property
    def share(self) -> float:
        """The part of alpha that one guard has for `*`, and once more for all the routes."""
        return self.alpha / len(self.on) / 2

    def rate(self, guard: Guard) -> float:
        """Return the share of hits that is tolerated."""
        return self.max_divergence_rate if guard == "divergence" else 0.5

    def objective(self, route: str) -> float | None:
        """Return the latency objective of an endpoint in milliseconds."""
        return self.latency_ms.get(route, self.latency_objective_ms)


class GuardStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where one guard stands on one route; logs are natural."""

    route: str
    guard: Guard
    n: int
    """Trials."""
    x: int
    """Hits among them."""
    log_e: float
    log_sr: float
    """Of the e-detector, or an upper bound on it that is below its threshold."""
    threshold_e: float
    threshold_sr: float
    upper: float
    """Any-time upper bound on the share of hits, of 95 % confidence."""


class Rollback(msgspec.Struct, frozen=True, kw_only=True):
    """A route that has to go back to Go, and why."""

    route: str
    guard: Guard
    reason: str
    evidence: dict[str, Any]
    """The guard's figures, for the event and the ledger."""


class Guards:
    """The evidence of all guards on all routes.

    Counting is all that an exchange costs. A clean trial can raise no alarm, so `tripped` weighs
    what has new hits, and nothing else.
    """

    def __init__(self, policy: GuardPolicy) -> None:
        self._policy = policy
        self._errors = policy.errors
        self._latency = "latency" in policy.on
        self._held: dict[str, dict[Guard, Evidence]] = {GO_ALL: _none_yet()}

    def count(self, route: str, seen: Seen, *, in_all: bool) -> bool:
        """Count an exchange on a route and, if so, in `*`; say whether it was a hit of any.

        `route` is the name that the store has for it.
        """
        own, hits = self._of(route), False
        for guard, hit in self._trials(seen):
            hits = hits or hit
            if own is not None:
                own[guard].count(hit=hit)
            if in_all:
                self._held[GO_ALL][guard].count(hit=hit)
        return hits

    def _trials(self, seen: Seen) -> list[tuple[Guard, bool]]:
        """Of which guards an exchange is a trial, and whether it is a hit."""
        found: list[tuple[Guard, bool]] = []
        ours, theirs = seen.baseline_failed, seen.candidate_failed
        failed = ours or (theirs and self._errors)
        if seen.divergent is not None and not failed:
            found.append(("divergence", seen.divergent))
        if self._errors and ours is not None and theirs is not None and ours != theirs:
            found.append(("errors", theirs))
        if self._latency and seen.baseline_ms is not None and seen.candidate_ms is not None:
            objective = self._policy.objective(seen.route)
            if objective is not None:
                slow = seen.candidate_ms > objective
                if slow != (seen.baseline_ms > objective):
                    found.append(("latency", slow))
        return found

    def _of(self, route: str) -> dict[Guard, Evidence] | None:
        held = self._held.get(route)
        if held is None and len(self._held) <= MAX_ROUTES:
            held = self._held[route] = _none_yet()
        return held

    def _evidence(self) -> Iterator[tuple[str, Guard, Evidence]]:
        for route, held in self._held.items():
            for guard, evidence in held.items():
                yield route, guard, evidence

    @property
    def routes(self) -> Collection[str]:
        """Those with evidence, and `*`."""
        return self._held.keys()

    def take(self) -> dict[tuple[str, Guard], tuple[int, int]]:
        """Return trials and hits of each (route, guard) since the last time."""
        taken = {(route, guard): evidence.take() for route, guard, evidence in self._evidence()}
        return {key: counts for key, counts in taken.items() if counts[0]}

    def put_back(self) -> None:
        """Take back what was taken last: the store did not get it."""
        for _, _, evidence in self._evidence():
            evidence.put_back()

    def read(self, stored: Mapping[tuple[str, Guard], Buckets]) -> None:
        """Take over what the store has; everything that was taken is in it."""
        for route, _ in stored:
            self._of(route)
        for route, guard, evidence in self._evidence():
            evidence.read(stored.get((route, guard), ()))

    def forget(self, route: str) -> None:
        """Begin anew: with a route, or with all of them by `*`."""
        if route == GO_ALL:
            self._held = {GO_ALL: _none_yet()}
        else:
            self._held.pop(route, None)

    def tripped(self, latched: Collection[str]) -> tuple[Rollback, ...]:
        """Return the rollbacks that new hits make due, on routes that are not latched.

        While `*` is latched none is: all traffic is on Go, and evidence begins anew with its reset.
        Of two guards that trip at once on one route, there is the rollback of the first.
        """
        if GO_ALL in latched:
            return ()
        found: dict[str, Rollback] = {}
        for guard in self._policy.on:
            for rollback in self._tripped(guard, latched):
                found.setdefault(rollback.route, rollback)
        return tuple(found.values())

    def _tripped(self, guard: Guard, latched: Collection[str]) -> Iterator[Rollback]:
        held = {route: each[guard] for route, each in self._held.items()}
        if not any(each.hit and route not in latched for route, each in held.items()):
            return
        rate = self._policy.rate(guard)
        _, bar = self._thresholds(ratio=1)  # e-BH has none that is lower
        figures = {
            route: each.weighed(rate, bar) if route not in latched else each.known(rate, bar)
            for route, each in held.items()
        }
        due = self._rejected(figures)
        for route in due:
            if route not in latched:
                yield self._rollback(route, guard, held[route], figures[route], due)

    def _rejected(self, figures: Mapping[str, Figures]) -> list[str]:
        """Return the routes whose figures are evidence enough: `*` by itself, the others by e-BH.

        The e-value of each is the larger of its two, halved: less than their mean, which is one.
        """
        restarts = log_restarts(self._policy.horizon)
        values = {
            route: max(each.log_e, each.log_sr - restarts) - math.log(2)
            for route, each in figures.items()
        }
        total = {GO_ALL: values.pop(GO_ALL)}
        share = self._policy.share
        return [*rejected(total, share, 1), *rejected(values, share, self._hypotheses)]

    @property
    def _hypotheses(self) -> int:
        return max(PLANNED, len(self._held) - 1)

    def _thresholds(self, ratio: float) -> tuple[float, float]:
        """Return those of the e-process and the e-detector for a `ratio` of the guard's share."""
        return log_thresholds(self._policy.share * ratio, self._policy.horizon)

    def _thresholds_of(self, route: str, due: Collection[str]) -> tuple[float, float]:
        """Return the thresholds of a route where those that are `due` were rejected."""
        if route == GO_ALL:
            return self._thresholds(ratio=1)
        of_due, of_others = self._thresholds_by(due)
        return of_due if route in due else of_others

    def _thresholds_by(
        self, due: Collection[str]
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the thresholds of routes that are `due` and of those that are not."""
        count = len(due) - (GO_ALL in due)
        of_due, of_others = max(count, 1), count + 1
        return (
            self._thresholds(of_due / self._hypotheses),
            self._thresholds(of_others / self._hypotheses),
        )

    def _rollback(
        self, route: str, guard: Guard, evidence: Evidence, figures: Figures, due: Collection[str]
    ) -> Rollback:
        threshold_e, threshold_sr = self._thresholds_of(route, due)
        recent_n, recent_x = strongest(evidence.buckets(), self._policy.rate(guard))
        did, trials = _TRIALS[guard]
        recent = "" if recent_n == figures.n else f", {recent_x:,} of the latest {recent_n:,}"
        over = {
            "e-process": figures.log_e - threshold_e,
            "e-detector": figures.log_sr - threshold_sr,
        }
        return Rollback(
            route=route,
            guard=guard,
            reason=f"the candidate {did} {figures.x:,} of {figures.n:,} {trials}{recent}",
            evidence={
                "guard": guard,
                "n": figures.n,
                "x": figures.x,
                "rate": figures.x / figures.n,
                "max_rate": self._policy.rate(guard),
                "recent_n": recent_n,
                "recent_x": recent_x,
                "log_e": figures.log_e,
                "log_sr": figures.log_sr,
                "threshold_e": threshold_e,
                "threshold_sr": threshold_sr,
                "tripped": max(over, key=lambda name: over[name]),
            },
        )

    def standings(self) -> list[GuardStanding]:
        """Return where the guards that are on stand: on `*`, and wherever there were trials."""
        return [standing for guard in self._policy.on for standing in self._standings(guard)]

    def _standings(self, guard: Guard) -> Iterator[GuardStanding]:
        rate = self._policy.rate(guard)
        _, bar = self._thresholds(ratio=1)
        shown = {route: held[guard].shown(rate, bar) for route, held in self._held.items()}
        due = set(self._rejected({route: each.figures for route, each in shown.items()}))
        of_due, of_others = self._thresholds_by(due)
        for route, (each, upper, _) in shown.items():
            if not each.n and route != GO_ALL:
                continue
            others = of_due if route in due else of_others
            threshold_e, threshold_sr = self._thresholds(1) if route == GO_ALL else others
            yield GuardStanding(
                route=route,
                guard=guard,
                n=each.n,
                x=each.x,
                log_e=each.log_e,
                log_sr=each.log_sr,
                threshold_e=threshold_e,
                threshold_sr=threshold_sr,
                upper=upper,
            )


def _none_yet() -> dict[Guard, Evidence]:
    return {guard: Evidence() for guard in GUARDS}
