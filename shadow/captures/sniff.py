"""Finds out what a file is: by its content, never by its name."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from shadow.captures.formats import FORMATS
from shadow.captures.formats.native import NativeFormat
from shadow.captures.formats.tshark import COMMAND
from shadow.captures.records import Format, Record
from shadow.captures.shares import Elsewhere, Share, shared
from shadow.captures.streams import (
    Chunks,
    Damage,
    decompressed,
    open_file,
    split_head,
)
from shadow.errors import CaptureError

_PACKETS: Final = frozenset(
    {b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a"}
)
"""The beginnings of pcap, in both byte orders and in nanoseconds, and of pcapng."""


class Capture:
    """An open capture: iterate over it once for its records, in the order of their requests."""

    def __init__(
        self, *, path: str, kind: Format, stream: Chunks, file: BinaryIO, reopens: bool
    ) -> None:
        self.path = path
        self.format = kind
        self.reopens = reopens
        """Whether the file can be opened again: a pipe cannot."""
        self.stream = stream
        self._file = file

    def __iter__(self) -> Iterator[Record]:
        return self.format.read(self.stream, self.path)

    def share(self, share: Share) -> Iterator[Record | Elsewhere]:
        """Yield the records of a share, and `ELSEWHERE` for each other one."""
        if isinstance(self.format, NativeFormat):
            return self.format.read_share(self.stream, self.path, share)
        return shared(self, share)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input itself stays open."""
        _close(self._file)


def open_capture(path: str | Path) -> Capture:
    """Open a capture, plain or compressed with gzip or zstd; `-` is standard input.

    Raises CaptureError where the file is missing, unreadable, empty or of no known format.
    """
    path = str(path)
    file, reopens = open_file(path)
    try:
        head, stream = split_head(decompressed(file))
        kind = _recognise(path, head, stream)
    except BaseException:
        _close(file)
        raise
    return Capture(path=path, kind=kind, stream=stream, file=file, reopens=reopens)


def _close(file: BinaryIO) -> None:
    if sys.stdin is None or file is not sys.stdin.buffer:
        file.close()


def _recognise(path: str, head: bytes, stream: Chunks) -> Format:
    for candidate in FORMATS:
        if candidate.sniff(head):
            return candidate
    if head[:4] in _PACKETS:
        raise CaptureError(
            f"{path}: packets, which are read by tshark first",
            COMMAND.replace("FILE", shlex.quote(path)),
        )
    if head.strip():
        known = ", ".join(candidate.name for candidate in FORMATS)
        raise CaptureError(
            f"{path}: is no capture of a known format",
            f"known formats: {known}; plain or compressed with gzip or zstd",
        )
    for chunk in itertools.islice(stream, 2):  # the head, and what is wrong with the file
        if isinstance(chunk, Damage):
            hint = chunk.hint or "copy the file again from its source"
            raise CaptureError(f"{path}: {chunk.reason}", hint)
    raise CaptureError(f"{path}: holds no exchanges", "check that the recorder has finished")
