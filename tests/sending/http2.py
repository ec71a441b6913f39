"""A scripted HTTP/2 service: h2 frames on a raw socket, in clear text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded

from tests.sending.service import Peer, Script

Fields = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Asked:
    """One request, whole."""

    stream: int
    fields: Fields
    body: bytes = b""


@dataclass(slots=True)
class Streams:
    """The service's end of one HTTP/2 connection; requests come one at a time."""

    peer: Peer
    h2: H2Connection = field(
        default_factory=lambda: H2Connection(
            H2Configuration(client_side=False, header_encoding=None)
        )
    )

    async def open(self) -> None:
        self.h2.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        await self.peer.send(self.h2.data_to_send())

    async def request(self) -> Asked | None:
        """Read one whole request; None when the client closed instead."""
        asked: Asked | None = None
        while True:
            data = await self.peer.hello()
            if not data:
                return None
            for event in self.h2.receive_data(data):
                asked = _noted(event, asked)
                if isinstance(event, DataReceived):
                    length = event.flow_controlled_length or 0
                    self.h2.acknowledge_received_data(length, event.stream_id)
                if isinstance(event, StreamEnded):
                    await self.flush()
                    return asked
            await self.flush()

    async def answer(
        self, asked: Asked, status: int = 200, fields: Fields | None = None, body: bytes = b"ok"
    ) -> None:
        """Answer whole; the body must fit the client's window."""
        await self.begin(asked, status, fields, body)
        self.h2.end_stream(asked.stream)
        await self.flush()

    async def begin(
        self, asked: Asked, status: int = 200, fields: Fields | None = None, body: bytes = b""
    ) -> None:
        """Send the head and a part of the body."""
        self.h2.send_headers(asked.stream, [(b":status", b"%d" % status), *(fields or [])])
        for start in range(0, len(body), self.h2.max_outbound_frame_size):
            piece = body[start : start + self.h2.max_outbound_frame_size]
            self.h2.send_data(asked.stream, piece)
            await self.flush()
        await self.flush()

    async def reset(self, asked: Asked, code: ErrorCodes = ErrorCodes.INTERNAL_ERROR) -> None:
        self.h2.reset_stream(asked.stream, code)
        await self.flush()

    async def go_away(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        self.h2.close_connection(code)
        await self.flush()


def _noted(event: Event, asked: Asked | None) -> Asked | None:
    if isinstance(event, RequestReceived):
        return Asked(event.stream_id, [(bytes(n), bytes(v)) for n, v in event.headers])
    if isinstance(event, DataReceived) and asked is not None:
        asked.body += event.data
    return asked


def speaking(script: Callable[[Streams], Awaitable[None]]) -> Script:
    """A script for `serve`, over streams."""

    async def play(peer: Peer) -> None:
        streams = Streams(peer)
        await streams.open()
        await script(streams)

    return play
