"""Where a rollout stands, and what was decided, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shadow.reports import gates
from shadow.reports.console import printed
from shadow.reports.text import DASH, plain
from shadow.results.gates.verdicts import GateResult
from shadow.results.phases import Decision, PhaseStanding

NO_TRAFFIC: Final = "recorded; no traffic is moved by this"
_SHOWN: Final = 10
_STYLES: Final = {"passed": "green", "current": "bold", "ahead": "dim"}


def render(
    phases: Sequence[PhaseStanding],
    gate: GateResult | None,
    missing: str | None,
    ledger: Sequence[Decision],
    *,
    width: int = 100,
    color: bool = False,
) -> str:
    """Render the phases, what the current one lacks, and the last decisions."""
    return printed(_blocks(phases, gate, missing, ledger), width=width, color=color)


def _blocks(
    phases: Sequence[PhaseStanding],
    gate: GateResult | None,
    missing: str | None,
    ledger: Sequence[Decision],
) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    for each in phases:
        last = decided(each.last) if each.last else DASH if each.gated else "no gate"
        table.add_row(Text(each.stand, style=_STYLES[each.stand]), plain(each.phase), Text(last))
    yield table
    yield Text()
    if gate is not None:
        yield from gates.blocks(gate)
    yield Text("to go on: shadow phase promote" if missing is None else f"missing: {missing}")
    if ledger:
        yield Text()
        yield Text("decisions, the newest first", style="dim")
        for decision in list(reversed(ledger))[:_SHOWN]:
            yield Text(decided(decision))
        if len(ledger) > _SHOWN:
            yield Text(f"… and {len(ledger) - _SHOWN:,} more (shadow phase status --json)")


def decided(decision: Decision) -> str:
    """Say a decision on one line: when, who, from where to where, by which run, and why."""
    who = f"{decision.at:%Y-%m-%d %H:%M} {plain(decision.by)}"
    parts = [f"{who}: {decision.action} {plain(decision.phase)} → {plain(decision.to)}"]
    if decision.run_id is not None:
        verdict = f" ({decision.verdict})" if decision.verdict else ""
        parts.append(f"run {plain(decision.run_id)}{verdict}")
    if decision.override:
        parts.append("against the gate")
    for name in ("reason", "risk", "incident", "escalate_to", "note"):
        text = getattr(decision, name)
        if text:
            parts.append(f"{name.replace('_', ' ')}: {plain(text)}")
    if decision.versions:
        parts.append(
            " ".join(f"{plain(name)} {plain(text)}" for name, text in decision.versions.items())
        )
    return "; ".join(parts)
