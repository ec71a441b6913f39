"""A run spread over processes: each has its share of the sessions, its loop and its segments.

A worker commits its outcomes together with how far it has got. So one that dies is replaced by
another, which goes on from there: nothing is lost and nothing counted twice.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Protocol

import msgspec

from shadow.captures import Broken, Share
from shadow.compare.noise import NoiseProfile
from shadow.errors import ShadowError, UnfinishedError
from shadow.events import Events, withdraw
from shadow.judge import Policy
from shadow.masking import NOTHING_MORE, Hidden, Masker
from shadow.replay.ledger import Ledger, cursor_of, is_kept
from shadow.replay.stopping import SIGNALS, Stop, heeding
from shadow.results.database import Place
from shadow.results.lock import held
from shadow.results.store import Store
from shadow.settle import Memory

_LAST_S: Final = 10.0
"""How long a worker that has said its last word may take to end."""
_DEATHS: Final = 3
"""Workers that may die one after the other without an outcome between them."""


class Job(Protocol):
    """What a run does, in one process or in each of several. Can be pickled."""

    @property
    def policy(self) -> Policy:
        """What is judged by."""

    @property
    def noise(self) -> NoiseProfile | None:
        """The profile that it judges by and may add to."""

    def work(self, ledger: Ledger, share: Share, stop: Stop) -> None:
        """Do a share of the run. Returns early once `stop` is requested."""


class RunFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run is kept: what each process of it needs to keep its part."""

    store: Place
    run_id: str
    events: str
    key: bytes
    """What the run masks under: its processes must agree on the marks, and no disk may know it."""
    no_values: bool = False
    hidden: Hidden = NOTHING_MORE
    strict: bool = False

    @property
    def masker(self) -> Masker:
        """A masker of the run."""
        return Masker(self.key, withhold=self.no_values, hidden=self.hidden)

    @contextlib.contextmanager
    def ledger(
        self,
        share: Share,
        noise: NoiseProfile | None,
        told: Callable[[Broken], None],
        progress: Callable[[int, int], None],
    ) -> Iterator[Ledger]:
        """Open the ledger of a share, in a process of its own."""
        with (
            Store.open(self.store, create=False) as store,
            held(store.place, self.run_id),
            Events.open(self.events, self.run_id) as events,
        ):
            yield Ledger(
                store=store,
                run_id=self.run_id,
                events=events,
                masker=self.masker,
                share=share,
                noise=noise,
                strict=self.strict,
                told=told,
                progress=progress,
            )


class _Kept(msgspec.Struct, frozen=True):
    """A worker has committed outcomes."""

    read: int
    divergent: int


class _Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The last word of a worker."""

    memory: Memory
    noise: NoiseProfile | None
    error: ShadowError | None = None


def work(
    job: Job,
    files: RunFiles,
    count: int,
    *,
    memory: Memory,
    told: Callable[[Broken], None],
    tell: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> None:
    """Do the job in processes; returns when every share is done, its memory in `memory`.

    What they learned of the noise is added to the job's profile. Raises KeyboardInterrupt when
    stopped by a signal, ShadowError for what ended a worker.
    """
    stop = Stop()
    workers = _Workers(job, files, count, tell)
    learned: list[NoiseProfile] = []
    with heeding(stop), workers:
        stop.then(workers.stop)
        for said in workers.listen():
            if isinstance(said, Broken):
                told(said)
            elif isinstance(said, _Kept):
                progress(said.read, said.divergent)
            else:
                memory.merge(said.memory)
                learned += [] if said.noise is None else [said.noise]
    if job.noise is not None:  # only now: one that was started meanwhile had to begin like them
        begun_with = NoiseProfile.from_json(job.noise.state())
        for noise in learned:
            job.noise.merge(noise, begun_with=begun_with)
    workers.recall(memory)
    if workers.error is not None:
        raise workers.error
    if stop.requested:
        raise KeyboardInterrupt


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, job: Job, files: RunFiles, share: Share) -> None:
        self.share = share
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(job, files, share, theirs))
        self.process.start()
        theirs.close()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send("stop")


class _Workers:
    """The workers of a run; each share has one until it is done."""

    def __init__(self, job: Job, files: RunFiles, count: int, tell: Callable[[str], None]) -> None:
        self.error: ShadowError | None = None
        self._job, self._files, self._tell = job, files, tell
        self._shares = [Share(index, count) for index in range(count)]
        self._workers: list[_Worker] = []
        self._deaths: dict[int, list[int]] = {}
        """By share, how many exchanges were kept at each death."""
        self._stopping = False

    def __enter__(self) -> None:
        self._workers = [_Worker(self._job, self._files, share) for share in self._shares]

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()

    def stop(self) -> None:
        """Let every worker end in order."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()

    def is_stopping(self) -> bool:
        """Whether they were told to end: a signal may come between any two lines."""
        return self._stopping

    def listen(self) -> Iterator[Broken | _Kept | _Ended]:
        """Yield what the workers say until all have ended; replace those that die."""
        while self._workers:
            pipes = {worker.pipe: worker for worker in self._workers}
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)
                worker = pipes[pipe]
                try:
                    said = pipe.recv()
                except (EOFError, OSError):
                    self._replace(worker)
                    continue
                yield said
                if isinstance(said, _Ended):
                    self._let_go(worker)
                    self._fail(said.error)

    def recall(self, memory: Memory) -> None:
        """Remember what can be read of what the dead ones had kept."""
        if not self._deaths:
            return
        with Store.open(self._files.store, create=False) as store:
            for record in store.records(self._files.run_id, divergent=True):
                share = self._shares[record.seq % len(self._shares)]
                deaths = self._deaths.get(share.index)
                if deaths and is_kept(record.seq, share, deaths[-1]):
                    memory.recall(record)

    def _let_go(self, worker: _Worker) -> None:
        worker.process.join(_LAST_S)
        worker.process.kill()  # it has nothing left to lose
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)

    def _fail(self, error: ShadowError | None) -> None:
        """Note the first error, and let the others end in order."""
        if error is not None and self.error is None:
            self.error = error
            self.stop()

    def _replace(self, worker: _Worker) -> None:
        """Go on with the share of a worker that died without a word."""
        self._let_go(worker)
        share, cause = worker.share, _cause(worker.process.exitcode)
        with Store.open(self._files.store, create=False) as store:
            kept = cursor_of(store.progress(self._files.run_id, share.index)).kept
        withdraw(self._files.events, self._files.run_id, lambda seq: is_kept(seq, share, kept))
        name = f"worker {share.index + 1} of {share.of}"
        deaths = self._deaths.setdefault(share.index, [])
        deaths.append(kept)
        if self._stopping:
            self._tell(f"{name} died ({cause}): what it had not committed is left to --resume")
            return
        if deaths[-_DEATHS:] == [kept] * _DEATHS:
            failure = f"{name} died {_DEATHS} times without an outcome between ({cause})"
            hint = f"free some memory, then: shadow replay --resume {self._files.run_id}"
            self._fail(UnfinishedError(failure, hint))
            return
        self._tell(f"{name} died ({cause}): another one goes on after {kept:,} exchanges")
        self._workers.append(_Worker(self._job, self._files, share))
        if self.is_stopping():  # since, by a signal
            self.stop()


def _cause(code: int | None) -> str:
    """What ended a process, in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


# What runs in a worker.


def _serve(job: Job, files: RunFiles, share: Share, pipe: Connection) -> None:
    """Do a share, and end early when the parent says so or is gone."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    stop = Stop(by_signals=False)
    threading.Thread(target=_heed, args=(pipe, stop), daemon=True).start()
    memory, error = Memory(), None
    try:
        with files.ledger(
            share, job.noise, pipe.send, lambda read, divergent: pipe.send(_Kept(read, divergent))
        ) as ledger:
            memory = ledger.memory
            try:
                job.work(ledger, share, stop)
            finally:
                ledger.flush(last=True)
    except BrokenPipeError:
        return  # the parent is gone: what was committed is resumed
    except ShadowError as caught:
        error = caught
    except Exception as caught:  # noqa: BLE001 - a bug: told once, and not tried again as if it had died
        error = _bug(caught)
    with contextlib.suppress(BrokenPipeError):
        pipe.send(_Ended(memory=memory, noise=job.noise, error=error))


def _bug(error: Exception) -> UnfinishedError:
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = " ".join(f"{Path(each.filename).name}:{each.lineno}" for each in reversed(frames))
    said = f"a bug in shadow, in a worker: {type(error).__name__}: {error}"
    return UnfinishedError(said, f"please report it, with: {places}")


def _heed(pipe: Connection, stop: Stop) -> None:
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    stop.request()
