"""What a reader of captures yields, and what a capture format is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from shadow.captures.streams import Chunks
from shadow.model import Exchange


class Broken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record that could not be read. `reason` never quotes what the record holds."""

    path: str
    line: int
    """The line, counted from 1; the record's position where the format has no lines."""
    reason: str


class Unsupported(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record that was read but cannot be replayed, a websocket for example."""

    id: str
    path: str
    line: int
    """As in `Broken`."""
    reason: str
    method: str
    target: str


Record = Exchange | Broken | Unsupported


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """What a format keeps of the traffic at its best; one file may hold less."""

    response: bool
    """Responses can be in it."""
    whole_body: bool
    """Bodies are the bytes of the wire, never decoded or left out by the recorder."""
    header_order: bool
    """Headers stand in wire order."""
    timing: bool
    """Request times and latencies are in it."""


class Format(Protocol):
    """One capture format; `sniff.FORMATS` is the table of them."""

    @property
    def name(self) -> str:
        """Say what a person calls it."""

    @property
    def fidelity(self) -> Fidelity:
        """Say what it keeps."""

    def sniff(self, head: bytes) -> bool:
        """Tell whether a file that starts like this is of this format.

        `head` is decompressed, without byte order mark, and cut at `streams.HEAD_BYTES`.
        """

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield all records of the file, in the order of their requests.

        Raises CaptureError where the file as a whole cannot be read.
        """
