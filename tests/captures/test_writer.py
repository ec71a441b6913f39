from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import open_writer, read
from shadow.captures.formats.native import encode_line
from shadow.captures.rotation import RotatingWriter
from shadow.errors import CaptureError, UnfinishedError
from shadow.model import Exchange, Request

MAGIC = {"": b'{"v"', ".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}


def exchange(identity: str, body: bytes = b"") -> Exchange:
    return Exchange(id=identity, request=Request(method="PUT", target="/", body=body))


@pytest.mark.parametrize("suffix", MAGIC)
def test_what_is_written_is_read_compressed_by_the_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"capture.jsonl{suffix}"
    written = [exchange(str(n), os.urandom(100)) for n in range(5_000)]
    with open_writer(path) as writer:
        for one in written:
            writer.write(one)
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert list(read([path])) == written


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=4))
def test_any_bodies_survive_a_file(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("written") / "capture.zst"
    written = [exchange(f"{n}", body) for n, body in enumerate(bodies)]
    with open_writer(path) as writer:
        for one in written:
            writer.write(one)
    assert list(read([path])) == written


@pytest.mark.parametrize("suffix", MAGIC)
def test_only_its_owner_can_read_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"capture{suffix}"
    part = tmp_path / f"capture{suffix}.part"
    part.write_bytes(b"left behind by a run that was killed")
    part.chmod(0o666)
    before = os.umask(0)
    try:
        with open_writer(path) as writer:
            writer.write(exchange("a"))
            assert stat.S_IMODE(part.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    with open_writer(path) as writer:
        writer.write(exchange("a"))
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["capture.jsonl"]


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, suffix: str, failure: type[BaseException]
) -> None:
    path = tmp_path / f"capture{suffix}"
    path.write_bytes(b"the capture of yesterday")

    def write_and_fail() -> None:
        with open_writer(path) as writer:
            writer.write(exchange("a"))
            raise failure

    with pytest.raises(failure):
        write_and_fail()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"the capture of yesterday"


def test_an_exchange_that_could_not_be_read_back_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    with pytest.raises(ValueError, match="the id is empty"), open_writer(path) as writer:
        writer.write(exchange(""))


@pytest.mark.parametrize("target", ["", "missing/capture.jsonl"])
def test_where_nothing_can_be_written_is_said_at_once(tmp_path: Path, target: str) -> None:
    with pytest.raises(CaptureError) as caught, open_writer(tmp_path / target):
        pass
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "capture.part").symlink_to(victim)
    with pytest.raises(CaptureError), open_writer(tmp_path / "capture"):
        pass
    assert victim.read_bytes() == b"precious"


def test_a_recording_that_goes_on_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    with RotatingWriter(path) as recorder:
        recorder.write(exchange("a"))
        with pytest.raises(CaptureError, match="another process writes it"), open_writer(path):
            pass
        recorder.write(exchange("b"))
    assert list(read([path])) == [exchange("a"), exchange("b")]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, suffix: str, count: int) -> None:
    path = tmp_path / f"capture{suffix}"

    def fill() -> None:
        with open_writer(path) as writer:
            for _ in range(count):
                writer.write(exchange("a", os.urandom(150_000)))

    with pytest.raises(UnfinishedError, match="cannot be written: File too large"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_an_exchange_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    with open_writer(path) as writer:
        writer.write(exchange("a"))
        writer.write(exchange("b"))
    assert path.read_bytes() == encode_line(exchange("a")) + encode_line(exchange("b"))
