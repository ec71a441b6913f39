"""`shadow sink` as a process: driven, told to end, and looked at."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.program import Shadow, add_up, runs
from tests.cli.sidecars import ANY, Sidecars, serving

BOTH = "[targets.baseline]\nisolated = true\n[targets.candidate]\nisolated = true\n"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_sink_from_its_start_to_its_end(
    tmp_path: Path, shadow: Shadow, start: Sidecars, ending: signal.Signals
) -> None:
    with serving() as go, serving(lambda asked: (200, asked.path.encode())) as rust:
        words = ["--listen", ANY, "--status", ANY, "--go", go.url, "--rust", rust.url]
        with start.running(tmp_path, "sink", *words) as sink:
            for number in range(5):
                got = sink.ask(f"/v1/items/{number}", Host="api.test-shadow:80")
                assert got == (202, b"")
            assert sink.ask("/v1/items", "POST", body=b"{}") == (202, b"")
            assert sink.end(ending) == 0
        assert sink.told[1].startswith("shadow: taking copies on http://127.0.0.1:")
        assert "shadow: draining" in sink.told
    for side in (go, rust):
        assert len(side.asked) == 5
        assert {dict(each.headers)["Host"] for each in side.asked} == {"api.test:80"}
    (run,) = runs(shadow)
    assert (run["command"], run["state"], run["exit_code"]) == ("sink", "finished", 1)
    report = shadow("report", "--format", "json").json
    assert add_up(report)
    assert (report["read"], report["divergent"], report["skipped"]) == (6, 5, 1)
    assert report["reasons"]["skipped"] == {"write": 1}
    assert report["speed_withheld"]["code"] == "speed-live"


def test_writes_go_to_isolated_services(tmp_path: Path, start: Sidecars) -> None:
    (tmp_path / "shadow.toml").write_text(BOTH)
    with serving() as go, serving() as rust:
        words = ["--listen", ANY, "--status", "off", "--go", go.url, "--rust", rust.url]
        with start.running(tmp_path, "sink", *words, "--allow-writes") as sink:
            assert sink.ask("/v1/items", "POST", body=b'{"a":1}').status == 202
            sink.until(lambda: go.asked and rust.asked)
            assert sink.end() == 0
    assert [each.body for each in (*go.asked, *rust.asked)] == [b'{"a":1}'] * 2


def test_writes_to_what_is_not_isolated_are_refused(tmp_path: Path, shadow: Shadow) -> None:
    (tmp_path / "shadow.toml").write_text("[targets.candidate]\nisolated = true\n")
    done = shadow("sink", "--go", "http://x", "--rust", "http://y", "--allow-writes")
    assert done.code == 2
    assert "the baseline is not marked isolated" in done.err
    assert len(done.err.splitlines()) == 2


def test_a_sink_has_no_flags(shadow: Shadow) -> None:
    done = shadow("sink", "--flags", "flags.json")
    assert done.code == 2
    assert "No such option" in done.err
