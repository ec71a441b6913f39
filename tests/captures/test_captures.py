from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shadow.captures import Broken, read
from shadow.errors import CaptureError
from shadow.model import Exchange

LINE = b'{"id":"%s","request":{"method":"GET","target":"/"}}\n'


def ids(paths: list[str | Path]) -> list[str]:
    return [record.id for record in read(paths) if isinstance(record, Exchange)]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "good.jsonl"
    path.write_bytes(LINE % b"a" + LINE % b"b")
    return path


def test_files_are_read_one_after_the_other_whatever_their_format(
    capture: Path, data: Path
) -> None:
    assert ids([capture, data / "charles.har", str(capture)]) == ["a", "b", "har-000001", "a", "b"]


def test_no_files_give_no_records() -> None:
    assert list(read([])) == []


def test_a_missing_file_is_noticed_at_the_call(capture: Path) -> None:
    with pytest.raises(CaptureError) as caught:
        read([capture, "no/such/file.jsonl"])
    assert caught.value.message == "no/such/file.jsonl: no such file"
    assert caught.value.hint


def test_a_folder_is_refused_with_a_hint(capture: Path) -> None:
    with pytest.raises(CaptureError) as caught:
        read([capture, capture.parent])
    assert caught.value.message == f"{capture.parent}: is a directory"
    assert caught.value.hint


def test_a_path_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="is not a path"):
        read(["a\x00b"])
    with pytest.raises(CaptureError, match="cannot be read: File name too long"):
        read([tmp_path / ("x" * 300)])


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(CaptureError, match="cannot be read: Too many levels of symbolic links"):
        read([loop])


def test_all_files_are_recognised_before_the_first_record(capture: Path) -> None:
    other = capture.with_name("other.txt")
    other.write_bytes(b"just text\n")
    with pytest.raises(CaptureError, match="no capture of a known format"):
        read([capture, other])


def test_a_cut_archive_ends_in_one_broken_record_and_the_next_file_is_read(
    capture: Path, compress: Callable[[bytes], bytes]
) -> None:
    lines = b"".join(LINE % os.urandom(8).hex().encode() for _ in range(20_000))
    archive = capture.with_name("cut")
    archive.write_bytes(compress(lines)[:150_000])
    *records, broken, a, b = read([archive, capture])
    assert len(records) > 5_000
    assert all(isinstance(record, Exchange) for record in records)
    assert isinstance(broken, Broken)
    assert broken.line == len(records) + 1
    assert "ends in the middle" in broken.reason
    assert isinstance(a, Exchange)
    assert isinstance(b, Exchange)


def test_records_come_before_the_file_is_read_to_its_end(capture: Path) -> None:
    capture.write_bytes(LINE % b"a" + b"\n" * 2_000_000 + LINE % b"b")
    records = read([capture])
    first = next(records)
    assert isinstance(first, Exchange)
    capture.write_bytes(b"")
    assert first.id == "a"
    assert list(records) == []


def test_a_pipe_is_opened_once(tmp_path: Path, capture: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(LINE % b"piped",))
    writer.start()
    assert ids([capture, pipe]) == ["a", "b", "piped"]
    writer.join()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capture: Path) -> None:
    content = io.BufferedReader(io.BytesIO(LINE % b"in"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(content))
    assert ids([capture, "-"]) == ["a", "b", "in"]


def test_a_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CaptureError, match="there is no standard input"):
        read(["-"])


def test_standard_input_twice_is_refused() -> None:
    with pytest.raises(CaptureError, match="can be read only once"):
        read(["-", "-"])


def test_a_file_that_goes_away_after_the_call_is_an_error(capture: Path) -> None:
    records = read([capture])
    capture.unlink()
    with pytest.raises(CaptureError, match="no such file"):
        list(records)
