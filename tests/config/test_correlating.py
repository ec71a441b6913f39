"""How sessions are replayed, and what is done around a run, as people write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadow.config.asking import asking_plan, refuse_shared
from shadow.config.file import load
from shadow.config.replaying import learning_plan, replay_plan
from shadow.errors import ConfigError
from shadow.replay.options import ReplayPlan

Plan = Callable[..., ReplayPlan]
FLAGS: dict[str, Any] = {
    **dict.fromkeys(("secondary", "config", "rate", "speed", "ceiling", "limit", "noise_profile")),
    **dict.fromkeys(("allow_writes", "all_events", "dry_run"), False),
    **dict.fromkeys(("methods", "endpoint", "exclude"), ()),
    "baseline": "http://127.0.0.1:1",
    "candidate": "http://127.0.0.1:2",
    "concurrency": 16,
    "noise": "off",
    "noise_sample": 0.2,
    "sample": 1.0,
    "seed": 0,
    "sides": "together",
    "timeout": 30.0,
    "workers": 1,
}
RULE = '[[correlate]]\nname = "token"\nendpoint = "POST /login"\nplace = "$.token"\n'


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan by a shadow.toml with this text, and flags."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "s3cret")
    Path("a.jsonl").write_text("", "utf-8")

    def made(text: str, **flags: Any) -> ReplayPlan:
        Path("shadow.toml").write_text(text, "utf-8")
        return replay_plan({**FLAGS, "captures": ("a.jsonl",), **flags})

    return made


def test_a_whole_plan_is_read(plan: Plan) -> None:
    found = plan(
        "[sessions]\ncookies = true\n" + RULE + 'sinks = [{ place = "header:Authorization" },\n'
        '{ endpoint = "GET /x", place = "path:2" }]\n'
        '[[shift]]\nplace = "query:expires"\n[[shift]]\nplace = "$.at"\nkey = "${SECRET}"\n'
    ).correlation
    assert found.cookies
    assert [(each.endpoint, str(each.place)) for each in found.rules[0].sinks] == [
        ("*", "header:authorization"),
        ("GET /x", "path:2"),
    ]
    assert [each.key for each in found.shifts] == [None, "s3cret"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RULE + RULE, "two rules are called token"),
        (RULE.replace("$.token", "path:2"), "path:2 is no place of an answer"),
        (RULE.replace("$.token", "body"), "place 'body' is not understood"),
        (RULE.replace('"token"', '"a b"'), "'a b' is no name"),
        (RULE + 'pattern = "("\n', "is no regular expression"),
        (RULE + 'pattern = "a"\n', "needs one group"),
        ('[[correlate]]\nname = "x"\n', "is missing"),
        ('[[shift]]\nplace = "at"\n', "place 'at' is not understood"),
        ('[[shift]]\nplace = "$.at"\nkey = "s3cret"\n', "shift"),
        ('[[state]]\nname = "a"\n', "one of request and sql"),
        ('[[state]]\nname = "a b"\nrequest = "GET /x"\n', "is no name"),
        ('[[state]]\nname = "a"\nrequest = "POST /x"\n', "may write"),
        ('[[state]]\nname = "a"\nrequest = "GET x"\n', "is no request"),
        ('[[state]]\nname = "a"\nsql = "DELETE FROM a"\n', "no single SELECT"),
        ('[[state]]\nname = "a"\nsql = "SELECT 1"\n', "database is missing"),
        ('[targets.baseline.hooks]\nreset = "nothing"\n', "is no request"),
        ("[targets.baseline.hooks]\nreset = []\n", "no command"),
        ("[targets.baseline.auth]\n", "one of command and oauth"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(plan: Plan, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plan(text, allow_commands=True)
    assert says in refused.value.message
    assert refused.value.message.startswith("shadow.toml:") or "shadow.toml" in str(refused.value)
    assert "s3cret" not in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    "text",
    [
        '[targets.baseline.hooks]\nbefore_run = ["./seed.sh"]\n',
        '[targets.candidate.auth]\ncommand = ["gcloud", "auth", "print-identity-token"]\n',
    ],
)
def test_a_file_runs_no_command_unless_that_is_allowed(plan: Plan, text: str) -> None:
    with pytest.raises(ConfigError, match="runs a command of the config") as refused:
        plan(text)
    assert "--allow-commands" in refused.value.hint
    plan(text, allow_commands=True)


@pytest.mark.parametrize("key", ['client_secret = "s3cret"', ""])
def test_secrets_of_auth_and_databases_come_from_the_environment(plan: Plan, key: str) -> None:
    text = '[targets.baseline]\ndatabase = "postgresql://u:s3cret@h/d"\n'
    if key:
        text = f'[targets.baseline.auth.oauth]\ntoken_url = "http://h/t"\nclient_id = "me"\n{key}\n'
    with pytest.raises(ConfigError, match="stands in the file") as refused:
        plan(text)
    assert "s3cret" not in refused.value.message


BOTH = "".join(
    f'[targets.{side}]\nurl = "http://127.0.0.1:{port}"\nisolated = true\n'
    for side, port in (("baseline", 1), ("candidate", 2))
)


@pytest.mark.parametrize(
    ("text", "flags", "writes"),
    [
        (BOTH, {"baseline": None, "candidate": None}, True),
        (BOTH, {"baseline": "http://127.0.0.1:1", "candidate": None}, True),
        (BOTH, {"baseline": "http://10.0.0.1:1", "candidate": None}, False),
        (BOTH.replace("isolated = true", "", 1), {"baseline": None, "candidate": None}, False),
        (BOTH, {"baseline": "recorded", "candidate": None}, False),
        ("", {}, False),
        ("", {"allow_writes": True}, True),
    ],
)
def test_isolated_services_get_writes_where_the_file_names_them(
    plan: Plan, text: str, flags: dict[str, Any], writes: bool
) -> None:
    assert plan(text, **flags).safety.allow_writes is writes


def test_two_sides_have_values_and_a_second_instance_has_none(plan: Plan) -> None:
    with pytest.raises(ConfigError, match="--secondary has no values of its own"):
        plan(RULE, secondary="http://127.0.0.1:3")


def test_one_order_for_all_takes_one_process(plan: Plan) -> None:
    assert plan("", order="global").options.order == "global"
    with pytest.raises(ConfigError, match="--order global"):
        plan("", order="global", workers=2)


def test_the_state_is_not_asked_about_while_other_workers_still_send(plan: Plan) -> None:
    with pytest.raises(ConfigError, match="--workers end one by one"):
        plan('[[state]]\nname = "a"\nrequest = "GET /x"\n', workers=2)


def test_noise_of_the_state_is_learned_of_one_database_and_nothing_is_written(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO", "sqlite:///go")
    monkeypatch.setenv("RUST", "sqlite:///rust")
    text = BOTH.replace(":2", ":1")
    for name in ("GO", "RUST"):
        text = text.replace(
            "isolated = true\n[", f'isolated = true\ndatabase = "${{{name}}}"\n[', 1
        )
    text += 'database = "${RUST}"\n[[state]]\nname = "a"\nsql = "SELECT 1"\nafter = "run"\n'
    plan(text)
    found, _ = learning_plan({**FLAGS, "captures": ("a.jsonl",), "baseline": None})
    assert found.probes.databases == ("sqlite:///go", "sqlite:///go")
    assert not found.safety.allow_writes


def test_the_state_of_a_recording_cannot_be_asked(plan: Plan) -> None:
    with pytest.raises(ConfigError, match="needs a live baseline"):
        plan('[[state]]\nname = "a"\nrequest = "GET /x"\n', baseline="recorded")


def test_made_up_requests_go_to_isolated_services_only(plan: Plan) -> None:
    plan(BOTH, baseline=None, candidate=None)
    given = {**FLAGS, "baseline": None, "candidate": None, "captures": ("a.jsonl",)}
    refuse_shared(load("shadow.toml"), given)
    with pytest.raises(ConfigError, match=r"targets\.candidate is not isolated"):
        refuse_shared(load("shadow.toml"), {**given, "candidate": "http://127.0.0.1:9"})
    assert asking_plan(given).baseline.port == 1
    plan(BOTH.replace("isolated = true", "", 1))
    with pytest.raises(ConfigError, match=r"targets\.baseline is not isolated"):
        refuse_shared(load("shadow.toml"), given)
