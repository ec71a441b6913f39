"""What a run comes to: the numbers, findings, warnings and exit code that reports show."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec

from shadow.compare.accept import Responsibility
from shadow.compare.classes import CLASSES
from shadow.masking import WITHHELD
from shadow.model import Kind, Outcome, Severity, Verdict, Where
from shadow.results.bounds import RateBound
from shadow.results.cautions import MAX_HOLLOW, MAX_INCOMPARABLE, Caution, cautions
from shadow.results.evidence import Evidence
from shadow.results.failures import Errors
from shadow.results.finding import Example, Finding, gravity
from shadow.results.gates.verdicts import GateResult
from shadow.results.judged import Judged, judge_evidence
from shadow.results.latency import Latency
from shadow.results.provenance import Provenance
from shadow.results.resources import Resources
from shadow.results.runs import Run, RunState, Side
from shadow.results.speed.verdicts import Speed
from shadow.results.tally import EndpointTally, Measure, Tally

_BASELINE: Final[tuple[Measure, Measure]] = ("baseline_service", "baseline_response")
_CANDIDATE: Final[tuple[Measure, Measure]] = ("candidate_service", "candidate_response")
FailOn = Literal["divergence", "new", "never"]
Conclusion = Literal["match", "divergent", "inconclusive"]


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """A latency distribution in µs; None where there are too few values to say."""

    count: int = 0
    p50: int | None = None
    p90: int | None = None
    p99: int | None = None
    intervals: dict[str, tuple[int, int]] = {}
    """95 % intervals of those percentiles, by name, the values taken for independent."""
    spread: tuple[tuple[int, int], ...] = ()
    """How many lie where: pairs of a bin's lower end in µs and a count, ten bins a decade."""


class SideLatency(msgspec.Struct, frozen=True, kw_only=True):
    """How long one side took: from sending, and from the moment a request was due."""

    service: Percentiles
    response: Percentiles


class EndpointSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The counts and latencies of one endpoint."""

    endpoint: str
    exchanges: int
    compared: int
    match: int
    equivalent: int
    divergent: int
    incomparable: int
    skipped: int
    hollow: int
    baseline: SideLatency
    candidate: SideLatency
    rate: RateBound | None = None
    """How high the rate of divergence may be; None for a summary without evidence."""
    speed: Speed | None = None
    """None where nothing was paired, or where the run withholds every verdict on speed."""
    errors: Errors | None = None
    """None where neither side failed."""


class FindingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as a report shows it."""

    signature: str
    endpoint: str
    where: Where
    kind: Kind
    path_pattern: str
    class_id: str | None = msgspec.field(name="class")
    severity: Severity
    verdict: Verdict
    rule: str | None
    owner: str | None
    """Team responsible for the endpoint, where the config names one."""
    wrong_side: Literal["baseline"] | None
    unstable: bool
    exchanges: int
    divergences: int
    share: float | None
    """Of the endpoint's compared exchanges; None where those were not counted apart."""
    examples: tuple[Example, ...]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A class among the divergent findings, with its fix."""

    class_id: str = msgspec.field(name="class")
    title: str
    fix_go: str
    fix_rust: str
    findings: int
    divergences: int


RuleState = Literal["used", "unused", "expiring", "expired"]


class RuleSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An acceptance rule: whose it is, until when, and what it hid."""

    name: str
    reason: str
    owner: str
    expires: date
    state: RuleState
    divergences: int
    findings: int
    go_is_wrong: bool
    example: Example | None
    """One divergence that it covered."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report needs, and nothing it would have to compute."""

    run_id: str
    command: str
    state: RunState
    started: datetime | None
    duration_s: float | None
    captures: tuple[str, ...]
    baseline: Side
    candidate: Side
    conclusion: Conclusion
    exit_code: int
    read: int
    match: int
    equivalent: int
    divergent: int
    incomparable: int
    skipped: int
    hollow: int
    broken: int
    divergences: int
    """All of them, whatever their verdict."""
    signatures: int
    """Distinct ones, whatever their verdict."""
    findings: tuple[FindingSummary, ...]
    findings_dropped: int
    causes: tuple[Cause, ...]
    rules: tuple[RuleSummary, ...]
    reasons: dict[str, dict[str, int]]
    spellings: dict[str, int]
    latency_baseline: SideLatency
    latency_candidate: SideLatency
    endpoints: tuple[EndpointSummary, ...]
    warnings: tuple[Caution, ...]
    store: str
    events: str
    rate: RateBound | None = None
    """How high the rate of divergence may be, over all endpoints."""
    speed_withheld: Caution | None = None
    """Why no endpoint has a verdict on speed, where latencies are known but cannot be judged."""
    resources: Resources | None = None
    """CPU and memory of both services, where they were read."""
    files: dict[str, str] = {}
    """Source file of an endpoint, with its line where given, by endpoint or `*`."""
    digest: str = ""
    """Of the captures' content: runs of the same capture share it."""
    options: dict[str, Any] = {}
    """What the command was told."""
    versions: dict[str, str] = {}
    provenance: Provenance | None = None
    """Versions, commit, machine and seed."""
    gate: GateResult | None = None
    """What the last gate that was asked said of the run."""


def exit_code(
    tally: Tally,
    fail_on: FailOn = "divergence",
    *,
    known: AbstractSet[str] = frozenset(),
) -> int:
    """Return the exit code of a completed run: 1 before 3 before 0.

    With `fail_on="new"`, a divergent finding fails unless its signature is `known` (those of
    an earlier run). Shares are of the exchanges that were not skipped.
    """
    if _fails(tally, fail_on, known):
        return 1
    sent = tally.read - tally.outcomes[Outcome.SKIPPED]
    if (
        not tally.compared
        or tally.outcomes[Outcome.INCOMPARABLE] > MAX_INCOMPARABLE * sent
        or tally.hollow > MAX_HOLLOW * sent
    ):
        return 3
    return 0


def _fails(tally: Tally, fail_on: FailOn, known: AbstractSet[str]) -> bool:
    if fail_on == "never" or not tally.outcomes[Outcome.DIVERGENT]:
        return False
    if fail_on == "divergence":
        return True
    findings = tally.findings
    divergent = [finding for finding in findings if finding.verdict == "divergent"]
    if tally.findings_dropped and len(divergent) == len(findings):
        return True  # divergent ones are dropped last: some may be among the dropped
    return any(finding.signature not in known for finding in divergent)


COUNTS: Final = (
    "read",
    "match",
    "equivalent",
    "divergent",
    "incomparable",
    "skipped",
    "hollow",
    "broken",
    "divergences",
    "signatures",
    "duration_s",
    "exit_code",
)
"""The fields of a summary that `shadow.run.finished` carries."""


def summarise(
    run: Run,
    *,
    evidence: Evidence | None = None,
    judged: Judged | None = None,
    code: int | None = None,
    store: str = "",
) -> Summary:
    """Sum a run up. `code` is the exit code of the command; by default the run's own.

    `judged` is what `Store.judged` says, or else `evidence` what `Store.evidence` gathered;
    without either there is no verdict on speed and no bound by request shape.
    """
    info, tally = run.info, run.tally
    outcomes, findings = tally.outcomes, sorted(tally.findings, key=gravity)
    if code is None:
        code = info.exit_code
    if code is None:
        code = exit_code(tally)
    endpoints = sorted(tally.endpoints.items(), key=lambda item: (-_exchanges(item[1]), item[0]))
    every = tally.endpoints.values()
    judged = judged or judge_evidence(run, evidence)
    return Summary(
        run_id=info.id,
        command=info.command,
        state=info.state,
        started=info.started,
        duration_s=info.duration_s,
        captures=info.captures,
        baseline=info.baseline,
        candidate=info.candidate,
        conclusion=_conclusion(tally),
        exit_code=code,
        read=tally.read,
        match=outcomes[Outcome.MATCH],
        equivalent=outcomes[Outcome.EQUIVALENT],
        divergent=outcomes[Outcome.DIVERGENT],
        incomparable=outcomes[Outcome.INCOMPARABLE],
        skipped=outcomes[Outcome.SKIPPED],
        hollow=tally.hollow,
        broken=tally.broken,
        divergences=sum(each.divergences for each in findings) + tally.findings_dropped,
        signatures=len({finding.signature for finding in findings}),
        findings=tuple(finding_summary(finding, run) for finding in findings),
        findings_dropped=tally.findings_dropped,
        causes=_causes(findings),
        rules=tuple(_rule(each, run, findings) for each in info.accept),
        reasons={outcome.value: dict(counts) for outcome, counts in tally.reasons.items()},
        spellings=dict(tally.spellings),
        latency_baseline=_side(every, *_BASELINE),
        latency_candidate=_side(every, *_CANDIDATE),
        endpoints=tuple(_endpoint(name, each, judged) for name, each in endpoints),
        warnings=(*cautions(run), *judged.cautions),
        store=store,
        events=info.events,
        rate=judged.rate,
        speed_withheld=judged.speed_withheld,
        resources=info.resources,
        files=info.files,
        digest=info.digest,
        options=info.options,
        versions=info.versions,
        provenance=info.provenance,
        gate=info.gate,
    )


def _causes(findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """The classes of the divergent findings, the most frequent first."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.verdict == "divergent" and finding.class_id in CLASSES:
            found.setdefault(finding.class_id, []).append(finding)
    causes = (
        Cause(
            class_id=name,
            title=CLASSES[name].title,
            fix_go=CLASSES[name].fix_go,
            fix_rust=CLASSES[name].fix_rust,
            findings=len(group),
            divergences=sum(finding.divergences for finding in group),
        )
        for name, group in found.items()
    )
    return tuple(sorted(causes, key=lambda cause: (-cause.divergences, cause.class_id)))


def _rule(by: Responsibility, run: Run, findings: Iterable[Finding]) -> RuleSummary:
    covered = [finding for finding in findings if finding.rule == by.name]
    return RuleSummary(
        name=by.name,
        reason=by.reason,
        owner=by.owner,
        expires=by.expires,
        state=_rule_state(by, run, used=bool(covered)),
        divergences=sum(finding.divergences for finding in covered),
        findings=len(covered),
        go_is_wrong=any(finding.wrong_side for finding in covered),
        example=next((each for finding in covered for each in finding.examples), None),
    )


def _rule_state(by: Responsibility, run: Run, *, used: bool) -> RuleState:
    if by.expired(run.day):
        return "expired"
    if by.expires_soon(run.day):
        return "expiring"
    return "used" if used else "unused"


def _conclusion(tally: Tally) -> Conclusion:
    if tally.outcomes[Outcome.DIVERGENT]:
        return "divergent"
    return "inconclusive" if exit_code(tally) else "match"


def _exchanges(endpoint: EndpointTally) -> int:
    return sum(endpoint.outcomes.values())


def finding_summary(finding: Finding, run: Run) -> FindingSummary:
    """Sum up one finding of a run."""
    endpoint = run.tally.endpoints.get(finding.endpoint)
    compared = endpoint.compared if endpoint else 0
    return FindingSummary(
        signature=finding.signature,
        endpoint=finding.endpoint,
        where=finding.where,
        kind=finding.kind,
        path_pattern=finding.path_pattern,
        class_id=finding.class_id,
        severity=finding.severity,
        verdict=finding.verdict,
        rule=finding.rule,
        owner=run.info.owners.get(finding.endpoint),
        wrong_side=finding.wrong_side,
        unstable=finding.unstable and finding.verdict == "divergent",  # else Go varies too
        exchanges=finding.exchanges,
        divergences=finding.divergences,
        share=finding.exchanges / compared if compared else None,
        examples=finding.examples,
    )


def _endpoint(name: str, endpoint: EndpointTally, judged: Judged) -> EndpointSummary:
    return EndpointSummary(
        endpoint=name,
        exchanges=_exchanges(endpoint),
        compared=endpoint.compared,
        **{outcome.value: endpoint.outcomes.get(outcome, 0) for outcome in Outcome},
        hollow=sum(endpoint.hollow.values()),
        baseline=_side([endpoint], *_BASELINE),
        candidate=_side([endpoint], *_CANDIDATE),
        rate=judged.rates.get(name),
        speed=judged.speeds.get(name),
        errors=judged.errors.get(name),
    )


def _side(endpoints: Iterable[EndpointTally], service: Measure, response: Measure) -> SideLatency:
    totals = {service: Latency(), response: Latency()}
    for endpoint in endpoints:
        for measure, total in totals.items():
            if measure in endpoint.latency:
                total.merge(endpoint.latency[measure])
    return SideLatency(service=percentiles(totals[service]), response=percentiles(totals[response]))


def percentiles(latency: Latency | None) -> Percentiles:
    """Return the percentiles that there are values enough for."""
    if latency is None:
        return Percentiles()
    p50, p90, p99 = latency.percentiles((50, 90, 99))
    intervals = {f"p{each}": latency.interval(each) for each in (50, 90, 99)}
    return Percentiles(
        count=latency.total,
        p50=p50,
        p90=p90,
        p99=p99,
        intervals={name: found for name, found in intervals.items() if found is not None},
        spread=latency.spread(),
    )


def without_values(summary: Summary) -> Summary:
    """Return the summary with no production value in it (`--no-values`).

    Compared values go, and so do request targets and the exact places of examples, which may
    name a customer; endpoints, patterns of places, classes and counts stay.
    """
    return msgspec.structs.replace(
        summary,
        rules=tuple(
            msgspec.structs.replace(rule, example=rule.example and withheld(rule.example))
            for rule in summary.rules
        ),
        findings=tuple(
            msgspec.structs.replace(
                finding,
                examples=tuple(
                    withheld(example, finding.path_pattern) for example in finding.examples
                ),
            )
            for finding in summary.findings
        ),
    )


def withheld(example: Example, path: str = WITHHELD) -> Example:
    """Return an example without the values that were compared; `path` stands for its own."""
    return msgspec.structs.replace(
        example,
        target=WITHHELD,
        path=path,
        baseline=None if example.baseline is None else WITHHELD,
        candidate=None if example.candidate is None else WITHHELD,
    )
