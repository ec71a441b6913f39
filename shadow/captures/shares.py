"""One capture, several processes: which of them replays which record."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from shadow.captures.records import Broken, Record, Unsupported


class Elsewhere(msgspec.Struct, frozen=True, gc=False):
    """Stands for a record of another share, so that whoever reads one counts them all."""


ELSEWHERE: Final = Elsewhere()


class Share(msgspec.Struct, frozen=True, gc=False):
    """The share `index` (from 0) `of` so many. Every record is in exactly one of them.

    An exchange goes by its session, so that one share has a whole session in its order, and by
    its id where it has none, or where `by` says so. A record without either goes by its line.
    Raises ValueError for an index that is none.
    """

    index: int
    of: int
    by: Literal["session", "id"] = "session"

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f"there is no share {self.index} of {self.of}")

    def takes(self, identity: str, session: str | None = None) -> bool:
        """Whether the exchange with this id and session is in the share."""
        key = identity if session is None or self.by == "id" else session
        return zlib.crc32(key.encode("utf-8", "surrogatepass")) % self.of == self.index

    def takes_line(self, line: int) -> bool:
        """Whether what stands on this line, and can be told by nothing else, is in the share."""
        return line % self.of == self.index

    def has(self, record: Record) -> bool:
        """Whether the record is in the share."""
        if isinstance(record, Broken):
            return self.takes_line(record.line)
        if isinstance(record, Unsupported):
            return self.takes(record.id)
        return self.takes(record.id, record.session)


WHOLE: Final = Share(0, 1)


def shared(records: Iterable[Record], share: Share) -> Iterator[Record | Elsewhere]:
    """Yield the records of a share, and `ELSEWHERE` for each other one."""
    for record in records:
        yield record if share.has(record) else ELSEWHERE
