"""Captures that are old, or too many: which of them go, and that only captures do.

Only what this program wrote is taken for one: a file that begins with a line of its own format, or
one in binary that is encrypted with age for a public key, and named so. (A private key may lie in
the same folder: that is encrypted with a passphrase.) A recording that goes on (`.part`), a link,
and everything else stay.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from shadow.captures.age import LONGEST_MAGIC, MAGICS, SUFFIX
from shadow.captures.formats.native import BEGINNING
from shadow.captures.parts import UNFINISHED, without_following
from shadow.captures.streams import decompressed, split_head
from shadow.errors import CaptureError

_FOR_A_KEY: Final = tuple(
    MAGICS[0] + kind for kind in (b"-> X25519 ", b"-> ssh-ed25519 ", b"-> ssh-rsa ")
)
"""How a file begins that `age.Encryptor` makes."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A capture on the disk."""

    path: Path
    size: int
    """Bytes."""
    written: float
    """When it was changed last, in seconds since 1970."""

    def delete(self) -> bool:
        """Delete it, unless it has gone or another one has taken its place. Raises OSError."""
        try:
            status = self.path.lstat()
            if (status.st_size, status.st_mtime) != (self.size, self.written):
                return False
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True


def captures_in(places: Sequence[str]) -> Iterator[Kept]:
    """Yield the captures among files, and in folders but not in folders below them; each once.

    Raises CaptureError for a place that is not there, or no capture where it is named itself.
    """
    seen: set[str] = set()
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
                spelled = os.path.realpath(path)
                if spelled not in seen:
                    yield found
                seen.add(spelled)
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
            is_own = _is_own(file, path)
    except OSError:
        return None
    return Kept(path=path, size=status.st_size, written=status.st_mtime) if is_own else None


def _is_own(file: io.BufferedReader, path: Path) -> bool:
    start = file.peek(LONGEST_MAGIC)
    if start.startswith(MAGICS):
        return path.suffix == SUFFIX and start.startswith(_FOR_A_KEY)
    head, _ = split_head(decompressed(file))
    return head.startswith(BEGINNING)


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
