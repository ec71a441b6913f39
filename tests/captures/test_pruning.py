from __future__ import annotations

import os
from pathlib import Path

import pyrage
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
    (tmp_path / "d.jsonl.gz.age").write_bytes(MAGICS[0] + b"-> X25519 x")
    (tmp_path / "private").write_bytes(MAGICS[0] + b"-> X25519 x")  # somebody else's
    (tmp_path / "key.age").write_bytes(MAGICS[0] + b"-> scrypt x 18")  # locked by a passphrase
    (tmp_path / "armoured.age").write_bytes(MAGICS[1])
    (tmp_path / "caddy.log").write_text('{"level":"info","request":{"method":"GET","uri":"/"}}\n')
    (tmp_path / "nginx.log").write_text('{"time":"x","request":"GET / HTTP/1.1"}\n')
    (tmp_path / "browser.har").write_text('{"log":{"entries":[{"request":{"method":"GET"}}]}}')
    (tmp_path / "large.json").write_text('{"a":"' + "x" * 100_000 + '"}')
    (tmp_path / "handmade.jsonl").write_text('{"id":"x","request":{"method":"GET","target":"/"}}')
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


@pytest.mark.parametrize(
    "name", ["notes.txt", "link.jsonl", "e.jsonl.part", "access.log", "pipe", "key.age"]
)
def test_what_is_named_and_is_none_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(CaptureError, match="is no capture that shadow wrote"):
        list(captures_in([str(folder / name)]))


def test_what_is_named_twice_is_found_once(folder: Path) -> None:
    places = [str(folder), str(folder / "a.jsonl"), f"{folder}/below/..", str(folder)]
    assert len(list(captures_in(places))) == 4


@pytest.mark.parametrize("recipients", [1, 3])
def test_what_is_encrypted_for_keys_is_a_capture(tmp_path: Path, recipients: int) -> None:
    keys = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(recipients)]
    with open_writer(tmp_path / "a.jsonl.age", recipients=keys) as writer:
        writer.write(Exchange(id="x", request=Request(method="GET", target="/")))
    assert len(list(captures_in([str(tmp_path)]))) == 1


def test_one_that_took_another_s_place_is_not_deleted(folder: Path) -> None:
    (found,) = captures_in([str(folder / "a.jsonl")])
    (folder / "a.jsonl").write_bytes(b"another one")
    assert not found.delete()
    assert (folder / "a.jsonl").exists()
    (found,) = captures_in([str(folder / "b.jsonl.gz")])
    assert found.delete()
    assert not (folder / "b.jsonl.gz").exists()
    assert not found.delete()


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        list(captures_in([str(tmp_path / "none")]))
