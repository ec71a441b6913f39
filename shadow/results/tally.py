"""The counts of a run, kept as it goes: cheap to add to, bounded, and exact to merge.

Where a bound is reached, the entries with the smallest keys are kept. An entry that is among
the smallest of a whole is so in every part of it, so the kept entries have exact counts and
neither the order of adding nor that of merging shows in the result. What is not kept goes
into one overflow number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from copy import copy
from typing import Any, Final, Literal, TypeVar, cast, get_args

import msgspec

from shadow.model import Divergence, Judgement, Observation, Outcome
from shadow.results.finding import Finding, finding_key
from shadow.results.latency import Latency
from shadow.results.record import COMPARED, Record, Seen

MAX_FINDINGS: Final = 10_000
MAX_ENDPOINTS: Final = 5_000
MAX_NAMES: Final = 1_000
"""The bound on distinct reasons and on distinct header spellings."""
OTHER: Final = "(other)"
"""Where endpoints, reasons and spellings beyond the bound are counted."""

Name = TypeVar("Name", bound=str)
Measure = Literal[
    "baseline_service", "baseline_response", "candidate_service", "candidate_response"
]
_MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)


class EndpointTally(msgspec.Struct, kw_only=True):
    """The counts of one endpoint."""

    outcomes: dict[Outcome, int] = {}
    hollow: dict[Outcome, int] = {}
    """The hollow ones among `outcomes`."""
    causes: dict[str, int] = {}
    """The likely causes of the hollow ones."""
    latency: dict[Measure, Latency] = {}
    """Of exchanges that both sides answered and that are not hollow."""

    @property
    def compared(self) -> int:
        """How many exchanges were judged."""
        return sum(self.outcomes.get(outcome, 0) for outcome in COMPARED)

    def merge(self, other: EndpointTally) -> None:
        """Add the counts of another part of the run."""
        _add(self.outcomes, other.outcomes)
        _add(self.hollow, other.hollow)
        _add(self.causes, other.causes)
        for measure, latency in other.latency.items():
            self.latency.setdefault(measure, Latency()).merge(latency)


class _Wire(msgspec.Struct, kw_only=True):
    v: Literal[1] = 1
    read: int
    broken: int
    endpoints: dict[str, EndpointTally]
    reasons: dict[Outcome, dict[str, int]]
    spellings: dict[str, int]
    findings: list[Finding]
    findings_dropped: int


class Tally:
    """The counts of a run or of a part of one. Merging is associative and commutative."""

    def __init__(self) -> None:
        self.read = 0
        """Exchanges read, each with exactly one outcome."""
        self.broken = 0
        """Lines that could not be read; not among `read`."""
        self._endpoints: dict[str, EndpointTally] = {}
        self._reasons: dict[Outcome, dict[str, int]] = {}
        self._spellings: dict[str, int] = {}
        self._findings: dict[str, Finding] = {}
        self._dropped = 0

    def add(self, record: Record) -> None:
        """Count one exchange."""
        endpoint = self._endpoint(record.endpoint)
        self._count(endpoint, record.outcome, record.reason, 1)
        if record.hollow:
            _add(endpoint.hollow, {record.outcome: 1})
            _add(endpoint.causes, {record.cause: 1} if record.cause else {})
        elif record.baseline is not None and record.candidate is not None:
            _time(endpoint, record.baseline, record.candidate)
        if record.spellings:
            self._spell(record.spellings)
        if record.divergences:
            self._find(record, record.divergences)

    def count_judged(
        self, name: str, judgement: Judgement, baseline: Observation, candidate: Observation
    ) -> None:
        """Count an exchange without a divergence as `add` would, where no record is kept of it."""
        endpoint, outcome = self._endpoint(name), judgement.outcome
        self._count(endpoint, outcome, judgement.reason, 1)
        if judgement.hollow:
            _add(endpoint.hollow, {outcome: 1})
            _add(endpoint.causes, {judgement.hollow: 1})
        else:
            _time(endpoint, Seen.of(baseline), Seen.of(candidate))
        if judgement.spellings:
            self._spell(judgement.spellings)

    def count_skipped(self, endpoint: str, reason: str, count: int = 1) -> None:
        """Count exchanges that were read and skipped and of which no record is kept."""
        self._count(self._endpoint(endpoint), Outcome.SKIPPED, reason, count)

    def count_broken(self, count: int = 1) -> None:
        """Count lines that could not be read."""
        self.broken += count

    def merge(self, other: Tally) -> None:
        """Add the counts of another part of the run; `other` stays as it is."""
        self.read += other.read
        self.broken += other.broken
        self._dropped += other._dropped
        for name, endpoint in other._endpoints.items():
            self._endpoint(name).merge(endpoint)
        for outcome, reasons in other._reasons.items():
            _add(self._reasons.setdefault(outcome, {}), reasons)
            _fold(self._reasons[outcome], 2 * MAX_NAMES)
        _add(self._spellings, other._spellings)
        _fold(self._spellings, 2 * MAX_NAMES)
        for key, finding in other._findings.items():
            mine = self._findings.get(key)
            if mine is None:
                self._findings[key] = copy(finding)
            else:
                mine.merge(finding)
        self._trim_findings(2 * MAX_FINDINGS)

    def move(self, record: Record, outcome: Outcome) -> None:
        """Give an exchange that was added another compared outcome (see `recount`)."""
        endpoint = self._endpoints.get(record.endpoint) or self._endpoint(OTHER)
        counts = [endpoint.outcomes] + ([endpoint.hollow] if record.hollow else [])
        for count in counts:
            _add(count, {outcome: 1})
            _add(count, {record.outcome: -1})
            if not count[record.outcome]:
                del count[record.outcome]

    def recount(self, records: Iterable[Record], signatures: AbstractSet[str] | None) -> None:
        """Count the findings with these signatures anew; all findings where it is None.

        `records` are all records of the run that hold such a divergence, as settled.
        """
        if signatures is None:
            self._findings, self._dropped = {}, 0
            for record in records:
                self._find(record, record.divergences)
            return
        kept = self._findings.items()
        self._findings = {key: each for key, each in kept if each.signature not in signatures}
        for record in records:
            self._find(record, [d for d in record.divergences if d.signature in signatures])

    @property
    def endpoints(self) -> dict[str, EndpointTally]:
        """The counts by endpoint; beyond `MAX_ENDPOINTS` under `OTHER`."""
        self._trim_endpoints(MAX_ENDPOINTS)
        return self._endpoints

    @property
    def findings(self) -> list[Finding]:
        """The findings, at most `MAX_FINDINGS`."""
        self._trim_findings(MAX_FINDINGS)
        return list(self._findings.values())

    @property
    def findings_dropped(self) -> int:
        """Divergences of findings beyond `MAX_FINDINGS`, which are not listed."""
        self._trim_findings(MAX_FINDINGS)
        return self._dropped

    @property
    def reasons(self) -> dict[Outcome, dict[str, int]]:
        """Why exchanges were skipped or incomparable, by outcome."""
        for counts in self._reasons.values():
            _fold(counts, MAX_NAMES)
        return self._reasons

    @property
    def spellings(self) -> dict[str, int]:
        """Exchanges by header spelling class."""
        _fold(self._spellings, MAX_NAMES)
        return self._spellings

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Exchanges by outcome, all five of them."""
        totals = dict.fromkeys(Outcome, 0)
        for endpoint in self._endpoints.values():
            _add(totals, endpoint.outcomes)
        return totals

    @property
    def compared(self) -> int:
        """How many exchanges were judged."""
        return sum(endpoint.compared for endpoint in self._endpoints.values())

    @property
    def hollow(self) -> int:
        """How many exchanges are hollow."""
        return sum(sum(endpoint.hollow.values()) for endpoint in self._endpoints.values())

    @property
    def accounted(self) -> bool:
        """Whether every exchange read ended in exactly one outcome."""
        return self.read == sum(self.outcomes.values())

    def to_json(self, *, compact: bool = False) -> bytes:
        """Encode as JSON, equal for equal counts.

        With `compact`, latencies become HdrHistogram V2 texts, which other tools read; else
        they stay bucket counts, which is much faster and what is wanted for a small part.
        """
        wire = _Wire(
            read=self.read,
            broken=self.broken,
            endpoints=self.endpoints,
            reasons=self.reasons,
            spellings=self.spellings,
            findings=sorted(self.findings, key=finding_key),
            findings_dropped=self.findings_dropped,
        )
        return (_COMPACT if compact else _PLAIN).encode(wire)

    @classmethod
    def from_json(cls, data: bytes | str) -> Tally:
        """Decode `to_json`. Raise ValueError (msgspec's are) where it is no tally."""
        wire = _DECODER.decode(data)
        tally = cls()
        tally.read, tally.broken = wire.read, wire.broken
        tally._endpoints, tally._reasons = wire.endpoints, wire.reasons
        tally._spellings, tally._dropped = wire.spellings, wire.findings_dropped
        tally._findings = {finding_key(finding): finding for finding in wire.findings}
        return tally

    def _endpoint(self, name: str) -> EndpointTally:
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            endpoint = self._endpoints[name] = EndpointTally()
            self._trim_endpoints(2 * MAX_ENDPOINTS)
            return self._endpoints.get(name) or self._endpoints[OTHER]
        return endpoint

    def _count(self, endpoint: EndpointTally, outcome: Outcome, reason: str, count: int) -> None:
        self.read += count
        endpoint.outcomes[outcome] = endpoint.outcomes.get(outcome, 0) + count
        if reason:
            reasons = self._reasons.setdefault(outcome, {})
            reasons[reason] = reasons.get(reason, 0) + count
            _fold(reasons, 2 * MAX_NAMES)

    def _spell(self, spellings: Iterable[str]) -> None:
        for spelling in spellings:
            self._spellings[spelling] = self._spellings.get(spelling, 0) + 1
        _fold(self._spellings, 2 * MAX_NAMES)

    def _find(self, record: Record, divergences: Iterable[Divergence]) -> None:
        grouped: dict[str, list[Divergence]] = {}
        for divergence in divergences:
            grouped.setdefault(finding_key(divergence), []).append(divergence)
        for key, group in grouped.items():
            finding = self._findings.get(key)
            if finding is None:
                finding = self._findings[key] = Finding.of(record.endpoint, group[0])
            finding.add(record, group)
        self._trim_findings(2 * MAX_FINDINGS)

    def _trim_endpoints(self, limit: int) -> None:
        if len(self._endpoints) - (OTHER in self._endpoints) <= limit:
            return
        other = self._endpoints.pop(OTHER, EndpointTally())
        names = heapq.nsmallest(MAX_ENDPOINTS, self._endpoints)
        kept = {name: self._endpoints.pop(name) for name in names}
        for endpoint in self._endpoints.values():
            other.merge(endpoint)
        self._endpoints = {**kept, OTHER: other}

    def _trim_findings(self, limit: int) -> None:
        if len(self._findings) <= limit:
            return
        keys = heapq.nsmallest(MAX_FINDINGS, self._findings)
        kept = {key: self._findings.pop(key) for key in keys}
        self._dropped += sum(finding.divergences for finding in self._findings.values())
        self._findings = kept


def _time(endpoint: EndpointTally, baseline: Seen, candidate: Seen) -> None:
    """Count how long both sides took, where both answered."""
    if baseline.status is None or candidate.status is None:
        return
    taken = (
        baseline.service_us,
        baseline.response_us,
        candidate.service_us,
        candidate.response_us,
    )
    latencies = endpoint.latency
    for measure, microseconds in zip(_MEASURES, taken, strict=True):
        if microseconds is not None:
            latency = latencies.get(measure)
            if latency is None:
                latency = latencies[measure] = Latency()
            latency.record(microseconds)


def _add(counts: dict[Name, int], more: Mapping[Name, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


def _fold(counts: dict[str, int], limit: int) -> None:
    """Move what is beyond the bound into `OTHER`."""
    if len(counts) - (OTHER in counts) <= limit:
        return
    rest = counts.pop(OTHER, 0)
    kept = heapq.nsmallest(MAX_NAMES, counts.items())
    rest += sum(counts.values()) - sum(count for _, count in kept)
    counts.clear()
    counts.update(kept)
    counts[OTHER] = rest


def _as_counts(latency: Any) -> list[tuple[int, int]]:
    return sorted(cast("Latency", latency).counts.items())


def _as_v2(latency: Any) -> str:
    return cast("Latency", latency).to_v2()


def _as_latency(_: type, wire: Any) -> Latency:
    if isinstance(wire, str):
        return Latency.from_v2(wire)
    return Latency.from_counts(dict(msgspec.convert(wire, list[tuple[int, int]])))


_PLAIN: Final = msgspec.json.Encoder(enc_hook=_as_counts, order="deterministic")
_COMPACT: Final = msgspec.json.Encoder(enc_hook=_as_v2, order="deterministic")
_DECODER: Final = msgspec.json.Decoder(_Wire, dec_hook=_as_latency)
