from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest

from shadow.reports.sarif import RESULTS, render
from shadow.results.summary import Summary, without_values
from tests.reports import golden, hostile, many

SCHEMAS = Path(__file__).parent / "schemas"
FILES = {"GET /v1/items/{id}": "src/my items.rs:120", "*": "src/main.rs"}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft4Validator:
    """SARIF 2.1.0-rtm.5 as SchemaStore has it (Apache-2.0; from @microsoft/jest-sarif, MIT)."""
    schema = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text("utf-8"))
    return jsonschema.Draft4Validator(
        schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER
    )


def results(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["runs"][0]["results"]
    return found


def test_a_divergent_run(summary: Summary, validator: jsonschema.Draft4Validator) -> None:
    text = render(msgspec.structs.replace(summary, files=FILES))
    golden.check("divergent.sarif", json.dumps(json.loads(text), indent=1) + "\n")
    validator.validate(json.loads(text))
    divergent = [each for each in summary.findings if each.verdict == "divergent"]
    assert len(results(text)) == len(divergent)
    places = {
        (
            place["physicalLocation"]["artifactLocation"]["uri"],
            place["physicalLocation"]["region"]["startLine"],
        )
        for result in results(text)
        for place in result["locations"]
    }
    assert places == {("src/my%20items.rs", 120), ("src/main.rs", 1)}


def test_every_result_points_to_its_rule_and_every_rule_has_help(summary: Summary) -> None:
    run = json.loads(render(summary))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    nil = next(rule for rule in rules if rule["id"] == "nil-slice-null")
    assert "Fix in rust" in nil["help"]["text"]
    assert all(rule["help"]["markdown"] for rule in rules)


def test_fingerprints_stay_from_run_to_run_and_differ_from_each_other(summary: Summary) -> None:
    def prints(given: Summary) -> list[str]:
        return [each["partialFingerprints"]["shadowFinding/v1"] for each in results(render(given))]

    other = msgspec.structs.replace(summary, run_id="another", duration_s=1.0, read=9)
    assert prints(summary) == prints(other)
    assert len(set(prints(summary))) == len(prints(summary))


def test_it_is_bounded_and_counts_what_is_left_out(
    summary: Summary, validator: jsonschema.Draft4Validator
) -> None:
    log = json.loads(render(many.with_findings(summary, RESULTS + 50)))
    run = log["runs"][0]
    assert len(run["results"]) == RESULTS
    assert run["properties"]["notShown"] == 57
    notes = [
        each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]
    ]
    assert "57 more findings not in this log: shadow report --all" in notes
    run["results"] = run["results"][:20]
    validator.validate(log)


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_stays_text(
    summary: Summary, validator: jsonschema.Draft4Validator, text: str
) -> None:
    rendered = render(hostile.full_of(summary, text))
    validator.validate(json.loads(rendered))
    for result in results(rendered):
        message = result["message"]["text"]
        assert re.search(r"\]\(|\{\d", message) is None
        for place in result["locations"]:
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", uri)
            assert ".." not in uri.split("/")


def test_values_can_be_withheld(summary: Summary) -> None:
    text = render(without_values(summary))
    assert "[withheld]" in text
    assert "quick brown fox" not in text
