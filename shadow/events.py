"""structlog, one JSON object a line: the run's milestones and every divergence."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import msgspec
import structlog

from shadow.errors import ShadowError, UnfinishedError
from shadow.model import Divergence, Verdict
from shadow.results.gates.verdicts import GateResult
from shadow.results.record import Record, Revision
from shadow.results.routes import RouteChange, RouteState
from shadow.results.runs import RunInfo

_ELSEWHERE = "choose another --events PATH"
_LEVELS: dict[Verdict, str] = {
    "divergent": "warning",
    "noise": "info",
    "accepted": "info",
    "equivalent": "info",
}


def _common(_: Any, method: str, event: Any) -> Any:
    """What all events carry."""
    now = datetime.now(UTC)
    return {
        "event": event.pop("event"),
        "v": 1,
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": method,
        **event,
    }


def _render(_: Any, __: str, event: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(event)


def _lock(stream: BinaryIO | io.FileIO, kind: int) -> None:
    """Let no other process write to the file meanwhile (fcntl(2), let go of however we end)."""
    try:
        fcntl.lockf(stream, kind)
    except OSError:
        return  # a pipe of a system that locks none


def _appending(path: Path, *, waits: bool) -> io.FileIO:
    """Open a file at its end; a named pipe without a reader `waits` for one. Raises OSError."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags if waits else flags | os.O_NONBLOCK)

    stream = io.FileIO(path, "a", opener=opener)
    os.set_blocking(stream.fileno(), True)
    return stream


class _WholeLines:
    """A stream that takes whole lines only; of a file, what is not whole is taken back.

    With `patience_s` a pipe of which nobody reads is waited for so long, else for ever.
    """

    def __init__(self, stream: BinaryIO | io.FileIO, patience_s: float | None = None) -> None:
        self._stream = stream
        self._patience_s = patience_s

    def write(self, line: bytes) -> int:
        """Write one line and let nothing wait. Raises OSError."""
        _lock(self._stream, fcntl.LOCK_EX)
        try:
            return self._write(line)
        finally:
            _lock(self._stream, fcntl.LOCK_UN)

    def _write(self, line: bytes) -> int:
        done = 0
        # What a pipe that can be written to takes without waiting.
        at_once = len(line) if self._patience_s is None else select.PIPE_BUF
        try:
            while done < len(line):  # an unbuffered stream may take less than all
                self._wait()
                done += self._stream.write(line[done : done + at_once]) or 0
                self._stream.flush()
        except OSError:
            if isinstance(self._stream, io.FileIO):
                with contextlib.suppress(OSError):  # a pipe cannot be cut
                    self._stream.truncate(os.fstat(self._stream.fileno()).st_size - done)
            raise
        return done

    def _wait(self) -> None:
        """Wait until the stream can be written to. Raises TimeoutError."""
        if self._patience_s is None:
            return
        poll = select.poll()
        poll.register(self._stream, select.POLLOUT)
        if not poll.poll(self._patience_s * 1000):
            raise TimeoutError(errno.ETIMEDOUT, "their reader takes nothing")

    def flush(self) -> None:
        """Nothing waits."""


class Events:
    """The event log of one run. After one that could not be written there are no others."""

    def __init__(self, stream: _WholeLines, run_id: str) -> None:
        self._log = structlog.wrap_logger(
            structlog.BytesLogger(cast("BinaryIO", stream)),
            processors=[_common, _render],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
            run_id=run_id,
        )
        self._ended = False

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str, run_id: str, *, patience_s: float | None = None) -> Iterator[Self]:
        """Append to a file, made with mode 0600, or write to stdout for `-`.

        Other processes of the run may write there too: whole lines, in turns. A reader that
        takes nothing is waited for, or with `patience_s` so many seconds for each line. Raises
        ShadowError where there is no such place, and then also for a pipe that has no reader.
        """
        if path == "-":
            if sys.stdout is None:
                raise ShadowError("cannot write events to stdout: it is closed", _ELSEWHERE)
            yield cls(_WholeLines(sys.stdout.buffer, patience_s), run_id)
            return
        try:
            target = Path(path)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.touch(mode=0o600)
            stream = _appending(target, waits=patience_s is None)
        except OSError as error:
            why = "nobody reads from it" if error.errno == errno.ENXIO else error.strerror
            raise ShadowError(f"cannot write events to {path}: {why}", _ELSEWHERE) from None
        with stream:
            yield cls(_WholeLines(stream, patience_s), run_id)

    def _emit(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        if self._ended:
            return
        try:
            getattr(self._log, level)(event, **fields)
        except BrokenPipeError:
            self._ended = True
            raise UnfinishedError(
                "the reader of the events has gone away",
                "give --events a file; what was done is in the store",
            ) from None
        except OSError as error:
            self._ended = True
            raise UnfinishedError(
                f"cannot write events: {error.strerror}",
                "free some space, then run again; what was done is in the store",
            ) from None

    def run_started(self, info: RunInfo) -> None:
        """The run begins: captures, targets, options."""
        self._emit("info", "shadow.run.started", started_fields(info))

    def run_finished(self, fields: Mapping[str, Any]) -> None:
        """The run has ended: the settled counts and the exit code."""
        self._emit("info", "shadow.run.finished", fields)

    def gate_evaluated(self, result: GateResult) -> None:
        """A gate has said what it says of the run."""
        level = "info" if result.verdict == "pass" else "warning"
        self._emit(level, "shadow.gate.evaluated", gate_fields(result))

    def route_changed(self, state: RouteState) -> None:
        """A route is served otherwise than before: by an operator's word, or a guard's."""
        self._emit("info", "shadow.route.changed", route_fields(state))

    def rollback(self, fields: Mapping[str, Any]) -> None:
        """A guard has set a route to Go; `fields` are those of `rollback_fields`."""
        self._emit("error", "shadow.rollback", fields)

    def revised(self, record: Record, revision: Revision) -> None:
        """What the end of the run makes of an exchange: an event a changed divergence."""
        for change in revision.changes:
            divergence = record.divergences[change.position]
            self._emit(
                _LEVELS[change.verdict],
                "shadow.divergence.revised",
                {
                    "exchange_id": record.exchange_id,
                    "where": divergence.where,
                    "path": divergence.path,
                    "signature": divergence.signature,
                    "class": change.class_id,
                    "severity": change.severity,
                    "verdict": change.verdict,
                    "rule": change.rule,
                },
            )

    def exchange(self, record: Record, trace_id: str | None = None) -> None:
        """What is to be said of one judged exchange: nothing for a match.

        `trace_id` is the trace it was seen in, 32 hex digits.
        """
        for divergence in record.divergences:
            self._emit(
                _LEVELS[divergence.verdict],
                "shadow.divergence",
                divergence_fields(record, divergence, trace_id),
            )
        if record.outcome == "incomparable":
            self._emit("warning", "shadow.exchange.incomparable", exchange_fields(record))
        elif record.outcome == "skipped" and record.reason not in _COUNTED_ONLY:
            self._emit("info", "shadow.exchange.skipped", exchange_fields(record))


def withdraw(path: str, run_id: str, is_kept: Callable[[int], bool]) -> int:
    """Take back the events of a run's exchanges that a killed process had not committed.

    `is_kept` tells whether the exchange with a `seq` is in the store. Returns how many were
    taken back; a line cut short counts as one. Other runs' events in the file stay, and what
    went into a pipe. Raises ShadowError where the file cannot be changed.
    """
    of_exchange = re.compile(
        rb'\{"event":"shadow\.(?:divergence|exchange\.[a-z]+)","v":1,"timestamp":"[^"]*",'
        rb'"level":"[a-z]+","run_id":"%b","seq":([0-9]+)' % re.escape(run_id.encode())
    )

    def stays(line: bytes) -> bool:
        found = of_exchange.match(line)
        return line.endswith(b"\n") and (found is None or is_kept(int(found[1])))

    file = Path(path)
    if path == "-" or not file.is_file():
        return 0
    try:
        with file.open("rb+") as log:
            _lock(log, fcntl.LOCK_EX)  # let go of when it is closed
            return _withdraw(log, stays)
    except OSError as error:
        raise ShadowError(f"cannot mend {path}: {error.strerror}", _ELSEWHERE) from None


def _withdraw(log: BinaryIO, stays: Callable[[bytes], bool]) -> int:
    """Find the first line to take back, and write again what stays of those behind it."""
    start = 0
    for line in log:
        if not stays(line):
            break
        start += len(line)
    else:
        return 0
    log.seek(start)
    lines = list(log)
    kept = [line for line in lines if stays(line)]
    log.seek(start)
    log.writelines(kept)
    log.truncate()
    return len(lines) - len(kept)


def started_fields(info: RunInfo) -> dict[str, Any]:
    """The fields of one `shadow.run.started`."""
    sides = (("baseline", info.baseline_build), ("candidate", info.candidate_build))
    builds = {side: build.version for side, build in sides if build.version}
    return {
        "command": info.command,
        "captures": list(info.captures),
        "digest": info.digest,
        "baseline": msgspec.to_builtins(info.baseline),
        "candidate": msgspec.to_builtins(info.candidate),
        "options": info.options,
        "versions": {**info.versions, **builds},
    }


def gate_fields(result: GateResult) -> dict[str, Any]:
    """The fields of one `shadow.gate.evaluated`."""
    return {
        "phase": result.phase,
        "verdict": result.verdict,
        "criteria": msgspec.to_builtins(result.criteria),
    }


_COUNTED_ONLY = frozenset({"sampled-out", "filtered", "shed"})


def route_fields(state: RouteState) -> dict[str, Any]:
    """The fields of one `shadow.route.changed`."""
    return {
        "route": state.route,
        "latched": state.latched,
        "percent": state.percent,
        "reason": state.reason,
        "by": state.by,
        "revision": state.revision,
    }


def rollback_fields(change: RouteChange) -> dict[str, Any]:
    """The fields of one `shadow.rollback`, for the log and for the webhook."""
    return {
        "route": change.route,
        "guard": change.by.partition(":")[2],
        "reason": change.reason,
        "version": change.version,
        "evidence": change.evidence,
    }


def exchange_fields(record: Record) -> dict[str, Any]:
    """The fields that name an exchange, and why it ended where it did."""
    return {
        "seq": record.seq,
        "exchange_id": record.exchange_id,
        "session": record.session,
        "endpoint": record.endpoint,
        "method": record.method,
        "target": record.target,
        "reason": record.reason,
    }


def divergence_fields(
    record: Record, divergence: Divergence, trace_id: str | None
) -> dict[str, Any]:
    """The fields of one `shadow.divergence`."""
    return {
        "seq": record.seq,
        "exchange_id": record.exchange_id,
        "session": record.session,
        "endpoint": record.endpoint,
        "method": record.method,
        "target": record.target,
        "where": divergence.where,
        "kind": divergence.kind,
        "path": divergence.path,
        "path_pattern": divergence.path_pattern,
        "class": divergence.class_id,
        "severity": divergence.severity,
        "verdict": divergence.verdict,
        "rule": divergence.rule,
        "wrong_side": divergence.wrong_side,
        "unstable": divergence.unstable,
        "baseline": divergence.baseline,
        "candidate": divergence.candidate,
        "signature": divergence.signature,
        "trace_id": trace_id,
    }
