from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.encodings import OverBoundError, UndecodableError, decode

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
}


@given(st.binary(max_size=5_000), st.sampled_from(sorted(ENCODERS)))
def test_what_was_encoded_is_decoded(body: bytes, name: str) -> None:
    assert decode(ENCODERS[name](body), [name], 5_000) == body


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_costs_no_more_than_its_bound(name: str) -> None:
    bomb = ENCODERS[name](bytes(50_000_000))
    with pytest.raises(UndecodableError, match="more than 1000 bytes"):
        decode(bomb, [name], 1_000)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_body_cut_short_is_said_to_be(name: str) -> None:
    body = ENCODERS[name](bytes(range(256)) * 40)
    with pytest.raises(UndecodableError, match="cut short"):
        decode(body[:-20], [name], 1_000_000)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "unheard-of"])
def test_what_is_not_encoded_is_undecodable(name: str) -> None:
    with pytest.raises(UndecodableError):
        decode(b"plain text, not encoded at all", [name], 1_000)


def test_codings_are_undone_in_reverse() -> None:
    twice = brotli.compress(gzip.compress(b"body"))
    assert decode(twice, ["gzip, br"], 100) == b"body"
    assert decode(twice, ["gzip", "br"], 100) == b"body"


def test_many_layers_are_refused() -> None:
    with pytest.raises(UndecodableError, match="nested"):
        decode(b"x", ["gzip, gzip, gzip, gzip"], 100)


def test_raw_deflate_is_taken_too() -> None:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    raw = compressor.compress(b"body") + compressor.flush()
    assert decode(raw, ["deflate"], 100) == b"body"


def test_several_gzip_members_are_one_body() -> None:
    assert decode(gzip.compress(b"a") + gzip.compress(b"b"), ["gzip"], 100) == b"ab"


def test_several_zstd_frames_are_one_body() -> None:
    frames = b"".join(map(ENCODERS["zstd"], (b"a", b"", b"bc")))
    assert decode(frames, ["zstd"], 100) == b"abc"


@given(st.lists(st.binary(max_size=400), min_size=1, max_size=6), st.integers(0, 3))
def test_members_of_any_size_are_one_body(parts: list[bytes], padding: int) -> None:
    body = b"".join(map(gzip.compress, parts)) + bytes(padding)
    assert decode(body, ["gzip"], 5_000) == b"".join(parts)
    frames = b"".join(map(ENCODERS["zstd"], parts))
    assert decode(frames, ["zstd"], 5_000) == b"".join(parts)


@pytest.mark.parametrize(("name", "count"), [("gzip", 200_000), ("zstd", 30_000)])
def test_thousands_of_members_cost_what_they_are_long(name: str, count: int) -> None:
    """Were each copied with all that follows it, this would take hours."""
    assert decode(ENCODERS[name](b"a") * count, [name], 10**7) == b"a" * count


def test_a_body_far_longer_than_it_may_be_decoded_is_not_begun() -> None:
    with pytest.raises(OverBoundError, match="more than 10 bytes"):
        decode(gzip.compress(b"") * 1_000, ["gzip"], 10)
