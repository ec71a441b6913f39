"""Packets of a pcap file, as tshark prints them: the bytes of each HTTP/1 message.

`COMMAND` makes the file. tshark puts the packets together; head and body are taken as bytes, in
hexadecimal, so the messages are what was on the wire. A body stands behind its head, or where
tshark knows its media type in a member of its own, with the chunked coding undone.
Source: https://www.wireshark.org/docs/man-pages/tshark.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from shadow.captures.elements import Elements
from shadow.captures.formats.gor import MAX_WAITING, Payload, Window
from shadow.captures.formats.plain_values import moment
from shadow.captures.records import Broken, Fidelity, Record
from shadow.captures.streams import Chunks, Damage
from shadow.captures.syntax import MalformedError

COMMAND: Final = (
    "tshark -r FILE -Y http -T json -x -j 'frame http' --no-duplicate-keys"
    " -o http.decompress_body:FALSE > FILE.json"
)
_HEAD: Final = re.compile(rb'\s*\[\s*\{\s*"_index"\s*:\s*"packets-')
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
# tshark does not undo `Chunked`.
_CHUNKED: Final = re.compile(rb"\n(?i:transfer-encoding):[ \t]*chunked[ \t]*\r?\n")
_ENCODED: Final = re.compile(rb"\ncontent-encoding:[ \t]*(?!identity\b)[a-z]", re.IGNORECASE)
_INTERIM: Final = re.compile(rb"HTTP/[0-9]\.[0-9] 1(?!01)")
_SECONDS: Final = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,12})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = re.compile(r"[0-9]{1,12}")
_MAX_REASON_CHARS: Final = 200
_NO_BYTES: Final = "it has no bytes: run tshark with -x"


class _Layers(msgspec.Struct, frozen=True):
    frame: dict[str, Any] | None = None
    http: Any = None
    http_raw: Any = None


class _Source(msgspec.Struct, frozen=True):
    layers: _Layers


class _Packet(msgspec.Struct, frozen=True, rename={"source": "_source"}):
    source: _Source


class TsharkJson:
    """What `COMMAND` prints."""

    name = "tshark JSON"
    fidelity = Fidelity()

    def sniff(self, head: bytes) -> bool:
        """Look for a list of packets."""
        return _HEAD.match(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange a request, in their order; its id is the packet's number."""
        pairs = _Pairs()
        window = pairs.window
        for position, packet in enumerate(Elements(stream), 1):
            if isinstance(packet, Damage):
                window.put_broken(Broken(path=path, line=position, reason=packet.reason))
            else:
                try:
                    for message in _messages(packet, position, path):
                        pairs.put(message)
                except (ValueError, RecursionError) as error:
                    window.put_broken(_broken(error, position, path))
            yield from window.ready()
        yield from window.rest()


def _broken(error: Exception, position: int, path: str) -> Broken:
    return Broken(path=path, line=position, reason=str(error)[:_MAX_REASON_CHARS])


class _Message(msgspec.Struct, frozen=True):
    """What tshark says of a message, and its bytes."""

    http: dict[str, Any]
    raw: Any
    payload: Payload
    """It has no bytes yet."""


class _Pairs:
    """Puts answers to requests as tshark says, but where it cannot know.

    It takes an answer for that to the last request of the connection. Where the one before has
    no answer either, it is pipelined or its answer lost, and this one may be its.
    """

    def __init__(self) -> None:
        self.window = Window()
        self._open: dict[str, bool] = {}
        """The last requests without an answer, and those after them; true for the latter."""

    def put(self, message: _Message) -> None:
        """Take a message; what cannot be read of it is broken."""
        payload = message.payload
        try:
            self._check(message)
            octets = _whole(_octets(message.raw), message.http.get("http.file_data_raw"))
            # 100 Continue comes before tshark has seen all of the request.
            if "http.request_in" in message.http or not _INTERIM.match(octets):
                self.window.put(msgspec.structs.replace(payload, message=octets))
        except ValueError as error:
            self.window.put_broken(_broken(error, payload.position, payload.path))

    def _check(self, message: _Message) -> None:
        http, identity = message.http, message.payload.id
        if message.payload.type == b"1":
            before = http.get("http.prev_request_in")
            self._open[identity] = before is not None and _id(_number(before)) in self._open
            if len(self._open) > MAX_WAITING:
                del self._open[next(iter(self._open))]
        elif self._open.get(identity):
            raise MalformedError("the request before has no answer: which one it answers is open")
        else:
            self._open.pop(identity, None)


def _messages(packet: bytes, position: int, path: str) -> Iterator[_Message]:
    """Yield the messages that end in a packet."""
    layers = msgspec.json.decode(packet, type=_Packet).source.layers
    if packet.count(b'"http_raw":') > 1:
        raise MalformedError("it has several messages: run tshark with --no-duplicate-keys")
    frame = layers.frame or {}
    number = _number(frame.get("frame.number"))
    time_ns = _time_ns(frame.get("frame.time_epoch"))
    several = isinstance(layers.http, list)
    parts = layers.http if several else [layers.http]
    raws = layers.http_raw if several else [layers.http_raw]
    if not isinstance(raws, list) or len(raws) != len(parts):
        raise MalformedError(_NO_BYTES)
    for http, raw in zip(parts, raws, strict=True):
        if not isinstance(http, dict):
            raise MalformedError("it is no packet with HTTP in it")
        asked = http.get("http.request_in")
        payload = Payload(
            position=position,
            path=path,
            type=b"2" if asked is not None or "http.response" in http else b"1",
            id=_id(number if asked is None else _number(asked)),
            time_ns=time_ns,
            latency_ns=None,
            message=b"",
        )
        yield _Message(http, raw, payload)


def _id(number: int) -> str:
    return f"packet-{number:06}"


def _whole(message: bytes, apart: Any) -> bytes:
    """Put a head and its body together, where it stands apart."""
    end = _END_OF_HEAD.search(message)
    if end is None or end.end() < len(message) or apart is None:
        return message
    body = _octets(apart)
    if _ENCODED.search(message):
        raise MalformedError(
            "its body was decompressed: run tshark with http.decompress_body:FALSE"
        )
    if _CHUNKED.search(message):
        return message + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    return message + body


def _octets(value: Any) -> bytes:
    """Return the bytes of a `_raw` member: hexadecimal digits, and where they stand."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return bytes.fromhex(value[0])
    raise MalformedError(_NO_BYTES)


def _number(value: Any) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    raise MalformedError("the packet has no number")


def _time_ns(value: Any) -> int:
    """Return a time in nanoseconds: seconds, or from tshark 4.6 on RFC 3339."""
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        return int(Decimal(value) * 1_000_000_000)
    found = moment(value)
    if found is None or found < _EPOCH:
        raise MalformedError("the packet has no time")
    return (found - _EPOCH) // timedelta(microseconds=1) * 1000
