"""What a reader of captures yields, and what a capture format is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from shadow.captures.streams import Chunks
from shadow.captures.syntax import check_headers, check_start, unreplayable
from shadow.model import Exchange, Request


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


def record_of(
    exchange: Exchange, path: str, line: int, reason: str | None = None
) -> Exchange | Unsupported:
    """Return an exchange; where it cannot be replayed, by `reason` or as it is, what it was."""
    reason = reason or unreplayable(exchange.request, exchange.response)
    if reason is None:
        return exchange
    return Unsupported(
        id=exchange.id,
        path=path,
        line=line,
        reason=reason,
        method=exchange.request.method,
        target=exchange.request.target,
    )


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """What a format keeps of the traffic at its best; one file may hold less.

    By default all of it, so that a format states what it loses.
    """

    response: bool = True
    """Responses can be in it, at least their status."""
    response_body: bool = True
    """With their bodies; without, nothing can be compared but the status."""
    request_body: bool = True
    """Bodies of requests; without, what has one cannot be sent."""
    whole_body: bool = True
    """Bodies are the bytes of the wire, never decoded or left out by the recorder."""
    headers: bool = True
    """Headers of the requests."""
    header_order: bool = True
    """Headers stand in wire order."""
    header_repeats: bool = True
    """A header that was sent twice stands there twice."""
    timing: bool = True
    """The time of each request."""
    latency: bool = True
    """How long each answer took."""


class UnwritableError(ValueError):
    """An exchange that a format cannot hold; its text is the reason, and quotes no value."""


def check_sendable(request: Request) -> None:
    """Refuse a request that a client could not send again as it was. Raises ValueError."""
    check_start(request.method, request.target)
    check_headers(request.headers, "request")
    if request.truncated or request.decoded:
        raise UnwritableError("the body of the request is not as it was sent")
    if "#" in request.target:
        raise UnwritableError("the target has a fragment")  # no client sends what follows it


class Format(Protocol):
    """One capture format; `formats.FORMATS` is the table of them."""

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


class Writing(Protocol):
    """A format that captures are written in; `formats.WRITINGS` is the table of them.

    A file is `start`, the exchanges with `between` between them, and `end`.
    """

    @property
    def name(self) -> str:
        """Say what a person calls it."""

    @property
    def suffix(self) -> str:
        """How the names of its files end, `.har`: told by it where nothing else is said."""

    @property
    def fidelity(self) -> Fidelity:
        """Say what of an exchange is in it."""

    @property
    def start(self) -> bytes:
        """Begin a file."""

    @property
    def between(self) -> bytes:
        """Part two exchanges."""

    @property
    def end(self) -> bytes:
        """End a file."""

    def encode(self, exchange: Exchange) -> bytes:
        """Return one exchange as it stands in the file.

        Raises UnwritableError where the format cannot hold it, a body that was cut for example;
        ValueError for an exchange that is none.
        """
