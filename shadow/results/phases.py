"""The phases of a rollout in their order, and the ledger of who moved it and why.

Pure: the ledger is a list of decisions that only grows, and where the rollout stands is read
off it. A decision records; it moves no traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from shadow.errors import ConfigError, ShadowError
from shadow.results.gates.verdicts import GateResult, GateVerdict
from shadow.results.runs import RunInfo

Action = Literal["promote", "demote"]
Stand = Literal["passed", "current", "ahead"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger."""

    at: datetime
    by: str
    action: Action
    phase: str
    """The phase that was left."""
    to: str
    run_id: str | None = None
    """The run it rests on."""
    verdict: GateVerdict | None = None
    """What the gate of `phase` said of that run."""
    versions: Mapping[str, str] = {}
    """Of shadow, as the run has it, and of the services, as whoever decided says."""
    override: bool = False
    """Whether it was decided against the gate."""
    reason: str = ""
    risk: str = ""
    incident: str = ""
    escalate_to: str = ""
    note: str = ""


class PhaseStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where one phase stands."""

    phase: str
    stand: Stand
    gated: bool
    """Whether it has exit criteria."""
    last: Decision | None = None
    """The last decision by which it was left or entered."""


def current_phase(order: Sequence[str], ledger: Sequence[Decision]) -> str:
    """Return where the rollout stands: in the first phase until something is decided.

    Raises ConfigError where there are no phases, or the ledger ends in one that is not among
    them.
    """
    if not order:
        raise ConfigError("no phase is configured", "add [gates.replay] to shadow.toml")
    if not ledger:
        return order[0]
    if ledger[-1].to not in order:
        raise ConfigError(
            f"the ledger ends in phase {ledger[-1].to}, which is not configured",
            f"name it in shadow.toml, in [phases] order; there are {', '.join(order)}",
        )
    return ledger[-1].to


def standings(
    order: Sequence[str], gated: Mapping[str, object], ledger: Sequence[Decision]
) -> tuple[PhaseStanding, ...]:
    """Return where each phase stands; `gated` are those with criteria."""
    here = order.index(current_phase(order, ledger))
    return tuple(
        PhaseStanding(
            phase=name,
            stand="passed" if place < here else "current" if place == here else "ahead",
            gated=name in gated,
            last=next((each for each in reversed(ledger) if name in (each.phase, each.to)), None),
        )
        for place, name in enumerate(order)
    )


def phase_after(order: Sequence[str], phase: str) -> str:
    """Return the phase that a promotion leads to. Raises ShadowError at the last one."""
    place = order.index(phase)
    if place + 1 == len(order):
        raise ShadowError(
            f"{phase} is the last phase", "name what follows in [phases] order, in shadow.toml"
        )
    return order[place + 1]


def phase_before(order: Sequence[str], phase: str, wanted: str | None) -> str:
    """Return the phase that a demotion leads to: the one before, or the `wanted` earlier one.

    Raises ShadowError where that is no earlier one.
    """
    place = order.index(phase)
    if not place:
        raise ShadowError(f"{phase} is the first phase", "there is none to go back to")
    if wanted is None:
        return order[place - 1]
    if wanted not in order[:place]:
        raise ShadowError(
            f"{wanted} is no phase before {phase}", f"those are {', '.join(order[:place])}"
        )
    return wanted


def objection(
    gate: GateResult | None, run: RunInfo | None, ledger: Sequence[Decision]
) -> str | None:
    """Say why a run does not carry a promotion; None where it does.

    A run from before the phase was entered says nothing of the phase: not after a promotion,
    and less still after a demotion.
    """
    if gate is None or run is None:
        return "the phase has no gate"
    if ledger and run.started is not None and run.started <= ledger[-1].at:
        return f"run {run.id} is from before the phase was entered ({ledger[-1].at:%Y-%m-%d %H:%M})"
    if gate.verdict != "pass":
        return f"the gate says {gate.verdict}"
    return None
