"""A finding: all divergences of a run that are the same thing and were judged the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Self

import msgspec

from shadow.model import Divergence, Kind, Severity, Verdict, Where
from shadow.results.record import Record

MAX_EXAMPLES: Final = 3

_VERDICT_RANK: Final[Mapping[Verdict, int]] = {
    "divergent": 0,
    "noise": 1,
    "accepted": 2,
    "equivalent": 3,
}
_SEVERITY_RANK: Final[Mapping[Severity, int]] = {"breaking": 0, "risky": 1, "benign": 2}


def finding_key(judged: Divergence | Finding) -> str:
    """Name the finding a divergence belongs to: its signature and how it was judged.

    The keys of divergent findings sort first, so that a full tally drops those last.
    """
    rank = _VERDICT_RANK[judged.verdict]
    return f"{rank} {judged.signature} {judged.class_id or ''} {judged.rule or ''}"


class Example(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One place of one exchange where a finding was seen."""

    seq: int
    exchange_id: str
    method: str
    target: str
    path: str
    baseline: str | None
    candidate: str | None
    baseline_status: int | None = None
    candidate_status: int | None = None

    @classmethod
    def of(cls, record: Record, divergence: Divergence) -> Self:
        """Take what a reader needs to see the divergence and find it again."""
        return cls(
            seq=record.seq,
            exchange_id=record.exchange_id,
            method=record.method,
            target=record.target,
            path=divergence.path,
            baseline=divergence.baseline,
            candidate=divergence.candidate,
            baseline_status=None if record.baseline is None else record.baseline.status,
            candidate_status=None if record.candidate is None else record.candidate.status,
        )


class Finding(msgspec.Struct, kw_only=True):
    """What is counted of one finding; mutable, because it counts."""

    signature: str
    endpoint: str
    where: Where
    kind: Kind
    path_pattern: str
    class_id: str | None
    severity: Severity
    verdict: Verdict
    rule: str | None
    wrong_side: Literal["baseline"] | None = None
    unstable: bool = False
    exchanges: int = 0
    """Distinct exchanges it was seen in."""
    divergences: int = 0
    """Places it was seen at."""
    examples: tuple[Example, ...] = ()
    """The first ones of the run, at most `MAX_EXAMPLES`, one an exchange."""

    @classmethod
    def of(cls, endpoint: str, divergence: Divergence) -> Self:
        """Start a finding, with nothing counted."""
        return cls(
            signature=divergence.signature,
            endpoint=endpoint,
            where=divergence.where,
            kind=divergence.kind,
            path_pattern=divergence.path_pattern,
            class_id=divergence.class_id,
            severity=divergence.severity,
            verdict=divergence.verdict,
            rule=divergence.rule,
        )

    def add(self, record: Record, divergences: Sequence[Divergence]) -> None:
        """Count one exchange and all its divergences that belong here (at least one)."""
        self.exchanges += 1
        self.divergences += len(divergences)
        for divergence in divergences:
            self._widen(divergence.severity, divergence.wrong_side, unstable=divergence.unstable)
        if len(self.examples) < MAX_EXAMPLES or record.seq < self.examples[-1].seq:
            self._keep((Example.of(record, divergences[0]),))

    def merge(self, other: Finding) -> None:
        """Add the counts of the same finding in another part of the run."""
        self.exchanges += other.exchanges
        self.divergences += other.divergences
        self._widen(other.severity, other.wrong_side, unstable=other.unstable)
        self._keep(other.examples)

    def _widen(
        self, severity: Severity, wrong_side: Literal["baseline"] | None, *, unstable: bool
    ) -> None:
        self.severity = worst(self.severity, severity)
        self.wrong_side = self.wrong_side or wrong_side
        self.unstable = self.unstable or unstable

    def _keep(self, examples: tuple[Example, ...]) -> None:
        both = sorted(self.examples + examples, key=lambda example: example.seq)
        self.examples = tuple(both[:MAX_EXAMPLES])


def worst(one: Severity, other: Severity) -> Severity:
    """Return the graver of two severities."""
    return min(one, other, key=_SEVERITY_RANK.__getitem__)


def gravity(finding: Finding) -> tuple[int, int, bool, int, str, str]:
    """Sort key of findings: divergent first, by severity, then what no known cause explains.

    A named cause comes with its fix; an unexplained difference may be a bug of the rewrite.
    """
    return (
        _VERDICT_RANK[finding.verdict],
        _SEVERITY_RANK[finding.severity],
        finding.class_id is not None,
        -finding.exchanges,
        finding.endpoint,
        finding.signature,
    )
