"""What changed from one run to another: findings, latencies, what the services used.

A finding of a run is here a signature that it judged divergent. It is *new* where the earlier
run had no such one, *gone* where the later run has none, else it *persists*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from shadow.model import Kind, Outcome, Severity, SideName, Verdict, Where
from shadow.results.cautions import Caution
from shadow.results.discovery import ALPHA, adjusted
from shadow.results.drift_cautions import drift_cautions
from shadow.results.finding import Example, Finding, gravity
from shadow.results.judged import why_withheld
from shadow.results.provenance import Provenance
from shadow.results.resolve import LoadedRun
from shadow.results.resources import ResourceUse, Spread
from shadow.results.runs import Run, Side
from shadow.results.shares import share_test
from shadow.results.speed.pairs import Pairs
from shadow.results.speed.verdicts import Changes
from shadow.results.summary import Percentiles, percentiles
from shadow.results.tally import Measure, Tally

Trend = Literal["more", "fewer", "same"]


class DriftRun(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs: what it was made of, and what came of it."""

    run_id: str
    command: str
    started: datetime | None
    captures: tuple[str, ...]
    baseline: Side
    candidate: Side
    provenance: Provenance
    read: int
    compared: int
    divergent: int


class FindingDrift(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of either run, or of both."""

    signature: str
    endpoint: str
    where: Where
    kind: Kind
    path_pattern: str
    class_id: str | None = msgspec.field(name="class")
    severity: Severity
    owner: str | None
    before: int
    """Exchanges of the earlier run that it was seen in."""
    after: int
    compared: tuple[int, int]
    """Exchanges of its endpoint that either run compared: of 0, nothing can be said."""
    judged: Verdict | None
    """Of a new or gone finding: how the run without it judged the same signature, if it saw it."""
    trend: Trend | None
    """Of a persisting finding: whether its share of the endpoint changed by more than chance."""
    q: float | None
    """Fisher's exact test of the shares, after Benjamini and Hochberg."""
    examples: tuple[Example, ...]
    """Of the later run that has it."""

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """Shares of the endpoint's compared exchanges; None where there were none."""
        return _share(self.before, self.compared[0]), _share(self.after, self.compared[1])


class SidePercentiles(msgspec.Struct, frozen=True, kw_only=True):
    """The service time of one side in both runs."""

    before: Percentiles
    after: Percentiles


class LatencyDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How the latencies of one endpoint changed."""

    endpoint: str
    baseline: SidePercentiles
    candidate: SidePercentiles
    changes: Changes


class ResourceDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How much more or less a service used."""

    side: SideName | Literal["ratio"]
    """`ratio` is the candidate's CPU time as a multiple of the baseline's."""
    what: Literal["cpu_s_per_1000", "memory_bytes", "peak_bytes", "cpu_ratio"]
    before: float
    after: float
    sure: bool | None
    """Whether the 95 % intervals of both are apart; None where there are no intervals."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed."""

    before: DriftRun
    after: DriftRun
    new: tuple[FindingDrift, ...]
    gone: tuple[FindingDrift, ...]
    persisting: tuple[FindingDrift, ...]
    latency: tuple[LatencyDrift, ...]
    latency_withheld: Caution | None
    """Why nothing is said of latencies, where either run has them but they cannot be judged."""
    resources: tuple[ResourceDrift, ...]
    cautions: tuple[Caution, ...]


def divergent_signatures(tally: Tally) -> frozenset[str]:
    """The signatures of a run's findings: what is not new in a later one."""
    return frozenset(each.signature for each in tally.findings if each.verdict == "divergent")


def drift(before: LoadedRun, after: LoadedRun) -> Drift:
    """Compare two runs. Imports numpy and scipy only where there is something to judge."""
    one, other = before.run, after.run
    known, found = divergent_signatures(one.tally), divergent_signatures(other.tally)
    sides = _Findings(one), _Findings(other)
    withheld = _why_withheld(before, after)
    latency = () if withheld else _latency(before, after)
    return Drift(
        before=_run(one),
        after=_run(other),
        new=_ordered(_one_sided(sides, signature, 1) for signature in found - known),
        gone=_ordered(_one_sided(sides, signature, 0) for signature in known - found),
        persisting=_ordered(_persisting(sides, known & found)),
        latency=latency,
        latency_withheld=withheld,
        resources=tuple(_resources(one, other)),
        cautions=tuple(drift_cautions(one, other, [each.changes for each in latency])),
    )


def _run(run: Run) -> DriftRun:
    info = run.info
    return DriftRun(
        run_id=info.id,
        command=info.command,
        started=info.started,
        captures=info.captures,
        baseline=info.baseline,
        candidate=info.candidate,
        provenance=info.provenance,
        read=run.tally.read,
        compared=run.tally.compared,
        divergent=run.tally.outcomes[Outcome.DIVERGENT],
    )


# Findings


class _Findings:
    """The findings of a run by signature, the gravest first."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._found: dict[str, list[Finding]] = {}
        for finding in sorted(run.tally.findings, key=gravity):
            self._found.setdefault(finding.signature, []).append(finding)

    def divergent(self, signature: str) -> list[Finding]:
        """Those that were judged divergent: of several classes, where they are several."""
        found = self._found.get(signature, [])
        return [each for each in found if each.verdict == "divergent"]

    def seen(self, signature: str) -> int:
        """Exchanges that it diverged in, at most those that were compared."""
        total = sum(each.exchanges for each in self.divergent(signature))
        found = self.divergent(signature)
        return min(total, self.compared(found[0].endpoint)) if found else 0

    def judged(self, signature: str) -> Verdict | None:
        """How it was judged, if it was seen at all."""
        found = self._found.get(signature)
        return found[0].verdict if found else None

    def compared(self, endpoint: str) -> int:
        """Exchanges of an endpoint that were compared."""
        counted = self.run.tally.endpoints.get(endpoint)
        return counted.compared if counted else 0


_Both = tuple[_Findings, _Findings]


def _one_sided(sides: _Both, signature: str, having: Literal[0, 1]) -> FindingDrift:
    return _finding(sides, signature, having, judged=sides[1 - having].judged(signature))


def _persisting(sides: _Both, signatures: Iterable[str]) -> Iterable[FindingDrift]:
    found = [_finding(sides, signature, 1, judged=None) for signature in sorted(signatures)]
    p_values = [_share_test(each) for each in found]
    for each, q in zip(found, adjusted(p_values), strict=True):
        trend: Trend = "same"
        if q < ALPHA:
            one, other = each.shares
            trend = "more" if (other or 0) > (one or 0) else "fewer"
        yield msgspec.structs.replace(each, trend=trend, q=q)


def _finding(
    sides: _Both, signature: str, having: Literal[0, 1], *, judged: Verdict | None
) -> FindingDrift:
    first = sides[having].divergent(signature)[0]
    return FindingDrift(
        signature=signature,
        endpoint=first.endpoint,
        where=first.where,
        kind=first.kind,
        path_pattern=first.path_pattern,
        class_id=first.class_id,
        severity=first.severity,
        owner=sides[1].run.info.owners.get(first.endpoint),
        before=sides[0].seen(signature),
        after=sides[1].seen(signature),
        compared=(sides[0].compared(first.endpoint), sides[1].compared(first.endpoint)),
        judged=judged,
        trend=None,
        q=None,
        examples=first.examples,
    )


_RANK: Final[Mapping[Severity, int]] = {"breaking": 0, "risky": 1, "benign": 2}


def _ordered(found: Iterable[FindingDrift]) -> tuple[FindingDrift, ...]:
    """The gravest first, then what is seen most."""
    return tuple(
        sorted(
            found,
            key=lambda each: (
                _RANK[each.severity],
                each.class_id is not None,
                -max(each.before, each.after),
                each.endpoint,
                each.signature,
            ),
        )
    )


def _share(seen: int, compared: int) -> float | None:
    return seen / compared if compared else None


def _share_test(finding: FindingDrift) -> float:
    """Two shares of the same endpoint; two replays of one capture make the test cautious."""
    one, other = finding.shares
    if one is None or other is None or one == other:
        return 1.0
    return share_test((finding.before, finding.compared[0]), (finding.after, finding.compared[1]))


# Latencies


def _why_withheld(before: LoadedRun, after: LoadedRun) -> Caution | None:
    """Say why no latency can be compared, where both runs have some; they may be recorded."""
    if not (before.evidence.paired and after.evidence.paired):
        return None
    return why_withheld(before.run.info) or why_withheld(after.run.info)


def _latency(before: LoadedRun, after: LoadedRun) -> tuple[LatencyDrift, ...]:
    pairs = _pairs(before), _pairs(after)
    if not pairs[0].keys() & pairs[1].keys():
        return ()
    from shadow.results.speed.change import judge_changes  # noqa: PLC0415 - imports scipy

    in_turn = _in_turn(before), _in_turn(after)
    changes = judge_changes(*pairs, in_turn=in_turn)
    return tuple(
        LatencyDrift(
            endpoint=name,
            baseline=_side(before.run, after.run, name, "baseline_service"),
            candidate=_side(before.run, after.run, name, "candidate_service"),
            changes=each,
        )
        for name, each in sorted(changes.items(), key=lambda item: (_worry(item[1]), item[0]))
    )


def _pairs(loaded: LoadedRun) -> dict[str, Pairs]:
    found = loaded.evidence.endpoints.items()
    return {name: each.pairs for name, each in found if len(each.pairs)}


def _in_turn(loaded: LoadedRun) -> bool:
    return loaded.run.info.options.get("sides") == "in-turn"


def _worry(changes: Changes) -> int:
    """What became worse for the candidate comes first."""
    order = ("slower", "faster", "inconclusive", "equivalent", "withheld")
    return order.index(changes.ratio.verdict) * 10 + order.index(changes.candidate.verdict)


def _side(before: Run, after: Run, endpoint: str, measure: Measure) -> SidePercentiles:
    one, other = (
        percentiles(run.tally.endpoints[endpoint].latency.get(measure)) for run in (before, after)
    )
    return SidePercentiles(before=one, after=other)


# Resources


def _resources(before: Run, after: Run) -> Iterable[ResourceDrift]:
    """Compare what both runs know. The windows of a run are not kept, only their interval.

    So two medians are called different where their 95 % intervals do not touch, which is more
    than a test at 5 % asks for. A peak is one number, and has no interval.
    """
    one, other = before.info.resources, after.info.resources
    if one is None or other is None:
        return
    sides: tuple[tuple[SideName, ResourceUse | None, ResourceUse | None], ...] = (
        ("baseline", one.baseline, other.baseline),
        ("candidate", one.candidate, other.candidate),
    )
    for side, was, now in sides:
        if was is None or now is None:
            continue
        yield from _spreads(side, "cpu_s_per_1000", was.cpu_s_per_1000, now.cpu_s_per_1000)
        yield from _spreads(side, "memory_bytes", was.memory_bytes, now.memory_bytes)
        if was.peak_bytes and now.peak_bytes:
            yield ResourceDrift(
                side=side,
                what="peak_bytes",
                before=was.peak_bytes,
                after=now.peak_bytes,
                sure=None,
            )
    yield from _spreads("ratio", "cpu_ratio", one.cpu_ratio, other.cpu_ratio)


def _spreads(
    side: SideName | Literal["ratio"],
    what: Literal["cpu_s_per_1000", "memory_bytes", "cpu_ratio"],
    was: Spread | None,
    now: Spread | None,
) -> Iterable[ResourceDrift]:
    if was is not None and now is not None:
        yield ResourceDrift(
            side=side, what=what, before=was.median, after=now.median, sure=_apart(was, now)
        )


def _apart(was: Spread, now: Spread) -> bool | None:
    if was.low is None or was.high is None or now.low is None or now.high is None:
        return None
    return was.high < now.low or now.high < was.low
