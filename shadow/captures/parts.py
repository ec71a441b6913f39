"""The files of a rotating recording: what they are called, and the one that is being written."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from shadow.captures.age import SUFFIX, Encryptor

UNFINISHED: Final = ".part"

_STAMP: Final = r"-[0-9]{8}T[0-9]{6}\.[0-9]{3}Z"
_CODINGS: Final = (".gz", ".zst")
_GZIP_LEVEL: Final = 6


class PartNames:
    """The names of a recording's parts, by the name that was asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        encrypted = SUFFIX if path.suffix == SUFFIX else ""
        inner = Path(path.name.removesuffix(encrypted))
        self.coding = (inner.suffix if inner.suffix in _CODINGS else "") + encrypted
        inner = Path(path.name.removesuffix(self.coding))
        self._stem, self._suffix = inner.stem, inner.suffix + self.coding
        self._finished = re.compile(re.escape(self._stem) + _STAMP + re.escape(self._suffix))

    def stamped(self, milliseconds: int) -> Path:
        """Name the finished part that was begun so many milliseconds after 1970."""
        begun = datetime.fromtimestamp(milliseconds // 1000, UTC)
        stamp = f"{begun:%Y%m%dT%H%M%S}.{milliseconds % 1000:03d}Z"
        return self.path.with_name(f"{self._stem}-{stamp}{self._suffix}")

    def free(self, milliseconds: int) -> int:
        """Return this time, or the first one after it at which no part was begun."""
        while True:
            path = self.stamped(milliseconds)
            if not (os.path.lexists(path) or os.path.lexists(unfinished(path))):
                return milliseconds
            milliseconds += 1

    def finished(self) -> list[Path]:
        """Return the finished parts, the oldest first. Raises OSError."""
        return [path for path in self._siblings() if self._finished.fullmatch(path.name)]

    def unfinished(self) -> list[Path]:
        """Return the parts that are being written or were left behind. Raises OSError."""
        return [
            path
            for path in self._siblings()
            if path.name.endswith(UNFINISHED)
            and self._finished.fullmatch(path.name.removesuffix(UNFINISHED))
        ]

    def _siblings(self) -> list[Path]:
        return sorted(self.path.parent.iterdir())


def unfinished(path: Path) -> Path:
    """Name a part while it is being written."""
    return path.with_name(path.name + UNFINISHED)


class Part:
    """A file that takes lines and is a capture when it has ended; every error is an OSError.

    What the disk did not take is kept in memory, and `drain` tries again.
    """

    def __init__(
        self,
        path: Path,
        coding: str,
        *,
        begun: float = 0,
        replace: bool = False,
        recipients: Sequence[str] = (),
    ) -> None:
        """Make the file, readable by its owner only, and lock it.

        `coding` is that of the finished part's name; with `recipients` the file is encrypted for
        them. The file must not be there yet, unless it may be replaced; links are not followed.
        """
        how = os.O_TRUNC if replace else os.O_EXCL
        self.path = path
        self.begun = self.flushed = begun
        """In seconds since 1970."""
        self.lines = 0
        self.size = 0
        """Bytes that it has, those included that the disk did not take yet."""
        self.is_ended = False
        self._behind = bytearray()
        self._coding = _coding(coding.removesuffix(SUFFIX))
        self._encryptor: Encryptor | None = None
        self._file = io.FileIO(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600), "w"
        )
        try:
            os.fchmod(self._file.fileno(), 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if recipients:
                self._encryptor = Encryptor(recipients)
        except BaseException:
            self.release()
            path.unlink(missing_ok=True)
            raise

    @property
    def is_behind(self) -> bool:
        """Whether the disk did not take all of it."""
        return bool(self._behind)

    def add(self, lines: bytes) -> None:
        """Take lines; compressed, they can be read as far as here. Encrypted, some 64 KiB wait."""
        self._keep(self._encrypted(self._coding.feed(lines)))

    def end(self) -> None:
        """End the compressed data."""
        self._keep(self._encrypted(self._coding.finish()))
        if self._encryptor is not None:
            self._keep(self._encryptor.finish())
        self.is_ended = True

    def _encrypted(self, data: bytes) -> bytes:
        return data if self._encryptor is None else self._encryptor.feed(data)

    def _keep(self, data: bytes) -> None:
        self._behind += data
        self.size += len(data)

    def drain(self) -> None:
        """Hand what is kept to the system."""
        while self._behind:
            del self._behind[: self._file.write(self._behind) or 0]

    def put(self, path: Path) -> None:
        """Give the file its name, when it is on the disk."""
        os.fsync(self._file.fileno())
        self.path.replace(path)

    def release(self) -> None:
        """Let go of the file and its lock."""
        if self._encryptor is not None:
            self._encryptor.abandon()
        with contextlib.suppress(OSError):
            self._file.close()


class _Coding(msgspec.Struct, frozen=True):
    feed: Callable[[bytes], bytes]
    """Takes data, and returns bytes from which all data so far can be read."""
    finish: Callable[[], bytes]


def _coding(suffix: str) -> _Coding:
    if suffix == ".gz":
        gzip = zlib.compressobj(_GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
        return _Coding(
            feed=lambda data: gzip.compress(data) + gzip.flush(zlib.Z_SYNC_FLUSH),
            finish=gzip.flush,
        )
    if suffix == ".zst":
        zstd = zstandard.ZstdCompressor().compressobj()
        return _Coding(
            feed=lambda data: zstd.compress(data) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
            finish=zstd.flush,
        )
    return _Coding(feed=lambda data: data, finish=lambda: b"")


@contextlib.contextmanager
def unlocked(path: Path) -> Iterator[io.BufferedReader | None]:
    """Open a file that no process writes, and lock it; None where one does.

    Raises OSError, for a link and for what is no file too.
    """
    with open(path, "rb", opener=without_following) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no file")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file


def without_following(path: str, flags: int) -> int:
    """Open a file for `open`, and no link; where it is a pipe, without waiting for its writer."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
