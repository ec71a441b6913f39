"""The evidence of a run, judged: how sure the rate of divergence is, and who is faster.

Imports numpy and scipy only where there are pairs to judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from shadow.model import Outcome
from shadow.results.bounds import RateBound, rate_bound
from shadow.results.cautions import LIVE, Caution
from shadow.results.evidence import Evidence
from shadow.results.failures import Errors, Failures, judge_errors
from shadow.results.record import COMPARED
from shadow.results.resources import BUSY
from shadow.results.runs import Run, RunInfo
from shadow.results.speed.pairs import WARM_UP
from shadow.results.speed.verdicts import Speed
from shadow.results.tally import EndpointTally

RECORDED: Final = Caution(
    code="speed-recorded",
    text="no verdict on speed: the latencies of a recording are not paired in time with others",
    advice="replay against both services",
)
UNSCHEDULED: Final = Caution(
    code="speed-unscheduled",
    text="no verdict on speed: sent as fast as possible, which measures the generator as well",
    advice="replay with --rate or --speed, or with --concurrency 1",
)
UNPAIRED: Final = Caution(
    code="speed-live",
    text="no verdict on speed: of live traffic one side is asked before the other one",
    advice="record the traffic, and replay it with --rate or --speed",
)
TOGETHER: Final = Caution(
    code="speed-together",
    text="both services ran on one machine and were asked at once, so they took its CPU from"
    " each other",
    advice="replay with --sides in-turn before you rely on the speed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the evidence says. By endpoint: `rates`, `speeds`, `errors`."""

    rate: RateBound | None = None
    rates: Mapping[str, RateBound] = field(default_factory=dict)
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    errors: Mapping[str, Errors] = field(default_factory=dict)
    speed_withheld: Caution | None = None
    """Why there is no verdict on speed at all, where there are latencies."""
    cautions: tuple[Caution, ...] = ()


def judge_evidence(run: Run, evidence: Evidence | None, intervals: int | None = None) -> Judged:
    """Judge a run; without evidence there is only what the counts say.

    `intervals` is of how many endpoints the percentiles of the latency get one.
    """
    live = run.info.command in LIVE  # where not every exchange has a row
    rows = None if live else evidence
    rates = {
        name: _rate([endpoint], _shapes(rows, [name]))
        for name, endpoint in run.tally.endpoints.items()
    }
    rate = _rate(run.tally.endpoints.values(), _shapes(rows, run.tally.endpoints))
    if evidence is None:
        return Judged(rate=rate, rates=rates)
    reason = why_withheld(run.info) if evidence.paired else None
    speeds = _speeds(evidence, run.info, intervals) if evidence.paired and reason is None else {}
    cautions = tuple(_cautions(run.info)) if speeds else ()
    failures = {name: each.failures for name, each in evidence.endpoints.items()}
    return Judged(
        rate=rate,
        rates=rates,
        speeds=speeds,
        errors=judge_errors(_all_failures(run, failures) if live else failures),
        speed_withheld=reason,
        cautions=cautions,
    )


def _all_failures(run: Run, failures: Mapping[str, Failures]) -> dict[str, Failures]:
    """Return the failures of rows, with those that are counted as a finding and have none."""
    counted: Counter[tuple[str, bool]] = Counter()
    for finding in run.tally.findings:
        if finding.where in {"status", "transport"} and finding.examples:
            example = finding.examples[0]
            statuses = example.baseline_status, example.candidate_status
            ours, theirs = (status is None or status >= 500 for status in statuses)
            if ours != theirs:
                counted[finding.endpoint, theirs] += finding.exchanges
    return {
        name: each._replace(
            baseline_only=max(each.baseline_only, counted[name, False]),
            candidate_only=max(each.candidate_only, counted[name, True]),
        )
        for name, each in failures.items()
    }


def _rate(endpoints: Iterable[EndpointTally], shapes: tuple[int, int] | None) -> RateBound:
    """Bound the rate over endpoints; a hollow exchange is evidence of nothing."""
    exchanges = divergent = 0
    for each in endpoints:
        exchanges += each.compared - sum(each.hollow.get(outcome, 0) for outcome in COMPARED)
        divergent += each.outcomes.get(Outcome.DIVERGENT, 0) - each.hollow.get(Outcome.DIVERGENT, 0)
    return rate_bound(divergent, exchanges, shapes)


def _shapes(evidence: Evidence | None, names: Iterable[str]) -> tuple[int, int] | None:
    """Count the request shapes, and those that diverged; None where that is not known."""
    if evidence is None or not evidence.shapes_counted:
        return None
    if any(name not in evidence.endpoints for name in names):
        return None
    found = [evidence.endpoints[name] for name in names]
    return sum(len(each.shapes) for each in found), sum(len(e.divergent_shapes) for e in found)


def why_withheld(info: RunInfo) -> Caution | None:
    """Say why no latency of a run can be judged, if so."""
    if not (info.baseline.url and info.candidate.url):
        return RECORDED
    if info.command in LIVE:
        return UNPAIRED
    options = info.options
    scheduled = options.get("rate") is not None or options.get("speed") is not None
    if not scheduled and options.get("concurrency") != 1:
        return UNSCHEDULED
    return None


def _speeds(evidence: Evidence, info: RunInfo, intervals: int | None) -> dict[str, Speed]:
    from shadow.results.speed.judging import judge_speed  # noqa: PLC0415 - imports scipy

    paired = {
        name: each.pairs for name, each in evidence.endpoints.items() if each.warming < WARM_UP
    }
    in_turn = info.options.get("sides") == "in-turn"
    return judge_speed(paired, in_turn=in_turn, intervals=intervals)


def _cautions(info: RunInfo) -> Iterator[Caution]:
    """Yield what makes the verdicts on speed of a run less than sure."""
    if _in_each_other_s_way(info):
        yield TOGETHER
    busy = info.resources and info.resources.machine_busy
    if busy and busy > BUSY:
        yield Caution(
            code="machine-busy",
            text=f"the machine was busy for {busy:.0%} of the time, so the services waited for it",
            advice="replay on a quiet machine, or at a lower --rate, before you rely on the speed",
        )


def _in_each_other_s_way(info: RunInfo) -> bool:
    """Whether both services were asked at once on one machine."""
    if info.options.get("sides", "together") != "together":
        return False
    hosts = [_host(side.url) for side in (info.baseline, info.candidate)]
    return hosts[0] == hosts[1]


def _host(url: str) -> str:
    """Return the host of a URL; every name of the own machine is one."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # of an exported file, which anybody may have written
        return url
    try:
        own = ip_address(host).is_loopback
    except ValueError:
        own = host == "localhost" or host.endswith(".localhost")
    return "localhost" if own else host
