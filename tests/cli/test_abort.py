"""A replay that does harm stops, says why, keeps what was done and can go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import Shadow, exchange, write
from tests.cli.sidecars import serving


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return write(tmp_path / "a.jsonl", [exchange(number) for number in range(400)])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--max-errors", "5"], "more than --max-errors 5 exchanges failed, the last from rust"),
        (["--max-error-share", "0.5"], "more than --max-error-share 0.5, the last from rust"),
        (["--max-latency", "0.0001"], "more than --max-latency 0.0001"),
    ],
)
def test_it_stops_and_goes_on(
    shadow: Shadow, capture: Path, options: list[str], reason: str
) -> None:
    with serving() as go, serving(lambda _: (500, b"{}")) as rust:
        words = ["replay", capture, "--go", go.url, "--rust", rust.url]
        done = shadow(*words, *options, "--json", "--concurrency", "4")
        assert done.code == 4
        assert "shadow: stopped: " in done.err
        assert reason in done.err
        assert "--resume" in done.err
        read = done.json["read"]
        assert 0 < read < 400
        assert len(rust.asked) < 400
        rust.say = lambda _: (200, b"{}")
        more = shadow(
            "replay",
            "--resume",
            "latest",
            "--max-latency",
            "60000",
            "--max-errors",
            "1000",
            "--max-error-share",
            "1",
            "--json",
        )
        assert more.code == 1
        assert more.json["read"] == 400
        assert len(rust.asked) == 400


def test_the_limits_may_stand_in_the_config(shadow: Shadow, capture: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text("[safety]\nmax_errors = 3\n")
    with serving() as go, serving(lambda _: (503, b"{}")) as rust:
        words = ["replay", capture, "--go", go.url, "--rust", rust.url, "--quiet"]
        assert "--max-errors 3" in shadow(*words).err
        assert "--max-errors 7" in shadow(*words, "--max-errors", "7").err
        assert shadow(*words, "--max-errors", "1", "--workers", "2").code == 4
