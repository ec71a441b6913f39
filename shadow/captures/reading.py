"""Several captures, file after file, as one stream of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shadow.captures.records import Record
from shadow.captures.shares import Elsewhere, Share
from shadow.captures.sniff import Capture, open_capture
from shadow.captures.streams import STDIN
from shadow.errors import CaptureError


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


def read_share(paths: Sequence[str | Path], share: Share) -> Iterator[Record | Elsewhere]:
    """Yield as `read` does, but only the records of a share; `Elsewhere` stands for each other.

    So the n-th record is the same in every share. Raises as `read` does, and for a pipe, which
    only one process can read.
    """
    sources = [_checked(str(path)) for path in paths]
    for source in sources:
        if isinstance(source, Capture):
            source.close()
            raise CaptureError(
                f"{source.path}: a pipe can be read by one process only", "save it to a file first"
            )
    return _of_share(sources, share)


def _checked(path: str) -> Capture | str:
    """Keep open what cannot be opened twice, else give the path back: open files are scarce."""
    capture = open_capture(path)
    if not capture.reopens:
        return capture
    capture.close()
    return path


def _records(sources: list[Capture | str]) -> Iterator[Record]:
    for source in sources:
        with _opened(source) as capture:
            yield from capture


def _of_share(sources: list[Capture | str], share: Share) -> Iterator[Record | Elsewhere]:
    for source in sources:
        with _opened(source) as capture:
            yield from capture.share(share)


def _opened(source: Capture | str) -> Capture:
    return open_capture(source) if isinstance(source, str) else source
