"""The life of a run: outputs opened first, work done, results settled, exit code decided."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from shadow.errors import ConfigError, ShadowError, UnfinishedError
from shadow.events import Events
from shadow.masking import Masker
from shadow.replay.ledger import Ledger
from shadow.replay.progress import Progress
from shadow.reports import FORMATS
from shadow.results.runs import Run, RunInfo, RunState
from shadow.results.store import Store
from shadow.results.summary import FailOn, Summary, exit_code, summarise, without_values

INTERRUPTED = 130


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Where the results of a run go, and what its exit code says."""

    store: str
    events: str | None = None
    reports: dict[str, str] = {}
    as_json: bool = False
    quiet: bool = False
    no_values: bool = False
    fail_on: FailOn = "divergence"
    since: str | None = None
    on_inconclusive: Literal["fail", "pass"] = "fail"
    strict: bool = False


Work = Callable[[Ledger], None]
"""Does the run. Raises KeyboardInterrupt when stopped, UnfinishedError when it cannot go on."""


def conduct(info: RunInfo, output: Output, work: Work, *, total: int | None = None) -> int:
    """Do the work of one run and return the exit code.

    What was kept before an interruption or a failure is committed and reported all the same.
    """
    _check_reports(output.reports)
    with Store.open(output.store) as store:
        known = known_signatures(store, info, output)
        run_id = store.start_run(info)
        path = output.events or str(store.path.parent / f"{run_id}.events.jsonl")
        with Events.open(path, run_id) as events:
            started = time.monotonic()
            events.run_started(_started_fields(info))
            ended = _do(work, store, run_id, events, output, total)
            run = store.load(run_id)
            code = _code(ended, run, output, known)
            duration = time.monotonic() - started
            run = store.finish_run(
                run_id, state=ended.state, exit_code=code, duration_s=round(duration, 3)
            )
            summary = summarise(run, exit_code=code, store=str(store.path), events=path)
            events.run_finished(_finished_fields(summary))
    _deliver(summary, output)
    if ended.error is not None:
        raise ended.error
    return code


class _Ended(msgspec.Struct, frozen=True):
    state: RunState
    error: ShadowError | None = None


def _do(
    work: Work, store: Store, run_id: str, events: Events, output: Output, total: int | None
) -> _Ended:
    """Do the work; whatever ends it, commit what was kept."""
    with Progress(total, shown=not output.quiet) as bar:
        ledger = Ledger(
            store=store,
            run_id=run_id,
            events=events,
            masker=Masker(withhold=output.no_values),
            strict=output.strict,
            told=bar.tell,
            progress=bar.show,
        )
        try:
            work(ledger)
            ledger.flush()
        except KeyboardInterrupt:
            ledger.flush()
            return _Ended("interrupted")
        except ShadowError as error:
            with contextlib.suppress(UnfinishedError):
                ledger.flush()
            return _Ended("failed", error)
    return _Ended("finished")


def known_signatures(store: Store, info: RunInfo, output: Output) -> frozenset[str]:
    """The signatures that are not new: those of `--since`, else of the last run of the capture."""
    if output.fail_on != "new":
        return frozenset()
    if output.since is not None:
        before: Run | None = store.load(output.since)
    else:
        finished = [run for run in store.runs(digest=info.digest) if run.state == "finished"]
        before = store.load(finished[0].id) if finished else None
    if before is None:
        return frozenset()
    found = before.tally.findings
    return frozenset(finding.signature for finding in found if finding.verdict == "divergent")


def _code(ended: _Ended, run: Run, output: Output, known: frozenset[str]) -> int:
    if ended.state == "interrupted":
        return INTERRUPTED
    if ended.error is not None:
        return ended.error.exit_code
    code = exit_code(run.tally, output.fail_on, known=known)
    return 0 if code == 3 and output.on_inconclusive == "pass" else code


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


_COUNTS = (
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


def _finished_fields(summary: Summary) -> dict[str, object]:
    return {name: getattr(summary, name) for name in _COUNTS}


def _check_reports(reports: dict[str, str]) -> None:
    """Refuse a report that cannot be written before any work is done."""
    for form, path in reports.items():
        if form not in FORMATS:
            raise ConfigError(
                f"--report {form}={path}: unknown format {form}", f"known are {', '.join(FORMATS)}"
            )
        folder = Path(path).resolve().parent
        if not folder.is_dir():
            raise ConfigError(f"--report {form}={path}: {folder} is no directory", "make it first")
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"--report {form}={path}: {folder} cannot be written to", "")


def _deliver(summary: Summary, output: Output) -> None:
    """Reports to their files, human text to stderr, data to stdout."""
    if output.no_values:
        summary = without_values(summary)
    for form, path in output.reports.items():
        write_report(FORMATS[form](summary), path)
    if output.as_json:
        sys.stdout.write(FORMATS["json"](summary))
        sys.stdout.flush()
    if not output.quiet:
        from shadow.reports import terminal

        sys.stderr.write(terminal.render(summary, width=_width(), color=sys.stderr.isatty()))


def _width() -> int:
    try:
        return max(60, min(140, os.get_terminal_size(sys.stderr.fileno()).columns))
    except (OSError, ValueError):
        return 100


def write_report(text: str, path: str) -> None:
    """Write a report whole or not at all, mode 0600. Raises UnfinishedError."""
    part = Path(f"{path}.part")
    try:
        with _opened(part) as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnfinishedError(
            f"cannot write report {path}: {error.strerror}",
            "the run is in the store: shadow report writes it again",
        ) from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[object]:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        yield file
