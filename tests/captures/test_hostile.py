"""Whatever is in a file, reading it ends, and raises nothing but CaptureError."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from shadow.captures import Record, read
from shadow.captures.formats.gor import SEPARATOR
from shadow.captures.formats.native import decode_line, encode_line
from shadow.errors import CaptureError
from shadow.model import Exchange

NATIVE = (
    b'{"v":1,"id":"7f3a","ts":"2026-08-03T10:00:00.123456Z","session":"u","request":{"method":'
    b'"POST","target":"/\\udc80","headers":[["Host","h"]],"body":"x","truncated":true},'
    b'"response":{"status":200,"body_base64":"/w==","decoded":true,"latency_ms":3.2}}\n'
    b'{"id":"b","request":{"method":"GET","target":"/"},"error":{"kind":"tls","detail":"x"}}\n'
)
ID = b"a1b2c3d4e5f60718293a4b5c 1785751200123456789 100\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FOLDED = b"GET /a HTTP/1.1\r\nX: y\r\n z\r\n\r\n"
GOR = SEPARATOR.join(
    [
        b"1 " + ID + CHUNKED,
        b"2 " + ID + CONTINUED,
        b"2 early 5\nHTTP/1.1 200 OK\r\n\r\n",
        b"1 early 1785751200123456789\n" + FOLDED,
    ]
)
HAR = (Path(__file__).parent / "data" / "mitmproxy.har").read_bytes()
VALID = [NATIVE, GOR, HAR, gzip.compress(NATIVE), zstandard.ZstdCompressor().compress(GOR)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "capture"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module", autouse=True)
def _no_leaks() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() <= before


def outcome(path: Path, content: bytes) -> list[Record] | CaptureError:
    path.write_bytes(content)
    try:
        return list(read([path]))
    except CaptureError as error:
        return error


def check(path: Path, content: bytes) -> None:
    records = outcome(path, content)
    if isinstance(records, CaptureError):
        assert records.message.startswith(str(path))
        assert records.hint
        return
    for record in records:
        if isinstance(record, Exchange):
            assert decode_line(encode_line(record)) == record
        else:
            assert record.line > 0
            assert 0 < len(record.reason) < 300
            assert "\n" not in record.reason


@given(st.binary(max_size=300))
@example(b"\x1f\x8b\x08\x00")
@example(b"{" * 1000)
def test_random_bytes(path: Path, content: bytes) -> None:
    check(path, content)


@given(st.sampled_from([b'{"request"', b"1 a 1\n", b'{"log":', SEPARATOR]), st.binary(max_size=300))
def test_random_bytes_that_start_like_a_capture(path: Path, start: bytes, rest: bytes) -> None:
    check(path, start + rest)


@given(
    st.sampled_from(VALID),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6), st.binary(max_size=6)),
        min_size=1,
        max_size=6,
    ),
)
def test_captures_with_some_bytes_changed(
    path: Path, content: bytes, edits: list[tuple[float, int, bytes]]
) -> None:
    for where, removed, added in edits:
        at = int(where * len(content))
        content = content[:at] + added + content[at + removed :]
    check(path, content)


@given(st.sampled_from(VALID), st.floats(0, 1))
def test_captures_that_end_anywhere(path: Path, content: bytes, where: float) -> None:
    check(path, content[: int(where * len(content))])


TOKENS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"1e999",
    b"-1",
    b"\\ud800",
    b"\\u0000",
]


@given(
    st.sampled_from([NATIVE, HAR]),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TOKENS)), min_size=1, max_size=4),
)
def test_json_with_tokens_put_in(
    path: Path, content: bytes, edits: list[tuple[float, bytes]]
) -> None:
    for where, token in edits:
        at = int(where * len(content))
        content = content[:at] + token + content[at:]
    check(path, content)


@pytest.mark.parametrize("content", VALID)
def test_the_unchanged_captures_are_read_whole(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert [type(record) for record in read([path])] == [Exchange, Exchange]
