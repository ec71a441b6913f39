"""The records of a run's captures, or of one share of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from shadow.captures import STDIN, Broken, Record, Share, Unsupported, read
from shadow.errors import ConfigError
from shadow.model import Exchange
from shadow.replay.options import Join
from shadow.replay.pairing import key_of

Key = Callable[[Exchange | Unsupported], str | bytes]
"""What decides on the share of a record."""


def _session(record: Exchange | Unsupported) -> str:
    return (isinstance(record, Exchange) and record.session) or record.id


def records(captures: Sequence[str], share: Share, limit: int | None) -> Iterator[Record]:
    """Yield the share's records of the first `limit` exchanges, broken lines aside.

    A session is in one share, which keeps its order; an exchange without one goes by its id.
    The captures are opened at the call. Raises CaptureError.
    """
    found = read(captures)
    if limit is not None:
        found = _first(found, limit)
    return _own(found, share, _session)


def shared(capture: str, share: Share, join: Join) -> Iterator[Record]:
    """Yield the share's records of one side of a diff: both sides of a pair are in one share.

    Raises CaptureError.
    """
    return _own(read([capture]), share, lambda record: key_of(record, join))


def _own(found: Iterator[Record], share: Share, key: Key) -> Iterator[Record]:
    if share.of == 1:
        return found
    return (
        record
        for position, record in enumerate(found)
        if share.takes(str(position) if isinstance(record, Broken) else key(record))
    )


def _first(found: Iterator[Record], limit: int) -> Iterator[Record]:
    """Yield records up to the exchange that is one too many."""
    for record in found:
        if not isinstance(record, Broken):
            if not limit:
                return
            limit -= 1
        yield record


def beginning(captures: Sequence[str]) -> datetime | None:
    """When the first exchange that has a time was recorded. Raises CaptureError."""
    for record in read(captures):
        if isinstance(record, Exchange) and record.ts is not None:
            return record.ts
    return None


def check_files(captures: Sequence[str]) -> None:
    """Refuse what several processes cannot read, each for itself. Raises ConfigError.

    Raises CaptureError for what nobody can read.
    """
    for path in captures:
        if path == STDIN or Path(path).is_fifo():
            raise ConfigError(
                f"{path}: a pipe cannot be read by several workers",
                "save it to a file first, or leave --workers at 1",
            )
    read(captures)
