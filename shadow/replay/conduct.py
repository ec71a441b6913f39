"""The life of a run: outputs opened first, work done, results settled, exit code decided."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from shadow.captures import WHOLE, Share
from shadow.errors import ShadowError, UnfinishedError
from shadow.events import Events, withdraw
from shadow.masking import Masker
from shadow.replay.delivery import Output, check_outputs, deliver
from shadow.replay.hooks import HookLog, hook_log_path
from shadow.replay.ledger import BrokenLines, Ledger, cursor_of, is_kept
from shadow.replay.progress import Progress
from shadow.replay.stopping import Stop
from shadow.replay.telling import tell
from shadow.replay.usage import NO_USAGE, ServiceUsage
from shadow.replay.workers import Job, RunFiles, work
from shadow.reports.show import readable_path
from shadow.results.drift import divergent_signatures
from shadow.results.gates.verdicts import GateResult
from shadow.results.gates.verdicts import exit_code as gate_code
from shadow.results.lock import held
from shadow.results.resolve import judged_in, load_run
from shadow.results.runs import Run, RunInfo, RunState, new_run_id
from shadow.results.store import Store
from shadow.results.summary import COUNTS, Summary, exit_code, summarise
from shadow.rollout.gating import (
    GatePlan,
    Known,
    announce,
    judge_run,
    known_findings,
    previous_run,
)
from shadow.settle import Memory
from shadow.settling import settle_run

INTERRUPTED: Final = 130
INCONCLUSIVE: Final = 3
UNFINISHED: Final = UnfinishedError.exit_code


def conduct(
    info: RunInfo,
    output: Output,
    job: Job,
    *,
    workers: int = 1,
    total: int | None = None,
    usage: ServiceUsage = NO_USAGE,
    hooks: Callable[[HookLog, bool], contextlib.AbstractContextManager[None]] | None = None,
) -> int:
    """Do the work of one run and return the exit code. An `info` with an id is a run that goes on.

    `hooks` are told whether an earlier process of it has sent anything.
    What was kept before an interruption or a failure is committed and reported all the same.
    """
    check_outputs(output, info.captures)
    with Store.open(output.store) as store, contextlib.ExitStack() as stack:
        known = known_signatures(store, info, output)
        before = known_findings(store, info, output.gate.criteria) if output.gate else Known()
        info, files = _start_or_resume(store, stack, info, output, workers)
        ending = _Ending(store, info, usage)
        with (
            ending.finished_on_error(),
            usage,
            Events.open(files.events, info.id) as events,
            Progress(total, shown=not output.quiet) as bar,
        ):
            memory = Memory()
            with ending.noted():
                events.run_started(info)
                usage.begin()
                log = HookLog(hook_log_path(store, info.id), files.masker)
                begun = _has_begun(store, info.id, workers)
                around = contextlib.nullcontext() if hooks is None else hooks(log, begun)
                with around, ending.noted():
                    _do(job, files, workers, _Place(store, events, memory, ending, bar))
            usage.end()
            with ending.noted():
                settle_run(store, events, info.id, memory, noise=job.noise, policy=job.policy)
            with ending.noted():
                ending.gate = _gate(ending, store.load(info.id), output.gate, before)
            summary = _conclude(ending, store.load(info.id), events, output, known)
    with ending.noted():
        deliver(summary, output)
    if ending.gate is not None and output.gate is not None and ending.state == "finished":
        announce(ending.gate, output.gate.webhook, tell)
    if ending.error is not None:
        if ending.state != "interrupted":
            raise ending.error
        tell(ending.error.message)
    return INTERRUPTED if ending.state == "interrupted" else summary.exit_code


def _start_or_resume(
    store: Store, stack: contextlib.ExitStack, info: RunInfo, output: Output, workers: int
) -> tuple[RunInfo, RunFiles]:
    """Enter a new run in the store, or that an old one goes on, and hold its lock."""
    if info.id:
        stack.enter_context(held(store.place, info.id, alone=True))
        path = output.events or info.events
        info = store.resume_run(info.id)
        _take_back(store, info.id, path, workers)
    else:
        run_id = new_run_id()
        path = output.events or str(store.events_path(run_id))
        shown = readable_path(path)
        info = msgspec.structs.replace(info, id=run_id, events=shown)
        info = info.masked(Masker(hidden=output.hidden))
        info = msgspec.structs.replace(info, id=store.start_run(info))
        stack.enter_context(held(store.place, info.id))
    files = RunFiles(
        store=store.place,
        run_id=info.id,
        events=path,
        key=os.urandom(32),
        no_values=output.no_values,
        hidden=output.hidden,
        strict=output.strict,
    )
    return info, files


def _has_begun(store: Store, run_id: str, workers: int) -> bool:
    """Whether an earlier process of the run has sent anything."""
    known = [store.progress(run_id, index) for index in range(workers)]
    return any(each.sent or not cursor_of(each).at_start for each in known)


def _take_back(store: Store, run_id: str, path: str, workers: int) -> None:
    """Take back the events of what a killed process of the run had not committed."""
    shares = [Share(index, workers) for index in range(workers)]
    kept = [cursor_of(store.progress(run_id, share.index)).kept for share in shares]

    def stays(seq: int) -> bool:
        return is_kept(seq, shares[seq % workers], kept[seq % workers])

    withdraw(path, run_id, stays)


@dataclass(frozen=True, slots=True)
class _Place:
    """What the work of a run is done with, in this process."""

    store: Store
    events: Events
    memory: Memory
    ending: _Ending
    bar: Progress

    def progress(self, read: int, divergent: int) -> None:
        """Take that so many more exchanges have been kept."""
        self.bar.add(read, divergent)
        self.ending.usage.kept += read


def _do(job: Job, files: RunFiles, workers: int, place: _Place) -> None:
    """Do the work here, or in as many other processes."""
    told = BrokenLines(tell).broken
    for record in place.store.records(files.run_id, divergent=True):  # of an earlier process
        place.memory.recall(record)
    if workers > 1:
        work(
            job,
            files,
            workers,
            memory=place.memory,
            told=told,
            tell=tell,
            progress=place.progress,
        )
        return
    ledger = Ledger(
        store=place.store,
        run_id=files.run_id,
        events=place.events,
        masker=files.masker,
        memory=place.memory,
        noise=job.noise,
        strict=files.strict,
        told=told,
        progress=place.progress,
    )
    stop = Stop()
    with place.ending.noted():
        job.work(ledger, WHOLE, stop)
    if place.ending.state == "interrupted":
        return  # at once, in the middle of anything: what is half kept is left to --resume
    with place.ending.noted():
        ledger.flush(last=True)
        if stop.requested:
            raise KeyboardInterrupt


class _Ending:
    """How a run ends: `finished`, unless one of its parts says otherwise."""

    def __init__(self, store: Store, info: RunInfo, usage: ServiceUsage) -> None:
        self.store = store
        self.usage = usage
        self._run_id = info.id
        self._before_s = info.duration_s or 0.0
        self.state: RunState = "finished"
        self.error: ShadowError | None = None
        """The first one."""
        self.gate: GateResult | None = None
        """What the gate said, where one was asked."""
        self.failures = 0
        self._started = time.monotonic()

    @property
    def duration_s(self) -> float:
        """Seconds since the start, and those of earlier processes of the run."""
        return round(self._before_s + time.monotonic() - self._started, 3)

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note what ends a part of the run, and go on to the next part."""
        try:
            yield
        except KeyboardInterrupt:
            self.state = "interrupted"
        except ShadowError as error:
            self.failures += 1
            self.error = self.error or error
            if self.state == "finished":
                self.state = "failed"

    @contextlib.contextmanager
    def finished_on_error(self) -> Iterator[None]:
        """Enter in the store that the run has ended where something unforeseen ends it."""
        try:
            yield
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            self.state = "interrupted" if interrupted else "failed"
            code = INTERRUPTED if interrupted else getattr(error, "exit_code", UNFINISHED)
            with contextlib.suppress(ShadowError):
                self.finish(code)
            raise

    def finish(self, code: int) -> Run:
        """Enter the end in the store. Raises UnfinishedError."""
        return self.store.finish_run(
            self._run_id,
            state=self.state,
            exit_code=code,
            duration_s=self.duration_s,
            resources=self.usage.resources(),
        )


def _conclude(
    ending: _Ending, run: Run, events: Events, output: Output, known: frozenset[str]
) -> Summary:
    """Enter how the run ended, in the store and as the last event."""
    for _ in range(2):  # the entry itself may fail, which is then to be entered
        before = ending.failures
        if ending.state != "finished":  # since the gate was asked: what it said does not hold
            ending.gate = None
        code = _code(ending, run, output, known)
        info = msgspec.structs.replace(
            run.info, state=ending.state, exit_code=code, duration_s=ending.duration_s
        )
        run = Run(info=info, tally=run.tally)
        with ending.noted():
            ending.store.note_gate(info.id, ending.gate)
            run = ending.finish(code)
        judged = None
        with ending.noted():
            judged = judged_in(ending.store, run)
            ending.store.keep_judged(run.info.id, judged)
        path = readable_path(str(ending.store.place))
        summary = summarise(run, judged=judged, code=code, store=path)
        if ending.failures == before:
            with ending.noted():
                if ending.gate is not None:
                    events.gate_evaluated(ending.gate)
                events.run_finished({name: getattr(summary, name) for name in COUNTS})
        if ending.failures == before:
            break
        ending.store.close()  # its log is emptied, which makes room on a full disk
    return summary


def _gate(ending: _Ending, run: Run, plan: GatePlan | None, known: Known) -> GateResult | None:
    """Ask the gate about a run that has come to its end."""
    if plan is None or ending.state != "finished":
        return None
    info = msgspec.structs.replace(
        run.info,
        state=ending.state,
        duration_s=ending.duration_s,
        resources=ending.usage.resources(),
    )
    ended = Run(info=info, tally=run.tally)
    ending.store.keep_judged(info.id, judged_in(ending.store, ended))
    return judge_run(ending.store, ended, plan, known)


def known_signatures(store: Store, info: RunInfo, output: Output) -> frozenset[str]:
    """The signatures that are not new: those of `--since`, else of the last run of the capture."""
    if output.fail_on != "new":
        return frozenset()
    if output.since is not None:
        before: Run | None = load_run(output.since, store.place, evidence=False).run
    else:
        before = previous_run(store, info)
    return frozenset() if before is None else divergent_signatures(before.tally)


def _code(ending: _Ending, run: Run, output: Output, known: frozenset[str]) -> int:
    if ending.state == "interrupted":
        return INTERRUPTED
    if ending.error is not None:
        return ending.error.exit_code
    if ending.gate is not None:
        return gate_code(ending.gate, output.on_inconclusive)
    code = exit_code(run.tally, output.fail_on, known=known)
    expired = any(rule.expired(run.day) for rule in run.info.accept)
    if expired and output.fail_on != "never":
        return 1
    return 0 if code == INCONCLUSIVE and output.on_inconclusive == "pass" else code


def today() -> date:
    """The day on which acceptance rules are checked, in UTC."""
    return datetime.now(UTC).date()
