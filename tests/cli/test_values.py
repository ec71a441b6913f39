"""What must never reach a disk or a screen: withheld values, and secrets in any case."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.run import RUST, running
from tests.cli.program import CAPTURE, CONFIG, RUST_CAPTURE, Done, Exchange, Shadow, exchanges

WHOLE = ["diff", CAPTURE, RUST_CAPTURE, "--config", CONFIG, "--limit", "500"]
FORMATS = {
    "json": "json",
    "terminal": "txt",
    "markdown": "md",
    "html": "html",
    "junit": "xml",
    "sarif": "sarif",
    "github": "github",
    "annotations": "commands",
    "gitlab": "gitlab",
}
REPORTS = [word for each, end in FORMATS.items() for word in ("--report", f"{each}=r.{end}")]
EVERYWHERE = ["--json", "--all-events", *REPORTS]


def written(folder: Path, *done: Done) -> dict[str, bytes]:
    """Everything that commands have written, by where it went; the store's log is there too."""
    said = {f"stdout {n}": each.out.encode() for n, each in enumerate(done)}
    said |= {f"stderr {n}": each.err.encode() for n, each in enumerate(done)}
    files = (each for each in folder.rglob("*") if each.is_file())
    return said | {str(each.relative_to(folder)): each.read_bytes() for each in files}


def found(needles: set[bytes], haystacks: dict[str, bytes]) -> set[tuple[str, bytes]]:
    return {(name, each) for name, text in haystacks.items() for each in needles if each in text}


@contextmanager
def log_kept(folder: Path) -> Iterator[None]:
    """Keep SQLite from emptying the store's write-ahead log: somebody else is reading."""
    with sqlite3.connect(folder / ".shadow/shadow.sqlite") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchall()
        yield
        assert (folder / ".shadow/shadow.sqlite-wal").stat().st_size > 100_000
    reader.close()


def compared(summary: Any, capture: list[Exchange]) -> set[bytes]:
    """Pieces of the findings' values that only a comparison would show: times, ids, numbers."""
    examples = [example for each in summary["findings"] for example in each["examples"]]
    texts = [text for each in examples for text in (each["baseline"], each["candidate"]) if text]
    pieces = {piece for text in texts for piece in re.findall(r"[\w.:-]{9,}", text)}
    asked = "".join(each["request"]["target"] for each in capture)
    return {
        piece.encode()
        for piece in pieces
        if re.search(r"\d", piece) and piece not in asked and "masked:" not in piece
    }


def test_values_are_withheld_everywhere(
    shadow: Shadow, tmp_path: Path, recorded: list[Exchange]
) -> None:
    values = compared(shadow(*WHOLE, "--json", "--quiet").json, recorded)
    assert b"2592000000000000" in values
    assert len(values) > 40
    names = {Path(name).suffix for name, _ in found(values, written(tmp_path))}
    assert names == {".sqlite", ".jsonl"}
    for each in (tmp_path / ".shadow").iterdir():
        each.unlink()

    assert shadow("diff", CAPTURE, CAPTURE, "--limit", "1", "--quiet").code == 0
    with log_kept(tmp_path):
        done = shadow(*WHOLE, *EVERYWHERE, "--no-values")
        assert done.code == 1
        shown = shadow("report", "--all"), shadow("report", "--format", "json")
        everywhere = written(tmp_path, done, *shown)
    assert found(values, everywhere) == set()
    signature = done.json["findings"][0]["signature"]
    assert "[withheld]" in shadow("explain", signature).out
    suffixes = {Path(name).suffix for name in everywhere}
    assert {
        ".jsonl",
        ".sqlite",
        ".sqlite-wal",
        *(f".{end}" for end in FORMATS.values()),
    } <= suffixes
    asked = {b"/v1/items?", b"/v1/search?q="}
    reports = {f"r.{end}": everywhere[f"r.{end}"] for end in FORMATS.values()}
    assert found(asked, reports) == set()


def test_values_are_withheld_from_a_report_of_a_run_with_values(
    shadow: Shadow, recorded: list[Exchange]
) -> None:
    values = compared(shadow(*WHOLE, "--json", "--quiet").json, recorded)
    for words in (["--all"], *(["--format", each] for each in FORMATS)):
        shown = shadow("report", "--no-values", *words)
        assert found(values, {"stdout": shown.out.encode()}) == set()
        assert "[withheld]" in shown.out
    assert found(values, {"stdout": shadow("report", "--format", "json").out.encode()})


def secrets(capture: list[Exchange]) -> set[bytes]:
    """Bearer tokens and passwords of a capture's requests and answers."""
    texts = set()
    for each in capture:
        headers = dict(each["request"]["headers"])
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and len(token) > 12:
            texts.add(token)
        if each["request"]["target"] == "/v1/login" and each["request"].get("body"):
            texts.add(json.loads(each["request"]["body"])["password"])
            texts.add(json.loads(each["response"].get("body") or "{}").get("token", "pass-u-1"))
    texts.discard("guess")  # an English word
    return {text.encode() for text in texts}


def test_the_capture_has_secrets(recorded: list[Exchange]) -> None:
    assert len(secrets(recorded)) > 200


def test_secrets_of_a_capture_stay_in_it(
    shadow: Shadow, tmp_path: Path, recorded: list[Exchange]
) -> None:
    assert shadow("diff", CAPTURE, CAPTURE, "--limit", "1", "--quiet").code == 0
    with log_kept(tmp_path):
        done = shadow(*WHOLE, *EVERYWHERE)
        shown = shadow("report", "--all"), shadow("explain", done.json["findings"][0]["signature"])
        everywhere = written(tmp_path, done, *shown)
    assert found(secrets(recorded) | secrets(exchanges(RUST_CAPTURE)), everywhere) == set()


@pytest.mark.e2e
def test_secrets_that_differ_are_told_apart_and_not_told(
    shadow: Shadow, tmp_path: Path, recorded: list[Exchange]
) -> None:
    with running(RUST, {"TOKENS": "random"}) as rust:
        words = ["--go", "recorded", "--rust", rust.url, "--config", CONFIG]
        done = shadow("replay", CAPTURE, *words, *EVERYWHERE, "--allow-writes", "--limit", "400")
    (token,) = (each for each in done.json["findings"] if each["path_pattern"] == "$['token']")
    for example in token["examples"]:
        sides = example["baseline"], example["candidate"]
        assert all(re.fullmatch(r'"\[masked:[0-9a-f]{4}\]"', side) for side in sides)
        assert sides[0] != sides[1]
    everywhere = written(tmp_path, done, shadow("report", "--all"))
    assert found(secrets(recorded), everywhere) == set()
    assert not any(re.search(rb"Bearer [^\[<]", text) for text in everywhere.values())


def test_secrets_in_the_config_are_not_kept(shadow: Shadow, tmp_path: Path) -> None:
    config = '[targets.candidate]\nheaders = { Authorization = "Bearer ${KEY}" }\n'
    (tmp_path / "shadow.toml").write_text(config)
    secret = "0f2c9a7d55e14b3c"
    done = shadow("diff", CAPTURE, RUST_CAPTURE, *EVERYWHERE, "--limit", "20", KEY=secret)
    assert found({secret.encode()}, written(tmp_path, done)) == set()
