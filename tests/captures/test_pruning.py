from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import open_writer
from shadow.captures.age import MAGICS
from shadow.captures.pruning import Kept, captures_in, too_many
from shadow.errors import CaptureError
from shadow.model import Exchange, Request

sizes = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=12)


@given(sizes, st.none() | st.integers(0, 120), st.none() | st.integers(1, 400))
def test_the_oldest_go_and_no_more_than_need_to(
    given: list[tuple[int, int]], older: int | None, keep: int | None
) -> None:
    captures = [
        Kept(path=Path(f"{number}"), size=size, written=100.0 - age)
        for number, (age, size) in enumerate(given)
    ]
    gone = too_many(captures, now=100.0, older_than_s=older, keep_bytes=keep)
    left = [each for each in captures if each not in gone]
    assert [each.written for each in gone] == sorted(each.written for each in gone)
    if older is not None:
        assert all(100.0 - each.written <= older for each in left)
    if keep is not None:
        assert sum(each.size for each in left) <= keep
    if gone:
        assert max(each.written for each in gone) <= min((e.written for e in left), default=100.0)
        last = gone[-1]
        was_old = older is not None and 100.0 - last.written > older
        was_much = keep is not None and sum(e.size for e in left) + last.size > keep
        assert was_old or was_much
    if older is None and keep is None:
        assert not gone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Captures, and what only looks like one."""
    for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst"):
        with open_writer(tmp_path / name) as writer:
            writer.write(Exchange(id="x", request=Request(method="GET", target="/")))
    (tmp_path / "d.jsonl.gz.age").write_bytes(MAGICS[0] + b"x")
    (tmp_path / "private").write_bytes(MAGICS[0] + b"x")  # somebody else's
    (tmp_path / "e.jsonl.part").write_bytes((tmp_path / "a.jsonl").read_bytes())
    (tmp_path / "access.log").write_text('1 - - [03/Aug/2026:10:00:00 +0000] "GET / H" 200 1\n')
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "empty").write_text("")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "f.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes())
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_only_captures_are_found(folder: Path) -> None:
    names = {each.path.name for each in captures_in([str(folder)])}
    assert names == {"a.jsonl", "b.jsonl.gz", "c.jsonl.zst", "d.jsonl.gz.age"}


@pytest.mark.parametrize("name", ["notes.txt", "link.jsonl", "e.jsonl.part", "access.log", "pipe"])
def test_what_is_named_and_is_none_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(CaptureError, match="is no capture that shadow wrote"):
        list(captures_in([str(folder / name)]))


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        list(captures_in([str(tmp_path / "none")]))
