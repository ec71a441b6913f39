from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import xmlschema
from hypothesis import given, settings

from shadow.reports import junit
from shadow.reports.junit import render
from shadow.results.summary import Summary, without_values
from tests.reports import golden, hostile, many

SCHEMAS = Path(__file__).parent / "schemas"
MakeSummary = Callable[..., Summary]


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    """What Jenkins reads: the XSD of its xUnit plugin (MIT)."""
    return xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")


def cases(text: str, suite: str) -> list[ET.Element]:
    root = ET.fromstring(text)
    return [case for each in root if each.get("name") == suite for case in each]


def test_a_divergent_run(summary: Summary, schema: xmlschema.XMLSchema) -> None:
    text = render(summary)
    golden.check("divergent.junit.xml", text)
    schema.validate(text)
    found = cases(text, "endpoints")
    assert [case.get("name") for case in found] == [each.endpoint for each in summary.endpoints]
    failed = {case.get("name") for case in found if case.find("failure") is not None}
    assert failed == {each.endpoint for each in summary.endpoints if each.divergent}


def test_the_counts_are_those_of_the_cases(summary: Summary) -> None:
    root = ET.fromstring(render(summary))
    for suite in root:
        assert suite.get("tests") == str(len(suite))
        assert suite.get("failures") == str(len(suite.findall("*/failure")))
    assert root.get("failures") == str(len(root.findall("*/*/failure"))) != "0"


def test_a_run_that_says_nothing_is_no_green_run(
    make_summary: MakeSummary, schema: xmlschema.XMLSchema
) -> None:
    text = render(make_summary(skipped={"write": 9}, state="interrupted"))
    golden.check("nothing.junit.xml", text)
    schema.validate(text)
    assert [case.find("error") is not None for case in cases(text, "run")] == [True]
    assert [case.find("skipped") is not None for case in cases(text, "endpoints")] == [True]


def test_an_endpoint_whose_findings_were_dropped_still_fails(summary: Summary) -> None:
    text = render(msgspec.structs.replace(summary, findings=()))
    failed = {
        case.get("name") for case in cases(text, "endpoints") if case.find("failure") is not None
    }
    assert failed == {each.endpoint for each in summary.endpoints if each.divergent} != set()


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_stays_text(summary: Summary, schema: xmlschema.XMLSchema, text: str) -> None:
    rendered = render(hostile.full_of(summary, text))
    schema.validate(rendered)
    elements = {each.tag for each in ET.fromstring(rendered).iter()}
    assert elements <= {"testsuites", "testsuite", "testcase", "failure", "error", "skipped"}


@settings(max_examples=100)
@given(hostile.texts)
def test_any_text_gives_a_document(text: str) -> None:
    element = ET.fromstring(f"<a b={quoted(text)}>{escaped(text)}</a>".encode())
    assert element.tag == "a"
    assert len(element) == 0


def quoted(text: str) -> str:
    return junit._quoted(text)


def escaped(text: str) -> str:
    return junit._result("b", "", text).removeprefix('<b message="">').removesuffix("</b>")


def test_it_is_bounded(summary: Summary) -> None:
    assert len(render(many.with_findings(summary, 10_000)).encode()) < 12_000_000


def test_values_can_be_withheld(summary: Summary) -> None:
    text = render(without_values(summary))
    assert "[withheld]" in text
    assert "quick brown fox" not in text
