from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest

from shadow.reports.gitlab import ISSUES, render
from shadow.results.summary import Summary, without_values
from tests.reports import golden, hostile, many

SCHEMAS = Path(__file__).parent / "schemas"
FILES = {"GET /v1/items/{id}": "src/items.rs:120"}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / "gitlab-code-quality.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_a_divergent_run(summary: Summary, validator: jsonschema.Draft202012Validator) -> None:
    text = render(msgspec.structs.replace(summary, files=FILES))
    golden.check("divergent.gitlab.json", json.dumps(json.loads(text), indent=1) + "\n")
    validator.validate(json.loads(text))
    found = {
        (each["location"]["path"], each["location"]["lines"]["begin"]) for each in json.loads(text)
    }
    assert found == {("src/items.rs", 120), ("shadow.toml", 1)}


def test_fingerprints_stay_from_run_to_run_and_differ_from_each_other(summary: Summary) -> None:
    def prints(given: Summary) -> list[str]:
        return [each["fingerprint"] for each in json.loads(render(given))]

    other = msgspec.structs.replace(summary, run_id="another", duration_s=1.0)
    assert prints(summary) == prints(other)
    assert len(set(prints(summary))) == len(prints(summary))


def test_it_is_bounded_and_counts_what_is_left_out(summary: Summary) -> None:
    issues = json.loads(render(many.with_findings(summary, ISSUES + 50)))
    assert len(issues) == ISSUES + 1
    assert issues[-1]["description"].startswith("57 more findings not listed here")


def test_an_inconclusive_run_blocks(summary: Summary) -> None:
    given = msgspec.structs.replace(summary, conclusion="inconclusive", findings=())
    assert [each["severity"] for each in json.loads(render(given))] == ["blocker"]


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_stays_text(
    summary: Summary, validator: jsonschema.Draft202012Validator, text: str
) -> None:
    issues = json.loads(render(hostile.full_of(summary, text)))
    validator.validate(issues)
    assert all(len(each["description"]) <= 510 for each in issues)
    assert not any(".." in each["location"]["path"].split("/") for each in issues)


def test_values_can_be_withheld(summary: Summary) -> None:
    text = render(without_values(summary))
    assert "[withheld]" in text
    assert "12.34" not in text
