"""What both services use is read through a run, and shown with what it costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.run import Service
from tests.cli.program import CAPTURE, CONFIG, Shadow, exchange, write


def config(folder: Path, baseline: str, candidate: str, more: str = "") -> Path:
    """The committed config with a place to read each side's use from."""
    text = CONFIG.read_text("utf-8")
    text += f'\n[targets.baseline]\nresources = "{baseline}"\n'
    text += f'[targets.candidate]\nresources = "{candidate}"\n{more}'
    path = folder / "shadow.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.e2e
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_says_what_both_services_used(
    shadow: Shadow, tmp_path: Path, go: Service, rust: Service, workers: int
) -> None:
    prices = "[resources]\ncore_hour = 0.04\ngib_hour = 0.005\nidle_s = 0.3\n"
    path = config(tmp_path, "auto", "auto", prices)
    targets = ["--go", go.url, "--rust", rust.url, "--config", path]
    done = shadow(
        *("replay", CAPTURE, *targets, "--rate", "600", "--workers", workers, "--json"),
    )
    assert done.code == 1, done.err
    used = done.json["resources"]
    for side in ("baseline", "candidate"):
        assert used[side]["source"].startswith("pid:")
        assert used[side]["peak_bytes"] > 1_000_000
        assert used[side]["cpu_s_per_1000"]["median"] > 0
        assert used[side]["idle_cores"] is not None
        assert used[f"{side}_cost"]["cpu"] > 0
    assert "CPU per 1,000 requests: go " in done.err
    assert "a million requests cost: go " in done.err
    assert shadow("report", "--format", "json").json["resources"] == used


def test_a_place_that_cannot_be_read_is_a_note(shadow: Shadow, tmp_path: Path, go: Service) -> None:
    unanswered = [{**exchange(number), "response": None} for number in range(5)]
    write(tmp_path / "capture.jsonl", unanswered)
    path = config(tmp_path, "cgroup:/nowhere", "prom:http://127.0.0.1:1/metrics")
    targets = ["--go", go.url, "--rust", go.url, "--config", path]
    done = shadow("replay", "capture.jsonl", *targets, "--json")
    assert done.code == 0, done.err
    used = done.json["resources"]
    assert used["baseline"]["notes"]
    assert used["candidate"]["notes"]
    assert used["candidate"]["cpu_s_per_1000"] is None


@pytest.mark.parametrize(
    ("baseline", "more", "message"),
    [
        ("docker:x", "", "no place to read CPU and memory from"),
        ("auto", "[resources]\ncore_hour = 1.0\n", "one price is missing"),
    ],
)
def test_a_wrong_place_or_price(
    shadow: Shadow, tmp_path: Path, baseline: str, more: str, message: str
) -> None:
    write(tmp_path / "capture.jsonl", [exchange(1)])
    path = config(tmp_path, baseline, "auto", more)
    targets = ["--go", "http://127.0.0.1:1", "--rust", "http://127.0.0.1:2", "--config", path]
    done = shadow("replay", "capture.jsonl", *targets)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "shadow.toml:" in done.err
    assert "hint: " in done.err
