"""The records of a run's captures, or of one share of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Final

import msgspec

from shadow.captures import (
    ELSEWHERE,
    STDIN,
    WHOLE,
    Broken,
    Elsewhere,
    Record,
    Share,
    Unsupported,
    read,
    read_share,
)
from shadow.errors import CaptureError
from shadow.model import Exchange
from shadow.replay.options import Join
from shadow.replay.pairing import key_of


class Later(msgspec.Struct, frozen=True):
    """Stands for what a pipe has not given yet."""


LATER: Final = Later()
LATER_S: Final = 0.01
"""When to look again, in seconds."""
Readable = Record | Elsewhere | Later
_AHEAD: Final = 16
"""Records of a pipe that are read ahead."""


def records(captures: Sequence[str], share: Share, limit: int | None) -> Iterator[Readable]:
    """Yield the share's records of the first `limit` exchanges, broken lines aside.

    None of it takes long: a record of another share, and a pipe that has nothing to give, are
    told. The captures are opened at the call. Raises CaptureError.
    """
    own: Iterator[Record | Elsewhere]
    if limit is not None:
        found = _first(read(captures), limit)
        own = (record if share.has(record) else ELSEWHERE for record in found)
    elif share == WHOLE:
        own = read(captures)
    else:
        return read_share(captures, share)
    return _without_waiting(own) if any(map(_is_pipe, captures)) else own


def _is_pipe(path: str) -> bool:
    return path == STDIN or Path(path).is_fifo()


def _without_waiting(found: Iterator[Record | Elsewhere]) -> Iterator[Readable]:
    """Yield what a pipe gives, and `LATER` while it gives nothing: a thread waits for it."""
    ahead: Queue[Record | Elsewhere | BaseException | None] = Queue(_AHEAD)

    def pour() -> None:
        try:
            for record in found:
                ahead.put(record)
        except BaseException as error:  # noqa: BLE001 - it is raised where the records are read
            ahead.put(error)
        ahead.put(None)

    Thread(target=pour, daemon=True).start()
    while True:
        try:
            record = ahead.get_nowait()
        except Empty:
            yield LATER
            continue
        if record is None:
            return
        if isinstance(record, BaseException):
            raise record
        yield record


def shared(capture: str, share: Share, join: Join) -> Iterator[Record]:
    """Yield the share's records of one side of a diff: both sides of a pair are in one share.

    Raises CaptureError.
    """
    if share == WHOLE:
        return read([capture])
    if join == "id":
        found = read_share([capture], Share(share.index, share.of, "id"))
        return (record for record in found if not isinstance(record, Elsewhere))

    def has(record: Record) -> bool:
        return share.has(record) if isinstance(record, Broken) else share.takes(_text(record))

    def _text(record: Exchange | Unsupported) -> str:
        key = key_of(record, join)
        return key if isinstance(key, str) else key.hex()

    return filter(has, read([capture]))


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
    """Refuse what several processes cannot read, each for itself. Raises CaptureError."""
    for path in captures:
        if path == STDIN:
            raise CaptureError(f"{path}: a pipe can be read by one process only", "save it first")
    read_share(captures, WHOLE)
