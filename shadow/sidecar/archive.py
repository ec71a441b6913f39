"""Where a window ends up: the store and the event log, written by one thread of its own.

Whatever is wrong with either is told and tried again later; it never reaches the live path.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.errors import ShadowError
from shadow.events import Events
from shadow.judge import Policy
from shadow.model import Outcome
from shadow.reports.show import readable_path
from shadow.results.lock import held
from shadow.results.record import Record
from shadow.results.runs import RunInfo, new_run_id
from shadow.results.store import Store
from shadow.results.summary import COUNTS, exit_code, summarise
from shadow.results.tally import Tally
from shadow.settle import Memory
from shadow.settling import settle_run

TOLD_S: Final = 60.0
"""Seconds in which one complaint is told once."""


class Batch(msgspec.Struct, kw_only=True):
    """What is written together. The records are some of those that the tally counts."""

    records: list[Record]
    tally: Tally


class Archive:
    """The store of a sidecar and the event logs of its windows. All calls from one thread.

    `error` says what is wrong with the store now; `run_id` is of the window, empty between two.
    """

    def __init__(
        self,
        *,
        where: str,
        events: str | None,
        info: RunInfo,
        keep_windows: int,
        tell: Callable[[str], None],
    ) -> None:
        """Keep windows at `where`, described by `info`; `events` is one log for all of them.

        Without it each window has its own log, which goes when the window does.
        """
        self._where = where
        self._events_path = events
        self._info = info
        self._keep_windows = keep_windows
        self._tell = tell
        self._told: dict[str, float] = {}
        self.store: Store | None = None
        self.error = ""
        self.run_id = ""
        self._started = 0.0
        self._log: Events | None = None
        self._log_file = contextlib.ExitStack()
        self._lock = contextlib.ExitStack()
        """Tells others that the window goes on."""
        self._log_path = ""
        self._logs: list[str] = []

    def open(self) -> Store | None:
        """Open the store where that is possible now."""
        if self.store is None:
            with self._noted():
                self.store = Store.open(self._where)
        return self.store

    def write(self, batch: Batch) -> bool:
        """Keep a batch, and tell of its records in the event log; whether it is in the store."""
        with self._noted():
            self._in_window().commit_segment(
                self.run_id, cursor="", records=batch.records, tally=batch.tally
            )
        return not self.error

    def tell_events(self, records: Sequence[Record], traces: Mapping[int, str]) -> int:
        """Write the events of records that are in the store; return how many could not be.

        `traces` are the ids of their traces, by `seq`.
        """
        lost = 0
        for record in records:
            if not record.divergences and record.outcome in (Outcome.MATCH, Outcome.EQUIVALENT):
                continue
            if not self._logged(partial(_exchange, record, traces.get(record.seq))):
                lost += max(1, len(record.divergences))
        return lost

    def tell_one(self, write: Callable[[Events], None]) -> bool:
        """Write an event of another kind; whether that worked."""
        return self._logged(write)

    def finish(
        self,
        memory: Memory,
        *,
        noise: NoiseProfile | None,
        policy: Policy,
        leave: AbstractSet[str],
    ) -> None:
        """End the window: settle it, and forget the oldest ones."""
        store, run_id = self.store, self.run_id
        if store is None or not run_id:
            return
        with self._noted():
            if self._log is not None:
                settle_run(
                    store, self._log, run_id, memory, noise=noise, policy=policy, leave=leave
                )
            duration_s = round(time.monotonic() - self._started, 3)
            code = exit_code(store.load(run_id).tally)
            run = store.finish_run(run_id, state="finished", exit_code=code, duration_s=duration_s)
            summary = summarise(run)
            told = {name: getattr(summary, name) for name in COUNTS}
            self._logged(lambda log: log.run_finished(told))
            store.forget_runs(self._info.command, self._keep_windows)
        self.run_id = ""
        self._close_log()
        self._lock.close()
        self._forget_logs()

    def close(self) -> None:
        """Let go of the files."""
        self._close_log()
        self._lock.close()
        if self.store is not None:
            self.store.close()

    def complain(self, error: ShadowError) -> None:
        """Tell of an error, but not of the same one again and again."""
        now = time.monotonic()
        if now - self._told.get(error.message, -TOLD_S) >= TOLD_S:
            if len(self._told) > 100:
                self._told.clear()
            self._told[error.message] = now
            self._tell(f"{error.message}; traffic goes on")

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except ShadowError as error:
            self.error = error.message
            self.complain(error)
        else:
            self.error = ""

    def _in_window(self) -> Store:
        """The store, with a window begun in it."""
        store = self.store
        if store is None:
            store = self.store = Store.open(self._where)
        if not self.run_id:
            run_id = new_run_id()
            path = self._events_path or str(store.events_path(run_id))
            info = msgspec.structs.replace(self._info, id=run_id, events=readable_path(path))
            self.run_id, self._log_path = store.start_run(info), path
            self._lock.enter_context(held(store.place, self.run_id))
            self._started = time.monotonic()
            self._logged(lambda log: log.run_started(_started(info)))
        return store

    def _logged(self, write: Callable[[Events], None]) -> bool:
        if not self.run_id:  # no window has begun, or the store is broken
            return False
        try:
            if self._log is None:
                opened = Events.open(self._log_path, self.run_id)
                self._log = self._log_file.enter_context(opened)
                if self._events_path is None and self._log_path not in self._logs:
                    self._logs.append(self._log_path)
            write(self._log)
        except ShadowError as error:
            self.complain(error)
            self._close_log()
            return False
        return True

    def _close_log(self) -> None:
        self._log = None
        with contextlib.suppress(OSError):
            self._log_file.close()

    def _forget_logs(self) -> None:
        """Remove the logs of windows that are forgotten."""
        while len(self._logs) > self._keep_windows:
            with contextlib.suppress(OSError):
                Path(self._logs.pop(0)).unlink()


def _exchange(record: Record, trace_id: str | None, log: Events) -> None:
    log.exchange(record, trace_id)


def _started(info: RunInfo) -> dict[str, object]:
    return {
        "command": info.command,
        "captures": [],
        "digest": info.digest,
        "baseline": msgspec.to_builtins(info.baseline),
        "candidate": msgspec.to_builtins(info.candidate),
        "options": info.options,
        "versions": info.versions,
    }
