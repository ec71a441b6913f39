"""Who answers for what: acceptance rules, owners, and findings that nobody knew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from shadow.results.gates.criteria import Criteria
from shadow.results.gates.grounds import Grounds, compared
from shadow.results.gates.verdicts import CriterionResult, GateVerdict

_NAMED: Final = 3  # endpoints, rules and findings that a note names


def rules(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """Acceptance rules that are open, and those whose day is over."""
    found = grounds.summary.rules
    expired = [each for each in found if each.state == "expired"]
    if found:
        yield CriterionResult(
            name="expired-rules",
            verdict="fail" if expired else "pass",
            unit="count",
            measured=len(expired),
            bound=0,
            note=_some([f"{each.name} ({each.owner})" for each in expired]),
        )
    if criteria.max_accepted_rules is not None:
        count = len(found) - len(expired)
        yield CriterionResult(
            name="accepted-rules",
            verdict="pass" if count <= criteria.max_accepted_rules else "fail",
            unit="count",
            measured=count,
            bound=criteria.max_accepted_rules,
        )


def owners(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """Every endpoint that was compared has somebody responsible for it."""
    if not criteria.owners_required:
        return
    asked = [each.endpoint for each in grounds.summary.endpoints if each.compared]
    missing = sorted(name for name in asked if not grounds.owners.get(name, "").strip())
    verdict: GateVerdict = "fail" if missing else "pass"
    yield CriterionResult(
        name="owners",
        verdict=verdict if asked else "inconclusive",
        unit="count",
        measured=len(missing),
        bound=0,
        note=f"without an owner: {_some(missing)}" if missing else "",
    )


def new_findings(grounds: Grounds, criteria: Criteria) -> Iterator[CriterionResult]:
    """No divergent finding that an earlier run did not have."""
    if criteria.no_new_since is None:
        return
    summary = grounds.summary
    divergent = {each.signature for each in summary.findings if each.verdict == "divergent"}
    new = sorted(divergent - grounds.known)
    verdict: GateVerdict = "fail" if new else "pass"
    note = f"since {grounds.since}" if grounds.since else "there is no run before"
    note += f": {_some(new)}" if new else ""
    if not new and summary.findings_dropped:
        verdict, note = "inconclusive", "there are more findings than are kept"
    elif not new and not any(map(compared, summary.endpoints)):
        verdict, note = "inconclusive", "no exchange was compared"
    yield CriterionResult(
        name="new-findings",
        verdict=verdict,
        unit="count",
        measured=len(new),
        bound=0,
        note=note,
    )


def _some(names: Sequence[str]) -> str:
    """The first few, and how many there are besides."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
