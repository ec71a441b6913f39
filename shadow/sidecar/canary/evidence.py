"""What the guards go by: what an exchange says of the candidate, and counts of that. Pure."""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

import msgspec

from shadow.model import Answer, Judgement, Observation, Outcome
from shadow.results.anytime import log_detector, log_detector_bound, log_e, rate_at_most
from shadow.results.record import COMPARED
from shadow.results.routes import BUCKET, Buckets, added

_STALE: Final = 1.1
"""What is only shown is not summed up anew before there is a tenth more of it."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one exchange says of the candidate; None where it does not say."""

    route: str
    divergent: bool | None = None
    baseline_failed: bool | None = None
    candidate_failed: bool | None = None
    """So it has where Go had to answer in its place."""
    baseline_ms: float | None = None
    candidate_ms: float | None = None
    """Service times; None of a side that failed."""


def seen_of(
    route: str,
    judgement: Judgement,
    baseline: Observation,
    candidate: Observation,
    *,
    longest_ms: float = inf,
) -> Seen:
    """Return what a judged pair says. A hollow exchange says nothing of divergence.

    An answer that took longer than `longest_ms` says nothing of speed, whichever side it is of:
    where a client waited so long for it, the other side is not asked at all.
    """
    compared = not judgement.hollow and judgement.outcome in COMPARED
    ours, theirs = _service_ms(baseline), _service_ms(candidate)
    if (ours is not None and ours > longest_ms) or (theirs is not None and theirs > longest_ms):
        ours = theirs = None
    return Seen(
        route=route,
        divergent=judgement.outcome == Outcome.DIVERGENT if compared else None,
        baseline_failed=has_failed(baseline),
        candidate_failed=has_failed(candidate),
        baseline_ms=ours,
        candidate_ms=theirs,
    )


def has_failed(observation: Observation) -> bool:
    """Whether a service gave no answer, or a 5xx."""
    return not isinstance(observation, Answer) or observation.response.status >= 500


def _service_ms(observation: Observation) -> float | None:
    timing = observation.timing
    if timing is None or has_failed(observation):
        return None
    return (timing.done - timing.sent) * 1000


class Figures(NamedTuple):
    """What some evidence amounts to; logs are natural."""

    n: int
    """Trials."""
    x: int
    """Hits among them."""
    log_e: float
    log_sr: float
    """Of the e-detector, or an upper bound on it that is below every threshold."""


def figures_of(buckets: Buckets, rate: float, bar: float) -> Figures:
    """Return the figures against a rate of hits; no threshold of the e-detector is below `bar`.

    To sum the e-detector up takes 1 to 20 ms, to bound it 0.1 ms, which is nearly always enough.
    """
    n, x = _sums(buckets)
    log_sr = log_detector_bound(buckets, rate)
    if log_sr >= bar:
        log_sr = log_detector(buckets, rate)
    return Figures(n=n, x=x, log_e=log_e(x, n, rate), log_sr=log_sr)


class Shown(NamedTuple):
    """Evidence as people see it."""

    figures: Figures
    upper: float
    """Any-time upper bound on the share of hits, of 95 % confidence; it may be of fewer trials."""
    trials: int
    """Those that it is of."""


class Evidence:
    """The evidence of one guard on one route: what the store has, and what it has not yet.

    Trials are counted as they are seen, and weighed only when there is a new hit among them.
    Clients can make a thousand routes, and all of them are gone through again and again while
    others wait for the event loop: what has not changed must cost next to nothing.
    """

    __slots__ = (
        "figures",
        "hit",
        "n",
        "own",
        "same",
        "seen",
        "stored",
        "taken",
        "written",
        "x",
    )

    def __init__(self) -> None:
        self.stored: Buckets = ()
        """Of all sidecars, as last read."""
        self.written: Buckets = ()
        """Own trials that the store has, and that were not read from it yet."""
        self.taken: Buckets = ()
        """Own trials on their way to the store."""
        self.own: Buckets = ()
        """Own trials since then but for the latest, which are:"""
        self.n = 0
        self.x = 0
        self.hit = False
        """There are hits that were not weighed."""
        self.figures: Figures | None = None
        self.seen: Shown | None = None
        """As it was shown last."""
        self.same = False
        """It still is."""

    def count(self, *, hit: bool) -> None:
        """Add a trial."""
        self.same = False
        self.n += 1
        if hit:
            self.x += 1
            self.hit = True
        if self.n >= BUCKET:
            self._close()

    def take(self) -> tuple[int, int]:
        """Return the trials and hits since the last time, which go to the store."""
        if not (self.n or self.own or self.taken):
            return 0, 0
        self._close()
        self.written = _joined(self.written, self.taken)
        self.taken, self.own = self.own, ()
        return _sums(self.taken)

    def put_back(self) -> None:
        """Take back what was taken last: the store did not get it."""
        self._close()
        self.taken, self.own = (), _joined(self.taken, self.own)

    def read(self, stored: Buckets) -> None:
        """Take over what the store has; all that was taken is in it."""
        if not (self.written or self.taken) and stored == self.stored:
            return
        self.same = False
        self.stored, self.written, self.taken = stored, (), ()
        if _sums(self.buckets())[1] != (self.figures.x if self.figures else 0):
            self.hit = True

    def buckets(self) -> Buckets:
        """Return all trials, oldest first."""
        buckets = self.stored
        for newer in (self.written, self.taken, self.own):
            buckets = _joined(buckets, newer)
        return added(buckets, self.n, self.x)

    def known(self, rate: float, bar: float) -> Figures:
        """Return the figures as they were last weighed, see `figures_of`."""
        if self.figures is None:
            self.figures = figures_of(self.buckets(), rate, bar)
        return self.figures

    def weighed(self, rate: float, bar: float) -> Figures:
        """Return the figures with every hit, see `figures_of`."""
        if self.hit:
            self.figures, self.hit, self.same = None, False, False
        return self.known(rate, bar)

    def shown(self, rate: float, bar: float) -> Shown:
        """Return the evidence as people see it.

        `log_sr` may be of up to a tenth fewer trials, or hits, `upper` of as many fewer trials.
        """
        seen = self.seen
        if seen is None or not self.same:
            figures = self._figures_now(rate, bar)
            if (
                seen is None
                or figures.x != seen.figures.x
                # Fewer where the store was begun anew.
                or not seen.trials <= figures.n <= _STALE * seen.trials
            ):
                seen = Shown(figures, rate_at_most(figures.x, figures.n), figures.n)
            self.seen = seen = seen._replace(figures=figures)
            self.same = True
        return seen

    def _figures_now(self, rate: float, bar: float) -> Figures:
        known, buckets = self.known(rate, bar), self.buckets()
        n, x = _sums(buckets)
        if n > _STALE * known.n or x > _STALE * known.x:
            known = self.figures = figures_of(buckets, rate, bar)
        return known._replace(n=n, x=x, log_e=log_e(x, n, rate))

    def _close(self) -> None:
        self.own, self.n, self.x = added(self.own, self.n, self.x), 0, 0


def _joined(older: Buckets, newer: Buckets) -> Buckets:
    for bucket in newer:
        older = added(older, bucket.n, bucket.x)
    return older


def _sums(buckets: Buckets) -> tuple[int, int]:
    return sum(bucket.n for bucket in buckets), sum(bucket.x for bucket in buckets)
