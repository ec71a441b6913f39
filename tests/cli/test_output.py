"""Where output goes when stdout, stderr, the disk or the locale will not take it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import (
    CAPTURE,
    CONFIG,
    RUST_CAPTURE,
    Done,
    Forks,
    Shadow,
    add_up,
    exchange,
    runs,
    write,
)

DIFF = ["diff", "go.jsonl", "rust.jsonl"]
WHOLE = ["diff", CAPTURE, RUST_CAPTURE, "--config", CONFIG]
SMALLEST_PIPE = 4096
FULL = Path("/dev/full")
ReadALittle = Callable[..., Done]


@pytest.fixture
def read_a_little(tmp_path: Path, said: Path, forks: Forks) -> ReadALittle:
    """What `shadow WORDS | head -c SIZE` is to the command."""
    pipe, err = said / "pipe", said / "err"
    os.mkfifo(pipe)

    def run(*words: object, size: int = 10) -> Done:
        with forks.running(tmp_path, *words, out=pipe, err=err) as running:
            with pipe.open("rb", buffering=0) as reader:
                fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
                while size > 0:
                    size -= len(reader.read(size))
            code = running.code()
        return Done(code, b"", err.read_bytes())

    return run


def test_a_reader_that_goes_away_early(shadow: Shadow, read_a_little: ReadALittle) -> None:
    assert shadow(*WHOLE, "--limit", "300", "--quiet").code == 1
    for words in (["report", "--format", "json"], ["report", "--all"], ["explain"]):
        done = read_a_little(*words)
        assert (done.code, done.err) == (4, ""), words


def test_a_reader_of_events_that_goes_away(shadow: Shadow, read_a_little: ReadALittle) -> None:
    done = read_a_little(*WHOLE, "--quiet", "--events", "-", size=100_000)
    assert done.code == 4
    assert done.err.splitlines() == [
        "shadow: the reader of the events has gone away",
        "  hint: give --events a file; what was done is in the store",
    ]
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"]) == ("failed", 4)
    assert 0 < run["read"] < 2000
    assert add_up(run)


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("words", [["--json"], ["--events", "-"]])
def test_a_closed_stdout(tmp_path: Path, said: Path, forks: Forks, words: list[str]) -> None:
    err = said / "err"
    with forks.running(tmp_path, *DIFF, "--quiet", *words, out=None, err=err) as running:
        assert running.code() in (2, 4)
    told = err.read_text("utf-8")
    assert told.startswith("shadow: cannot write ")
    assert "stdout: it is closed\n  hint: " in told


@pytest.mark.usefixtures("pair")
def test_a_closed_stderr(tmp_path: Path, said: Path, forks: Forks) -> None:
    with (tmp_path / "go.jsonl").open("a") as capture:
        capture.write("{\n")
    with forks.running(tmp_path, *DIFF, "--json", out=said / "out", err=None) as running:
        assert running.code() == 1
    assert json.loads((said / "out").read_bytes())["broken"] == 1


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    "words", [[*DIFF, "--quiet", "--json"], [*DIFF, "--quiet", "--events", "-"], ["explain"]]
)
def test_a_full_disk_behind_stdout(
    tmp_path: Path, said: Path, forks: Forks, words: list[str]
) -> None:
    with forks.running(tmp_path, *words, out=FULL, err=said / "err") as running:
        assert running.code() == 4
    first, second = (said / "err").read_text("utf-8").splitlines()
    assert "No space left on device" in first
    assert second.startswith("  hint: ")


@pytest.mark.usefixtures("pair")
def test_a_full_disk_behind_stderr(tmp_path: Path, said: Path, forks: Forks) -> None:
    same = ["diff", "go.jsonl", "go.jsonl"]
    for words, code in ((DIFF, 1), (same, 0), (["diff", "missing", "missing"], 2)):
        with forks.running(tmp_path, *words, out=said / "out", err=FULL) as running:
            assert running.code() == code


@pytest.mark.usefixtures("pair")
def test_a_full_disk_behind_one_report_leaves_the_others(shadow: Shadow, tmp_path: Path) -> None:
    reports = ["--report", "json=/dev/full", "--report", "terminal=summary.txt"]
    done = shadow(*DIFF, *reports, "--json")
    assert done.code == 4
    assert done.err.endswith(
        "shadow: cannot write /dev/full: No space left on device\n"
        "  hint: the run is in the store: shadow report writes it again\n"
    )
    assert "DIVERGENT" in (tmp_path / "summary.txt").read_text("utf-8")
    assert done.json["divergent"] == 2
    assert FULL.is_char_device()


@pytest.mark.parametrize(
    ("size", "events"),
    [(150_000, "events.jsonl"), (400_000, "/dev/null")],
    ids=["events", "store"],
)
def test_a_full_disk(
    shadow: Shadow, tmp_path: Path, forks: Forks, *, size: int, events: str
) -> None:
    words = [*WHOLE, "--quiet", "--events", events, "--report", "terminal=summary.txt"]
    with forks.running(tmp_path, *words, out=None, err=tmp_path / "err", limit=size) as running:
        assert running.code() == 4
    first, second = (tmp_path / "err").read_text("utf-8").splitlines()
    assert first.startswith("shadow: ")
    assert "cannot be written" in first or "cannot write" in first
    assert second.startswith("  hint: free some space")
    (run,) = runs(shadow)
    assert (run["state"], run["exit_code"]) == ("failed", 4)
    assert run["read"] < 2000
    assert add_up(run)
    assert "the run is failed" in (tmp_path / "summary.txt").read_text("utf-8")
    assert not list(tmp_path.rglob("*.part"))
    if events == "events.jsonl":
        for line in (tmp_path / events).read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n")
            json.loads(line)


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, '"咖啡…"'),
        ({"PYTHONIOENCODING": "iso-8859-1"}, "\\u5496"),
    ],
    ids=["ascii", "latin-1"],
)
def test_a_locale_that_cannot_print_a_finding(
    fresh: Shadow, tmp_path: Path, locale: dict[str, str], shown: str
) -> None:
    for side, name in (("go", "crème"), ("rust", "咖啡…")):
        body = json.dumps({"n": name}, ensure_ascii=False)
        write(tmp_path / f"{side}.jsonl", [exchange(1, body)])
    locale = {"PYTHONUTF8": "0", **locale}
    done = fresh(*DIFF, "--json", "--report", "terminal=summary.txt", **locale)
    assert done.code == 1
    assert done.json["findings"][0]["examples"][0]["candidate"] == '"咖啡…"'
    assert "DIVERGENT" in done.err
    assert "咖啡" in (tmp_path / "summary.txt").read_text("utf-8")
    report = fresh("report", **locale)
    assert (report.code, report.err) == (0, "")
    assert shown in report.out


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_terminal(
    tmp_path: Path, said: Path, forks: Forks, environment: dict[str, str], *, coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    terminal = Path(os.ttyname(theirs))
    environment = {"TERM": "xterm-256color", **environment}
    with forks.running(
        tmp_path, *DIFF, out=said / "out", err=terminal, environment=environment
    ) as running:
        assert running.code() == 1
    os.close(theirs)
    shown = b""
    while data := _read(ours):
        shown += data
    os.close(ours)
    assert (b"\x1b[1;31mDIVERGENT" in shown) == coloured
    assert shown.rstrip().endswith((b"SIGNATURE", b"SIGNATURE\x1b[0m"))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end of a pseudo-terminal was closed
        return b""
