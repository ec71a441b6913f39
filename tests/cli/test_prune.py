"""`shadow prune`: what goes, what stays, and that it says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shadow.captures.formats.native import encode_line
from shadow.model import Exchange, Request, Response
from tests.cli.program import Shadow, runs

DAY = 86_400
LINE = encode_line(
    Exchange(id="x", request=Request(method="GET", target="/"), response=Response(status=200))
)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    now = folder.stat().st_mtime
    for age in (1, 10, 40):
        path = folder / f"{age}.jsonl"
        path.write_bytes(LINE)
        os.utime(path, (now - age * DAY, now - age * DAY))
    return folder


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_old_captures_go(shadow: Shadow, recordings: Path) -> None:
    words = ["prune", recordings, "--older-than", "30d"]
    planned = shadow(*words, "--dry-run")
    assert planned.code == 0
    assert "would delete 1 of 3 captures" in planned.out
    assert names(recordings) == {"1", "10", "40"}
    done = shadow(*words)
    assert done.code == 0
    assert f"deleted {recordings}/40.jsonl: " in done.out
    assert names(recordings) == {"1", "10"}


def test_too_many_captures_go_the_oldest_first(shadow: Shadow, recordings: Path) -> None:
    size = (recordings / "1.jsonl").stat().st_size
    assert shadow("prune", recordings, "--keep-bytes", str(size)).code == 0
    assert names(recordings) == {"1"}


def logs(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".shadow").glob("*.events.jsonl")]


def test_a_folder_named_twice_is_counted_once(shadow: Shadow, recordings: Path) -> None:
    size = 3 * (recordings / "1.jsonl").stat().st_size
    done = shadow("prune", recordings, recordings, "--keep-bytes", str(size))
    assert "deleted 0 of 3 captures" in done.out
    assert names(recordings) == {"1", "10", "40"}


def test_a_name_and_a_day_that_are_odd(shadow: Shadow, recordings: Path) -> None:
    odd = recordings / "\x1b[31m\n.jsonl"
    odd.write_bytes(LINE)
    os.utime(odd, (-DAY, -DAY))
    assert "\\x1b[31m\\n.jsonl" in shadow("prune", recordings, "--older-than", "500d").out
    assert not odd.exists()
    done = shadow("prune", recordings, "--older-than", "40000d")
    assert "is longer than 36,600 days" in done.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["recordings"], "no limit for the captures"),
        ([], "nothing to delete is named"),
        (["--older-than", "1d"], "no captures are named"),
        (["recordings", "--older-than", "soon"], "--older-than soon: is no duration"),
        (["recordings", "--keep-bytes", "much"], "--keep-bytes much: is no size"),
        (["none", "--older-than", "1d"], "none: No such file or directory"),
        (["--runs-older-than", "1d"], "does not exist"),
    ],
)
def test_wrong_words(shadow: Shadow, recordings: Path, words: list[str], reason: str) -> None:
    done = shadow("prune", *words)
    assert done.code == 2
    assert reason in done.err
    assert names(recordings) == {"1", "10", "40"}


def test_old_runs_go_but_the_newest(shadow: Shadow, recordings: Path) -> None:
    capture = recordings / "1.jsonl"
    for _ in range(3):
        assert shadow("diff", capture, capture, "--quiet").code == 0
    assert "deleted 0 runs" in shadow("prune", "--runs-older-than", "1h").out
    assert "would delete 2 runs" in shadow("prune", "--runs-older-than", "1ms", "--dry-run").out
    newest = runs(shadow)[0]
    assert len(runs(shadow)) == 3
    assert len(logs(recordings.parent)) == 3
    assert "deleted 2 runs" in shadow("prune", "--runs-older-than", "1ms").out
    assert runs(shadow) == [newest]
    assert logs(recordings.parent) == [f"{newest['id']}.events.jsonl"]
    assert shadow("diff", capture, capture, "--quiet").code == 0
    assert len(runs(shadow)) == 2
