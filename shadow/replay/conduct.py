"""The life of a run: outputs opened first, work done, results settled, exit code decided."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.errors import ShadowError, UnfinishedError
from shadow.events import Events
from shadow.judge import Policy
from shadow.masking import Masker
from shadow.replay.delivery import Output, check_reports, deliver
from shadow.replay.ledger import Ledger
from shadow.replay.progress import Progress
from shadow.results.record import Record
from shadow.results.runs import Run, RunInfo, RunState, new_run_id
from shadow.results.store import Store
from shadow.results.summary import exit_code, summarise
from shadow.settle import places_to_settle, settle

INTERRUPTED: Final = 130
INCONCLUSIVE: Final = 3
SIGNATURES_AT_ONCE: Final = 200

Work = Callable[[Ledger], None]
"""Does the run. Raises KeyboardInterrupt when stopped, UnfinishedError when it cannot go on."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What exchanges are judged by, for the settling at the end."""

    policy: Policy
    noise: NoiseProfile | None = None


def conduct(
    info: RunInfo, output: Output, work: Work, judged: Judged, *, total: int | None = None
) -> int:
    """Do the work of one run and return the exit code.

    What was kept before an interruption or a failure is committed and reported all the same.
    """
    check_reports(output.reports)
    with Store.open(output.store) as store:
        known = known_signatures(store, info, output)
        run_id = new_run_id()
        path = output.events or str(store.path.parent / f"{run_id}.events.jsonl")
        run_id = store.start_run(msgspec.structs.replace(info, id=run_id, events=path))
        with Events.open(path, run_id) as events, Progress(total, shown=not output.quiet) as bar:
            started = time.monotonic()
            events.run_started(_started_fields(info))
            ledger = Ledger(
                store=store,
                run_id=run_id,
                events=events,
                masker=Masker(withhold=output.no_values),
                strict=output.strict,
                told=bar.tell,
                progress=bar.show,
            )
            state, error = _do(work, ledger)
            _settle(store, run_id, ledger, judged, events)
            run = store.load(run_id)
            code = _code(state, error, run, output, known)
            duration = round(time.monotonic() - started, 3)
            run = store.finish_run(run_id, state=state, exit_code=code, duration_s=duration)
            summary = summarise(run, code=code, store=str(store.path))
            events.run_finished({name: getattr(summary, name) for name in _COUNTS})
    deliver(summary, output)
    if error is not None:
        raise error
    return code


def _do(work: Work, ledger: Ledger) -> tuple[RunState, ShadowError | None]:
    """Do the work; whatever ends it, commit what was kept."""
    try:
        work(ledger)
        ledger.flush()
    except KeyboardInterrupt:
        ledger.flush()
        return "interrupted", None
    except ShadowError as error:
        with contextlib.suppress(UnfinishedError):
            ledger.flush()
        return "failed", error
    return "finished", None


def _settle(store: Store, run_id: str, ledger: Ledger, judged: Judged, events: Events) -> None:
    """Revise what is known only now: in the store, and an event for each revision."""
    classes = ledger.corpus.classes()
    signatures = sorted(places_to_settle(ledger.tally.findings, classes, judged.noise))
    seen: set[int] = set()
    for start in range(0, len(signatures), SIGNATURES_AT_ONCE):
        batch = signatures[start : start + SIGNATURES_AT_ONCE]
        records = [
            record for record in store.records(run_id, signatures=batch) if record.seq not in seen
        ]
        seen.update(record.seq for record in records)
        revisions = list(settle(records, ledger.raw, classes, judged.noise, judged.policy))
        if not revisions:
            continue
        store.revise(run_id, revisions)
        by_seq: dict[int, Record] = {record.seq: record for record in records}
        for revision in revisions:
            events.revised(by_seq[revision.seq], revision)


def known_signatures(store: Store, info: RunInfo, output: Output) -> frozenset[str]:
    """The signatures that are not new: those of `--since`, else of the last run of the capture."""
    if output.fail_on != "new":
        return frozenset()
    if output.since is not None:
        before: Run | None = store.load(output.since)
    else:
        finished = [run for run in store.runs(digest=info.digest) if run.state == "finished"]
        before = store.load(finished[0].id) if finished and info.digest else None
    if before is None:
        return frozenset()
    found = before.tally.findings
    return frozenset(finding.signature for finding in found if finding.verdict == "divergent")


def _code(
    state: RunState, error: ShadowError | None, run: Run, output: Output, known: frozenset[str]
) -> int:
    if state == "interrupted":
        return INTERRUPTED
    if error is not None:
        return error.exit_code
    code = exit_code(run.tally, output.fail_on, known=known)
    if code != 1 and any(rule.expired(today()) for rule in run.info.accept):
        return 1
    return 0 if code == INCONCLUSIVE and output.on_inconclusive == "pass" else code


def today() -> date:
    """The day on which acceptance rules are checked, in UTC."""
    return datetime.now(UTC).date()


def _started_fields(info: RunInfo) -> dict[str, object]:
    return {
        "command": info.command,
        "captures": list(info.captures),
        "digest": info.digest,
        "baseline": msgspec.to_builtins(info.baseline),
        "candidate": msgspec.to_builtins(info.candidate),
        "options": info.options,
        "versions": info.versions,
    }


_COUNTS: Final = (
    "read",
    "match",
    "equivalent",
    "divergent",
    "incomparable",
    "skipped",
    "hollow",
    "broken",
    "divergences",
    "signatures",
    "duration_s",
    "exit_code",
)
