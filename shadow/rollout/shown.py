"""What the commands on phases print."""

from __future__ import annotations

import sys

from shadow.reports import gates, phases
from shadow.reports.show import colored, width
from shadow.results.phases import Decision
from shadow.rollout.deciding import Promotion, Status


def status_text(found: Status) -> str:
    """Where a rollout stands."""
    out = sys.stdout
    return phases.render(
        found.phases,
        found.gate,
        found.missing,
        found.ledger,
        width=100 if out is None else width(out),
        color=out is not None and colored(out),
    )


def promotion_text(found: Promotion) -> str:
    """What came of asking for a promotion: the gate, and what was decided."""
    text = "" if found.gate is None else gates.render(found.gate)
    if found.decision is None:
        return f"{text}not promoted: {found.objection}\n"
    return text + decision_text(found.decision)


def decision_text(decision: Decision) -> str:
    """A decision, and that it is no more than that."""
    return f"{phases.decided(decision)}\n{phases.NO_TRAFFIC}\n"
