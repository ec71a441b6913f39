"""Packets of a pcap file, as tshark prints them: the bytes of each HTTP/1 message.

`COMMAND` makes the file. tshark puts the packets together and undoes the chunked coding; head and
body are taken as bytes, in hexadecimal, so the messages are what was on the wire.
Source: https://www.wireshark.org/docs/man-pages/tshark.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from shadow.captures.elements import Elements
from shadow.captures.formats.gor import Payload, Window
from shadow.captures.records import Broken, Fidelity, Record
from shadow.captures.streams import Chunks, Damage
from shadow.captures.syntax import MalformedError

COMMAND: Final = (
    "tshark -r FILE -Y http -T json -x -j 'frame http' -o http.decompress_body:FALSE > FILE.json"
)
_HEAD: Final = re.compile(rb'\s*\[\s*\{\s*"_index"\s*:\s*"packets-')
_END_OF_HEAD: Final = b"\r\n\r\n"
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_GZIPPED: Final = re.compile(rb"\r\ncontent-encoding:[ \t]*(?:x-)?gzip[ \t]*\r\n", re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,12})?")
_DIGITS: Final = re.compile(r"[0-9]{1,12}")
_MAX_REASON_CHARS: Final = 200


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
        window = Window()
        for position, packet in enumerate(Elements(stream), 1):
            if isinstance(packet, Damage):
                window.put_broken(Broken(path=path, line=position, reason=packet.reason))
            else:
                try:
                    for payload in _payloads(packet, position, path):
                        window.put(payload)
                except (ValueError, RecursionError) as error:
                    reason = str(error)[:_MAX_REASON_CHARS]
                    window.put_broken(Broken(path=path, line=position, reason=reason))
            yield from window.ready()
        yield from window.rest()


def _payloads(packet: bytes, position: int, path: str) -> Iterator[Payload]:
    """Yield the messages that end in a packet."""
    layers = msgspec.json.decode(packet, type=_Packet).source.layers
    frame = layers.frame or {}
    number = _number(frame.get("frame.number"))
    time_ns = _time_ns(frame.get("frame.time_epoch"))
    raw = layers.http_raw
    several = isinstance(layers.http, list)
    parts = layers.http if several else [layers.http]
    heads = raw if several and isinstance(raw, list) else [raw]
    for http, head in zip(parts, heads, strict=False):
        if not isinstance(http, dict):
            raise MalformedError("it is no packet with HTTP in it")
        asked = http.get("http.request_in")
        answers = asked is not None or "http.response" in http
        yield Payload(
            position=position,
            path=path,
            type=b"2" if answers else b"1",
            id=f"packet-{_number(asked) if asked is not None else number:06}",
            time_ns=time_ns,
            latency_ns=None,
            message=_message(_octets(head), _octets(http.get("http.file_data_raw"))),
        )


def _message(head: bytes, body: bytes) -> bytes:
    """Put head and body together; a chunked body in one chunk, for tshark has taken it apart."""
    end = head.find(_END_OF_HEAD)
    if end < 0:
        raise MalformedError("the headers do not end")
    head = head[: end + len(_END_OF_HEAD)]
    if _CHUNKED.search(head):
        return head + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    if body and _GZIPPED.search(head) and not body.startswith(b"\x1f\x8b"):
        raise MalformedError(
            "its body was decompressed: run tshark with http.decompress_body:FALSE"
        )
    return head + body


def _octets(value: Any) -> bytes:
    """Return the bytes of a `_raw` member: hexadecimal digits, and where they stand."""
    if value is None:
        return b""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return bytes.fromhex(value[0])
    raise MalformedError("it has no bytes: run tshark with -x")


def _number(value: Any) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    raise MalformedError("the packet has no number")


def _time_ns(value: Any) -> int:
    if not isinstance(value, str) or not _SECONDS.fullmatch(value):
        raise MalformedError("the packet has no time")
    return int(Decimal(value) * 1_000_000_000)
