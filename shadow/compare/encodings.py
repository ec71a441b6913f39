"""Undoes Content-Encoding within a bound, so that a bomb costs no more than its bound."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import brotli
import zstandard

MAX_LAYERS: Final = 3


class UndecodableError(ValueError):
    """The body is not what its Content-Encoding says, or it is over the bound."""


def _inflate(data: bytes, bound: int, window: int) -> bytes:
    """All members of a gzip or deflate stream."""
    parts: list[bytes] = []
    room = bound + 1
    while data and room > 0:
        decoder = zlib.decompressobj(window)
        part = decoder.decompress(data, room)
        parts.append(part)
        room -= len(part)
        if not decoder.eof and room > 0:
            raise UndecodableError("cut short")
        data = decoder.unused_data
        if data and not data.strip(b"\0"):
            break  # padding after the last member
    return b"".join(parts)


def _gzip(data: bytes, bound: int) -> bytes:
    return _inflate(data, bound, zlib.MAX_WBITS | 16)


def _deflate(data: bytes, bound: int) -> bytes:
    """Zlib format (RFC 9110 8.4.1.2), or the raw format that many servers send."""
    try:
        return _inflate(data, bound, zlib.MAX_WBITS)
    except zlib.error:
        return _inflate(data, bound, -zlib.MAX_WBITS)


def _brotli(data: bytes, bound: int) -> bytes:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    room = bound + 1
    while room > 0 and not decoder.is_finished():
        part = decoder.process(data, output_buffer_limit=room)
        if not part and not data:
            raise UndecodableError("cut short")
        data = b""
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _zstd(data: bytes, bound: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        data, read_across_frames=True
    )
    parts: list[bytes] = []
    room = bound + 1
    while room > 0 and (part := reader.read(min(room, 1 << 20))):
        parts.append(part)
        room -= len(part)
    if room > 0:
        _refuse_cut_frames(data)
    return b"".join(parts)


def _refuse_cut_frames(data: bytes) -> None:
    """The reader takes a cut frame for its end; a frame decompressed for itself says so."""
    while data:
        frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        frame.decompress(data)
        if not frame.eof:
            raise UndecodableError("cut short")
        data = frame.unused_data


_DECODERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}


def decode(body: bytes, encodings: list[str], bound: int) -> bytes:
    """Undo the listed codings, the last applied first.

    Raises UndecodableError for an unknown coding, broken data, or more than `bound` bytes.
    """
    names = [name.strip().lower() for value in encodings for name in value.split(",")]
    layers = [name for name in names if name not in ("", "identity")]
    if len(layers) > MAX_LAYERS:
        raise UndecodableError(f"{len(layers)} nested content-encodings")
    if not body:
        return body
    for name in reversed(layers):
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise UndecodableError(f"unknown content-encoding {name[:40]!r}")
        try:
            body = decoder(body, bound)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise UndecodableError(f"not {name}: {str(error)[:200]}") from None
        if len(body) > bound:
            raise UndecodableError(f"{name} body of more than {bound} bytes")
    return body
