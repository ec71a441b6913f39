"""What fuzzing leaves on the disk: a capture that grows by each finding, and where it stands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import msgspec

from shadow.captures import read
from shadow.captures.formats.native import encode_line
from shadow.errors import CaptureError, ConfigError, UnfinishedError
from shadow.model import Exchange
from shadow.replay.delivery import check_writable, write_whole

VERSION: Final = 1
MAX_STATE: Final = 16 * 1024 * 1024
"""Bytes."""
MAX_POSITION: Final = 20_000_000
_COMPRESSED: Final = frozenset({".gz", ".zst", ".age"})


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How far fuzzing has come. No request and no value is in it."""

    v: int = VERSION
    seed: int
    seeds: str
    """The digest of the seeds: with others the positions would be other requests."""
    position: int = 0
    """Everything before it is done; 0 also while the seeds are being asked."""
    known: tuple[str, ...] = ()
    """Signatures, and digests like them, of what is not new any more."""


def read_state(path: str) -> State:
    """Read where fuzzing stands. Raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            state = msgspec.json.decode(file.read(MAX_STATE), type=State)
    except OSError as error:
        raise ConfigError(
            f"--resume: cannot read {path}: {error.strerror}", "leave out --resume to begin anew"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"--resume: {path} is no state of shadow fuzz: {error}", "name it with --state FILE"
        ) from None
    if state.v != VERSION or not 0 <= state.position <= MAX_POSITION:
        raise ConfigError(f"--resume: {path} is no state of this version", "begin anew")
    return state


def write_state(state: State, path: str) -> None:
    """Write where fuzzing stands, whole. Raises UnfinishedError."""
    text = msgspec.json.encode(state).decode() + "\n"
    write_whole(text, path, hint="make room on the disk, or choose another --state FILE")


class Findings:
    """The native capture of the findings, made with the first one; each is written at once."""

    def __init__(self, path: str, *, resume: bool) -> None:
        """Take up what is there, with `resume`. Raises ConfigError where it cannot be written."""
        check_writable(path, f"--out {path}")
        if Path(path).suffix in _COMPRESSED:
            raise ConfigError(
                f"--out {path}: is written line by line, so it cannot be compressed",
                "name it FILE.jsonl; shadow convert makes another file of it",
            )
        if os.path.lexists(path) and not resume:
            raise ConfigError(
                f"--out {path}: is there already", "go on with --resume, or name another file"
            )
        self._path = path
        self._ids = set(_ids(path)) if os.path.lexists(path) else set()
        self._file: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    @property
    def any(self) -> bool:
        """Whether there is a finding in the file."""
        return bool(self._ids)

    def write(self, exchange: Exchange) -> None:
        """Add one, unless one with its id is there. Raises UnfinishedError."""
        if exchange.id in self._ids:
            return
        try:
            if self._file is None:
                self._file = _open(self._path)
            left = encode_line(exchange)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            raise UnfinishedError(
                f"{self._path}: cannot be written: {error.strerror}", "make room on the disk"
            ) from error
        self._ids.add(exchange.id)


def _open(path: str) -> int:
    """Open the file to append to, readable by its owner only: it holds what users sent."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    file = os.open(path, flags, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")  # a line that was cut when its writer was killed stays one line
    return file


def _ids(path: str) -> Iterable[str]:
    if not Path(path).is_file():
        raise CaptureError(f"{path}: is no file", "name a file to write the findings to")
    if not Path(path).stat().st_size:
        return ()
    return (each.id for each in read([path]) if isinstance(each, Exchange))
