"""Joins two captures into pairs of recorded answers, for `shadow diff`. Streams both."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

import msgspec

from shadow.captures import Broken, Record, Unsupported
from shadow.errors import ShadowError
from shadow.model import Exchange
from shadow.replay.options import Join

_Queues = dict[str | bytes, deque[Exchange | Unsupported]]
MAX_WAITING_BYTES: Final = 2 << 30
"""Bytes of exchanges that may wait for their partner."""


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange in the captures of both sides; None where a side lacks it."""

    baseline: Exchange | None
    candidate: Exchange | None


def pair(
    baseline: Iterator[Record], candidate: Iterator[Record], join: Join
) -> Iterator[Paired | Broken | Unsupported]:
    """Pair by id, or by request; the n-th of a key stands for the n-th of the other side.

    Both captures are read in step, so what waits is what stands out of order. Of a pair with
    an unsupported record, that record is yielded. Raises ShadowError when too much would have
    to be held.
    """
    # One queue a key, on the side that is ahead: first in, first out pairs n-th with n-th.
    waiting: tuple[_Queues, _Queues] = ({}, {})
    held = 0
    for records in zip_longest(baseline, candidate):
        for side, record in enumerate(records):
            if record is None:
                continue
            if isinstance(record, Broken):
                yield record
                continue
            key = key_of(record, join)
            partner = _take(waiting[1 - side], key)
            if partner is not None:
                held -= _size(partner)
                yield _paired(record, partner) if side == 0 else _paired(partner, record)
                continue
            waiting[side].setdefault(key, deque()).append(record)
            held += _size(record)
            if held > MAX_WAITING_BYTES:
                raise ShadowError(
                    "the two captures are too far out of step to be joined in memory",
                    "sort both by id, or cut them into parts with the same ids",
                )
    yield from (_paired(record, None) for queue in waiting[0].values() for record in queue)
    yield from (_paired(None, record) for queue in waiting[1].values() for record in queue)


def _take(queues: _Queues, key: str | bytes) -> Exchange | Unsupported | None:
    """The first that waits under a key, or None."""
    queue = queues.get(key)
    if queue is None:
        return None
    first = queue.popleft()
    if not queue:
        del queues[key]
    return first


def _paired(
    baseline: Exchange | Unsupported | None, candidate: Exchange | Unsupported | None
) -> Paired | Unsupported:
    if isinstance(baseline, Unsupported):
        return baseline
    if isinstance(candidate, Unsupported):
        return candidate
    return Paired(baseline=baseline, candidate=candidate)


def key_of(record: Exchange | Unsupported, join: Join) -> str | bytes:
    """What pairs a record with that of the other side."""
    if join == "id" or isinstance(record, Unsupported):
        return record.id
    request = record.request
    head = f"{request.method} {request.target}\n".encode("latin-1", "replace")
    return hashlib.blake2b(head + request.body, digest_size=16).digest()


def _size(record: Exchange | Unsupported) -> int:
    if isinstance(record, Unsupported):
        return 1024
    response = record.response
    return 1024 + len(record.request.body) + (len(response.body) if response else 0)
