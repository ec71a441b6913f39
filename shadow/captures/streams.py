"""Bytes of a capture file: opened, decompressed and cut into records, all of it bounded.

A stream is an iterator of byte chunks. A file that ends or goes wrong in the middle is not an
exception but a last chunk of type `Damage`, so that everything before it is still read.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import zstandard

from shadow.captures import age
from shadow.errors import CaptureError, ConfigError

STDIN = "-"
HEAD_BYTES = 64 * 1024
"""How much of a file decides on its format."""
MAX_RECORD_BYTES = 64 * 1024 * 1024
"""The longest single record, so that no line of a few compressed kilobytes fills the memory."""

_READ_BYTES = 256 * 1024
# One step must not unfold without bound: zstd makes at most 128 KiB out of 4 bytes, so 16 MiB.
_ZSTD_STEP_BYTES = 512
_ZSTD_MAX_WINDOW = 128 * 1024 * 1024  # what `zstd --long` writes; more needs asking for in zstd too
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")  # pzstd starts with an empty frame
_CHECK_FILE = "check the path and its permissions"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Damage(msgspec.Struct, frozen=True):
    """The end of a stream that should have been longer."""

    reason: str
    hint: str = ""
    """What to do about it, where that is known."""


Chunks = Iterator[bytes | Damage]


def open_file(path: str) -> tuple[io.BufferedReader, bool]:
    """Return the file and whether it can be opened a second time; `-` is standard input.

    Raises CaptureError where there is no such file, it is a directory or it is not readable.
    """
    if path == STDIN:
        if sys.stdin is None:  # a daemon's, closed before the start
            raise CaptureError("-: there is no standard input", "name a file")
        return _own_stdin(), False
    try:
        file = Path(path).open("rb")  # noqa: SIM115  # the caller closes it
    except FileNotFoundError:
        raise CaptureError(f"{path}: no such file", "check the path of the capture") from None
    except IsADirectoryError:
        raise CaptureError(
            f"{path}: is a directory", "name the capture files in it, for example with a glob"
        ) from None
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}", _CHECK_FILE) from error
    except ValueError as error:
        raise CaptureError(f"{path!r}: is not a path: {error}", _CHECK_FILE) from error
    return file, stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _own_stdin() -> io.BufferedReader:
    """A copy of standard input: a thread may wait in it when the program closes its own."""
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except io.UnsupportedOperation:  # it was replaced by something in memory
        return cast("io.BufferedReader", sys.stdin.buffer)


def digest(paths: Sequence[str | Path]) -> str:
    """Return the SHA-256 of the files one after the other, in hex: `cat FILE… | sha256sum`.

    Raises CaptureError where a file cannot be read or, like standard input, not read twice.
    """
    whole = hashlib.sha256()
    for path in map(str, paths):
        if path == STDIN or Path(path).is_fifo():
            raise CaptureError(f"{path}: a pipe has no digest", "save it to a file first")
        file, _ = open_file(path)
        with file:
            try:
                while data := file.read(_READ_BYTES):
                    whole.update(data)
            except OSError as error:
                raise CaptureError(
                    f"{path}: cannot be read: {error.strerror}", _CHECK_FILE
                ) from error
    return whole.hexdigest()


def decompressed(file: io.BufferedReader) -> Chunks:
    """Yield the contents of a file, which may be encrypted with age and compressed.

    How is told by its first bytes. Plain, gzip and zstd are read; of what is encrypted what is in
    it, with the private key that the environment names.
    """
    try:
        head = file.peek(age.LONGEST_MAGIC)
    except OSError as error:
        yield Damage(f"the file cannot be read on: {error.strerror}")
        return
    yield from _decrypted(file) if head.startswith(age.MAGICS) else _unpacked(file)


def _decrypted(file: io.BufferedReader) -> Chunks:
    try:
        inside = age.Decrypted(file, age.load_identities())
    except ConfigError as error:
        yield Damage(error.message, error.hint)
        return
    with inside, io.BufferedReader(inside, _READ_BYTES) as plain:
        yield from _unpacked(plain)
        if inside.damage:
            yield Damage(inside.damage)


def _unpacked(file: io.BufferedReader[Any]) -> Chunks:
    """Yield the contents of a file that is plain, gzip or zstd."""
    try:
        magic = file.peek(4)[:4]
        if magic[:2] == b"\x1f\x8b":
            yield from _gunzip(file)
        elif magic == b"\x28\xb5\x2f\xfd" or _ZSTD_SKIPPABLE.match(magic):
            yield from _unzstd(file)
        else:
            yield from iter(lambda: file.read1(_READ_BYTES), b"")
    except OSError as error:
        yield Damage(f"the file cannot be read on: {error.strerror}")


def _gunzip(file: io.BufferedReader[Any]) -> Chunks:
    # `read1`: `read` loses what it has already when it meets the damage.
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            yield from iter(lambda: unzipped.read1(_READ_BYTES), b"")
    except EOFError:
        yield Damage("the gzip data ends in the middle")
    except (gzip.BadGzipFile, zlib.error) as error:
        yield Damage(f"the gzip data is damaged: {error}")


def _unzstd(file: io.BufferedReader[Any]) -> Chunks:
    # Not `stream_reader`: it takes a cut frame for the end of the file.
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW)
    frame = decompressor.decompressobj()
    inside = False
    try:
        while data := file.read(_ZSTD_STEP_BYTES):
            while data:
                unfolded = frame.decompress(data)
                for at in range(0, len(unfolded), _READ_BYTES):
                    yield unfolded[at : at + _READ_BYTES]
                inside = not frame.eof
                data = frame.unused_data
                if frame.eof:
                    frame = decompressor.decompressobj()
    except zstandard.ZstdError as error:
        yield Damage(f"the zstd data is damaged: {error}")
        return
    if inside:
        yield Damage("the zstd data ends in the middle")


def split_head(stream: Chunks) -> tuple[bytes, Chunks]:
    """Return the first `HEAD_BYTES` and the whole stream; both without byte order mark."""
    taken: list[bytes | Damage] = []
    size = 0
    for chunk in stream:
        taken.append(chunk)
        if isinstance(chunk, Damage):
            break
        size += len(chunk)
        if size >= HEAD_BYTES:
            break
    start = b"".join(chunk for chunk in taken if isinstance(chunk, bytes))
    start = start.removeprefix(_BYTE_ORDER_MARK)
    damage = [chunk for chunk in taken if isinstance(chunk, Damage)]
    return start[:HEAD_BYTES], itertools.chain([start], damage, stream)


def split_records(stream: Chunks, separator: bytes) -> Iterator[tuple[int, bytes | Damage]]:
    """Yield the pieces between separators with their position, counted from 1.

    A piece longer than `MAX_RECORD_BYTES` is passed over and a `Damage` stands for it. The
    last piece is left out where the stream is damaged: nobody knows its end.
    """
    too_long = Damage(f"the record is longer than {MAX_RECORD_BYTES} bytes")
    position = 1
    skipping = False
    pending = bytearray()
    for chunk in stream:
        if isinstance(chunk, Damage):
            yield position, chunk
            return
        searched = max(0, len(pending) - len(separator) + 1)
        pending += chunk
        if pending.find(separator, searched) >= 0:
            pieces = bytes(pending).split(separator)
            pending = bytearray(pieces.pop())
            for piece in pieces:
                yield position, too_long if skipping or len(piece) > MAX_RECORD_BYTES else piece
                skipping = False
                position += 1
        if len(pending) > MAX_RECORD_BYTES:
            skipping = True
            del pending[: len(pending) - len(separator) + 1]
    if pending or skipping:
        yield position, too_long if skipping or len(pending) > MAX_RECORD_BYTES else bytes(pending)
