"""The course of a finding, an endpoint or a percentile over runs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from shadow.errors import ShadowError
from shadow.model import SIDES, Outcome
from shadow.results.latency import Latency
from shadow.results.runs import Run
from shadow.results.summary import percentiles
from shadow.results.tally import Measure

Unit = Literal["share", "count", "us"]
Percentile = Literal["p50", "p90", "p99"]
PERCENTILES: Final[tuple[Percentile, ...]] = ("p50", "p90", "p99")
MAX_ENDPOINTS: Final = 10
"""Endpoints, those with most exchanges, whose percentile is shown."""

_SIGNATURE: Final = re.compile(r"[0-9a-f]{4,16}")


class TrendRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the course."""

    run_id: str
    started: datetime | None
    baseline: str
    """Version of the baseline, empty where it is not known."""
    candidate: str
    commit: str
    """Of the config's folder, empty where it is not known."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One number over the runs; None where a run does not know it."""

    name: str
    unit: Unit
    values: tuple[float | None, ...]


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """The course of one thing over runs, the oldest first."""

    subject: str
    runs: tuple[TrendRun, ...]
    series: tuple[Series, ...]


def trend(runs: Sequence[Run], what: str | None = None) -> Trend:
    """Return the course of `what` over runs that are given oldest first.

    `what` is an endpoint, a signature or the beginning of one, or a percentile (`p50`, `p90`,
    `p99`); None is the whole. Raises ShadowError where no run knows it.
    """
    subject, series = _course(runs, what)
    return Trend(subject=subject, runs=tuple(map(_run, runs)), series=tuple(series))


def course(runs: Sequence[Run], signatures: Iterable[str]) -> Trend:
    """Return the share that diverged, and that of each finding, over runs given oldest first.

    The series of a finding has its signature for a name. Each signature must be of a finding
    of these runs.
    """
    whole = next(_of_everything(runs))
    shares = [
        msgspec.structs.replace(next(_of_finding(runs, each)), name=each) for each in signatures
    ]
    return Trend(subject="all endpoints", runs=tuple(map(_run, runs)), series=(whole, *shares))


def _run(run: Run) -> TrendRun:
    return TrendRun(
        run_id=run.info.id,
        started=run.info.started,
        baseline=run.info.baseline_build.version,
        candidate=run.info.candidate_build.version,
        commit=run.info.commit.sha if run.info.commit else "",
    )


def _course(runs: Sequence[Run], what: str | None) -> tuple[str, Iterable[Series]]:
    if what is None:
        return "all endpoints", _of_everything(runs)
    if what in PERCENTILES:
        return what, _of_percentile(runs, what)
    endpoints = {name for run in runs for name in run.tally.endpoints}
    if what in endpoints:
        return what, _of_endpoint(runs, what)
    if _SIGNATURE.fullmatch(what):
        found = {
            finding.signature
            for run in runs
            for finding in run.tally.findings
            if finding.signature.startswith(what)
        }
        if len(found) == 1:
            (signature,) = found
            return signature, _of_finding(runs, signature)
        if found:
            raise ShadowError(
                f"{what}: more than one finding begins so", "give more of its signature"
            )
    near = difflib.get_close_matches(what, endpoints, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "shadow report shows endpoints and findings"
    raise ShadowError(f"{what}: no endpoint, finding or percentile of these runs", hint)


def _series(
    runs: Sequence[Run], name: str, unit: Unit, value: Callable[[Run], float | None]
) -> Series:
    return Series(name=name, unit=unit, values=tuple(map(value, runs)))


def _of_everything(runs: Sequence[Run]) -> Iterator[Series]:
    def findings(run: Run) -> float:
        found = run.tally.findings
        return len({each.signature for each in found if each.verdict == "divergent"})

    def share(run: Run) -> float | None:
        return _share(run.tally.outcomes[Outcome.DIVERGENT], run.tally.compared)

    yield _series(runs, "divergent", "share", share)
    yield _series(runs, "findings", "count", findings)
    yield _series(runs, "compared", "count", lambda run: run.tally.compared)
    for percentile in PERCENTILES:
        yield from _times(runs, percentile, percentile, None)


def _of_percentile(runs: Sequence[Run], percentile: str) -> Iterator[Series]:
    yield from _times(runs, "all endpoints", percentile, None)
    counts: dict[str, int] = {}
    for run in runs:
        for name, endpoint in run.tally.endpoints.items():
            if endpoint.latency:
                counts[name] = counts.get(name, 0) + endpoint.compared
    for name in sorted(counts, key=lambda name: (-counts[name], name))[:MAX_ENDPOINTS]:
        yield from _times(runs, name, percentile, name)


def _of_endpoint(runs: Sequence[Run], name: str) -> Iterator[Series]:
    def share(run: Run) -> float | None:
        found = run.tally.endpoints.get(name)
        if found is None:
            return None
        return _share(found.outcomes.get(Outcome.DIVERGENT, 0), found.compared)

    def compared(run: Run) -> int | None:
        found = run.tally.endpoints.get(name)
        return None if found is None else found.compared

    yield _series(runs, "divergent", "share", share)
    yield _series(runs, "compared", "count", compared)
    for percentile in PERCENTILES:
        yield from _times(runs, percentile, percentile, name)


def _of_finding(runs: Sequence[Run], signature: str) -> Iterator[Series]:
    """A run that compared its endpoint and did not see it has none; else nothing is known."""
    endpoint = next(
        finding.endpoint
        for run in runs
        for finding in run.tally.findings
        if finding.signature == signature
    )

    def seen(run: Run) -> int | None:
        counted = run.tally.endpoints.get(endpoint)
        if counted is None or not counted.compared:
            return None
        found = [each for each in run.tally.findings if each.signature == signature]
        divergent = sum(each.exchanges for each in found if each.verdict == "divergent")
        return min(divergent, counted.compared)

    def share(run: Run) -> float | None:
        count = seen(run)
        return None if count is None else _share(count, run.tally.endpoints[endpoint].compared)

    yield _series(runs, f"share of {endpoint}", "share", share)
    yield _series(runs, "exchanges", "count", seen)


def _times(
    runs: Sequence[Run], name: str, percentile: str, endpoint: str | None
) -> Iterator[Series]:
    """The service time of both sides, where any run knows it."""
    labels = {"baseline": runs[-1].info.baseline.name, "candidate": runs[-1].info.candidate.name}
    for side in SIDES:
        measure: Measure = "baseline_service" if side == "baseline" else "candidate_service"

        def time(run: Run, measure: Measure = measure) -> float | None:
            value: int | None = getattr(percentiles(_latency(run, measure, endpoint)), percentile)
            return value

        series = _series(runs, f"{labels[side]} {name}", "us", time)
        if any(value is not None for value in series.values):
            yield series


def _latency(run: Run, measure: Measure, endpoint: str | None) -> Latency:
    total = Latency()
    for name, each in run.tally.endpoints.items():
        if endpoint in (None, name) and measure in each.latency:
            total.merge(each.latency[measure])
    return total


def _share(count: int, compared: int) -> float | None:
    return count / compared if compared else None
