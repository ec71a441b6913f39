"""`shadow demo`, and the captures that it brings along."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.program import (
    CAPTURE,
    ROOT,
    RUST_CAPTURE,
    Done,
    Exchange,
    Shadow,
    add_up,
    clean,
    command,
    exchanges,
)

DEMO = ROOT / "shadow" / "demo_data"
LARGEST = 300_000


def test_the_demo_needs_nothing(shadow: Shadow, tmp_path: Path) -> None:
    done = shadow("demo", "--json")
    assert done.code == 1
    assert add_up(done.json)
    assert done.json["read"] == len(exchanges(DEMO / "go.jsonl.gz"))
    assert done.json["incomparable"] == done.json["broken"] == 0
    assert done.err.startswith("DIVERGENT")
    assert [each.name for each in tmp_path.iterdir()] == [".shadow"]


@pytest.mark.parametrize(("name", "whole"), [("go", CAPTURE), ("rust", RUST_CAPTURE)])
def test_the_demo_is_whole_sessions_of_the_committed_capture(name: str, whole: Path) -> None:
    path = DEMO / f"{name}.jsonl.gz"
    cut = exchanges(path)
    sessions = {each["session"] for each in cut}
    assert len(cut) >= 300
    assert path.stat().st_size < LARGEST
    wanted = [each for each in exchanges(whole) if each["session"] in sessions]
    assert list(map(meaning, cut)) == list(map(meaning, wanted))


def meaning(each: Exchange) -> str:
    """An exchange without what two writers may spell in two ways."""
    kept = {side: {**each[side]} for side in ("request", "response") if side in each}
    for message in kept.values():
        message.update(body=message.get("body", ""))
    return json.dumps({**each, **kept}, sort_keys=True)


def test_the_wheel_has_everything_that_is_read_at_run_time(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    data = {str(each.relative_to(ROOT)) for each in (ROOT / "shadow").rglob("*.json")}
    assert {"shadow/demo_data/go.jsonl.gz", "shadow/demo_data/rust.jsonl.gz"} <= names
    assert data <= names
    assert "shadow/py.typed" in names
    assert not any(name.startswith(("tests/", "services/", "replay_data/")) for name in names)

    done = subprocess.run(
        command("demo", "--json", "--quiet"),
        cwd=tmp_path / "site",
        env=clean({"PYTHONPATH": str(tmp_path / "site")}),
        capture_output=True,
        check=False,
    )
    summary = Done(done.returncode, done.stdout, done.stderr).json
    assert done.returncode == 1
    assert summary["captures"][0] == str(tmp_path / "site/shadow/demo_data/go.jsonl.gz")
