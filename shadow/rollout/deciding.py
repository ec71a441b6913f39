"""Decisions on the phases of a rollout: entered in the ledger of the store, and told.

A decision is a record. It moves no traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shadow.errors import ConfigError
from shadow.results.gates.verdicts import EXIT_CODES, GateResult
from shadow.results.phases import (
    Decision,
    PhaseStanding,
    current_phase,
    objection,
    phase_after,
    phase_before,
    standings,
)
from shadow.results.runs import Run
from shadow.results.store import Store
from shadow.rollout.gating import GatePlan, Tell, judge_stored
from shadow.rollout.notice import Notice, notify
from shadow.sending.webhook import Webhook

LATEST: Final = "latest"
MAX_TEXT: Final = 2_000
"""Characters of each text of a decision."""


class PhasesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The phases in their order, and the gates of those that have one."""

    order: tuple[str, ...]
    gates: Mapping[str, GatePlan]
    webhook: Webhook | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides, and what is to be remembered of it."""

    by: str
    reason: str = ""
    risk: str = ""
    incident: str = ""
    escalate_to: str = ""
    note: str = ""
    versions: Mapping[str, str] = {}
    """Of the services."""


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking for a promotion."""

    decision: Decision | None
    """None where it was refused."""
    gate: GateResult | None
    objection: str | None
    """Why the run does not carry it, also where that was overridden."""

    @property
    def exit_code(self) -> int:
        """0 where it was entered, else the gate's, and 3 where a gate that passes is not enough."""
        if self.decision is not None:
            return 0
        return (self.gate and EXIT_CODES[self.gate.verdict]) or EXIT_CODES["inconclusive"]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rollout stands."""

    current: str
    phases: tuple[PhaseStanding, ...]
    gate: GateResult | None
    """What the gate of the current phase says of the run; None without a run or a gate."""
    missing: str | None
    """Why that run does not carry a promotion; None where it does."""
    ledger: tuple[Decision, ...]
    """All decisions, oldest first."""


def account(given: Mapping[str, Any]) -> Account:
    """Take what is to be remembered from the options of a command.

    Raises ConfigError for a text that is no note but a document, and where nobody decides.
    """
    if not given["by"].strip():
        raise ConfigError("--by is empty", "say who decides")
    texts = [(name, given[name]) for name in Account.__struct_fields__ if name != "versions"]
    texts += [("version", f"{name}={text}") for name, text in given["versions"].items()]
    for name, text in texts:
        option = name.replace("_", "-")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"--{option} is not UTF-8", "write it anew") from None
        if len(text) > MAX_TEXT:
            raise ConfigError(
                f"--{option} is longer than {MAX_TEXT:,} characters",
                "sum it up, and link to the rest",
            )
    return msgspec.convert({name: given[name] for name in Account.__struct_fields__}, Account)


def promote(
    where: str, wanted: str, plan: PhasesPlan, account: Account, *, override: bool, tell: Tell
) -> Promotion:
    """Enter that the rollout goes on to the next phase, where the gate passes the run.

    With `override` it goes on whatever the gate says, for a reason and at a risk that are
    entered with it. Raises ShadowError where there is no such run or no next phase.
    """
    if override and not (account.reason.strip() and account.risk.strip()):
        raise ConfigError("--override needs --reason and --risk", "say why, and what may go wrong")
    with Store.open(where, create=False) as store:
        ledger = store.ledger()
        phase = current_phase(plan.order, ledger)
        to = phase_after(plan.order, phase)
        run = _run(store, wanted, optional=override)
        gate = _judged(store, run, plan, phase)
        against = objection(gate, run.info if run else None, ledger)
        if against is not None and not override:
            return Promotion(decision=None, gate=gate, objection=against)
        decision = _decision("promote", (phase, to), account, run, gate)
        decision = msgspec.structs.replace(decision, override=against is not None)
        store.decide(decision, behind=len(ledger))
    _tell(plan, decision, tell)
    return Promotion(decision=decision, gate=gate, objection=against)


def demote(
    where: str,
    wanted: str | None,
    plan: PhasesPlan,
    account: Account,
    *,
    to: str | None,
    tell: Tell,
) -> Decision:
    """Enter that the rollout goes back, to the phase before or to the one named.

    Raises ShadowError where there is no such phase or run, or no reason is given.
    """
    if not (account.reason.strip() or account.incident.strip()):
        raise ConfigError("phase demote needs --reason or --incident", "say why")
    with Store.open(where, create=False) as store:
        ledger = store.ledger()
        phase = current_phase(plan.order, ledger)
        target = phase_before(plan.order, phase, to)
        run = None if wanted is None else store.load(wanted)
        decision = _decision("demote", (phase, target), account, run, None)
        store.decide(decision, behind=len(ledger))
    _tell(plan, decision, tell)
    return decision


def status(where: str, wanted: str, plan: PhasesPlan) -> Status:
    """Return where the rollout stands, and what the current phase lacks, judged by a run."""
    with Store.open(where, create=False) as store:
        ledger = store.ledger()
        phase = current_phase(plan.order, ledger)
        run = _run(store, wanted, optional=True)
        gate = _judged(store, run, plan, phase)
    missing = objection(gate, run.info if run else None, ledger)
    if run is None:
        missing = "there is no run yet"
    return Status(
        current=phase,
        phases=standings(plan.order, plan.gates, ledger),
        gate=gate,
        missing=missing,
        ledger=tuple(ledger),
    )


def _run(store: Store, wanted: str, *, optional: bool) -> Run | None:
    """Load a run; None where the latest is wanted, there is none, and none is needed."""
    if optional and wanted == LATEST and not store.runs(limit=1):
        return None
    return store.load(wanted)


def _judged(store: Store, run: Run | None, plan: PhasesPlan, phase: str) -> GateResult | None:
    gate = plan.gates.get(phase)
    return None if run is None or gate is None else judge_stored(store, run, gate)


def _decision(
    action: str,
    way: Sequence[str],
    account: Account,
    run: Run | None,
    gate: GateResult | None,
) -> Decision:
    fields = msgspec.structs.asdict(account)
    versions = run.info.versions if run else {}
    fields["versions"] = {**versions, **account.versions}
    fields.update(
        at=datetime.now(UTC),
        action=action,
        phase=way[0],
        to=way[1],
        run_id=run.info.id if run else None,
        verdict=gate.verdict if gate else None,
    )
    return Decision(**fields)


def _tell(plan: PhasesPlan, decision: Decision, tell: Tell) -> None:
    fields = msgspec.to_builtins(decision)
    notify(plan.webhook, Notice(event="shadow.phase.decided", fields=fields), tell)
