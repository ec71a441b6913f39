"""Writes captures, so that a half-written one never looks finished."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from shadow.captures.formats.native import NativeFormat
from shadow.captures.parts import Part, PartNames, unfinished, unlocked
from shadow.captures.records import Writing
from shadow.errors import CaptureError, UnfinishedError
from shadow.model import Exchange

_BUFFER_BYTES = 256 * 1024
_NATIVE = NativeFormat()


class CaptureWriter:
    """Takes exchanges one after the other; made by `open_writer`."""

    def __init__(self, part: Part, path: Path, writing: Writing) -> None:
        self._part = part
        self._path = path
        self._writing = writing
        self._pending = bytearray(writing.start)
        self.written = 0
        """Exchanges."""

    def write(self, exchange: Exchange) -> None:
        """Add one exchange.

        Raises UnwritableError, which is a ValueError, for an exchange that the format cannot hold,
        ValueError for one that could not be read back, and UnfinishedError where the disk is
        full or fails.
        """
        encoded = self._writing.encode(exchange)
        if self.written:
            self._pending += self._writing.between
        self._pending += encoded
        self.written += 1
        if len(self._pending) >= _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        with _disk_errors(self._path):
            self._part.add(bytes(self._pending))
            self._pending.clear()
            self._part.drain()

    def finish(self) -> None:
        """Write out what is pending, and give the file its name; `open_writer` calls it."""
        self._pending += self._writing.end
        self._flush()
        with _disk_errors(self._path):
            self._part.end()
            self._part.drain()
            self._part.put(self._path)


@contextlib.contextmanager
def open_writer(
    path: str | Path, writing: Writing = _NATIVE, *, recipients: Sequence[str] = ()
) -> Iterator[CaptureWriter]:
    """Write a capture to `path`, compressed where the name ends in `.gz` or `.zst`.

    With `recipients` (`age.parse_recipients`) it is encrypted for them; its name then ends in
    `.age`, behind that of the compression.

    It is written beside, as `path` + `.part` and readable by its owner only, and takes its
    name when the block ends. Where the block raises, nothing is left and what stood at `path`
    before stays. Raises CaptureError where the file cannot be made, or another process writes it,
    UnfinishedError where it cannot be completed.
    """
    path = Path(path)
    part = _begun(path, recipients)
    writer = CaptureWriter(part, path, writing)
    try:
        yield writer
        writer.finish()
    except BaseException:
        part.path.unlink(missing_ok=True)
        raise
    finally:
        part.release()


def _begun(path: Path, recipients: Sequence[str]) -> Part:
    if path.is_dir():
        raise CaptureError(f"{path}: is a directory", "name a file to write the capture to")
    part = unfinished(path)
    try:
        if os.path.lexists(part):
            _remove(part)
        return Part(part, PartNames(path).coding, recipients=recipients)
    except OSError as error:
        raise CaptureError(
            f"{path}: cannot be written: {error.strerror}", "check the folder and its permissions"
        ) from error


def _remove(part: Path) -> None:
    """Remove what was left behind; what a recorder still writes is not touched."""
    with unlocked(part) as file:
        if file is None:
            raise CaptureError(
                f"{part}: another process writes it", "name another file, or stop that process"
            )
        part.unlink()


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnfinishedError(
            f"{path}: cannot be written: {error.strerror}", "make room on the disk"
        ) from error
