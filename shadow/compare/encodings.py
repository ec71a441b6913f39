"""Undoes Content-Encoding within a bound, so that a bomb costs no more than its bound."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import brotli
import zstandard

MAX_LAYERS: Final = 3
_FIRST_PIECE: Final = 64
_LARGEST_PIECE: Final = 1 << 20
_LONGEST_CODED: Final = 2
"""Times the bound that a body may have before decoding: coding makes nothing much longer."""
_SLACK: Final = 1024


class UndecodableError(ValueError):
    """The body is not what its Content-Encoding says, or it is over the bound."""


class OverBoundError(UndecodableError):
    """The body has more bytes than it may have: within a larger bound there may be a body."""


def _inflate(data: bytes, bound: int, window: int) -> bytes:
    """All members of a gzip or deflate stream."""
    parts: list[bytes] = []
    room = bound + 1
    start, padding = 0, len(data.rstrip(b"\0"))
    while start < len(data) and room > 0:
        if parts and start >= padding:
            break  # padding after the last member
        decoder = zlib.decompressobj(window)
        for piece in _growing(data, start):
            part = decoder.decompress(piece, room)
            parts.append(part)
            room -= len(part)
            start += len(piece)
            if decoder.eof or room <= 0:
                break
        if not decoder.eof and room > 0:
            raise UndecodableError("cut short")
        start -= len(decoder.unused_data)
    return b"".join(parts)


def _growing(data: bytes, start: int) -> Iterator[bytes]:
    """Pieces of the data from `start`, small ones first.

    What a piece holds beyond a member's end is copied; so thousands of tiny members cost no
    more than the bytes they have.
    """
    size = _FIRST_PIECE
    while start < len(data):
        yield data[start : start + size]
        start += size
        size = min(2 * size, _LARGEST_PIECE)


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
    start = 0
    while start < len(data):
        frame = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        for piece in _growing(data, start):
            frame.decompress(piece)
            start += len(piece)
            if frame.eof:
                break
        if not frame.eof:
            raise UndecodableError("cut short")
        start -= len(frame.unused_data)


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
        if len(body) > bound * _LONGEST_CODED + _SLACK:
            raise OverBoundError(f"{name} body of more than {bound} bytes")
        try:
            body = decoder(body, bound)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise UndecodableError(f"not {name}: {str(error)[:200]}") from None
        if len(body) > bound:
            raise OverBoundError(f"{name} body of more than {bound} bytes")
    return body
