"""The end of a run: what is known only then is entered in the store, with an event for each."""

from __future__ import annotations

import itertools
from collections.abc import Set as AbstractSet
from typing import Final

from shadow.compare.noise import NoiseProfile
from shadow.events import Events
from shadow.judge import Policy
from shadow.results.store import Store
from shadow.settle import Memory, places_to_settle, settle

SIGNATURES_AT_ONCE: Final = 200
RECORDS_AT_ONCE: Final = 20_000


def settle_run(
    store: Store,
    events: Events,
    run_id: str,
    memory: Memory,
    *,
    noise: NoiseProfile | None,
    policy: Policy,
    leave: AbstractSet[str] = frozenset(),
) -> None:
    """Revise what is known only now. The findings to `leave` have records that were not stored.

    Raises UnfinishedError where the store or the event log cannot be written.
    """
    classes = memory.corpus.classes()
    findings = store.load(run_id).tally.findings
    signatures = sorted(places_to_settle(findings, classes, noise) - leave)
    for start in range(0, len(signatures), SIGNATURES_AT_ONCE):
        batch = signatures[start : start + SIGNATURES_AT_ONCE]
        kept = store.records(run_id, signatures=batch)
        while records := list(itertools.islice(kept, RECORDS_AT_ONCE)):
            revisions = list(settle(records, memory.raw, classes, noise, policy))
            if revisions:
                store.revise(run_id, revisions)
            by_seq = {record.seq: record for record in records}
            for revision in revisions:
                events.revised(by_seq[revision.seq], revision)
