"""`shadow record` as a process: driven, told to end, and looked at."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Shadow
from tests.cli.sidecars import ANY, Sidecars, serving

WORDS = ("--listen", ANY, "--status", ANY)
KEY = "SHADOW_REDACT_KEY"


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_recording_from_its_start_to_its_end(
    tmp_path: Path, shadow: Shadow, start: Sidecars
) -> None:
    out = tmp_path / "traffic.jsonl"
    (tmp_path / "shadow.toml").write_text('[redact]\njson = ["pin"]\n')
    with serving(lambda _: (200, b'{"pin":"s3cr3t1","a":1}')) as service:
        words = [*WORDS, "--upstream", service.url, "--out", "traffic.jsonl"]
        given = ["--session", "cookie:sid"]
        with start.running(
            tmp_path, "record", *words, *given, environment={KEY: "k" * 32}
        ) as record:
            for _ in range(3):
                got = record.ask(
                    "/v1/items/1?q=1", Cookie="sid=s3cr3t2", Authorization="Bearer s3cr3t3"
                )
                assert got == (200, b'{"pin":"s3cr3t1","a":1}')
            record.until(lambda: record.metrics()["shadow_recorded_total"] == 3)
            assert not out.exists()
            assert (tmp_path / "traffic.jsonl.part").exists()
            assert record.end() == 0
        assert record.told == [
            f"shadow: recording {service.url} to traffic.jsonl on http://127.0.0.1:{record.live}",
            f"shadow: status and metrics on http://127.0.0.1:{record.port('status and')}/metrics",
            "shadow: draining",
        ]
    assert not (tmp_path / "traffic.jsonl.part").exists()
    assert "s3cr3t" not in out.read_text()
    found = lines(out)
    assert len({each["session"] for each in found}) == 1
    assert found[0]["request"]["target"] == "/v1/items/1?q=1"
    assert shadow("inspect", "traffic.jsonl", "--json").json["exchanges"] == 3
    with serving(lambda _: (200, b'{"pin":"other","a":1}')) as rust:
        replayed = shadow(
            "replay", "traffic.jsonl", "--go", "recorded", "--rust", rust.url, "--json"
        )
        assert replayed.json["read"] == 3
        assert rust.asked[0].path == "/v1/items/1?q=1"


def test_what_a_recorder_that_was_killed_left_is_recovered(tmp_path: Path, start: Sidecars) -> None:
    with serving() as service:
        words = [*WORDS, "--upstream", service.url, "--out", "traffic.jsonl"]
        with start.running(tmp_path, "record", *words) as record:
            record.ask("/killed")
            part = tmp_path / "traffic.jsonl.part"
            record.until(lambda: part.exists() and part.stat().st_size)
            record.end(signal.SIGKILL)
        with start.running(tmp_path, "record", *words) as record:
            told = record.hears("was left behind by a recorder that died: 1 exchanges are in ")
            record.ask("/second")
            assert record.end() == 0
    kept = tmp_path / told.rpartition(" ")[2]
    assert [each["request"]["target"] for each in lines(kept)] == ["/killed"]
    assert [each["request"]["target"] for each in lines(tmp_path / "traffic.jsonl")] == ["/second"]
    assert not list(tmp_path.glob("*.part"))


def test_files_rotate_and_the_oldest_go(tmp_path: Path, start: Sidecars) -> None:
    with serving(lambda asked: (200, json.dumps(asked.path * 200).encode())) as service:
        words = [*WORDS, "--upstream", service.url, "--out", "traffic.jsonl"]
        given = ["--rotate-bytes", "3kB", "--keep-files", "2"]
        with start.running(tmp_path, "record", *words, *given) as record:
            for number in range(12):
                record.ask(f"/{number:04}")
            assert record.end() == 0
    files = sorted(tmp_path.glob("traffic-*.jsonl"))
    assert len(files) == 2
    assert lines(files[-1])[-1]["request"]["target"] == "/0011"


def test_traffic_goes_on_while_the_disk_is_full(tmp_path: Path, start: Sidecars) -> None:
    with serving(lambda _: (200, json.dumps("x" * 3_000).encode())) as service:
        words = [*WORDS, "--upstream", service.url, "--out", "traffic.jsonl"]
        with start.running(tmp_path, "record", *words, limit=20_000) as record:

            def full() -> bool:
                assert record.ask().status == 200
                return record.metrics()["shadow_record_lost_total"] > 0

            record.until(full)
            assert record.ask().status == 200
            assert record.end() == 4
        told = [line for line in record.told if "traffic goes on, and is not recorded" in line]
        assert len(told) == 1
        assert "cannot be written: File too large" in record.told[-2]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "Missing option '--out'"),
        (["--out", "folder"], 2, "folder: is a directory"),
        (["--out", "missing/x.jsonl"], 2, "missing/x.jsonl: cannot be written: No such file"),
        (["--out", "x.jsonl", "--keep-files", "2"], 2, "--keep-files without rotation"),
        (["--out", "x.jsonl", "--rotate-bytes", "x"], 2, "--rotate-bytes x: is no size"),
        (["--out", "x.jsonl", "--redact-key", "short"], 2, "short: the key is shorter than"),
        (["--out", "x.jsonl", "--redact-key", "none"], 2, "none: the key cannot be read"),
        (["--out", "x.jsonl", "--session", "x"], 2, "--session x: is not cookie:NAME"),
        (["--out", "x.jsonl", "--config", "bad.toml"], 2, "bad.toml:2: redact json: '$['"),
        (["--out", "x.jsonl", "--listen", "taken"], 4, "--listen: cannot listen on"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_hint(
    tmp_path: Path, shadow: Shadow, words: list[str], code: int, told: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "short").write_text("x")
    (tmp_path / "short").chmod(0o600)
    (tmp_path / "bad.toml").write_text('[redact]\njson = ["$["]\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        given = [place if word == "taken" else word for word in words]
        done = shadow("record", *WORDS, "--upstream", "http://127.0.0.1:1", *given)
    assert done.code == code, done.err
    first, *rest = done.err.splitlines()
    assert first.startswith(f"shadow: {told}")
    assert len(rest) == 1
    assert not list(tmp_path.glob("x.jsonl*"))


def test_another_recorder_has_the_file(tmp_path: Path, shadow: Shadow, start: Sidecars) -> None:
    words = [*WORDS, "--upstream", "http://127.0.0.1:1", "--out", "traffic.jsonl"]
    with start.running(tmp_path, "record", *words) as record:
        assert record.live
        done = shadow("record", *words)
        assert done.code == 2
        assert "traffic.jsonl.part: another process writes it" in done.err
        assert record.end() == 0
