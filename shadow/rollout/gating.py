"""A run of the store before a gate: judged, kept with the run, told to the log and the webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from shadow.errors import ShadowError
from shadow.events import Events, gate_fields
from shadow.results.drift import divergent_signatures
from shadow.results.gates.criteria import PREVIOUS, Criteria
from shadow.results.gates.grounds import Grounds
from shadow.results.gates.judging import judge_gate
from shadow.results.gates.verdicts import GateResult
from shadow.results.judged import Judged, judge_evidence, why_withheld
from shadow.results.resolve import is_file, judged_in, load_run
from shadow.results.runs import Run, RunInfo
from shadow.results.store import Store
from shadow.results.summary import summarise
from shadow.rollout.notice import Notice, notify
from shadow.sending.webhook import Webhook

MOST_INTERVALS: Final = 200
"""Endpoints, those with most pairs, whose latency a gate can judge."""

Tell = Callable[[str], None]
"""Tells the operator one line."""


class GatePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a gate goes by."""

    phase: str
    criteria: Criteria
    templates: tuple[str, ...] = ()
    """Endpoints that must be covered; else those of the run."""
    owners: Mapping[str, str] = {}
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The findings that are not new, and the run that has them."""

    signatures: AbstractSet[str] = frozenset()
    since: str = ""


def known_findings(store: Store, info: RunInfo, criteria: Criteria) -> Known:
    """Return what `no_new_since` looks back at; nothing where it is not asked for.

    Raises ShadowError where the run that it names is not there, or is the one in question.
    """
    if criteria.no_new_since is None:
        return Known()
    if criteria.no_new_since != PREVIOUS:
        before: Run | None = load_run(criteria.no_new_since, store.place, evidence=False).run
        if before is not None and before.info.id == info.id:
            raise ShadowError(
                f"no_new_since: {criteria.no_new_since} is the run itself",
                f'name an earlier one, or "{PREVIOUS}"',
            )
    else:
        before = previous_run(store, info)
    if before is None:
        return Known()
    return Known(signatures=divergent_signatures(before.tally), since=before.info.id)


def previous_run(store: Store, info: RunInfo) -> Run | None:
    """Return the last finished run of the same capture before a run, which may not be stored."""
    if not info.digest:
        return None
    runs = store.runs(digest=info.digest)  # newest first
    places = [place for place, each in enumerate(runs) if each.id == info.id]
    if places:
        older = runs[places[0] + 1 :]
    elif info.started is not None:  # a run of another machine
        older = [each for each in runs if each.started and each.started < info.started]
    else:
        older = runs
    finished = next((each for each in older if each.state == "finished"), None)
    return None if finished is None else store.load(finished.id)


def judge_run(store: Store, run: Run, plan: GatePlan, known: Known) -> GateResult:
    """Hold a run of the store, as it is given, against the criteria of a phase."""
    return _held_against(run, _judged(store, run, plan.criteria), plan, known)


def _held_against(
    run: Run, judged: Judged, plan: GatePlan, known: Known, *, evidence: bool = True
) -> GateResult:
    grounds = Grounds(
        evidence=evidence,
        summary=summarise(run, judged=judged),
        templates=plan.templates,
        owners=plan.owners,
        known=known.signatures,
        since=known.since,
    )
    return judge_gate(plan.phase, grounds, plan.criteria)


def _judged(store: Store, run: Run, criteria: Criteria) -> Judged:
    """The evidence of a run as it was kept, or judged anew where a gate asks for more of it.

    That is where the speed of more endpoints is asked for than get an interval at the end of a
    run, because each takes time.
    """
    speed = criteria.max_latency_ratio or criteria.max_jitter_ratio is not None
    if not speed or why_withheld(run.info):
        return judged_in(store, run)
    from shadow.results.speed.judging import BOOTSTRAPPED  # noqa: PLC0415 - imports scipy

    if len(run.tally.endpoints) <= BOOTSTRAPPED:
        return judged_in(store, run)
    return judge_evidence(run, store.evidence(run), MOST_INTERVALS)


def judge_stored(store: Store, run: Run, plan: GatePlan) -> GateResult:
    """Hold a run of the store against the criteria of a phase; nothing is kept or told."""
    known = known_findings(store, run.info, plan.criteria)
    return judge_run(store, run, plan, known)


def gate(where: str, wanted: str, plan: GatePlan, *, tell: Tell) -> GateResult:
    """Judge a run, keep the verdict with it, and tell the event log and the webhook.

    An exported file is judged as it is, and nothing is kept. A log or a webhook that cannot be
    told is a warning. Raises ShadowError where there is no such run.
    """
    if is_file(wanted):
        result = judge_file(where, wanted, plan)
        announce(result, plan.webhook, tell)
        return result
    with Store.open(where, create=False) as store:
        run = store.load(wanted)
        result = judge_stored(store, run, plan)
        store.note_gate(run.info.id, result)
        _log(run.info, result, tell)
    announce(result, plan.webhook, tell)
    return result


def judge_file(where: str, wanted: str, plan: GatePlan) -> GateResult:
    """Hold an exported run against the criteria of a phase, the store at `where` beside it."""
    loaded, since = load_run(wanted, where), plan.criteria.no_new_since
    known = Known()
    if since is not None and (since != PREVIOUS or Path(where).is_file()):
        if is_file(since):
            before = load_run(since, where, evidence=False).run
            known = Known(signatures=divergent_signatures(before.tally), since=before.info.id)
        else:
            with Store.open(where, create=False) as store:
                known = known_findings(store, loaded.run.info, plan.criteria)
    judged = judge_evidence(loaded.run, loaded.evidence, MOST_INTERVALS)
    compared = {name for name, each in loaded.run.tally.endpoints.items() if each.compared}
    whole = compared <= loaded.evidence.endpoints.keys()
    return _held_against(loaded.run, judged, plan, known, evidence=whole)


def announce(result: GateResult, webhook: Webhook | None, tell: Tell) -> None:
    """Tell a webhook of a verdict, where there is one; a failure is a warning."""
    fields = {"run_id": result.run_id, **gate_fields(result)}
    notify(webhook, Notice(event="shadow.gate.evaluated", fields=fields), tell)


def _log(info: RunInfo, result: GateResult, tell: Tell) -> None:
    """Append the verdict to the event log of the run, where that is a file that is still there."""
    if info.events in ("", "-") or not Path(info.events).is_file():
        return
    try:
        with Events.open(info.events, info.id) as events:
            events.gate_evaluated(result)
    except ShadowError as error:
        tell(f"the verdict is not in the event log: {error.message}")
