"""`shadow export`, `drift`, `trend` and `inspect`, and a file wherever a RUN is asked for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.run import Service
from tests.cli.program import (
    CAPTURE,
    CONFIG,
    RUST_CAPTURE,
    Done,
    Exchange,
    Shadow,
    exchange,
    exchanges,
    runs,
    write,
)

DIFF = ["diff", "go.jsonl", "rust.jsonl", "--quiet"]


def rust_says(folder: Path, *bodies: str) -> None:
    write(folder / "rust.jsonl", [exchange(number, body) for number, body in enumerate(bodies, 1)])


def places(found: list[Any]) -> set[str]:
    return {each["path_pattern"] for each in found}


@pytest.fixture
def main_run(shadow: Shadow, pair: tuple[Path, Path], tmp_path: Path) -> Path:
    """A run exported, and then the store it was in taken away, as on a fresh machine."""
    assert shadow("diff", *pair, "--quiet", "--rust-version", "1.0").code == 1
    done = shadow("export", "--out", "main.run")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("main.run: run ")
    (tmp_path / ".shadow").rename(tmp_path / "elsewhere")
    return tmp_path / "main.run"


def test_a_fresh_machine_compares_with_the_run_of_main(
    shadow: Shadow, main_run: Path, tmp_path: Path
) -> None:
    assert main_run.stat().st_mode & 0o777 == 0o600
    rust_says(tmp_path, '{"price":1260}', '{"tags":null}', '{"name":"crème","also":1}')
    assert shadow(*DIFF, "--rust-version", "1.1", "--fail-on", "new").code == 1
    assert shadow(*DIFF, "--fail-on", "new", "--since", "main.run").code == 1
    done = shadow("drift", "main.run", "latest", "--json")
    assert done.code == 0
    assert places(done.json["new"]) == {"$['also']"}
    assert places(done.json["gone"]) == {"$['tags']"}
    assert places(done.json["persisting"]) == {"$['price']"}
    assert done.json["cautions"] == []
    assert shadow("drift", "main.run", "--fail-on", "new").code == 1
    assert shadow("drift", "latest", "./main.run", "--fail-on", "new").code == 1  # tags
    rust_says(tmp_path, '{"price":1260}', '{"tags":null}', '{"name":"crème"}')
    assert shadow(*DIFF, "--fail-on", "new", "--since", "main.run").code == 0
    assert shadow("drift", "main.run", "--fail-on", "new").code == 0


@pytest.mark.usefixtures("main_run")
def test_a_drift_for_a_person(shadow: Shadow, tmp_path: Path) -> None:
    rust_says(tmp_path, '{"price":1260}', '{"tags":null}', '{"name":"crème","also":1}')
    shadow(*DIFF, "--rust-version", "1.1")
    done = shadow("drift", "main.run")
    assert done.err == ""
    assert done.out.startswith("NEW FINDINGS  1 new, 1 gone, 1 persisting finding\n")
    assert "rust       1.0" in done.out
    assert "0 → 1" in done.out
    assert shadow("drift", "main.run", "--no-values", "--json").out.count("[withheld]") == 8


@pytest.mark.usefixtures("main_run")
def test_a_run_has_not_drifted_from_itself(shadow: Shadow) -> None:
    done = shadow("drift", "main.run", "main.run", "--json", "--fail-on", "new")
    assert done.code == 0
    assert (done.json["new"], done.json["gone"]) == ([], [])
    assert len(done.json["persisting"]) == 2
    assert [each["code"] for each in done.json["cautions"]] == ["drift-same-run"]


@pytest.mark.usefixtures("main_run")
def test_an_exported_run_is_reported_explained_and_accepted(shadow: Shadow, tmp_path: Path) -> None:
    report = shadow("report", "main.run", "--format", "json").json
    assert report["store"] == "main.run"
    (tmp_path / "elsewhere").rename(tmp_path / ".shadow")
    kept = shadow("report", "--format", "json").json
    assert {**kept, "store": ""} == {**report, "store": ""}
    signature = report["findings"][0]["signature"]
    (tmp_path / ".shadow").rename(tmp_path / "elsewhere")
    explained = shadow("explain", signature, "--run", "main.run")
    assert (explained.code, explained.err) == (0, "")
    given = ["--reason", "r", "--owner", "o", "--expires", "2999-01-01"]
    assert shadow("accept", signature, "--run", "main.run", *given).code == 0
    assert signature in (tmp_path / "shadow.toml").read_text("utf-8")


@pytest.mark.usefixtures("pair")
def test_an_export_without_values(shadow: Shadow) -> None:
    shadow(*DIFF)
    assert shadow("export", "--out", "a.run", "--no-values").code == 0
    assert "1250" not in shadow("report", "a.run").out
    assert "[withheld]" in shadow("report", "a.run").out


@pytest.mark.parametrize(
    "words",
    [
        ["report", "bad.run"],
        ["drift", "bad.run", "main.run"],
        ["drift", "main.run", "bad.run"],
        ["explain", "0123abcd", "--run", "bad.run"],
        ["export", "bad.run", "--out", "x.run"],
        ["trend", "--also", "bad.run"],
        [*DIFF, "--fail-on", "new", "--since", "bad.run"],
    ],
)
def test_a_file_that_is_no_run(
    shadow: Shadow, main_run: Path, tmp_path: Path, words: list[str]
) -> None:
    whole = main_run.read_bytes()
    for data in (b"", b"{}\n", whole[: len(whole) // 2], whole[:-2]):
        (tmp_path / "bad.run").write_bytes(data)
        refused(shadow(*words), "bad.run: no exported run: ")
    (tmp_path / "bad.run").unlink()
    refused(shadow(*words), "cannot read run bad.run: No such file")
    assert not (tmp_path / "x.run").exists()


def refused(done: Done, said: str) -> None:
    assert (done.code, done.out) == (2, "")
    message, hint = done.err.splitlines()
    assert message.startswith(f"shadow: {said}")
    assert hint.startswith("  hint: ")


def test_two_runs_of_the_committed_captures(shadow: Shadow, tmp_path: Path) -> None:
    """The Rust service gains a member on one endpoint: that, and nothing else, is new."""
    later: list[Exchange] = exchanges(RUST_CAPTURE)
    touched = 0
    for each in later:
        body = each.get("response", {}).get("body", "")
        target = each["request"]["target"]
        if each["request"]["method"] == "GET" and target.startswith("/v1/stats") and body:
            each["response"]["body"] = body.replace("{", '{"gained":1,', 1)
            touched += body.startswith("{")
    assert touched
    write(tmp_path / "later.jsonl", later)
    for capture in (RUST_CAPTURE, tmp_path / "later.jsonl"):
        assert shadow("diff", CAPTURE, capture, "--config", CONFIG, "--quiet").code == 1
    after, before = runs(shadow)
    found = shadow("drift", before["id"], after["id"], "--json").json
    assert {each["endpoint"] for each in found["new"]} == {"GET /v1/stats"}
    assert places(found["new"]) == {"$['gained']"}
    assert found["gone"] == []
    assert len(found["persisting"]) > 50
    assert {each["trend"] for each in found["persisting"]} == {"same"}
    assert found["latency_withheld"]["code"] == "speed-recorded"
    course = shadow("trend", "GET /v1/stats", "--json").json["series"]
    divergent = next(each["values"] for each in course if each["name"] == "divergent")
    assert divergent[0] < divergent[1]
    course = shadow("trend", found["new"][0]["signature"], "--json").json
    assert course["series"][1]["values"] == [0, found["new"][0]["after"]]


# Trend


@pytest.mark.usefixtures("main_run")
def test_a_course_over_runs_of_one_capture(shadow: Shadow, tmp_path: Path) -> None:
    assert "over 1 run" in shadow("trend", "--also", "main.run").out  # without any store
    shadow(*DIFF)
    rust_says(tmp_path, '{"price":1200}', '{"tags":null}', '{"name":"crème"}')
    shadow(*DIFF)
    done = shadow("trend", "--also", "main.run", "--json")
    assert [each["candidate"] for each in done.json["runs"]] == ["1.0", "", ""]
    assert done.json["series"][1]["values"] == [2, 2, 0]
    assert "over 2 runs" in shadow("trend").out
    assert "over 1 run" in shadow("trend", "--limit", "1").out
    write(tmp_path / "go.jsonl", [exchange(1, '{"price":1}')])
    shadow(*DIFF)
    assert "over 1 run\n" in shadow("trend").out
    shown = shadow("trend", "--also", "main.run").out
    assert "over 1 run\n" in shown
    assert shown.endswith("1 run of other captures left out (--all-captures)\n")
    assert "over 4 runs" in shadow("trend", "--all-captures", "--also", "main.run").out


@pytest.mark.usefixtures("pair")
def test_a_course_of_what_is_not_there(shadow: Shadow) -> None:
    refused(shadow("trend"), "store .shadow/shadow.sqlite: ")
    shadow(*DIFF)
    refused(shadow("trend", "GET /v1/item"), "GET /v1/item: no endpoint, finding or percentile")


# Inspect


def test_what_the_committed_capture_holds(shadow: Shadow) -> None:
    done = shadow("inspect", CAPTURE, "--config", CONFIG, "--json")
    found = done.json
    assert (done.code, done.err, found["v"]) == (0, "", 1)
    assert (found["exchanges"], found["broken"]) == (2000, 0)
    times = [each["time_us"] for each in found["endpoints"]]
    assert times == sorted(times, reverse=True)
    assert {each["job"]: each["fit"] for each in found["fit"]} == {
        "replay": "yes",
        "diff": "yes",
        "noise": "yes",
        "speed": "partly",
        "sessions": "yes",
    }
    shadow("diff", CAPTURE, CAPTURE, "--quiet")
    assert runs(shadow)[0]["digest"] == found["digest"]
    assert shadow("inspect", CAPTURE, "--config", CONFIG, "--all").out.count("\n") > 40


def test_a_capture_that_cannot_be_inspected(shadow: Shadow, tmp_path: Path) -> None:
    refused(shadow("inspect", "none.jsonl"), "none.jsonl: no such file")
    (tmp_path / "x").write_text("hello")
    refused(shadow("inspect", "x"), "x: is no capture of a known format")


# Provenance


def test_a_run_says_what_it_was_made_of(
    shadow: Shadow, tmp_path: Path, go: Service, rust: Service
) -> None:
    (tmp_path / "Cargo.lock").write_bytes(b"abc")
    (tmp_path / "shadow.toml").write_text(
        "[targets.baseline]\nversion = { header = 'Content-Type', path = '/v1/items' }\n"
        "[targets.candidate]\nlockfile = 'Cargo.lock'\ntoolchain = 'rustc 1.83'\n"
        "version = { path = '/nowhere' }\n"
    )
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for words in (["init"], ["add", "shadow.toml"], ["commit", "-m", "x"]):
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)
    write(tmp_path / "c.jsonl", exchanges()[:20])
    replay = ["replay", "c.jsonl", "--go", go.url, "--rust", rust.url, "--seed", "5"]
    done = shadow(*replay)
    assert "! the version of rust is not known: GET /nowhere: status 404" in done.err
    (run,) = runs(shadow)
    assert run["baseline_build"]["version"] == "application/json"
    assert run["candidate_build"]["toolchain"] == "rustc 1.83"
    assert run["candidate_build"]["lockfile"].startswith("ba7816bf")
    assert (len(run["commit"]["sha"]), run["commit"]["dirty"]) == (40, False)
    assert run["machine"]["cores"] >= 1
    assert run["options"]["seed"] == 5
    (log,) = (tmp_path / ".shadow").glob("*.events.jsonl")
    started = json.loads(log.read_text("utf-8").splitlines()[0])
    assert started["versions"]["baseline"] == "application/json"
    done = shadow(*replay, "--rust-version", "9.9")
    assert "is not known" not in done.err
    assert runs(shadow)[0]["candidate_build"]["version"] == "9.9"
    assert runs(shadow)[0]["candidate_build"]["note"] == ""
