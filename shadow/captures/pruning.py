"""Captures that are old, or too many: which of them go, and that only captures do.

Only what this program wrote is taken for one: a file in its own format, or one that is encrypted
with age and named so. A recording that goes on (`.part`), a link, and everything else stay.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from shadow.captures.age import MAGICS, SUFFIX
from shadow.captures.formats.native import NativeFormat
from shadow.captures.parts import UNFINISHED, without_following
from shadow.captures.streams import Damage, decompressed, open_file, split_head
from shadow.errors import CaptureError

_OWN: Final = NativeFormat()


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A capture on the disk."""

    path: Path
    size: int
    """Bytes."""
    written: float
    """When it was changed last, in seconds since 1970."""


def captures_in(places: Sequence[str]) -> Iterator[Kept]:
    """Yield the captures among files, and in folders but not in folders below them.

    Raises CaptureError for a place that is not there, or no capture where it is named itself.
    """
    for place in map(Path, places):
        try:
            status = place.lstat()
            named = [place] if not stat.S_ISDIR(status.st_mode) else sorted(place.iterdir())
        except OSError as error:
            raise CaptureError(
                f"{place}: {error.strerror}", "name files, or the folder that they are in"
            ) from None
        for path in named:
            found = _capture(path)
            if found is not None:
                yield found
            elif path == place:
                raise CaptureError(
                    f"{place}: is no capture that shadow wrote, so it is not deleted",
                    "delete it yourself",
                )


def _capture(path: Path) -> Kept | None:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or path.name.endswith(UNFINISHED):
            return None
        with open(path, "rb", opener=without_following) as file:
            start = file.read(len(MAGICS[1]))
    except OSError:
        return None
    is_own = path.suffix == SUFFIX if start.startswith(MAGICS) else _is_own(path)
    return Kept(path=path, size=status.st_size, written=status.st_mtime) if is_own else None


def _is_own(path: Path) -> bool:
    try:
        file, _ = open_file(str(path))
    except CaptureError:
        return False
    with file:
        head, stream = split_head(decompressed(file))
        return not isinstance(next(stream, b""), Damage) and _OWN.sniff(head)


def too_many(
    captures: Iterable[Kept],
    *,
    now: float,
    older_than_s: float | None = None,
    keep_bytes: int | None = None,
) -> list[Kept]:
    """Return those that go, the oldest first. Pure.

    All that are older go; then the oldest, until the others have no more than `keep_bytes`.
    """
    oldest_first = sorted(captures, key=lambda each: (each.written, str(each.path)))
    left = sum(each.size for each in oldest_first)
    gone: list[Kept] = []
    for each in oldest_first:
        is_old = older_than_s is not None and now - each.written > older_than_s
        if is_old or (keep_bytes is not None and left > keep_bytes):
            gone.append(each)
            left -= each.size
    return gone
