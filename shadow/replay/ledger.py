"""Keeps what became of each exchange: counts as the run goes, rows in batches, events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from shadow.captures import WHOLE, Broken, Share
from shadow.compare.noise import NoiseProfile
from shadow.errors import CaptureError
from shadow.events import Events
from shadow.masking import Masker
from shadow.model import Divergence, Exchange, Judgement, Observation, Outcome
from shadow.replay.cursor import Cursor
from shadow.replay.hooks import HookLog, hook_log_path
from shadow.results.record import Record
from shadow.results.store import Progress, Store
from shadow.results.tally import Tally
from shadow.settle import Memory
from shadow.tracing import trace_id_of

BATCH: Final = 500
"""Records a transaction."""
BATCH_S: Final = 0.5
"""Seconds after which a smaller batch is committed, so that a killed run loses little."""
NOISE_S: Final = 2.0
"""Seconds after which a noise profile that has grown is committed too."""
BROKEN_TOLD: Final = 5
"""Broken lines that are told one by one; the rest are counted."""


class BrokenLines:
    """Tells the operator of the first broken lines; all are counted elsewhere."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._count = 0

    def broken(self, record: Broken) -> None:
        """Tell of one that could not be read."""
        self._count += 1
        if self._count <= BROKEN_TOLD:
            self._tell(f"broken line: {record.path}:{record.line}: {record.reason}")
        elif self._count == BROKEN_TOLD + 1:
            self._tell("more broken lines are counted and not listed")


def seq_of(share: Share, kept: int) -> int:
    """The `seq` of a share's exchange after `kept` others: no two shares give the same."""
    return kept * share.of + share.index


def is_kept(seq: int, share: Share, kept: int) -> bool:
    """Whether an exchange is of another share, or among the first `kept` of this one."""
    return seq % share.of != share.index or seq // share.of < kept


def cursor_of(progress: Progress) -> Cursor:
    """How far a shard has got by what is in the store of it."""
    return Cursor() if progress.cursor is None else Cursor.from_text(progress.cursor)


class Ledger:
    """The keeper of one run, or of one shard of it.

    What it commits is, in one transaction: records, what they add to the counts, and the cursor.
    """

    def __init__(
        self,
        *,
        store: Store,
        run_id: str,
        events: Events,
        masker: Masker,
        share: Share = WHOLE,
        memory: Memory | None = None,
        noise: NoiseProfile | None = None,
        strict: bool = False,
        told: Callable[[Broken], None] = lambda _: None,
        progress: Callable[[int, int], None] = lambda _, __: None,
    ) -> None:
        """Keep into `store` and `events`, after what the shard has committed before.

        `strict` ends the run at a broken line, else `told` gets it; `progress` gets the number
        of exchanges read and divergent since the last time. `noise` is kept with the run where
        it is learned while it goes; what an earlier process kept takes its place.
        """
        self._store = store
        self._run_id = run_id
        self._events = events
        self._masker = masker
        self._share = share
        self._noise = noise
        self._strict = strict
        self._told = told
        self._progress = progress
        self._records: list[Record] = []
        self._tally = Tally()
        self._committed = self._noise_committed = time.monotonic()
        self._pairs_committed = 0
        self.memory = memory or Memory()
        before = store.progress(run_id, share.index)
        self.cursor = cursor_of(before)
        self.sent = before.sent
        """Writes that an earlier process was about to send."""
        if noise is not None and before.noise is not None:
            noise.endpoints = NoiseProfile.from_json(before.noise.encode()).endpoints

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        ordinal: int,
        masked: tuple[Divergence, ...] | None = None,
    ) -> None:
        """Keep the outcome of one exchange, masked. Raises UnfinishedError on a full disk."""
        seq = seq_of(self._share, self.cursor.kept)
        record = Record.of(
            exchange,
            judgement,
            seq=seq,
            endpoint=endpoint,
            masker=self._masker,
            baseline=baseline,
            candidate=candidate,
            masked=masked,
        )
        # First: what has no event must not be committed, since it would never get one.
        trace_id = trace_id_of(exchange.request.headers) if record.divergences else None
        self._events.exchange(record, trace_id)
        if judgement.divergences:
            self.memory.remember(record, judgement)
        self.cursor.kept += 1
        self.cursor.pass_by(ordinal)
        self._records.append(record)
        self._tally.add(record)
        if len(self._records) >= BATCH or time.monotonic() - self._committed > BATCH_S:
            self.flush()

    def hook_log(self) -> HookLog:
        """What keeps the output of the run's hooks."""
        return HookLog(hook_log_path(self._store, self._run_id), self._masker)

    def masked(self, judgement: Judgement) -> tuple[Divergence, ...]:
        """The divergences as they may be kept. From any thread."""
        return tuple(map(self._masker.mask_divergence, judgement.divergences))

    def broken(self, record: Broken, *, ordinal: int) -> None:
        """Count a line that could not be read. Raises CaptureError when `strict`."""
        if self._strict:
            place = f"{record.path}:{record.line}: {record.reason}"
            raise CaptureError(place, "mend the line, or run without --strict to go on past it")
        self._tally.count_broken()
        self.cursor.pass_by(ordinal)
        self._told(record)

    def sends(self, *, ordinal: int) -> None:
        """Remember that a write is about to be sent: nothing may send it a second time."""
        self._store.note_sent(self._run_id, shard=self._share.index, ordinal=ordinal)

    def flush(self, *, last: bool = False) -> None:
        """Commit what has been kept since the last time; `last` with all noise that was learned."""
        noise, pairs = self._noise_to_commit(last=last), self._pairs()
        if self._records or self._tally.broken or (last and noise is not None):
            self._store.commit_segment(
                self._run_id,
                cursor=self.cursor.to_text(),
                records=self._records,
                tally=self._tally,
                shard=self._share.index,
                noise=noise,
            )
            if noise is not None:
                self._pairs_committed, self._noise_committed = pairs, time.monotonic()
            # Before anything else can go wrong: it is committed, and must not be once more.
            kept, self._records, self._tally = self._tally, [], Tally()
            self._progress(kept.read, kept.outcomes[Outcome.DIVERGENT])
        self._committed = time.monotonic()

    def _noise_to_commit(self, *, last: bool) -> str | None:
        """The noise profile, where it has grown since it was last committed, some time ago."""
        if self._noise is None or self._pairs() == self._pairs_committed:
            return None
        if not last and time.monotonic() - self._noise_committed < NOISE_S:
            return None
        return self._noise.plain(self._masker.mask_text).state().decode()

    def _pairs(self) -> int:
        noise = self._noise
        return 0 if noise is None else sum(each.pairs for each in noise.endpoints.values())
