"""`shadow phase`: who takes the rollout on or back, and by which run."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Done, Shadow, exchange, runs, write
from tests.receiver import receiving

CONFIG = """
[phases]
order = ["replay", "canary", "full"]
[gates.replay]
max_divergence_rate = 0.01
[gates.canary]
max_divergence_rate = 0.001
"""
WHY = ("--reason", "release train", "--risk", "p99 is not known")


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text(CONFIG, "utf-8")
    for side in ("go", "rust"):
        write(tmp_path / f"{side}.jsonl", [exchange(n) for n in range(300)])


def compare(shadow: Shadow, *words: str) -> str:
    assert shadow("diff", "go.jsonl", "rust.jsonl", "--quiet", *words).code == 0
    run: str = runs(shadow)[0]["id"]
    return run


def status(shadow: Shadow) -> Any:
    done = shadow("phase", "status", "--json")
    assert done.code == 0, done.err
    return done.json


def refused(done: Done, code: int, message: str) -> None:
    assert done.code == code
    assert message in done.out + done.err


def test_a_passing_run_takes_the_rollout_on(shadow: Shadow) -> None:
    run = compare(shadow)
    done = shadow("phase", "promote", "--by", "ada", "--version", "rust=1.4", "--note", "n")
    assert done.code == 0
    assert "ada: promote replay → canary" in done.out
    assert done.out.endswith("recorded; no traffic is moved by this\n")
    (entry,) = status(shadow)["ledger"]
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "by": "ada",
        "action": "promote",
        "phase": "replay",
        "to": "canary",
        "run_id": run,
        "verdict": "pass",
        "versions": {"shadow": "0.1.0", "rust": "1.4"},
        "override": False,
        "reason": "",
        "risk": "",
        "incident": "",
        "escalate_to": "",
        "note": "n",
    }
    assert status(shadow)["current"] == "canary"


def test_who_decides_is_the_user_unless_told(shadow: Shadow) -> None:
    compare(shadow)
    made = shadow("phase", "promote", "--json").json
    assert made["decision"]["by"] == getpass.getuser()
    assert made["objection"] is None


def test_without_a_passing_gate_nothing_is_entered(shadow: Shadow) -> None:
    compare(shadow, "--limit", "100")
    refused(shadow("phase", "promote"), 3, "not promoted: the gate says inconclusive")
    assert status(shadow)["ledger"] == []
    assert status(shadow)["missing"] == "the gate says inconclusive"


def test_an_override_says_why_and_at_what_risk(shadow: Shadow) -> None:
    compare(shadow, "--limit", "100")
    for missing in (WHY[:2], WHY[2:], ("--reason", " ", "--risk", "x"), ()):
        done = shadow("phase", "promote", "--override", *missing)
        refused(done, 2, "--override needs --reason and --risk")
    assert status(shadow)["ledger"] == []
    done = shadow("phase", "promote", "--override", *WHY, "--escalate-to", "sre")
    assert done.code == 0
    assert "against the gate; reason: release train; risk: p99 is not known" in done.out
    (entry,) = status(shadow)["ledger"]
    assert (entry["override"], entry["verdict"], entry["escalate_to"]) == (
        True,
        "inconclusive",
        "sre",
    )


def test_a_run_from_before_the_phase_says_nothing_of_it(shadow: Shadow, tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text(CONFIG.replace("0.001", "0.01"), "utf-8")
    compare(shadow)
    assert shadow("phase", "promote").code == 0
    refused(shadow("phase", "promote"), 3, "is from before the phase was entered")
    compare(shadow)
    assert shadow("phase", "promote").code == 0
    assert status(shadow)["current"] == "full"
    refused(shadow("phase", "promote"), 2, "full is the last phase")


def test_the_way_back_is_always_open_and_remembered(shadow: Shadow) -> None:
    run = compare(shadow)
    refused(shadow("phase", "demote", "--reason", "r"), 2, "replay is the first phase")
    for _ in range(2):
        assert shadow("phase", "promote", "--override", *WHY).code == 0
    refused(shadow("phase", "demote"), 2, "phase demote needs --reason or --incident")
    refused(shadow("phase", "demote", "--reason", "r", "--to", "full"), 2, "no phase before full")
    done = shadow("phase", "demote", "--to", "replay", "--incident", "INC-7", "--run", run)
    assert done.code == 0
    assert "demote full → replay" in done.out
    assert "no traffic is moved" in done.out
    found = status(shadow)
    assert [each["action"] for each in found["ledger"]] == ["promote", "promote", "demote"]
    assert (found["ledger"][-1]["incident"], found["ledger"][-1]["run_id"]) == ("INC-7", run)
    assert found["current"] == "replay"
    assert [each["stand"] for each in found["phases"]] == ["current", "ahead", "ahead"]


def test_the_status_shows_phases_what_is_missing_and_decisions(shadow: Shadow) -> None:
    compare(shadow)
    assert shadow("phase", "promote", "--by", "ada").code == 0
    compare(shadow)
    text = shadow("phase", "status").out
    lines = text.splitlines()
    rows = [line.split() for line in lines if line.startswith(("passed", "current", "ahead"))]
    assert [row[:2] for row in rows] == [["passed", "replay"], ["current", "canary"], rows[2][:2]]
    assert rows[2] == ["ahead", "full", "no", "gate"]
    assert "gate canary  INCONCLUSIVE" in text
    assert "2,695 more exchanges" in text
    assert "missing: the gate says inconclusive" in text
    assert "decisions, the newest first" in text
    assert "ada: promote replay → canary" in text


def test_a_phase_without_a_gate_needs_an_override(shadow: Shadow, tmp_path: Path) -> None:
    (tmp_path / "shadow.toml").write_text(
        '[phases]\norder = ["first", "replay"]\n[gates.replay]\nmax_divergence_rate = 0.01\n',
        "utf-8",
    )
    compare(shadow)
    refused(shadow("phase", "promote"), 3, "not promoted: the phase has no gate")
    assert shadow("phase", "promote", "--override", *WHY).code == 0
    assert status(shadow)["current"] == "replay"


def test_what_cannot_be_decided_on(shadow: Shadow, tmp_path: Path) -> None:
    refused(shadow("phase", "status"), 2, "does not exist")
    compare(shadow)
    refused(shadow("phase", "promote", "--run", "2020"), 2, "no run 2020")
    refused(shadow("phase", "promote", "--by", " "), 2, "--by is empty")
    long = shadow("phase", "promote", "--escalate-to", "x" * 2001)
    refused(long, 2, "--escalate-to is longer than 2,000 characters")
    refused(shadow("phase", "promote", "--version", "rust"), 2, "'rust' is not NAME=VERSION")
    assert shadow("phase", "promote").code == 0
    (tmp_path / "shadow.toml").write_text("[gates.replay]\nmin_coverage = 1\n", "utf-8")
    refused(shadow("phase", "status"), 2, "the ledger ends in phase canary")
    (tmp_path / "shadow.toml").unlink()
    refused(shadow("phase", "status"), 2, "no phase is configured")


def test_texts_of_a_decision_move_no_cursor(shadow: Shadow) -> None:
    compare(shadow)
    done = shadow("phase", "promote", "--by", "a\x1b[31m", "--note", "x\ny\u202e")
    assert done.code == 0
    text = done.out + shadow("phase", "status").out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a\\x1b[31m" in text


def test_a_webhook_is_told_of_decisions(shadow: Shadow, tmp_path: Path) -> None:
    compare(shadow)
    with receiving() as receiver:
        hook = f'[webhook]\nurl = "{receiver.url}"\nsecret = "${{HOOK}}"\n'
        (tmp_path / "shadow.toml").write_text(CONFIG + hook, "utf-8")
        assert shadow("phase", "status", HOOK="s").code == 0
        assert shadow("phase", "promote", HOOK="s").code == 0
        assert shadow("phase", "demote", "--reason", "r", HOOK="s").code == 0
    told = [json.loads(each.body) for each in receiver.messages]
    assert [(each["event"], each["action"]) for each in told] == [
        ("shadow.phase.decided", "promote"),
        ("shadow.phase.decided", "demote"),
    ]
