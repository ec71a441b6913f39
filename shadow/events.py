"""structlog, one JSON object a line: the run's milestones and every divergence."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
import structlog

from shadow.errors import ShadowError, UnfinishedError
from shadow.model import Divergence, Verdict
from shadow.results.record import Record, Revision

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


class Events:
    """The event log of one run."""

    def __init__(self, stream: BinaryIO, run_id: str, *, close: bool = True) -> None:
        self._stream = stream
        self._close = close
        self._log = structlog.wrap_logger(
            structlog.BytesLogger(stream),
            processors=[_common, _render],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
            run_id=run_id,
        )

    @classmethod
    def open(cls, path: str, run_id: str) -> Self:
        """Write to a new file with mode 0600, or to stdout for `-`. Raises ShadowError."""
        if path == "-":
            return cls(sys.stdout.buffer, run_id, close=False)
        try:
            target = Path(path)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.touch(mode=0o600)
            stream = target.open("ab")
        except OSError as error:
            raise ShadowError(
                f"cannot write events to {path}: {error.strerror}", "choose another --events PATH"
            ) from None
        return cls(stream, run_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file; stdout stays open."""
        if self._close:
            self._stream.close()

    def _emit(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        try:
            getattr(self._log, level)(event, **fields)
        except BrokenPipeError:
            raise UnfinishedError("the reader of the events has gone away") from None
        except OSError as error:
            raise UnfinishedError(
                f"cannot write events: {error.strerror}",
                "free some space, then run again; what was done is in the store",
            ) from None

    def run_started(self, fields: Mapping[str, Any]) -> None:
        """The run begins: captures, targets, options."""
        self._emit("info", "shadow.run.started", fields)

    def run_finished(self, fields: Mapping[str, Any]) -> None:
        """The run has ended: the settled counts and the exit code."""
        self._emit("info", "shadow.run.finished", fields)

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

    def exchange(self, record: Record) -> None:
        """What is to be said of one judged exchange: nothing for a match."""
        for divergence in record.divergences:
            self._emit(
                _LEVELS[divergence.verdict],
                "shadow.divergence",
                divergence_fields(record, divergence),
            )
        if record.outcome == "incomparable":
            self._emit("warning", "shadow.exchange.incomparable", exchange_fields(record))
        elif record.outcome == "skipped" and record.reason not in _COUNTED_ONLY:
            self._emit("info", "shadow.exchange.skipped", exchange_fields(record))


_COUNTED_ONLY = frozenset({"sampled-out", "filtered", "shed"})


def exchange_fields(record: Record) -> dict[str, Any]:
    """The fields that name an exchange, and why it ended where it did."""
    return {
        "exchange_id": record.exchange_id,
        "session": record.session,
        "endpoint": record.endpoint,
        "method": record.method,
        "target": record.target,
        "reason": record.reason,
    }


def divergence_fields(record: Record, divergence: Divergence) -> dict[str, Any]:
    """The fields of one `shadow.divergence`."""
    return {
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
        "trace_id": None,
    }
