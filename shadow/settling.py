"""The end of a run: what is known only then is entered in the store, with an event for each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, outcome_of
from shadow.model import Outcome
from shadow.results.finding import finding_key
from shadow.results.record import Record, Revision
from shadow.results.store import Store
from shadow.results.tally import Tally
from shadow.settle import Memory, places_to_settle, settle

SIGNATURES_AT_ONCE: Final = 200
RECORDS_AT_ONCE: Final = 20_000


class Log(Protocol):
    """Where revisions are told; `shadow.events.Events` is one."""

    def revised(self, record: Record, revision: Revision) -> None:
        """Tell what the end of the run makes of an exchange."""


def settle_run(
    store: Store,
    log: Log,
    run_id: str,
    memory: Memory,
    *,
    noise: NoiseProfile | None,
    policy: Policy,
    kept: Mapping[str, int] | None = None,
    tally: Tally | None = None,
) -> bool:
    """Revise what is known only now; say whether anything was.

    `kept` says of how many exchanges of each finding (`finding_key`) there is a record, None that
    there is one of each. The store counts a finding anew from its records, so one that has not
    all of them stays as it is. `tally` is what the store counts, where that is at hand: a large
    run takes seconds to load. Raises UnfinishedError where the store cannot be written, and what
    `log` raises.
    """
    classes = memory.corpus.classes()
    tally = tally or store.load(run_id).tally
    if kept is not None and tally.findings_dropped:
        return False  # it would count all of them anew
    leave = frozenset() if kept is None else _incomplete(tally, kept)
    signatures = sorted(places_to_settle(tally.findings, classes, noise) - leave)
    revised = False
    for start in range(0, len(signatures), SIGNATURES_AT_ONCE):
        batch = signatures[start : start + SIGNATURES_AT_ONCE]
        found = store.records(run_id, signatures=batch)
        while records := list(itertools.islice(found, RECORDS_AT_ONCE)):
            by_seq = {record.seq: record for record in records}
            revisions = [
                revision
                for each in settle(records, memory.raw, classes, noise, policy)
                if (revision := _without(leave, by_seq[each.seq], each, memory))
            ]
            if revisions:
                store.revise(run_id, revisions)
                revised = True
            for revision in revisions:
                log.revised(by_seq[revision.seq], revision)
    return revised


def _incomplete(tally: Tally, kept: Mapping[str, int]) -> frozenset[str]:
    """Return the signatures of findings with an exchange of which there is no record."""
    return frozenset(
        finding.signature
        for finding in tally.findings
        if kept.get(finding_key(finding), 0) != finding.exchanges
    )


def _without(
    leave: frozenset[str], record: Record, revision: Revision, memory: Memory
) -> Revision | None:
    """Return a revision that leaves some findings as they are; None where nothing is left of it."""
    changes = tuple(
        change
        for change in revision.changes
        if record.divergences[change.position].signature not in leave
    )
    if changes == revision.changes:
        return revision
    revision = msgspec.structs.replace(revision, changes=changes)
    outcome = outcome_of(record.revised(revision).divergences, differs=True)
    cut = record.seq in memory.raw and memory.raw[record.seq].cut
    if not changes or (cut and outcome != Outcome.DIVERGENT):
        return None
    return msgspec.structs.replace(revision, outcome=outcome)
