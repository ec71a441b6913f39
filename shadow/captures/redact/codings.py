"""Undoes one Content-Encoding of a message under a bound, to look for secrets in it.

What is refused here is dropped from the recording, so only what is plainly well-formed is taken:
one coding, one member or frame, nothing behind it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import brotli
import zstandard

# Each step unfolds to 16 MiB at most; see `shadow.captures.streams`.
_ZSTD_STEP_BYTES: Final = 512
_ZSTD_MAX_WINDOW: Final = 8 * 1024 * 1024  # RFC 9659


def decoded(body: bytes, codings: list[str], bound: int) -> bytes | None:
    """Return the body without its coding; None where that has more bytes, or cannot be told."""
    names = [name.strip().lower() for value in codings for name in value.split(",")]
    layers = [name for name in names if name not in ("", "identity")]
    if not layers:
        return body
    decoder = _DECODERS.get(layers[0])
    if len(layers) > 1 or decoder is None:
        return None
    try:
        found = decoder(body, bound)
    except (zlib.error, brotli.error, zstandard.ZstdError):
        return None
    return None if found is None or len(found) > bound else found


def _inflate(body: bytes, bound: int, window: int) -> bytes | None:
    decoder = zlib.decompressobj(window)
    found = decoder.decompress(body, bound + 1)
    return found if decoder.eof and not decoder.unused_data else None


def _gzip(body: bytes, bound: int) -> bytes | None:
    return _inflate(body, bound, zlib.MAX_WBITS | 16)


def _deflate(body: bytes, bound: int) -> bytes | None:
    """Zlib format (RFC 9110 8.4.1.2), or the raw format that many servers send."""
    try:
        return _inflate(body, bound, zlib.MAX_WBITS)
    except zlib.error:
        return _inflate(body, bound, -zlib.MAX_WBITS)


def _brotli(body: bytes, bound: int) -> bytes | None:
    decoder = brotli.Decompressor()
    found: bytes = decoder.process(body, output_buffer_limit=bound + 1)
    return found if decoder.is_finished() else None


def _zstd(body: bytes, bound: int) -> bytes | None:
    # Not `stream_reader`: it takes a cut frame for the end of the body.
    frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW).decompressobj()
    parts: list[bytes] = []
    room = bound
    for at in range(0, len(body), _ZSTD_STEP_BYTES):
        if frame.eof:
            return None
        parts.append(frame.decompress(body[at : at + _ZSTD_STEP_BYTES]))
        room -= len(parts[-1])
        if room < 0:
            return None
    return b"".join(parts) if frame.eof and not frame.unused_data else None


_DECODERS: Final[dict[str, Callable[[bytes, int], bytes | None]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
