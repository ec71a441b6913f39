from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import digest, read, streams
from shadow.captures.streams import Chunks, Damage, decompressed, split_head, split_records
from shadow.errors import CaptureError
from shadow.model import Exchange


def chunks(*parts: bytes | Damage) -> Chunks:
    return iter(parts)


def cut(content: bytes, sizes: list[int]) -> Chunks:
    """The content in chunks of these sizes, then the rest."""
    at = 0
    for size in sizes:
        yield content[at : at + size]
        at += size
    yield content[at:]


def unpacked(content: bytes) -> tuple[bytes, str]:
    parts = list(decompressed(io.BufferedReader(io.BytesIO(content))))
    damage = [part.reason for part in parts if isinstance(part, Damage)]
    assert damage == [part.reason for part in parts[-1:] if isinstance(part, Damage)]
    return b"".join(part for part in parts if isinstance(part, bytes)), "".join(damage)


Compress = Callable[[bytes], bytes]


@given(
    st.lists(st.binary(max_size=20), max_size=8),
    st.lists(st.integers(0, 6), max_size=30),
    st.sampled_from([b"\n", b"\n--\n", b"aab"]),
)
def test_records_are_cut_at_separators_however_the_bytes_arrive(
    parts: list[bytes], sizes: list[int], separator: bytes
) -> None:
    content = separator.join(parts)
    expected = content.split(separator)
    if not expected[-1]:
        expected.pop()
    assert list(split_records(cut(content, sizes), separator)) == [*enumerate(expected, 1)]


@given(
    st.lists(st.sampled_from([b"", b"ab", b"x" * 9, b"y" * 30]), max_size=8),
    st.lists(st.integers(1, 6), max_size=30),
    st.sampled_from([b"\n", b"\n--\n"]),
)
def test_a_record_that_is_too_long_is_passed_over_however_the_bytes_arrive(
    parts: list[bytes], sizes: list[int], separator: bytes
) -> None:
    content = separator.join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "MAX_RECORD_BYTES", 8)
        cuts = list(split_records(cut(content, sizes), separator))
    expected = content.split(separator)
    if not expected[-1]:
        expected.pop()
    too_long = Damage("the record is longer than 8 bytes")
    assert cuts == [
        (position, too_long if len(part) > 8 else part) for position, part in enumerate(expected, 1)
    ]


def test_damage_ends_the_records_and_drops_the_unfinished_one() -> None:
    damage = Damage("cut")
    assert list(split_records(chunks(b"a\nb\nc", damage), b"\n")) == [
        (1, b"a"),
        (2, b"b"),
        (3, damage),
    ]


def test_the_head_and_the_stream_are_without_byte_order_mark() -> None:
    head, stream = split_head(chunks(b"\xef\xbb", b"\xbfab", b"c"))
    assert head == b"abc"
    assert b"".join(chunk for chunk in stream if isinstance(chunk, bytes)) == b"abc"


def test_the_head_is_bounded_and_nothing_is_lost() -> None:
    endless = itertools.repeat(b"x" * 50_000)
    head, stream = split_head(endless)
    assert len(head) == streams.HEAD_BYTES
    first = next(stream)
    assert isinstance(first, bytes)
    assert len(first) == 100_000


def test_damage_in_the_head_stays_in_the_stream() -> None:
    head, stream = split_head(chunks(b"ab", Damage("cut")))
    assert head == b"ab"
    assert list(stream) == [b"ab", Damage("cut")]


def test_compression_is_told_by_content(compress: Compress) -> None:
    content = os.urandom(1_000_000) + b"\x00" * 1_000_000
    assert unpacked(content) == (content, "")
    assert unpacked(compress(content)) == (content, "")
    assert unpacked(compress(content) + compress(b"more")) == (content + b"more", "")
    assert unpacked(compress(b"")) == (b"", "")


def test_a_zstd_file_may_start_with_an_empty_frame() -> None:
    skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    frame = zstandard.ZstdCompressor().compress(b"content")
    assert unpacked(skippable + frame + skippable) == (b"content", "")


def test_zero_padding_behind_gzip_is_no_damage() -> None:
    assert unpacked(gzip.compress(b"content") + b"\x00" * 512) == (b"content", "")


def test_a_cut_archive_keeps_what_came_before(compress: Compress) -> None:
    content = b"".join(b"%d %s\n" % (n, os.urandom(8).hex().encode()) for n in range(20_000))
    packed = compress(content)
    got, damage = unpacked(packed[: len(packed) // 2])
    assert content.startswith(got)
    assert len(got) > len(content) // 4
    assert "data ends in the middle" in damage


def test_a_damaged_archive_says_so(compress: Compress) -> None:
    packed = bytearray(compress(os.urandom(10_000)))
    packed[6_000] ^= 0xFF
    packed[-3] ^= 0xFF
    assert unpacked(bytes(packed) + b"garbage")[1]
    assert "damaged" in unpacked(compress(b"content") + b"garbage")[1]


def test_a_window_that_would_fill_the_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = stream.compress(b"content") + stream.flush()
    assert "the zstd data is damaged" in unpacked(packed)[1]


def test_one_line_that_unfolds_without_end_fills_no_memory(
    tmp_path: Path, compress: Compress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_RECORD_BYTES", 1_000_000)
    line = b'{"id":"a","request":{"method":"GET","target":"/"}}\n'
    path = tmp_path / "bomb"
    path.write_bytes(compress(line + b"x" * 50_000_000 + b"\n" + line))
    records, peak = peak_of(read([path]))
    assert [type(record).__name__ for record in records] == ["Exchange", "Broken", "Exchange"]
    # A step of zstd may give 16 MiB before anyone can look at it, and a copy is made of it.
    assert peak < 45_000_000


def test_reading_takes_no_more_memory_for_a_long_file(tmp_path: Path) -> None:
    body = os.urandom(15_000).hex()
    path = tmp_path / "long.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(1_700):
            line = '{"id":"%d","request":{"method":"PUT","target":"/","body":"%s"}}\n'
            file.write((line % (number, body)).encode())
    tracemalloc.start()
    try:
        count = sum(isinstance(record, Exchange) for record in read([path]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1_700
    assert peak < 10_000_000


def peak_of(records: Iterator[object]) -> tuple[list[object], int]:
    tracemalloc.start()
    try:
        return list(records), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_digest_is_that_of_the_bytes_of_all_files(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a" * 1_000_000)
    two.write_bytes(b"b")
    assert digest([one]) == hashlib.sha256(b"a" * 1_000_000).hexdigest()
    assert digest([str(one), two]) == hashlib.sha256(b"a" * 1_000_000 + b"b").hexdigest()
    assert digest([two, one]) != digest([one, two])


def test_what_cannot_be_read_twice_has_no_digest(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in ("-", pipe):
        with pytest.raises(CaptureError, match="a pipe has no digest"):
            digest([path])
    with pytest.raises(CaptureError, match="no such file"):
        digest([tmp_path / "missing"])
