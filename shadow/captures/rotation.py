"""Writes a recording that goes on, in parts cut by size and age, so that a crash loses little.

`traffic.jsonl.gz` becomes `traffic-20261126T101500.000Z.jsonl.gz` and so on: each part is a
capture of its own, named by the time in UTC at which it was begun, so that names sort by time.
Without a limit there is one part, which takes the name asked for when it is closed.

The part being written ends in `.part`, and its process has a lock on it (flock(2)). What a process
that died left behind has no lock: `recover` makes a finished part of it, with all lines of it that
are whole. Lines are handed to the system every second, so that no more than those are lost; of a
part that is encrypted the last 64 KiB, and `recover` finishes it as it is, for it has no key.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from shadow.captures.formats.native import encode_line
from shadow.captures.parts import UNFINISHED, Part, PartNames, unfinished, unlocked
from shadow.errors import CaptureError, UnfinishedError
from shadow.model import Exchange

FLUSH_S: Final = 1.0
"""Seconds of recording that a crash may lose."""

_BUFFER_BYTES: Final = 256 * 1024


class RotatingWriter:
    """Takes exchanges one after the other, for as long as a recorder runs; for one thread.

    A part ends before the line with which it would have more than `max_bytes` on the disk (some
    20 bytes of gzip's end aside; one line is never cut, however long), and when it is `max_age_s`
    old. With `max_files` the oldest finished parts beyond so many are deleted, and with them what
    they hold: at most about `max_files` + 1 times `max_bytes` are on the disk.

    A full disk raises UnfinishedError wherever it is met. Nothing that was taken before is lost
    by it: the next call tries again, and goes on where there is room.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        max_files: int | None = None,
        recipients: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin the first part; it is readable by its owner only.

        With `recipients` (`age.parse_recipients`) each part is encrypted for them. `clock` says
        the time in seconds since 1970. Raises CaptureError where no file can be
        made, or another process writes this one.
        """
        self._names = PartNames(Path(path))
        self._rotates = max_bytes is not None or max_age_s is not None
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._max_files = max_files
        self._recipients = recipients
        self._clock = clock
        self._pending = bytearray()
        self._last_stamp = 0
        if self._names.path.is_dir():
            raise CaptureError(f"{path}: is a directory", "name a file to write the capture to")
        try:
            self._put_aside()
            self._part: Part | None = self._begin(clock())
        except OSError as error:
            raise CaptureError(
                f"{path}: cannot be written: {error.strerror}",
                "check the folder and its permissions",
            ) from error

    def write(self, exchange: Exchange) -> None:
        """Add one exchange.

        Raises ValueError for one that could not be read back, and UnfinishedError where the disk
        is full or fails: this exchange is lost then, and only this one.
        """
        line = encode_line(exchange)
        now = self._clock()
        with self._disk_errors():
            if self._part and (self._is_over(self._part, now) or not self._fits(len(line), now)):
                self._finish(self._part)
            self._part = self._part or self._begin(now)
            part = self._part
            if self._is_due(part, now):
                self._flush(part, now)
        self._pending += line
        part.lines += 1

    def tick(self) -> None:
        """Do what is due though nothing is written; to be called every second.

        Raises UnfinishedError where the disk is full or fails.
        """
        now = self._clock()
        if self._part is None:
            return
        with self._disk_errors():
            if self._is_over(self._part, now):
                self._finish(self._part)
            elif self._is_due(self._part, now):
                self._flush(self._part, now)

    def close(self) -> None:
        """Finish the last part. Where nothing was written, nothing is left.

        Raises UnfinishedError where the disk is full or fails; it may be called again then.
        """
        if self._part is not None:
            with self._disk_errors():
                self._finish(self._part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close; what the disk did not take stays behind for `recover`."""
        try:
            self.close()
        finally:
            if self._part is not None:
                self._part.release()

    def _is_over(self, part: Part, now: float) -> bool:
        if part.is_ended:  # the disk did not take all of it
            return True
        # A clock that was set back says nothing of an age.
        return self._max_age_s is not None and not 0 <= now - part.begun < self._max_age_s

    def _fits(self, size: int, now: float) -> bool:
        part = self._part
        if part is None or self._max_bytes is None:
            return True
        if part.size + len(self._pending) + size <= self._max_bytes:
            return True
        self._flush(part, now)  # compressed it is less
        return not part.lines or part.size + size <= self._max_bytes

    def _is_due(self, part: Part, now: float) -> bool:
        if part.is_behind or len(self._pending) >= _BUFFER_BYTES:
            return True
        return bool(self._pending) and not 0 <= now - part.flushed < FLUSH_S

    def _flush(self, part: Part, now: float) -> None:
        if self._pending:
            part.add(bytes(self._pending))
            self._pending.clear()
        part.drain()
        part.flushed = now

    def _finish(self, part: Part) -> None:
        """End the part; where that fails, the next call goes on with it."""
        if not part.lines:
            part.path.unlink(missing_ok=True)
        else:
            if not part.is_ended:
                self._flush(part, part.flushed)
                part.end()
            part.drain()
            part.put(part.path.with_name(part.path.name.removesuffix(UNFINISHED)))
        part.release()
        self._part = None
        self._prune()

    def _prune(self) -> None:
        if self._rotates and self._max_files is not None:
            for path in self._names.finished()[: -self._max_files]:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _begin(self, now: float) -> Part:
        if not self._rotates:
            path = unfinished(self._names.path)
            return Part(path, self._names.coding, begun=now, recipients=self._recipients)
        # The order of the names is that of the parts, even where the clock was set back.
        stamp = self._names.free(max(int(now * 1000), self._last_stamp + 1))
        self._last_stamp = stamp
        path = unfinished(self._names.stamped(stamp))
        return Part(path, self._names.coding, begun=now, recipients=self._recipients)

    def _put_aside(self) -> None:
        """Give a part without a time in its name, left behind, one that `recover` finds."""
        part = unfinished(self._names.path)
        if not os.path.lexists(part):
            return
        with unlocked(part) as file:
            if file is None:
                raise CaptureError(
                    f"{part}: another process writes it", "name another file, or stop that process"
                )
            stamp = int(os.fstat(file.fileno()).st_mtime * 1000)
            part.rename(unfinished(self._names.stamped(self._names.free(stamp))))

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnfinishedError(
                f"{self._names.path}: cannot be written: {error.strerror}", "make room on the disk"
            ) from error
