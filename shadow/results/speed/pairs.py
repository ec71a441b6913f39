"""The paired latencies of one endpoint: whole microseconds in arrays, bounded."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import compress
from typing import Final, Self

MAX_PAIRS: Final = 200_000
"""Pairs of an endpoint that are kept; beyond, a sample of its sessions."""
WARM_UP: Final = 20
"""The first pairs of each endpoint, which are left out.

They open the connections (16 by default), fill the caches and fault the pages in. A number and
not a time: what is kept of an exchange has no time of day, and an endpoint that is asked for
the first time late in a run is as cold as one that is asked first.
"""
FEWEST_CLUSTERS: Final = 100
"""Sessions (or blocks of exchanges without one) below which nothing is said of an endpoint."""

COLUMNS: Final = (
    "baseline_service",
    "baseline_response",
    "candidate_service",
    "candidate_response",
)

_CHUNK: Final = 64  # neighbours without a session that are kept or dropped together
_HIGHEST: Final = 0xFFFF_FFFF
_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF


class Pairs:
    """Service and response times of exchanges that both sides answered, in order of keeping.

    `keys` tell sessions apart: an even number is the hash of a session, an odd one that of
    neighbours without a session. Where there are too many pairs, sessions whose hash is above
    a limit are dropped whole: a sample that neither depends on the order nor tears a session.
    """

    __slots__ = (
        "_chunked",
        "_limit",
        "baseline_response",
        "baseline_service",
        "candidate_response",
        "candidate_service",
        "keys",
        "seen",
    )

    def __init__(self) -> None:
        self.baseline_service = array("I")
        self.baseline_response = array("I")
        self.candidate_service = array("I")
        self.candidate_response = array("I")
        self.keys = array("Q")
        self.seen = 0
        """Pairs offered, kept or not."""
        self._chunked = 0
        self._limit = _ALL

    @classmethod
    def of(cls, columns: Mapping[str, array[int]], keys: array[int], *, seen: int) -> Self:
        """Take pairs that were kept before, as they are: columns of one length, by name."""
        pairs = cls()
        for name in COLUMNS:
            setattr(pairs, name, columns[name])
        pairs.keys, pairs.seen = keys, seen
        return pairs

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sampled(self) -> bool:
        """Whether some pairs are not kept."""
        return self.seen > len(self.keys)

    def extend(self, sessions: Sequence[str | None], *times: Sequence[int]) -> None:
        """Keep pairs: their sessions, and their times in the order of `COLUMNS`, in µs."""
        self.seen += len(sessions)
        keys = [self._next_block() if each is None else _session(each) for each in sessions]
        kept = None if self._limit == _ALL else [key <= self._limit for key in keys]
        self.keys.extend(keys if kept is None else compress(keys, kept))
        for name, values in zip(COLUMNS, times, strict=True):
            wanted = values if kept is None else tuple(compress(values, kept))
            bounded = wanted if max(wanted, default=0) <= _HIGHEST else map(_bounded, wanted)
            getattr(self, name).extend(bounded)
        if len(self.keys) > MAX_PAIRS:
            self.thin(MAX_PAIRS // 2)

    def _next_block(self) -> int:
        self._chunked += 1
        return _block(self._chunked // _CHUNK)

    def thin(self, limit: int) -> None:
        """Drop pairs until at most `limit` are left.

        A session is first cut to the share of it that lets `FEWEST_CLUSTERS` of them be kept:
        one client that never stops must not push the others out.
        """
        most, counts = max(1, limit // FEWEST_CLUSTERS), Counter[int]()
        kept = bytearray(len(self.keys))
        for place, key in enumerate(self.keys):
            counts[key] += 1
            kept[place] = counts[key] <= most
        self._keep(kept)
        while len(self.keys) > limit:
            self._limit //= 2
            self._keep(bytes(key <= self._limit for key in self.keys))

    def _keep(self, kept: bytes | bytearray) -> None:
        for name in (*COLUMNS, "keys"):
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, compress(column, kept)))


def _bounded(microseconds: int) -> int:
    return min(microseconds, _HIGHEST)


@lru_cache(maxsize=4_096)
def _session(name: str) -> int:
    return _hash(name) & ~1


@lru_cache(maxsize=1_024)
def _block(number: int) -> int:
    return _hash(str(number)) | 1


def _hash(text: str) -> int:
    """64 bits that are the same in every process, so that a report comes out the same again."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
