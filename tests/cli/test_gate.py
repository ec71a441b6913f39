"""`shadow gate`, `--phase`, and who is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow.reports.text import DASH
from tests.cli.counting import Counting, counting_pair
from tests.cli.program import Done, Forks, Shadow, events, exchange, runs, write
from tests.receiver import receiving

SECRET = "s3cr3t-of-the-hook"
GATES = """
[gates.replay]
max_divergence_rate = 0.01
[gates.strict]
max_divergence_rate = 0.001
[gates.speed]
max_latency_ratio = { p50 = 1.1 }
[gates.known]
no_new_since = "previous"
"""
Captures = Callable[..., str]


@pytest.fixture
def captures(tmp_path: Path) -> Captures:
    """Writes two captures, of which so many exchanges differ, and the command that compares."""
    (tmp_path / "shadow.toml").write_text(GATES, "utf-8")

    def make(exchanges: int, divergent: int = 0, *, name: str = "price") -> str:
        for side, value in (("go", 1), ("rust", 2)):
            bodies = [json.dumps({name: value if n < divergent else 0}) for n in range(exchanges)]
            lines = [exchange(n, body) for n, body in enumerate(bodies)]
            write(tmp_path / f"{side}.jsonl", lines)
        return "diff go.jsonl rust.jsonl"

    return make


def verdicts(done: Done) -> dict[str, str]:
    return {each["name"]: each["verdict"] for each in done.json["criteria"]}


@pytest.mark.parametrize(
    ("exchanges", "divergent", "phase", "verdict", "code"),
    [
        (300, 0, "replay", "pass", 0),
        (298, 0, "replay", "inconclusive", 3),
        (300, 0, "strict", "inconclusive", 3),
        (300, 30, "replay", "fail", 1),
        (300, 0, "speed", "inconclusive", 3),
        (300, 0, "known", "pass", 0),
        (300, 1, "known", "fail", 1),
    ],
)
def test_a_gate_decides_on_the_exit_code(
    *,
    shadow: Shadow,
    captures: Captures,
    exchanges: int,
    divergent: int,
    phase: str,
    verdict: str,
    code: int,
) -> None:
    """Of a run, and of the run later; the fail-on of the run does not count."""
    command = captures(exchanges, divergent).split()
    done = shadow(*command, "--phase", phase, "--json", "--fail-on", "never")
    assert (done.code, done.json["gate"]["verdict"]) == (code, verdict), done.err
    assert (done.json["exit_code"], runs(shadow)[0]["exit_code"]) == (code, code)
    again = shadow("gate", "--phase", phase, "--json")
    assert (again.code, again.json["verdict"], again.json["phase"]) == (code, verdict, phase)
    assert again.json["criteria"] == done.json["gate"]["criteria"]
    assert again.err == ""


def test_each_criterion_is_a_line(shadow: Shadow, captures: Captures) -> None:
    done = shadow(*captures(200).split(), "--phase", "strict")
    assert done.code == 3
    text = shadow("gate", "--phase", "strict").out
    heading, *lines = re.sub(r"\n {2,}", " ", text).splitlines()
    assert heading.startswith("gate strict  INCONCLUSIVE  run ")
    assert [line.split("  ")[0] for line in lines] == ["inconclusive"] * 2 + ["pass"] * 3
    assert "exchanges        200, at least 2,995; about 2,795 more exchanges" in lines[0]
    bounds = f"0 % (95 % bounds 0 %{DASH}1.5 %)"
    assert f"{bounds}, at most 0.10 %; 2,795 more exchanges if all are clean" in lines[1]
    assert text in done.err
    assert text in shadow("report").out


def test_inconclusive_may_pass_and_a_miss_may_not(shadow: Shadow, captures: Captures) -> None:
    command = captures(200).split()
    lenient = ("--phase", "strict", "--on-inconclusive", "pass")
    assert shadow(*command, *lenient, "--quiet").code == 0
    assert shadow("gate", *lenient).code == 0
    command = captures(200, 100).split()
    assert shadow(*command, *lenient, "--quiet").code == 1
    assert shadow("gate", *lenient).code == 1


def test_what_is_known_is_no_new_finding(shadow: Shadow, captures: Captures) -> None:
    """The run before is the one before the run in question, also when asked again later."""
    command = captures(20, 5).split()
    codes = [shadow(*command, "--phase", "known", "--quiet").code for _ in range(2)]
    assert codes == [1, 0]
    second, first = (each["id"] for each in runs(shadow))
    assert shadow("gate", first, "--phase", "known").code == 1
    assert shadow("gate", second, "--phase", "known").code == 0
    (new,) = [
        each
        for each in shadow("gate", first, "--phase", "known", "--json").json["criteria"]
        if each["name"] == "new-findings"
    ]
    assert (new["measured"], new["bound"]) == (1, 0)


def test_the_run_to_look_back_at_is_named(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    command = captures(20, 5).split()
    assert shadow(*command, "--quiet").code == 1
    (before,) = runs(shadow)
    (tmp_path / "shadow.toml").write_text(
        f'[gates.known]\nno_new_since = "{before["id"]}"\n', "utf-8"
    )
    assert shadow(*command, "--phase", "known", "--quiet").code == 0
    other = captures(20, 5, name="other").split()
    assert shadow(*other, "--phase", "known", "--quiet").code == 1
    (tmp_path / "shadow.toml").write_text('[gates.known]\nno_new_since = "2020"\n', "utf-8")
    refused = shadow(*command, "--phase", "known")
    assert (refused.code, refused.err.splitlines()[0]) == (
        2,
        "shadow: store .shadow/shadow.sqlite: no run 2020",
    )
    assert len(runs(shadow)) == 3  # nothing was begun


def test_the_verdict_is_an_event_before_the_last_one(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    assert shadow(*captures(300).split(), "--phase", "replay", "--quiet").code == 0
    *_, gate, finished = events(tmp_path)
    assert (gate["event"], gate["phase"], gate["verdict"], gate["level"]) == (
        "shadow.gate.evaluated",
        "replay",
        "pass",
        "info",
    )
    assert finished["event"] == "shadow.run.finished"
    assert shadow("gate", "--phase", "strict").code == 3
    last = events(tmp_path)[-1]
    assert (last["event"], last["phase"], last["level"]) == (
        "shadow.gate.evaluated",
        "strict",
        "warning",
    )
    assert last["run_id"] == finished["run_id"]
    assert not list((tmp_path / ".shadow").glob("*.lock"))


def test_an_event_log_that_is_gone_or_closed_changes_no_verdict(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    command = captures(300).split()
    assert shadow(*command, "--quiet", "--events", "e.jsonl").code == 0
    (tmp_path / "e.jsonl").unlink()
    assert shadow("gate", "--phase", "replay").code == 0
    assert not (tmp_path / "e.jsonl").exists()


def hooked(tmp_path: Path, url: str) -> dict[str, str]:
    hook = f'[webhook]\nurl = "{url}/in/{SECRET}"\nsecret = "${{HOOK_SECRET}}"\n'
    (tmp_path / "shadow.toml").write_text(GATES + hook, "utf-8")
    return {"HOOK_SECRET": SECRET}


def left_of(secret: str, tmp_path: Path, *done: Done) -> list[str]:
    """Where a secret shows: what was printed, and every file but the config."""
    printed = ["output" for each in done if secret in each.out + each.err]
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    kept = [each.name for each in files if secret.encode() in each.read_bytes()]
    return printed + [name for name in kept if name != "shadow.toml"]


def test_a_webhook_is_told_and_signed_for(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    command = captures(300).split()
    with receiving([500]) as receiver:
        environment = hooked(tmp_path, receiver.url)
        done = [shadow(*command, "--phase", "replay", **environment)]
        done.append(shadow("gate", "--phase", "strict", **environment))
    assert [each.code for each in done] == [0, 3]
    assert [json.loads(each.body)["verdict"] for each in receiver.messages] == [
        "pass",
        "pass",  # once more, after the 500
        "inconclusive",
    ]
    for message in receiver.messages:
        signed = message.headers["shadow-timestamp"].encode() + b"." + message.body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert message.headers["shadow-signature"] == f"v1={expected}"
    body: dict[str, Any] = json.loads(receiver.messages[-1].body)
    assert body.keys() == {*("event", "v", "timestamp", "run_id", "phase", "verdict", "criteria")}
    assert body["run_id"] == runs(shadow)[0]["id"]
    assert left_of(SECRET, tmp_path, *done) == []


def test_a_webhook_that_refuses_is_a_warning(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    command = captures(300).split()
    with receiving([403, 403]) as receiver:
        environment = hooked(tmp_path, receiver.url)
        done = [shadow(*command, "--phase", "replay", "--quiet", **environment)]
        done.append(shadow("gate", "--phase", "replay", "--json", **environment))
    host = receiver.url.removeprefix("http://")
    for each in done:
        assert each.code == 0
        told = f"shadow: webhook {host}: status 403; the verdict stands, and nobody was told\n"
        assert each.err == told
    assert left_of(SECRET, tmp_path, *done) == []


@pytest.fixture(scope="module")
def services() -> Iterator[Counting]:
    with counting_pair() as counting:
        yield counting


def test_an_interrupted_run_is_no_evidence_and_its_gate_is_asked_when_it_goes_on(
    shadow: Shadow, captures: Captures, tmp_path: Path, forks: Forks, services: Counting
) -> None:
    captures(300)
    targets = ["--go", services.urls["go"], "--rust", services.urls["rust"]]
    command = ["replay", "go.jsonl", *targets, "--phase", "replay", "--quiet"]
    with forks.running(tmp_path, *command, out=None, err=None) as running:
        services.acts[services.total + 50] = lambda: os.kill(running.pid, signal.SIGINT)
        assert running.code() == 130
    assert "shadow.gate.evaluated" not in {each["event"] for each in events(tmp_path)}
    assert runs(shadow)[0]["gate"] is None
    asked = shadow("gate", "--phase", "known", "--json")
    assert verdicts(asked)["complete"] == "inconclusive"

    done = shadow("replay", "--resume", "latest", "--json", "--quiet")
    assert done.json["gate"]["phase"] == "replay"
    assert (done.code, done.json["gate"]["verdict"]) == (1, "fail")  # one in seven differs
    assert events(tmp_path)[-2]["event"] == "shadow.gate.evaluated"


def test_a_run_of_another_machine_is_judged_from_its_file(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    words = captures(300).split()
    shadow(*words, "--quiet")
    expected = verdicts(shadow("gate", "--phase", "replay", "--json"))
    assert shadow("export", "latest", "--out", "main.run").code == 0
    shadow(*captures(300, 30).split(), "--quiet")
    assert shadow("export", "latest", "--out", "branch.run").code == 0
    for left in (tmp_path / ".shadow").iterdir():
        left.unlink()
    done = shadow("gate", "main.run", "--phase", "replay", "--json")
    assert (done.code, verdicts(done)) == (0, expected)
    assert shadow("gate", "branch.run", "--phase", "replay").code == 1
    with (tmp_path / "shadow.toml").open("a") as config:
        config.write('[gates.since]\nno_new_since = "main.run"\n')
    assert shadow("gate", "main.run", "--phase", "since").code == 0
    done = shadow("gate", "branch.run", "--phase", "since", "--json")
    assert (done.code, verdicts(done)["new-findings"]) == (1, "fail")
    assert not [*(tmp_path / ".shadow").iterdir()]
    assert "cannot read run nosuch.run" in shadow("gate", "nosuch.run", "--phase", "replay").err


def test_a_later_run_is_not_the_one_before_a_file(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    shadow(*captures(300, 30).split(), "--quiet")
    assert shadow("export", "latest", "--out", "branch.run").code == 0
    for left in (tmp_path / ".shadow").iterdir():
        left.unlink()
    shadow(*captures(300, 30).split(), "--quiet")
    done = shadow("gate", "branch.run", "--phase", "known", "--json")
    assert verdicts(done)["new-findings"] == "fail"  # no run before it knows them


def test_an_odd_text_of_the_environment_is_refused_before_the_run(
    shadow: Shadow, captures: Captures, tmp_path: Path
) -> None:
    words = captures(300).split()
    with (tmp_path / "shadow.toml").open("a") as config:
        config.write('[webhook]\nurl = "http://127.0.0.1:9/"\nsecret = "${ODD}"\n')
    done = shadow(*words, "--phase", "replay", ODD="\udcff")
    assert done.code == 2
    assert "is not UTF-8" in done.err
    assert "a bug in shadow" not in done.err
