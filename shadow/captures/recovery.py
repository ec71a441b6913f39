"""Makes finished parts of what recorders that died have left behind."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from shadow.captures.age import START_BYTES, SUFFIX, holds_nothing
from shadow.captures.formats.native import decode_line
from shadow.captures.parts import UNFINISHED, Part, PartNames, unlocked
from shadow.captures.streams import Damage, decompressed, split_records
from shadow.captures.syntax import MalformedError

_MENDED: Final = ".mended"
_AT_ONCE_BYTES: Final = 256 * 1024


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a part that was left behind."""

    part: str
    finished: str | None = None
    """The capture that holds its lines now; None where it had none, or for a `problem`."""
    exchanges: int | None = 0
    """None where it is encrypted: nobody here can count them."""
    problem: str = ""
    """Why it was left where it is."""


def recover(path: str | Path) -> list[Recovered]:
    """Finish the parts of a recording that no living process writes, each with its whole lines.

    `path` is what the recording was asked for; `RotatingWriter` has begun to write it, which puts
    aside what has no time in its name. Of a last line that a crash cut short nothing is kept.
    Each part is read and written once, which takes a while for large ones; a recorder may run
    meanwhile.
    """
    names = PartNames(Path(path))
    try:
        parts = names.unfinished()
    except OSError as error:
        return [Recovered(part=str(path), problem=error.strerror or "it cannot be read")]
    return [found for part in parts if (found := _recovered(part))]


def _recovered(part: Path) -> Recovered | None:
    finished = part.with_name(part.name.removesuffix(UNFINISHED))
    try:
        with unlocked(part) as file:
            if file is None:
                return None
            if os.path.lexists(finished):
                return Recovered(part=str(part), problem=f"{finished.name} is there already")
            if finished.suffix == SUFFIX:  # whoever has the key reads what is whole of it
                if holds_nothing(file.read(START_BYTES)):
                    part.unlink()
                    return Recovered(part=str(part))
                part.rename(finished)
                return Recovered(part=str(part), finished=str(finished), exchanges=None)
            exchanges = _mend(file, part, finished)
    except OSError as error:
        return Recovered(part=str(part), problem=error.strerror or "it cannot be read")
    kept = str(finished) if exchanges else None
    return Recovered(part=str(part), finished=kept, exchanges=exchanges)


def _mend(file: io.BufferedReader, part: Path, finished: Path) -> int:
    """Replace a part by its whole lines, and finish it; delete one without. Return their number.

    Wherever this is killed, either the old part is there or the new one.
    """
    mended = Part(part.with_name(finished.name + _MENDED), finished.suffix, replace=True)
    try:
        pending = bytearray()
        for line in _whole_lines(file):
            pending += line + b"\n"
            mended.lines += 1
            if len(pending) >= _AT_ONCE_BYTES:
                mended.add(bytes(pending))
                mended.drain()
                pending.clear()
        mended.add(bytes(pending))
        mended.end()
        mended.drain()
        mended.put(part)
        if mended.lines:
            part.rename(finished)
        else:
            part.unlink()
    finally:
        mended.path.unlink(missing_ok=True)
        mended.release()
    return mended.lines


def _whole_lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the lines; the last one only where nothing of it is missing."""
    last = b""
    for _, line in split_records(decompressed(file), b"\n"):
        if isinstance(line, Damage):
            continue
        if last:
            yield last
        last = line
    try:
        if last:
            decode_line(last)
            yield last
    except MalformedError:
        return
