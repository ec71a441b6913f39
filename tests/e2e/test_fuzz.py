"""`shadow fuzz` on the real pair: what no recorded request shows."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services import run, trial

pytestmark = pytest.mark.e2e
ISOLATED = "\n[targets.baseline]\nisolated = true\n[targets.candidate]\nisolated = true\n"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """One item that has reviews, and a first page, with its number."""
    (tmp_path / "shadow.toml").write_text(trial.CONFIG.read_text("utf-8") + ISOLATED, "utf-8")
    found: dict[str, Any] = {}
    with gzip.open(trial.CAPTURE) as lines:
        for line in lines:
            exchange = json.loads(line)
            request = exchange["request"]
            if request["method"] == "GET" and exchange["response"]["status"] == 200:
                path, _, query = request["target"].partition("?")
                if path.startswith("/v1/items/itm-") and not path.endswith(".png"):
                    if '"rating":0' not in exchange["response"]["body"]:
                        found.setdefault("item", exchange)
                elif path == "/v1/items" and query == "":
                    found.setdefault("page", exchange)
    found["page"]["request"]["target"] = "/v1/items?page=1"
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in found.values()), "utf-8")
    return path


def fuzz(capture: Path, defects: str, requests: int) -> dict[str, Any]:
    env = {"SEED": str(trial.SEED)}
    with (
        run.running(run.GO, env) as go,
        run.running(run.RUST, {**env, "DEFECTS": defects}) as rust,
    ):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "shadow", "fuzz", str(capture), "--json"),
                *("--go", go.url, "--rust", rust.url, "--max-requests", str(requests)),
                *("--out", f"{defects or 'none'}.jsonl"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=capture.parent,
        )
    assert done.returncode == 1, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_planted_defects_are_found_that_no_seed_shows(capture: Path) -> None:
    natural = fuzz(capture, "", 1_200)
    planted = fuzz(capture, "null-number,page-off-by-one", 2_000)
    # By signature: a rating is of another type without the defect too, `4` and `4.0`.
    known = {each["signature"] for each in natural["new"]}
    found = [each for each in planted["new"] if each["signature"] not in known]
    shown = {(each["endpoint"], each["path_pattern"], each["candidate"]) for each in found}
    assert ("GET /v1/items/{id}", "$['rating']", "null") in shown
    places = {(each["endpoint"], each["path_pattern"], each["kind"]) for each in found}
    assert ("GET /v1/items", "$['items'][*]", "extra") in places
    causes = {each["class"] for each in natural["new"]}
    assert {"path-clean-redirect", "path-bad-escape"} <= causes
    # Both are 200 and 400 at one endpoint, so one signature: the first one seen is kept.
    assert causes & {"query-repeated-key", "query-typed-param"}
    assert {"nil-slice-null", "default-404-body"} <= causes
