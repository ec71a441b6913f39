"""Keeps what became of each exchange: counts as the run goes, rows in batches, events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from shadow.captures import Broken
from shadow.errors import CaptureError
from shadow.events import Events
from shadow.masking import Masker
from shadow.model import Exchange, Judgement, Observation
from shadow.results.record import Record
from shadow.results.store import Store
from shadow.results.tally import Tally
from shadow.settle import Corpus, Raw

BATCH: Final = 500
"""Records a transaction."""
BATCH_S: Final = 0.5
"""Seconds after which a smaller batch is committed, so that a killed run loses little."""
RAW_BYTES: Final = 32 * 1024 * 1024
BROKEN_TOLD: Final = 5
"""Broken lines that are told one by one; the rest are counted."""


class Ledger:
    """The keeper of one run. `tally` has everything kept so far, committed or not."""

    def __init__(
        self,
        *,
        store: Store,
        run_id: str,
        events: Events,
        masker: Masker,
        strict: bool = False,
        told: Callable[[str], None] = lambda _: None,
        progress: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        """Keep into `store` and `events`; `strict` ends the run at a broken line.

        `told` takes a line for the operator, `progress` the counts after each batch.
        """
        self._store = store
        self._run_id = run_id
        self._events = events
        self._masker = masker
        self._strict = strict
        self._told = told
        self._progress = progress
        self._records: list[Record] = []
        self._batch = Tally()
        self._committed = time.monotonic()
        self._seq = 0
        self._broken_told = 0
        self.tally = Tally()
        self.corpus = Corpus()
        """Values of unexplained differences, for what is known only at the end."""
        self.raw: dict[int, Raw] = {}
        """Divergences before masking, by `seq`, for the same; at most `RAW_BYTES` of them."""
        self._raw_bytes = 0

    @property
    def read(self) -> int:
        """Exchanges kept so far."""
        return self.tally.read + self._batch.read

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
    ) -> None:
        """Keep the outcome of one exchange, masked. Raises UnfinishedError on a full disk."""
        record = Record.of(
            exchange,
            judgement,
            seq=self._seq,
            endpoint=endpoint,
            masker=self._masker,
            baseline=baseline,
            candidate=candidate,
        )
        self._remember(judgement)
        self._seq += 1
        self._records.append(record)
        self._batch.add(record)
        self._events.exchange(record)
        if len(self._records) >= BATCH or time.monotonic() - self._committed > BATCH_S:
            self.flush()

    def _remember(self, judgement: Judgement) -> None:
        divergences = judgement.divergences
        if all(divergence.verdict in ("equivalent", "accepted") for divergence in divergences):
            return
        for divergence in divergences:
            self.corpus.add(divergence)
        size = sum(len(d.baseline or "") + len(d.candidate or "") + 500 for d in divergences)
        if self._raw_bytes + size <= RAW_BYTES:
            self.raw[self._seq] = Raw(
                divergences=divergences, clock_gap_s=judgement.clock_gap_s, cut=judgement.cut
            )
            self._raw_bytes += size

    def broken(self, record: Broken) -> None:
        """Count a line that could not be read. Raises CaptureError when `strict`."""
        place = f"{record.path}:{record.line}: {record.reason}"
        if self._strict:
            raise CaptureError(place, "mend the line, or run without --strict to go on past it")
        self._batch.count_broken()
        self._broken_told += 1
        if self._broken_told <= BROKEN_TOLD:
            self._told(f"broken line: {place}")
        elif self._broken_told == BROKEN_TOLD + 1:
            self._told("more broken lines are counted and not listed")

    def flush(self) -> None:
        """Commit what has been kept since the last time."""
        if self._records or self._batch.broken:
            self._store.commit_segment(
                self._run_id, cursor=str(self._seq), records=self._records, tally=self._batch
            )
            self.tally.merge(self._batch)
            self._records, self._batch = [], Tally()
            self._progress(self.tally)
        self._committed = time.monotonic()
