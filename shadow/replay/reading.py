"""The records of a run's captures, or of one share of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from shadow.captures import (
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


def records(captures: Sequence[str], share: Share, limit: int | None) -> Iterator[Record]:
    """Yield the share's records of the first `limit` exchanges, broken lines aside.

    The captures are opened at the call. Raises CaptureError.
    """
    if limit is not None:
        return filter(share.has, _first(read(captures), limit))
    return _own(captures, share)


def shared(capture: str, share: Share, join: Join) -> Iterator[Record]:
    """Yield the share's records of one side of a diff: both sides of a pair are in one share.

    Raises CaptureError.
    """
    if join == "id" or share == WHOLE:
        return _own([capture], Share(share.index, share.of, "id"))

    def has(record: Record) -> bool:
        return share.has(record) if isinstance(record, Broken) else share.takes(_text(record))

    def _text(record: Exchange | Unsupported) -> str:
        key = key_of(record, join)
        return key if isinstance(key, str) else key.hex()

    return filter(has, read([capture]))


def _own(captures: Sequence[str], share: Share) -> Iterator[Record]:
    if share.of == 1:
        return read(captures)
    found = read_share(captures, share)
    return (record for record in found if not isinstance(record, Elsewhere))


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
