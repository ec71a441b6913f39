from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadow.config.file import Config, load, parse
from shadow.config.gating import gate_plan, phase_order, phases_plan, webhook
from shadow.errors import ConfigError
from shadow.results.gates.criteria import Criteria

Refusal = Callable[[str], tuple[str, str]]
GATE = "[gates.replay]\nmax_divergence_rate = 0.001\n"
HOOK = '[webhook]\nurl = "https://hooks.example/x"\nsecret = "${SHADOW_WEBHOOK_SECRET}"\n'


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHADOW_WEBHOOK_SECRET", "s3cr3t")
    return "s3cr3t"


def read(text: str) -> Config:
    return parse(tomllib.loads(text), text=text)


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[str, str]]:
    """What is said of a file with this text where the gate of `replay` is wanted."""
    monkeypatch.chdir(tmp_path)

    def of(text: str) -> tuple[str, str]:
        Path("shadow.toml").write_text(text, "utf-8")
        with pytest.raises(ConfigError) as refused:
            gate_plan(load("shadow.toml"), "replay")
        return refused.value.message, refused.value.hint

    return of


def test_every_key_of_a_gate_is_a_criterion() -> None:
    text = """
[endpoints]
templates = ["GET /a"]
owners = { "GET /a" = "team-a" }
[gates.replay]
min_exchanges = 5
min_exchanges_per_endpoint = 6
min_coverage = 0.7
max_divergence_rate = 0.001
max_latency_ratio = { p99 = 1.2, p50 = 1 }
max_jitter_ratio = 1.3
max_error_rate = 0.002
max_cpu_ratio = 1
max_memory_ratio = 0.5
max_accepted_rules = 0
owners_required = true
no_new_since = "previous"
max_incomparable = 0
max_hollow = 0.1
"""
    plan = gate_plan(read(text), "replay")
    assert plan.phase == "replay"
    assert plan.templates == ("GET /a",)
    assert plan.owners == {"GET /a": "team-a"}
    assert plan.webhook is None
    assert plan.criteria == Criteria(
        min_exchanges=5,
        min_exchanges_per_endpoint=6,
        min_coverage=0.7,
        max_divergence_rate=0.001,
        max_latency_ratio=((50, 1.0), (99, 1.2)),
        max_jitter_ratio=1.3,
        max_error_rate=0.002,
        max_cpu_ratio=1,
        max_memory_ratio=0.5,
        max_accepted_rules=0,
        owners_required=True,
        no_new_since="previous",
        max_incomparable=0,
        max_hollow=0.1,
    )


def test_a_gate_of_one_key_asks_for_that_alone() -> None:
    assert gate_plan(read(GATE), "replay").criteria == Criteria(max_divergence_rate=0.001)
    nothing = "[gates.replay]\nmax_accepted_rules = 0\n"
    assert gate_plan(read(nothing), "replay").criteria == Criteria(max_accepted_rules=0)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "no gate replay in shadow.toml", "[gates.replay]"),
        ("[gates.canary]\nmin_coverage = 1", "no gate replay in shadow.toml", "known are canary"),
        ("[gates.replya]\nmin_coverage = 1", "no gate replay in shadow.toml", "mean replya?"),
        ("[gates.replay]\n", "shadow.toml:1: gates.replay asks for nothing", "add max_diverg"),
        ("[gates.replay]\nmax_hollow = 0.1", "shadow.toml:1: gates.replay asks for nothing", "add"),
        (f'{GATE}[phases]\norder = ["a"]', "shadow.toml:1: gates.replay is not in phases", "add"),
        (f'{GATE}[phases]\norder = ["replay", "a b"]', "shadow.toml:4: 'a b' cannot be", "digits"),
        (f'{GATE}[phases]\norder = ["replay", "replay"]', "shadow.toml:4: phase replay is", "once"),
        (f'{GATE}[webhook]\nurl = "http://h/"', "shadow.toml:3: webhook.secret is missing", "add"),
        (f"{GATE}{HOOK}".replace("https", "ftp"), "shadow.toml:3: webhook.url is no http", "HOST"),
        (GATE + HOOK.partition("url")[0] + HOOK[HOOK.index("secret") :], ":3: webhook.url is", ""),
    ],
)
def test_what_cannot_be_a_gate(refusal: Refusal, text: str, message: str, hint: str) -> None:
    found = refusal(text)
    assert message in found[0]
    assert hint in found[1]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("max_divergence_rat = 0.1", "unknown key gates.replay.max_divergence_rat", "gence_rate?"),
        ("max_divergence_rate = 0", "gates.replay.max_divergence_rate: Expected `float` > 0", ""),
        ("max_divergence_rate = 1.0", "gates.replay.max_divergence_rate: Expected `float` < 1", ""),
        ("max_divergence_rate = nan", "gates.replay.max_divergence_rate: Expected", ""),
        ('max_divergence_rate = "a"', "gates.replay.max_divergence_rate: Expected `float", ""),
        ("min_exchanges = 0", "gates.replay.min_exchanges: Expected `int` >= 1", ""),
        ("min_coverage = 90", "gates.replay.min_coverage: Expected `float` <= 1", ""),
        ("max_cpu_ratio = inf", "gates.replay.max_cpu_ratio: Expected `float` <= 1000", ""),
        ("max_accepted_rules = -1", "gates.replay.max_accepted_rules: Expected `int` >= 0", ""),
        ("max_latency_ratio = { p95 = 1 }", "unknown key gates.replay.max_latency_ratio.p95", "p9"),
        ("max_latency_ratio = { p50 = 0 }", "gates.replay.max_latency_ratio.p50: Expected", ""),
        ('no_new_since = "latest"', "gates.replay.no_new_since: the latest run", '"previous"'),
        ("max_latency_ratio = 1.1", "gates.replay.max_latency_ratio: Expected `object`", ""),
    ],
)
def test_a_wrong_key_is_named_with_its_line(
    refusal: Refusal, text: str, message: str, hint: str
) -> None:
    found = refusal(f"[gates.replay]\nowners_required = true\n{text}\n")
    assert found[0].startswith(f"shadow.toml:3: {message}")
    assert hint in found[1]


def test_phases_stand_in_the_order_of_the_file() -> None:
    text = GATE + "[gates.canary]\nmin_coverage = 1\n[gates.a]\nmin_coverage = 1\n"
    assert phase_order(read(text)) == ("replay", "canary", "a")
    ordered = text + '[phases]\norder = ["a", "replay", "canary", "full"]\n'
    plan = phases_plan(read(ordered))
    assert plan.order == ("a", "replay", "canary", "full")
    assert set(plan.gates) == {"a", "replay", "canary"}
    assert phase_order(read("")) == ()


def test_the_webhook_has_its_secret_from_the_environment(secret: str) -> None:
    found = webhook(read(HOOK))
    assert found is not None
    assert (found.host, found.secret, found.timeout_s) == ("hooks.example", secret, 10)
    assert webhook(read("")) is None


@pytest.mark.parametrize("text", ["abc", "x-${SHADOW_WEBHOOK_SECRET}", "${A}${B}", "$SECRET"])
def test_a_secret_in_the_file_is_refused_and_not_quoted(text: str) -> None:
    data: dict[str, Any] = {"webhook": {"url": "https://h/", "secret": text}}
    with pytest.raises(ConfigError) as refused:
        parse(data)
    assert "webhook.secret stands in the file" in refused.value.message
    assert text not in refused.value.message + refused.value.hint


def test_a_secret_that_is_not_there_is_named(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHADOW_WEBHOOK_SECRET")
    message, hint = refusal(GATE + HOOK)
    assert message.endswith("needs the environment variable SHADOW_WEBHOOK_SECRET")
    assert "export" in hint
