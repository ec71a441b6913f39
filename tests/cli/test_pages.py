"""What people read: help, the summary of a run, the list of runs, a class explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from shadow.cli import COMMANDS
from shadow.compare.classes import CLASSES
from tests.cli.program import CAPTURE, CONFIG, RUST_CAPTURE, Shadow, runs

DIFF = ["diff", "go.jsonl.gz", "rust.jsonl.gz", "--config", CONFIG]
SUMMARY_KEYS = {
    "v",
    "run_id",
    "command",
    "state",
    "started",
    "duration_s",
    "captures",
    "baseline",
    "candidate",
    "conclusion",
    "exit_code",
    "provenance",
    "read",
    "match",
    "equivalent",
    "divergent",
    "incomparable",
    "skipped",
    "hollow",
    "broken",
    "divergences",
    "signatures",
    "findings",
    "findings_dropped",
    "reasons",
    "spellings",
    "latency_baseline",
    "latency_candidate",
    "endpoints",
    "warnings",
    "store",
    "events",
}
FINDING_KEYS = {
    "signature",
    "endpoint",
    "where",
    "kind",
    "path_pattern",
    "class",
    "severity",
    "verdict",
    "rule",
    "wrong_side",
    "unstable",
    "exchanges",
    "divergences",
    "share",
    "examples",
}


pytestmark = pytest.mark.usefixtures("captures")


@pytest.fixture
def captures(tmp_path: Path) -> None:
    """The committed captures, by names that are as long everywhere."""
    for name, path in (("go", CAPTURE), ("rust", RUST_CAPTURE)):
        (tmp_path / f"{name}.jsonl.gz").symlink_to(path)


def normalised(text: str) -> str:
    """Without what differs from run to run and from machine to machine."""
    text = re.sub(r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN", text)
    return re.sub(r"\b\d+\.\d s\b", "N s", text)


@pytest.mark.parametrize(
    "words", [[], *([each] for each in COMMANDS), ["noise", "learn"], ["noise", "show"]]
)
def test_help(shadow: Shadow, words: list[str], snapshot: SnapshotAssertion) -> None:
    done = shadow(*words, "--help", COLUMNS="100")
    assert (done.code, done.err) == (0, "")
    assert done.out == shadow(*words, "-h", COLUMNS="100").out
    assert done.out == snapshot


def test_no_command_is_the_help(shadow: Shadow) -> None:
    done = shadow(COLUMNS="100")
    assert (done.code, done.out) == (2, "")
    assert done.err == shadow("--help", COLUMNS="100").out
    assert shadow("noise").err.startswith("Usage: shadow noise [OPTIONS] COMMAND")


def test_the_version(shadow: Shadow) -> None:
    assert re.fullmatch(r"shadow, version \d+\.\d+\.\d+\n", shadow("--version").out)


def test_the_summary_of_a_diff(shadow: Shadow, snapshot: SnapshotAssertion) -> None:
    done = shadow(*DIFF)
    assert "\x1b" not in done.err
    assert max(map(len, done.err.splitlines())) <= 100
    assert normalised(done.err) == snapshot
    assert shadow("report").out == done.err


def test_the_list_of_runs(shadow: Shadow, snapshot: SnapshotAssertion) -> None:
    assert shadow(*DIFF, "--limit", "40", "--quiet").code == 1
    assert shadow("diff", "go.jsonl.gz", "go.jsonl.gz", "--limit", "1200", "--quiet").code == 0
    assert normalised(shadow("runs").out) == snapshot
    assert len(shadow("runs", "--limit", "1").out.splitlines()) == 2
    newest, oldest = runs(shadow)
    assert newest["started"] > oldest["started"]


def test_the_keys_of_the_json_stay(shadow: Shadow) -> None:
    summary = shadow(*DIFF, "--limit", "40", "--quiet", "--json").json
    assert summary.keys() >= SUMMARY_KEYS
    assert summary["v"] == 1
    assert all(finding.keys() >= FINDING_KEYS for finding in summary["findings"])
    assert shadow("report", "--format", "json").json == summary


@pytest.mark.parametrize("name", ["nil-slice-null", "float-integral-point", "html-escape"])
def test_a_class_explained(shadow: Shadow, name: str, snapshot: SnapshotAssertion) -> None:
    done = shadow("explain", name)
    assert (done.code, done.err) == (0, "")
    assert done.out == snapshot


def test_every_class_can_be_explained(shadow: Shadow) -> None:
    listed = [line.split()[0] for line in shadow("explain").out.splitlines()]
    assert listed == list(CLASSES)


def test_a_finding_explained(shadow: Shadow) -> None:
    findings = shadow(*DIFF, "--limit", "400", "--quiet", "--json").json["findings"]
    finding = next(each for each in findings if each["class"] == "nil-slice-null")
    page = shadow("explain", finding["signature"][:6]).out
    assert page.startswith(f"{finding['signature']}  divergent · {finding['severity']}\n")
    assert finding["endpoint"] in page
    assert "  go    null\n  rust  []\n" in page
    assert shadow("explain", "nil-slice-null").out in page
