"""Captures: files of exchanges, read from every known format and written in the native one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shadow.captures.records import WHOLE, Broken, Fidelity, Format, Record, Share, Unsupported
from shadow.captures.sniff import FORMATS, Capture, open_capture
from shadow.captures.streams import STDIN, digest
from shadow.captures.writer import CaptureWriter, open_writer
from shadow.errors import CaptureError

__all__ = [
    "FORMATS",
    "STDIN",
    "WHOLE",
    "Broken",
    "Capture",
    "CaptureWriter",
    "Fidelity",
    "Format",
    "Record",
    "Share",
    "Unsupported",
    "digest",
    "open_capture",
    "open_writer",
    "read",
]


def read(paths: Sequence[str | Path]) -> Iterator[Record]:
    """Yield the records of all captures, file after file, as a stream; `-` is standard input.

    Every file is opened and recognised at the call, before the first record is asked for, so
    that a mistyped path is not noticed hours into a run. Raises CaptureError then, and later
    only where a file as a whole turns out to be unreadable.
    """
    names = [str(path) for path in paths]
    if names.count(STDIN) > 1:
        raise CaptureError("-: standard input can be read only once", "name it once")
    return _records([_checked(name) for name in names])


def _checked(path: str) -> Capture | str:
    """Keep open what cannot be opened twice, else give the path back: open files are scarce."""
    capture = open_capture(path)
    if not capture.reopens:
        return capture
    capture.close()
    return path


def _records(sources: list[Capture | str]) -> Iterator[Record]:
    for source in sources:
        with open_capture(source) if isinstance(source, str) else source as capture:
            yield from capture
