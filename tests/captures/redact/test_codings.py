from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.redact.codings import decoded

RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
CODED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "Identity, GZIP": gzip.compress,
}


@pytest.mark.parametrize("name", CODED)
@given(st.binary(max_size=3_000))
def test_a_coding_is_undone_up_to_the_bound(name: str, body: bytes) -> None:
    coded = CODED[name](body)
    assert decoded(coded, [name], len(body)) == body
    if body:
        assert decoded(coded, [name], len(body) - 1) is None
        assert decoded(coded[:-1], [name], 10_000) is None


def test_deflate_may_be_raw() -> None:
    raw = RAW.compress(b"body") + RAW.flush()
    assert decoded(raw, ["deflate"], 4) == b"body"


def test_a_body_that_is_not_coded_is_itself() -> None:
    assert decoded(b"body", [], 4) == decoded(b"body", ["identity", ""], 4) == b"body"


@pytest.mark.parametrize("codings", [["gzip, br"], ["gzip", "gzip"], ["aes"], ["gzip;q=1"]])
def test_other_codings_are_refused(codings: list[str]) -> None:
    assert decoded(gzip.compress(b"body"), codings, 100) is None


@pytest.mark.parametrize("name", CODED)
@given(st.binary(max_size=50))
def test_what_is_not_coded_as_it_says_is_refused(name: str, body: bytes) -> None:
    assert decoded(b"\x00not" + body, [name], 1_000) is None


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
def test_nothing_may_stand_behind(name: str) -> None:
    assert decoded(CODED[name](b"body") + b"secret", [name], 100) is None
    assert decoded(CODED[name](b"body") + b"secret" * 200, [name], 100) is None
    assert decoded(CODED[name](b"body") * 2, [name], 100) is None


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_costs_no_more_than_a_step(name: str) -> None:
    zeros = bytes(100_000_000)
    bomb = brotli.compress(zeros, quality=1) if name == "br" else CODED[name](zeros)
    del zeros
    tracemalloc.start()
    try:
        assert decoded(bomb, [name], 1 << 20) is None
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
