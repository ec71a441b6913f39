"""Every panel of the dashboard shows something that the sidecar counts, and can be read."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shadow.metrics import METRICS
from tests.deploy import promql

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
WIDTH = 24
"""Columns of Grafana's grid."""
UNITS = frozenset({"short", "percentunit", "reqps", "cps", "s", "bytes"})
each_panel = pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])


def provisioned(name: str) -> dict[str, Any]:
    (file,) = (FOLDER / "provisioning" / name).glob("*.yml")
    read: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    assert read["apiVersion"] == 1
    return read


(SOURCE,) = provisioned("datasources")["datasources"]


@each_panel
def test_a_panel_shows_what_the_sidecar_counts(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        expression = promql.read(target["expr"])
        assert expression.metrics
        assert not expression.problems()
        assert {(name, "instance") for name in expression.metrics} <= expression.chosen_by
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert legend <= expression.kept()
        assert target["datasource"]["uid"] == SOURCE["uid"]
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@each_panel
def test_a_panel_says_what_it_is(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": SOURCE["type"], "uid": SOURCE["uid"]}


@each_panel
def test_series_of_a_panel_can_be_told_apart(panel: dict[str, Any]) -> None:
    legends = [target["legendFormat"] for target in panel["targets"]]
    assert len(set(legends)) == len(legends)
    if panel["type"] == "timeseries":
        assert all(legends)


def test_panels_have_a_place_of_their_own() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] in range(WIDTH - place["w"] + 1) for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_alerts_that_panels_name_are_in_the_runbook() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE)
    named = set(re.findall(r"Runbook: (\w+)", json.dumps(DASHBOARD)))
    assert named
    assert named <= set(headings)


def test_marks_and_variables_are_of_what_the_sidecar_counts() -> None:
    for mark in DASHBOARD["annotations"]["list"]:
        expression = promql.read(mark["expr"])
        assert expression.metrics
        assert not expression.problems()
        assert mark["datasource"]["uid"] == SOURCE["uid"]
    (variable,) = DASHBOARD["templating"]["list"]
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert found is not None
    assert found[2] in (promql.labels_of(found[1]) or ())
    used = set(re.findall(r"\$(\w+)", " ".join(texts(DASHBOARD)))) - {"__rate_interval", "__all"}
    assert used == {variable["name"]}


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_every_metric_of_the_sidecar_is_shown() -> None:
    """A number that nobody sees is not worth counting; the version is the variable's."""
    shown = " ".join(texts(DASHBOARD))
    ours = {name for name in METRICS if name.startswith("shadow_")}
    assert {name for name in ours if not re.search(rf"\b{name}(_bucket)?\b", shown)} == set()


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    volumes = {mount.split(":")[1]: mount.split(":")[0] for mount in services["grafana"]["volumes"]}
    (provider,) = provisioned("dashboards")["providers"]
    (file,) = [path for path in volumes if path.startswith(provider["options"]["path"])]
    assert (ROOT / volumes[file]).resolve() == FOLDER / "dashboard.json"
    assert (ROOT / volumes["/etc/grafana/provisioning"]).resolve() == FOLDER / "provisioning"
    environment = services["grafana"]["environment"]
    assert environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == file
    assert SOURCE["url"] == "http://prometheus:9090"
    assert "prometheus" in services
