"""A run against the criteria of a phase: each is met, missed, or not decided yet.

Pure: a summary, what was asked for and the findings known before go in, verdicts come out. A
criterion without evidence is inconclusive and never passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from shadow.results.gates.amount import comparable, complete, coverage, exchanges
from shadow.results.gates.criteria import Criteria
from shadow.results.gates.grounds import Grounds
from shadow.results.gates.ratios import cpu, jitter, latency, memory
from shadow.results.gates.responsibility import new_findings, owners, rules
from shadow.results.gates.shares import divergence, errors
from shadow.results.gates.verdicts import CriterionResult, GateResult, combined

Check = Callable[[Grounds, Criteria], Iterator[CriterionResult]]
CHECKS: Final[tuple[Check, ...]] = (
    complete,
    comparable,
    exchanges,
    coverage,
    divergence,
    errors,
    latency,
    jitter,
    cpu,
    memory,
    rules,
    owners,
    new_findings,
)
"""Every criterion, in the order in which they are shown; one not asked for yields nothing."""


def judge_gate(phase: str, grounds: Grounds, criteria: Criteria) -> GateResult:
    """Hold a run against the criteria of a phase."""
    results = tuple(result for check in CHECKS for result in check(grounds, criteria))
    return GateResult(
        phase=phase,
        run_id=grounds.summary.run_id,
        verdict=combined(results),
        criteria=results,
    )
