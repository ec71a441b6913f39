from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from syrupy.assertion import SnapshotAssertion

from shadow.reports import FORMATS
from shadow.results.record import Record
from shadow.results.summary import Summary

MakeSummary = Callable[..., Summary]


def test_the_whole_summary_as_json(
    make_summary: MakeSummary,
    make_record: Callable[[int], Record],
    snapshot: SnapshotAssertion,
) -> None:
    summary = make_summary(make_record(0), make_record(1), skipped={"write": 1}, broken=1)
    text = FORMATS["json"](summary)
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    assert json.loads(text) == snapshot


def test_the_version_comes_first_and_the_sum_holds(summary: Summary) -> None:
    text = FORMATS["json"](summary)
    assert text.startswith('{"v":1,')
    shown = json.loads(text)
    outcomes = ("match", "equivalent", "divergent", "incomparable", "skipped")
    assert shown["read"] == sum(shown[outcome] for outcome in outcomes) == 2026
    judged = [(finding["verdict"], finding["class"]) for finding in shown["findings"]]
    assert judged[0] == ("divergent", None)  # what nothing explains comes first


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_a_pure_function_of_the_summary(summary: Summary, name: str) -> None:
    assert FORMATS[name](summary) == FORMATS[name](summary)


def test_the_schema_that_is_shipped_describes_it(summary: Summary) -> None:
    schema = json.loads((resources.files("shadow") / "schemas/summary.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    shown = json.loads(FORMATS["json"](summary))
    validator.validate(shown)
    assert shown.keys() == schema["properties"].keys() == set(schema["required"])
    assert not validator.is_valid({**shown, "v": 2})
    assert not validator.is_valid({**shown, "conclusion": "fine"})
