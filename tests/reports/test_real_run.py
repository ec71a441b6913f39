"""A run of the real pair with two planted defects: whoever opens a report must see both."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.run import GO, RUST, running

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
FORMATS = {"html": "report.html", "markdown": "report.md", "github": "summary.md"}


def test_a_lost_field_and_a_slow_tail_are_at_the_top_of_every_report(tmp_path: Path) -> None:
    reports = [
        word for form, name in FORMATS.items() for word in ("--report", f"{form}={tmp_path / name}")
    ]
    with running(GO) as go, running(RUST, {"DEFECTS": "slow-tail,lost-field"}) as rust:
        # One after the other, so that the services do not wait for each other's cores.
        words = ["--go", go.url, "--rust", rust.url, "--concurrency", "2", "--sides", "in-turn"]
        words += ["--config", "replay_data/shadow.toml", "--allow-writes", "--quiet"]
        words += ["--store", str(tmp_path / "shadow.sqlite"), *reports]
        program = [sys.executable, "-m", "shadow", "replay", "replay_data/catalogue.jsonl.gz"]
        done = subprocess.run([*program, *words], cwd=ROOT, check=False)
    assert done.returncode == 1
    for name in FORMATS.values():
        text = (tmp_path / name).read_text("utf-8")
        top = text.partition("What differs" if name.endswith("md") else 'id="findings"')[0]
        said = re.sub(r"[\s`]+", " ", re.sub(r"<[^>]*>", " ", top.replace("&#39;", "'")))
        assert "GET /v1/items/{id} $['currency'] missing from rust in 553 exchanges" in said
        assert re.search(r"GET /v1/search slow answers \d+ of \d+ from rust took over", said)
