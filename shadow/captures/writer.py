"""Writes captures, so that a half-written one never looks finished."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, cast

import zstandard

from shadow.captures.age import SUFFIX, Encryptor
from shadow.captures.formats.native import NativeFormat
from shadow.captures.records import Writing
from shadow.errors import CaptureError, UnfinishedError
from shadow.model import Exchange

_BUFFER_BYTES = 256 * 1024
_GZIP_LEVEL = 6
_NATIVE = NativeFormat()


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


class CaptureWriter:
    """Takes exchanges one after the other; made by `open_writer`."""

    def __init__(
        self, file: IO[bytes], path: Path, writing: Writing, recipients: Sequence[str]
    ) -> None:
        self._file = file
        self._under: _Sink = _Encrypted(file, recipients) if recipients else file
        plain = path.with_suffix("") if path.suffix == SUFFIX else path
        self._sink = _compressor(self._under, plain)
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
            self._sink.write(bytes(self._pending))
        self._pending.clear()

    def finish(self) -> None:
        """Write out what is pending and end the compressed data; `open_writer` calls it."""
        self._pending += self._writing.end
        self._flush()
        with _disk_errors(self._path):
            if self._sink is not self._under:
                self._sink.close()
            if self._under is not self._file:
                self._under.close()
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file; what a full disk did not take was reported before."""
        for stream in (self._sink, self._under, self._file):
            with contextlib.suppress(OSError):
                stream.close()


@contextlib.contextmanager
def open_writer(
    path: str | Path, writing: Writing = _NATIVE, *, recipients: Sequence[str] = ()
) -> Iterator[CaptureWriter]:
    """Write a capture to `path`, compressed where the name ends in `.gz` or `.zst`.

    With `recipients` (`age.parse_recipients`) it is encrypted for them; its name then ends in
    `.age`, behind that of the compression.

    It is written beside, as `path` + `.part` and readable by its owner only, and takes its
    name when the block ends. Where the block raises, nothing is left and what stood at `path`
    before stays. Raises CaptureError where the file cannot be made, UnfinishedError where it
    cannot be completed.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    file = _create(path, part)
    writer = CaptureWriter(file, path, writing, recipients)
    try:
        yield writer
        writer.finish()
        with _disk_errors(path):
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        writer.close()


def _create(path: Path, part: Path) -> IO[bytes]:
    if path.is_dir():
        raise CaptureError(f"{path}: is a directory", "name a file to write the capture to")
    # A capture holds what users sent, so nobody else may read it; not even through a link laid
    # at the temporary name.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        descriptor = os.open(part, flags, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise CaptureError(
            f"{path}: cannot be written: {error.strerror}", "check the folder and its permissions"
        ) from error
    return os.fdopen(descriptor, "wb")


class _Encrypted:
    """Encrypts what is written to a file."""

    def __init__(self, file: IO[bytes], recipients: Sequence[str]) -> None:
        self._file = file
        self._encryptor: Encryptor | None = Encryptor(recipients)

    def write(self, data: bytes, /) -> int:
        assert self._encryptor is not None
        self._file.write(self._encryptor.feed(bytes(data)))
        return len(data)

    def flush(self) -> None:
        """What is not a whole piece yet waits for its end."""

    def close(self) -> None:
        """Write the rest; the file stays open."""
        encryptor, self._encryptor = self._encryptor, None
        if encryptor is not None:
            self._file.write(encryptor.finish())


def _compressor(file: Any, path: Path) -> _Sink:
    if path.suffix == ".gz":
        return gzip.GzipFile(
            filename="", mode="wb", fileobj=file, compresslevel=_GZIP_LEVEL, mtime=0
        )
    if path.suffix == ".zst":
        stream = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        return cast("_Sink", stream)
    return cast("_Sink", file)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnfinishedError(
            f"{path}: cannot be written: {error.strerror}", "make room on the disk"
        ) from error
