"""Several captures as one stream of records: file after file, but for the chunks of one recording.

GoReplay begins another file now and then: `requests_0.gor`, `requests_1.gor` and so on. Where
several of those are given they are read side by side, in the order of their times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from shadow.captures.formats.gor import GorFormat, read_chunks
from shadow.captures.records import Record
from shadow.captures.shares import Elsewhere, Share, shared
from shadow.captures.sniff import Capture, open_capture
from shadow.captures.streams import STDIN
from shadow.errors import CaptureError

MAX_CHUNKS: Final = 200
"""Files of one recording that are open at once."""
_CHUNK: Final = re.compile(r"(.*)_([0-9]{1,9})(\.gor(?:\.gz|\.zst)?)", re.DOTALL)

_Source = Capture | str | tuple[str, ...]
"""An open capture, a path, or the paths of the chunks of one recording."""


def read(paths: Sequence[str | Path]) -> Iterator[Record]:
    """Yield the records of all captures, file after file, as a stream; `-` is standard input.

    Every file is opened and recognised at the call, before the first record is asked for, so
    that a mistyped path is not noticed hours into a run. Raises CaptureError then, and later
    only where a file as a whole turns out to be unreadable.
    """
    names = [str(path) for path in paths]
    if names.count(STDIN) > 1:
        raise CaptureError("-: standard input can be read only once", "name it once")
    return _records(_sources(names))


def read_share(paths: Sequence[str | Path], share: Share) -> Iterator[Record | Elsewhere]:
    """Yield as `read` does, but only the records of a share; `Elsewhere` stands for each other.

    So the n-th record is the same in every share. Raises as `read` does, and for a pipe, which
    only one process can read.
    """
    sources = _sources([str(path) for path in paths])
    for source in sources:
        if isinstance(source, Capture):
            source.close()
            raise CaptureError(
                f"{source.path}: a pipe can be read by one process only", "save it to a file first"
            )
    return _of_share(sources, share)


def _sources(names: list[str]) -> list[_Source]:
    """Look at each file, and put the chunks of one recording together, where the first one is."""
    sources: list[_Source] = []
    chunks: dict[tuple[str, str], list[str]] = {}
    for name in names:
        capture = open_capture(name)
        if not capture.reopens:
            sources.append(capture)
            continue
        capture.close()  # open files are scarce
        chunk = _CHUNK.fullmatch(name) if isinstance(capture.format, GorFormat) else None
        if chunk is None:
            sources.append(name)
            continue
        of_one = chunks.setdefault((chunk[1], chunk[3]), [])
        if not of_one:
            sources.append((chunk[1], chunk[3]))  # to be replaced
        of_one.append(name)
    return [
        tuple(chunks[source[0], source[1]]) if isinstance(source, tuple) else source
        for source in sources
    ]


def _records(sources: list[_Source]) -> Iterator[Record]:
    for source in sources:
        if isinstance(source, tuple):
            yield from _of_chunks(source)
            continue
        with open_capture(source) if isinstance(source, str) else source as capture:
            yield from capture


def _of_share(sources: list[_Source], share: Share) -> Iterator[Record | Elsewhere]:
    for source in sources:
        if isinstance(source, tuple):
            yield from shared(_of_chunks(source), share)
            continue
        with open_capture(source) if isinstance(source, str) else source as capture:
            yield from capture.share(share)


def _of_chunks(paths: tuple[str, ...]) -> Iterator[Record]:
    """Yield the records of the chunks of one recording."""
    if len(paths) > MAX_CHUNKS:
        raise CaptureError(
            f"{paths[0]} and {len(paths) - 1} more chunks: at most {MAX_CHUNKS} are read at once",
            "convert them in parts first: shadow convert",
        )
    with ExitStack() as stack:
        captures = [stack.enter_context(open_capture(path)) for path in paths]
        yield from read_chunks([(capture.stream, capture.path) for capture in captures])
