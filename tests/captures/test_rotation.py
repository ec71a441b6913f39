from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import Record, read
from shadow.captures.formats.native import encode_line
from shadow.captures.recovery import Recovered, recover
from shadow.captures.rotation import RotatingWriter
from shadow.errors import CaptureError, UnfinishedError
from shadow.model import Exchange, Request

SUFFIXES = ["", ".gz", ".zst"]
NOON = 1_795_694_400.0  # 2026-11-26T12:00:00Z
FIRST = "traffic-20261126T120000.000Z.jsonl"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def exchange(number: int, body: bytes = b"") -> Exchange:
    return Exchange(id=f"{number:05d}", request=Request(method="PUT", target="/", body=body))


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def recorded(folder: Path) -> list[Record]:
    """What the finished parts hold, in the order of their names."""
    parts = [path for path in sorted(folder.iterdir()) if not path.name.endswith(".part")]
    return [record for path in parts for record in read([path])]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_parts_are_captures_of_their_own_and_no_larger_than_allowed(
    tmp_path: Path, suffix: str
) -> None:
    written = [exchange(number, os.urandom(500)) for number in range(400)]
    with RotatingWriter(tmp_path / f"traffic.jsonl{suffix}", max_bytes=20_000) as writer:
        for one in written:
            writer.write(one)
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert len(sizes) >= 10
    assert max(sizes) <= 20_020
    assert min(sizes[:-1]) >= 20_000 - 1_000
    assert recorded(tmp_path) == written
    for path in tmp_path.iterdir():
        assert all(isinstance(record, Exchange) for record in read([path]))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_parts_are_named_by_when_they_were_begun(tmp_path: Path) -> None:
    clock = Clock()
    with RotatingWriter(tmp_path / "traffic.jsonl.gz", max_age_s=60, clock=clock) as writer:
        for number, now in enumerate((0, 59.9, 60, 3_600.25)):
            clock.now = NOON + now
            writer.write(exchange(number))
    assert contents(tmp_path) == [
        "traffic-20261126T120000.000Z.jsonl.gz",
        "traffic-20261126T120100.000Z.jsonl.gz",
        "traffic-20261126T130000.250Z.jsonl.gz",
    ]
    assert recorded(tmp_path) == [exchange(number) for number in range(4)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("traffic", "traffic-20261126T120000.000Z"),
        ("a.b.jsonl.zst", "a.b-20261126T120000.000Z.jsonl.zst"),
        ("traffic.gz", "traffic-20261126T120000.000Z.gz"),
        (".gz", ".gz-20261126T120000.000Z"),
    ],
)
def test_a_name_keeps_what_it_ends_in(tmp_path: Path, name: str, expected: str) -> None:
    with RotatingWriter(tmp_path / name, max_age_s=60, clock=Clock()) as writer:
        writer.write(exchange(1))
    assert contents(tmp_path) == [expected]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_part_being_written_never_looks_finished_and_can_be_read(
    tmp_path: Path, suffix: str
) -> None:
    clock = Clock()
    path = tmp_path / f"traffic.jsonl{suffix}"
    with RotatingWriter(path, max_age_s=60, clock=clock) as writer:
        part = tmp_path / f"{FIRST}{suffix}.part"
        assert contents(tmp_path) == [part.name]
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
        writer.write(exchange(1))
        writer.tick()
        assert part.stat().st_size == 0
        clock.now += 1
        writer.tick()
        assert [record for record in read([part]) if isinstance(record, Exchange)] == [exchange(1)]
    assert contents(tmp_path) == [f"{FIRST}{suffix}"]


def test_age_ends_a_part_though_no_traffic_comes(tmp_path: Path) -> None:
    clock = Clock()
    with RotatingWriter(tmp_path / "traffic.jsonl", max_age_s=60, clock=clock) as writer:
        writer.write(exchange(1))
        clock.now += 60
        writer.tick()
        assert contents(tmp_path) == [FIRST]
        clock.now += 600
        writer.tick()
        assert contents(tmp_path) == [FIRST]
        writer.write(exchange(2))
    assert recorded(tmp_path) == [exchange(1), exchange(2)]
    assert contents(tmp_path)[1] == "traffic-20261126T121100.000Z.jsonl"


def test_of_no_traffic_nothing_is_left(tmp_path: Path) -> None:
    clock = Clock()
    with RotatingWriter(tmp_path / "traffic.jsonl", max_age_s=60, clock=clock) as writer:
        clock.now += 60
        writer.tick()
        assert contents(tmp_path) == []
    path = tmp_path / "one.jsonl"
    path.write_bytes(b"the recording of yesterday")
    with RotatingWriter(path):
        pass
    assert path.read_bytes() == b"the recording of yesterday"
    assert contents(tmp_path) == [path.name]


def test_a_clock_that_is_set_back_neither_stops_rotation_nor_turns_the_order(
    tmp_path: Path,
) -> None:
    clock = Clock()
    with RotatingWriter(tmp_path / "traffic.jsonl", max_age_s=60, clock=clock) as writer:
        for number in range(3):
            writer.write(exchange(number))
            clock.now -= 3_600
    assert recorded(tmp_path) == [exchange(number) for number in range(3)]


def test_only_the_newest_parts_are_kept(tmp_path: Path) -> None:
    clock = Clock()
    others = ["traffic-20200101T000000.000Z.jsonl.gz", "traffic-notes.jsonl", "traffic.jsonl"]
    for name in others:
        (tmp_path / name).touch()
    with RotatingWriter(
        tmp_path / "traffic.jsonl", max_age_s=60, max_files=3, clock=clock
    ) as writer:
        for number in range(10):
            writer.write(exchange(number))
            clock.now += 60
    for name in others:
        (tmp_path / name).unlink()
    assert recorded(tmp_path) == [exchange(number) for number in (7, 8, 9)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_without_limits_there_is_one_file_which_has_its_name_in_the_end(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"traffic.jsonl{suffix}"
    path.write_bytes(b"the recording of yesterday")
    written = [exchange(number, os.urandom(100)) for number in range(5_000)]
    with RotatingWriter(path, max_files=1) as writer:
        for one in written:
            writer.write(one)
        assert contents(tmp_path) == [path.name, f"{path.name}.part"]
        assert path.read_bytes() == b"the recording of yesterday"
    assert contents(tmp_path) == [path.name]
    assert list(read([path])) == written


def test_what_was_recorded_before_a_failure_is_kept(tmp_path: Path) -> None:
    def record_and_fail() -> None:
        with RotatingWriter(tmp_path / "traffic.jsonl") as writer:
            writer.write(exchange(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_and_fail()
    assert recorded(tmp_path) == [exchange(1)]


@pytest.mark.parametrize("max_bytes", [None, 1_000])
@pytest.mark.parametrize("target", ["", "missing/traffic.jsonl"])
def test_where_nothing_can_be_written_is_said_at_once(
    tmp_path: Path, target: str, max_bytes: int | None
) -> None:
    with pytest.raises(CaptureError) as caught:
        RotatingWriter(tmp_path / target, max_bytes=max_bytes)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["traffic.jsonl.part", f"{FIRST}.part", FIRST])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (folder / name).symlink_to(victim)
    try:
        with RotatingWriter(folder / "traffic.jsonl", max_age_s=60, clock=Clock()) as writer:
            writer.write(exchange(1))
    except CaptureError:
        assert name == "traffic.jsonl.part"
    for found in recover(folder / "traffic.jsonl"):
        assert found.problem
    assert victim.read_bytes() == b"precious"


def test_two_recorders_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    with RotatingWriter(path) as writer:
        writer.write(exchange(1))
        with pytest.raises(CaptureError, match="another process writes it"):
            RotatingWriter(path)
    clock = Clock()
    path.unlink()
    with (
        RotatingWriter(path, max_age_s=60, clock=clock) as first,
        RotatingWriter(path, max_age_s=60, clock=clock) as second,
    ):
        first.write(exchange(1))
        second.write(exchange(2))
        assert recover(path) == []
    assert recorded(tmp_path) == [exchange(1), exchange(2)]


def test_a_disk_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(CaptureError, match="cannot be written: No locks available"):
        RotatingWriter(tmp_path / "traffic.jsonl")
    assert contents(tmp_path) == []


def test_an_exchange_that_could_not_be_read_back_is_refused(tmp_path: Path) -> None:
    with RotatingWriter(tmp_path / "traffic.jsonl") as writer:
        with pytest.raises(ValueError, match="the id is empty"):
            writer.write(Exchange(id="", request=Request(method="GET", target="/")))
        writer.write(exchange(1))
    assert recorded(tmp_path) == [exchange(1)]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([0.0, 0.4, 1.0, 9.0, -5.0]), st.booleans()),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(SUFFIXES),
    st.sampled_from([None, 1, 500, 2_000]),
    st.sampled_from([None, 5.0]),
)
def test_whatever_comes_when_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, float, bool]],
    suffix: str,
    max_bytes: int | None,
    max_age_s: float | None,
) -> None:
    folder = tmp_path_factory.mktemp("recording")
    clock = Clock()
    written = []
    with RotatingWriter(
        folder / f"traffic.jsonl{suffix}", max_bytes=max_bytes, max_age_s=max_age_s, clock=clock
    ) as writer:
        for number, (size, after, ticks) in enumerate(steps):
            written.append(exchange(number, os.urandom(size)))
            writer.write(written[-1])
            clock.now += after
            if ticks:
                writer.tick()
    assert recorded(folder) == written


PLENTY = 1 << 40
"""No limit: pytest's own output may go to a file, too, before the fixture ends."""


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """Says how large a file may grow, as a disk does that is full or has been cleared."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("max_bytes", [None, 250_000])
def test_a_full_disk_costs_only_what_was_refused(
    tmp_path: Path, suffix: str, max_bytes: int | None, room: Callable[[int], None]
) -> None:
    clock = Clock()
    path = tmp_path / f"traffic.jsonl{suffix}"
    writer = RotatingWriter(path, max_bytes=max_bytes, clock=clock)
    taken: list[Exchange] = []
    lost = 0
    for number in range(300):
        if number == 50:
            room(100_000)
        if number == 250:
            room(PLENTY)
        one = exchange(number, os.urandom(3_000))
        try:
            writer.write(one)
            taken.append(one)
        except UnfinishedError:
            lost += 1
        clock.now += 0.3
    writer.close()
    assert 100 <= lost <= 200
    assert len(taken) + lost == 300
    assert recorded(tmp_path) == taken


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_that_the_disk_did_not_take_ends_when_there_is_room(
    tmp_path: Path, suffix: str, room: Callable[[int], None]
) -> None:
    clock = Clock()
    writer = RotatingWriter(tmp_path / f"traffic.jsonl{suffix}", max_age_s=60, clock=clock)
    first = exchange(1, os.urandom(3_000))
    writer.write(first)
    room(1_000)
    clock.now += 60
    for _ in range(3):
        with pytest.raises(UnfinishedError, match=r"cannot be written: File too large"):
            writer.tick()
        with pytest.raises(UnfinishedError):
            writer.write(exchange(2))
        with pytest.raises(UnfinishedError):
            writer.close()
    assert contents(tmp_path) == [f"{FIRST}{suffix}.part"]
    room(PLENTY)
    writer.tick()
    assert contents(tmp_path) == [f"{FIRST}{suffix}"]
    writer.write(exchange(3))
    writer.close()
    assert recorded(tmp_path) == [first, exchange(3)]


def test_what_a_full_disk_did_not_take_in_the_end_is_left_for_the_next_start(
    tmp_path: Path, room: Callable[[int], None]
) -> None:
    path = tmp_path / "traffic.jsonl"
    written = [exchange(number, bytes(500)) for number in range(4)]

    def record() -> None:
        with RotatingWriter(path) as writer:
            for one in written:
                writer.write(one)
            room(len(encode_line(written[0])) * 3 - 10)

    with pytest.raises(UnfinishedError):
        record()
    room(PLENTY)
    with RotatingWriter(path):
        [found] = recover(path)
    assert found.exchanges == 2
    assert recorded(tmp_path) == written[:2]


def test_a_folder_that_is_gone_is_told_and_can_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    clock = Clock()
    writer = RotatingWriter(folder / "traffic.jsonl", max_age_s=60, clock=clock)
    clock.now += 60
    writer.tick()
    folder.rmdir()
    with pytest.raises(UnfinishedError, match="No such file or directory"):
        writer.write(exchange(1))
    folder.mkdir()
    writer.write(exchange(2))
    writer.close()
    assert recorded(folder) == [exchange(2)]


RECORDER = textwrap.dedent("""
    import sys
    from shadow.captures.rotation import RotatingWriter
    from shadow.model import Exchange, Request

    writer = RotatingWriter(sys.argv[1], max_bytes=int(sys.argv[2]) or None)
    number = 0
    while True:
        for number in range(number, number + 500):
            request = Request(method="PUT", target="/", body=b"x" * 200)
            writer.write(Exchange(id=f"{number:05d}", request=request))
        number += 1
        writer._flush(writer._part, 0.0)
        print(number, flush=True)
""")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("max_bytes", [0, 30_000])
def test_a_killed_recorder_leaves_what_it_had_flushed(
    tmp_path: Path, suffix: str, max_bytes: int
) -> None:
    path = tmp_path / f"traffic.jsonl{suffix}"
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(path), str(max_bytes)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        flushed = 0
        while flushed < 3_000:
            flushed = int(process.stdout.readline())
        assert recover(path) == []  # it is alive
        process.send_signal(signal.SIGKILL)
        flushed = max([flushed, *(int(line) for line in process.stdout if line.endswith(b"\n"))])
    with RotatingWriter(path, max_bytes=max_bytes or None) as writer:
        [found] = recover(path)
        assert found.finished is not None
        assert not found.problem
        assert len(list(read([found.finished]))) == found.exchanges
        assert recover(path) == []
        writer.write(exchange(99_999))
    records = recorded(tmp_path)
    numbers = sorted(int(record.id) for record in records if isinstance(record, Exchange))
    assert numbers[-1] == 99_999
    assert numbers[:-1] == list(range(len(records) - 1))
    assert len(records) - 1 >= flushed
    assert not [name for name in contents(tmp_path) if name.endswith((".part", ".mended"))]


def left_behind(folder: Path, content: bytes) -> Path:
    part = folder / f"{FIRST}.part"
    part.write_bytes(content)
    return part


LINE = encode_line(exchange(1))


@pytest.mark.parametrize(
    ("content", "exchanges"),
    [
        (b"", 0),
        (LINE[:-2], 0),
        (LINE, 1),
        (LINE[:-1], 1),
        (LINE + LINE[:-2], 1),
        (LINE + LINE[:-1], 2),
        (LINE + b"\0" * 100, 1),
        (LINE * 3, 3),
    ],
)
def test_the_whole_lines_of_a_part_left_behind_are_kept(
    tmp_path: Path, content: bytes, exchanges: int
) -> None:
    part = left_behind(tmp_path, content)
    finished = str(tmp_path / FIRST) if exchanges else None
    found = Recovered(part=str(part), finished=finished, exchanges=exchanges)
    assert recover(tmp_path / "traffic.jsonl") == [found]
    assert recorded(tmp_path) == [exchange(1)] * exchanges
    assert contents(tmp_path) == ([FIRST] if exchanges else [])


def test_what_cannot_be_recovered_is_told_and_stays(
    tmp_path: Path, room: Callable[[int], None]
) -> None:
    part = left_behind(tmp_path, LINE * 3)
    (tmp_path / FIRST).write_bytes(b"what is this")
    [found] = recover(tmp_path / "traffic.jsonl")
    assert found == Recovered(part=str(part), problem=f"{FIRST} is there already")
    (tmp_path / FIRST).unlink()
    room(len(LINE))
    [found] = recover(tmp_path / "traffic.jsonl")
    room(PLENTY)
    assert found == Recovered(part=str(part), problem="File too large")
    assert contents(tmp_path) == [part.name]
    assert part.read_bytes() == LINE * 3
    part.unlink()
    os.mkfifo(part)
    assert recover(tmp_path / "traffic.jsonl")[0].problem == "it is no file"
    part.unlink()
    part.mkdir()
    assert recover(tmp_path / "traffic.jsonl")[0].problem == "Is a directory"
    assert recover(tmp_path / "missing" / "traffic.jsonl")[0].problem


def test_only_parts_of_the_same_recording_are_recovered(tmp_path: Path) -> None:
    for name in ("other-20261126T120000.000Z.jsonl.part", f"{FIRST}.gz.part", "traffic-1.part"):
        (tmp_path / name).write_bytes(LINE)
    assert recover(tmp_path / "traffic.jsonl") == []
