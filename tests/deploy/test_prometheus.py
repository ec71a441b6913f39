"""The alerts are about what the sidecar counts, they fire, and the runbook knows each of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadow.sidecar.canary.guards import GuardPolicy
from tests.deploy import promql

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
}
PROMTOOL = shutil.which("promtool") or ROOT / ".build" / "tools" / "promtool"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))[
    "services"
]
each_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)


@each_alert
def test_an_alert_reads_what_the_sidecar_counts(alert: dict[str, Any]) -> None:
    expression = promql.read(alert["expr"])
    assert expression.metrics
    assert not expression.problems()
    named = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
    assert named <= expression.kept()


@each_alert
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


def sections() -> dict[str, str]:
    """The runbook's sections of the second level."""
    parts = re.split(r"^## +(.+)$", RUNBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_runbook_is_about_the_alerts_in_their_order() -> None:
    assert list(sections()) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_says_what_it_means_and_what_to_type(name: str) -> None:
    text = sections()[name]
    assert re.search(r"^\*\*Means\*\* ", text, re.MULTILINE)
    assert re.search(r"^\*\*Look\*\* ", text, re.MULTILINE)
    assert re.search(r"^\*\*Do\*\* ", text, re.MULTILINE)
    assert "```console\n" in text


def test_the_bound_on_divergences_is_the_guards() -> None:
    bound = float(ALERTS["ShadowDivergenceRate"]["expr"].rpartition(">")[2])
    assert bound == GuardPolicy().max_divergence_rate


def test_the_sidecar_and_both_services_are_scraped_where_they_listen() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    targets = {
        job["job_name"]: [target for each in job["static_configs"] for target in each["targets"]]
        for job in config["scrape_configs"]
    }
    assert targets == {
        "shadow": ["shadow-proxy:9464"],
        "go": ["go:8080", "go-secondary:8080"],
        "rust": ["rust:8080"],
    }
    assert {target.partition(":")[0] for each in targets.values() for target in each} <= set(
        SERVICES
    )
    assert "--status=0.0.0.0:9464" in SERVICES["shadow-proxy"]["command"]
    assert config["rule_files"] == ["alerts.yml"]
    assert 'job="shadow"' in ALERTS["ShadowAbsent"]["expr"]


def promtool(*arguments: str) -> None:
    assert Path(PROMTOOL).exists(), "there is no promtool: make packages installs it"
    done = subprocess.run(
        [PROMTOOL, *arguments],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.packages
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=["config", "rules", "what fires"],
)
def test_prometheus_takes_the_files_and_the_alerts_fire(arguments: tuple[str, ...]) -> None:
    promtool(*arguments)


def test_every_alert_is_made_to_fire() -> None:
    cases = yaml.safe_load((FOLDER / "alerts.test.yml").read_text("utf-8"))["tests"]
    fired = {
        re.findall(r'alertname="(\w+)"', sample["labels"])[0]
        for case in cases
        for test in case["promql_expr_test"]
        for sample in test["exp_samples"]
    }
    assert fired == set(ALERTS)


def test_the_series_that_make_them_fire_are_those_of_the_sidecar() -> None:
    cases = yaml.safe_load((FOLDER / "alerts.test.yml").read_text("utf-8"))["tests"]
    for series in (each["series"] for case in cases for each in case["input_series"]):
        assert not promql.read(series).problems(), series


@pytest.mark.packages
def test_the_expressions_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "grafana" / "dashboard.json").read_text("utf-8")
    found = set(expressions(yaml.safe_load(text)))
    assert len(found) > 20
    rules = [
        {
            "record": "x",
            "labels": {"n": str(number)},
            "expr": each.replace("$__rate_interval", "1m"),
        }
        for number, each in enumerate(sorted(found))
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}), "utf-8")
    promtool("check", "rules", str(file))


def expressions(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for each in value for text in expressions(each)]
    if not isinstance(value, dict):
        return []
    own = [value["expr"]] if "expr" in value else []
    return own + expressions(list(value.values()))
