"""Where a window ends up: the store and the event log, written by one thread of its own.

Whatever is wrong with either is told and tried again later; it never reaches the live path.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.errors import ShadowError, UnfinishedError, where
from shadow.events import Events
from shadow.judge import Policy
from shadow.masking import Masker
from shadow.model import Outcome
from shadow.reports.show import readable_path
from shadow.results.lock import held, is_held
from shadow.results.record import Record, Revision
from shadow.results.runs import Run, RunInfo, new_run_id
from shadow.results.store import Store
from shadow.results.summary import COUNTS, exit_code, summarise
from shadow.results.tally import Tally
from shadow.settle import Memory
from shadow.settling import settle_run
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring.window import Batch

FOLDED: Final = 200
"""Batches after which the store adds their counts up: a reader would have to."""
FEW: Final = 50
"""Endpoints with which that takes half a second; nobody else may write to a file meanwhile."""

BUSY_S: Final = 3.0
"""That a file which another process holds is waited for. It is tried again all the time, and the
end must not wait for it longer than who asked for the end does."""
LOG_S: Final = 5.0
"""That the reader of an event log which is a pipe may take nothing; results wait meanwhile."""
LOG_REST_S: Final = 60.0
"""That nothing is written to it then."""

_Task = Literal["open", "write"]
T = TypeVar("T")


class Archive:
    """The store of a sidecar and the event logs of its windows. All calls from one thread.

    `store`, `error` and `run_id` may be read from any.
    """

    def __init__(
        self,
        *,
        where: str,
        events: str | None,
        info: RunInfo,
        keep_windows: int,
        complain: Complaints,
    ) -> None:
        """Keep windows at `where`, described by `info`; `events` is one log for all of them.

        Without it each window has its own log, which goes when the window does.
        """
        self._where = where
        self._events_path = events
        self._info = info
        self._keep_windows = keep_windows
        self._complain = complain
        self.store: Store | None = None
        self.run_id = ""
        """Of the window; empty between two."""
        self._errors: dict[_Task, str] = {}
        self._file: tuple[int, int] | None = None
        """What the path of the store led to when it was opened."""
        self._in_doubt = False
        """Whether the last batch is in the store is not known."""
        self._cursor = ""
        """The last batch that is."""
        self._in_part = False
        """The window began in a store that is gone, with some of its records."""
        self._begun = 0.0
        self._endpoints: set[str] = set()
        """Of the window."""
        self._log: Events | None = None
        self._log_file = contextlib.ExitStack()
        self._lock = contextlib.ExitStack()
        """Tells others that the window goes on."""
        self._log_path = ""
        self._log_rests = 0.0
        """Until when, on the monotonic clock: its reader took nothing."""
        self._lost = 0
        self._own: set[str] = set()
        """The windows of this process that may have a log."""

    @property
    def error(self) -> str:
        """What is wrong with the store now, or empty."""
        return next(iter(list(self._errors.values())), "")  # another thread may change it

    def open(self) -> None:
        """Open the store. Raises ShadowError where it is none, UnfinishedError while it is away."""
        try:
            self._ready()
        except ShadowError as error:
            self._errors["open"] = error.message
            raise

    def check(self) -> None:
        """Look after the store though nothing is written, and after the window's lock."""
        self._tried("open", self._check)

    def _check(self) -> None:
        store = self._ready()
        if self.run_id and not is_held(store.place, self.run_id):
            self._hold(store)

    def write(self, batch: Batch) -> Sequence[Record] | None:
        """Keep a batch; return its records that are in the store now, None where it is not kept."""
        return self._tried("write", partial(self._write, batch))

    def _write(self, batch: Batch) -> Sequence[Record]:
        store = self._window_in(self._ready())
        if self._cursor == str(batch.number):  # we were not told that it was
            return batch.records
        records = self._commit(store, batch)
        self._cursor = str(batch.number)
        self._endpoints.update(batch.tally.endpoints)
        if batch.number % FOLDED == 0 and len(self._endpoints) <= FEW:
            self._fold(store)
        return records

    def tell_events(self, records: Sequence[Record], traces: Mapping[int, str]) -> None:
        """Write the events of records that are in the store.

        `traces` are the ids of their traces, by `seq`.
        """
        for record in records:
            if record.divergences or record.outcome not in (Outcome.MATCH, Outcome.EQUIVALENT):
                tell = partial(_exchange, record, traces.get(record.seq))
                self._logged(tell, max(1, len(record.divergences)))

    def tell_one(self, write: Callable[[Events], None]) -> None:
        """Write an event of another kind, which begins a window."""
        if not self.run_id:
            self._tried("open", lambda: self._window_in(self._ready()))
        self._logged(write)

    def take_lost(self) -> int:
        """Return how many events could not be written since the last time."""
        lost, self._lost = self._lost, 0
        return lost

    def finish(
        self,
        tally: Tally,
        memory: Memory,
        *,
        kept: Mapping[str, int],
        noise: NoiseProfile | None,
        policy: Policy,
    ) -> bool:
        """End the window: settle it, and forget the oldest ones.

        `tally` is all that was written of it, `kept` is as in `settle_run`. Say whether that is
        done: not where the store does not take it now.
        """
        if not self.run_id:
            return True
        if noise is not None:  # which goes on to change, in the event loop
            noise = NoiseProfile.from_json(noise.state())

        def settle(store: Store) -> Tally:
            """Return what the store counts afterwards."""
            whole = None if self._in_part else tally
            log = _Revisions(self._logged)
            given = {} if whole is None else kept
            revised = settle_run(
                store,
                log,
                self.run_id,
                memory,
                noise=noise,
                policy=policy,
                kept=given,
                tally=whole,
            )
            return tally if whole and not revised else store.load(self.run_id).tally

        return self._tried("write", lambda: self._finish(settle)) is not None

    def _finish(self, settle: Callable[[Store], Tally]) -> Literal[True]:
        store = self._ready()
        if self.run_id:  # else it was in a store that is gone
            tally = None
            with self._going_on("settling the window"):
                tally = settle(store)
            run = self._enter_end(store, tally or store.load(self.run_id).tally)
            summary = summarise(run)
            counts = {name: getattr(summary, name) for name in COUNTS}
            self._logged(lambda log: log.run_finished(counts))
            self._leave()
            self._in_part = False
        with self._going_on("forgetting old windows"):
            self._forget(store)
        return True

    def close(self) -> None:
        """Let go of the files."""
        self._leave()
        if self.store is not None:
            self.store.close()

    # The store.

    def _tried(self, task: _Task, work: Callable[[], T]) -> T | None:
        """Do some work; None where it fails, which is noted until the same works again."""
        try:
            done = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._in_doubt = True
            self._errors[task] = text = _text(error)
            self._complain(f"{text}; traffic goes on")
            return None
        if task == "write":  # so it can be opened
            self._errors.clear()
        self._errors.pop(task, None)
        return done

    @contextlib.contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Tell of an error that would be the same the next time, and leave it at that."""
        try:
            yield
        except UnfinishedError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(f"{what} failed: {_text(error)}; traffic goes on")

    def _ready(self) -> Store:
        """The store; opened anew where it failed, or where its file is another one by now."""
        store = self.store
        if store is None or self._in_doubt or self._file != _file(store):
            self.store = Store.open(self._where, busy_s=BUSY_S)
            if store is not None:
                store.close()
            store = self.store
            self._file = _file(store)
            self._find_window(store)
            self._in_doubt = False
        return store

    def _find_window(self, store: Store) -> None:
        """Go on with the window in a store that was opened anew, if it is there."""
        if not self.run_id:
            return
        try:
            self._cursor = store.progress(self.run_id, 0).cursor or ""
        except UnfinishedError:
            raise
        except ShadowError:  # the store was made anew, and what it held is gone
            self._leave()
            self._in_part = True
        else:
            self._hold(store)

    def _window_in(self, store: Store) -> Store:
        """Begin a window where there is none."""
        if not self.run_id:
            self._begin(store)
        return store

    def _begin(self, store: Store) -> None:
        run_id = new_run_id()
        path = self._events_path or self._own_log(store, run_id)
        info = msgspec.structs.replace(
            self._info, id=run_id, events=readable_path(path) if path else ""
        ).masked(Masker())
        self.run_id, self._log_path = store.start_run(info), path
        self._own.add(self.run_id)
        self._cursor, self._begun = "", time.monotonic()
        self._endpoints.clear()
        self._hold(store)
        self._logged(lambda log: log.run_started(info))

    def _own_log(self, store: Store, run_id: str) -> str:
        try:
            return str(store.events_path(run_id))
        except ShadowError as error:  # the store may be elsewhere, and work
            self._complain(f"{error.message}; there is no event log")
            return ""

    def _hold(self, store: Store) -> None:
        self._lock.close()
        self._lock.enter_context(held(store.place, self.run_id))

    def _commit(self, store: Store, batch: Batch) -> Sequence[Record]:
        commit = partial(
            store.commit_segment, self.run_id, cursor=str(batch.number), tally=batch.tally
        )
        try:
            commit(records=batch.records)
        except UnfinishedError:
            raise
        except Exception as error:
            if not batch.records:
                raise
            commit(records=())  # where that works, it was one of the records
            count = len(batch.records)
            self._complain(f"{count} exchanges are counted and not kept: {_text(error)}")
            return ()
        return batch.records

    def _fold(self, store: Store) -> None:
        """Let one segment hold what the others count."""
        with self._going_on("adding up the window"):
            if not store.load(self.run_id).tally.findings_dropped:  # else all are counted anew
                store.revise(self.run_id, ())

    def _enter_end(self, store: Store, tally: Tally) -> Run:
        today = datetime.now(UTC).date()
        expired = any(rule.expired(today) for rule in self._info.accept)
        return store.finish_run(
            self.run_id,
            state="finished",
            exit_code=1 if expired else exit_code(tally),
            duration_s=round(time.monotonic() - self._begun, 3),
        )

    def _leave(self) -> None:
        self.run_id = ""
        self._close_log()
        self._lock.close()

    def _forget(self, store: Store) -> None:
        """Forget the oldest windows with their logs, whichever process made them."""
        command = self._info.command
        before = {info.id for info in store.runs() if info.command == command} | self._own
        store.forget_runs(command, self._keep_windows)
        gone = before - {info.id for info in store.runs()}
        self._own -= gone
        for run_id in gone:
            store.drop_files(run_id)

    # The event log.

    def _logged(self, write: Callable[[Events], None], events: int = 1) -> None:
        """Write to the log; `events` are lost where that cannot be."""
        begun = time.monotonic()
        if not self.run_id or not self._log_path or begun < self._log_rests:
            self._lost += events
            return
        try:
            if self._log is None:
                opened = Events.open(self._log_path, self.run_id, patience_s=LOG_S)
                self._log = self._log_file.enter_context(opened)
            write(self._log)
        except ShadowError as error:
            self._lost += events
            self._complain(f"{error.message}; traffic goes on")
            self._close_log()
            if time.monotonic() - begun >= LOG_S:
                self._log_rests = time.monotonic() + LOG_REST_S

    def _close_log(self) -> None:
        self._log = None
        with contextlib.suppress(OSError):
            self._log_file.close()


class _Revisions:
    """Takes the revisions of a window as events."""

    def __init__(self, logged: Callable[[Callable[[Events], None], int], None]) -> None:
        self._logged = logged

    def revised(self, record: Record, revision: Revision) -> None:
        self._logged(lambda log: log.revised(record, revision), len(revision.changes))


def _file(store: Store) -> tuple[int, int] | None:
    """What the path of a store leads to; None where it is in a server, or nothing is there."""
    if not isinstance(store.place, Path):
        return None
    try:
        found = store.place.stat()
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _text(error: Exception) -> str:
    return error.message if isinstance(error, ShadowError) else f"a bug in shadow: {where(error)}"


def _exchange(record: Record, trace_id: str | None, log: Events) -> None:
    log.exchange(record, trace_id)
