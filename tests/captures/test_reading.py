from __future__ import annotations

from pathlib import Path

import pytest

from shadow.captures import Broken, Elsewhere, Share, read, read_share
from shadow.captures.formats.gor import SEPARATOR
from shadow.errors import CaptureError
from shadow.model import Exchange


def record(kind: int, number: int, time_ns: int) -> bytes:
    message = (
        f"GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n"
        if kind == 1
        else "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )
    return f"{kind} {number:024x} {time_ns} 0\n{message}".encode() + SEPARATOR


START = 1785751200_000_000_000


@pytest.fixture
def chunks(tmp_path: Path) -> list[Path]:
    """Requests in turns; the answer to each is in the other file."""
    parts: list[bytes] = [b"", b"", b""]
    for number in range(30):
        parts[number % 3] += record(1, number, START + 10 * number)
        parts[(number + 1) % 3] += record(2, number, START + 10 * number + 5)
    parts[1] += b"9 broken" + SEPARATOR
    paths = [tmp_path / f"requests_{number}.gor" for number in (2, 10, 0)]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part)
    return paths


def test_chunks_of_one_recording_are_merged_by_time(chunks: list[Path]) -> None:
    records = list(read(chunks))
    exchanges = [each for each in records if isinstance(each, Exchange)]
    assert [each.request.target for each in exchanges] == [f"/{number}" for number in range(30)]
    assert all(each.response is not None for each in exchanges)
    (broken,) = [each for each in records if isinstance(each, Broken)]
    assert (broken.path, broken.line) == (str(chunks[1]), 21)


def test_one_chunk_is_a_file_like_any_other(chunks: list[Path]) -> None:
    assert sum(isinstance(each, Exchange) for each in read(chunks[:1])) == 10


def test_shares_of_chunks(chunks: list[Path]) -> None:
    whole = list(read(chunks))
    shares = [list(read_share(chunks, Share(index, 2))) for index in range(2)]
    assert [len(share) for share in shares] == [len(whole)] * 2
    for own, first, second in zip(whole, *shares, strict=True):
        assert [first, second].count(own) == 1
        assert any(isinstance(each, Elsewhere) for each in (first, second))


def test_others_stay_where_they_are(chunks: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"id":"x","request":{"method":"GET","target":"/x"}}\n')
    found = [
        each.request.target
        for each in read([chunks[0], other, chunks[1]])
        if isinstance(each, Exchange)
    ]
    assert found.index("/x") == len(found) - 1
    assert len(found) == 21


def test_too_many_chunks_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shadow.captures.reading.MAX_CHUNKS", 1)
    for number in range(2):
        (tmp_path / f"a_{number}.gor").write_bytes(record(1, number, START))
    with pytest.raises(CaptureError, match="at most 1 are read at once"):
        list(read(sorted(tmp_path.iterdir())))
