from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest

from shadow.reports import FORMATS, verdicts
from shadow.results.bounds import RateBound
from shadow.results.failures import Errors
from shadow.results.gates.verdicts import CriterionResult, GateResult, combined
from shadow.results.resources import Resources, ResourceUse
from shadow.results.speed.verdicts import Ratio, Speed, SpeedVerdict
from shadow.results.summary import EndpointSummary, Summary
from tests.reports.test_github import parsed

replace = msgspec.structs.replace

MISSED = CriterionResult(
    name="divergence-rate", verdict="fail", unit="share", measured=0.069, bound=0.001, note="<b>"
)
OPEN = CriterionResult(
    name="latency-p50",
    verdict="inconclusive",
    unit="ratio",
    measured=1.08,
    low=1.01,
    high=1.15,
    bound=1.1,
    more=900,
    endpoint="GET /v1/search",
)
MET = CriterionResult(name="exchanges", verdict="pass", unit="count", measured=2_000, bound=1_000)


def held(summary: Summary, *criteria: CriterionResult) -> Summary:
    """The summary of a run that was held to a gate of these criteria."""
    gate = GateResult(
        phase="canary", run_id=summary.run_id, verdict=combined(criteria), criteria=criteria
    )
    return replace(summary, gate=gate)


def speed(verdict: SpeedVerdict, ratio: Ratio | None = None, more: int | None = None) -> Speed:
    return Speed(
        verdict=verdict,
        reason="few" if verdict == "inconclusive" else "",
        pairs=4_000,
        sampled=False,
        sessions=400,
        lag_p99_us=100,
        ratio=ratio,
        more=more,
    )


SLOWER = speed("slower", Ratio(value=1.12, low=1.09, high=1.15))
FASTER = speed("faster", Ratio(value=0.82, low=0.79, high=0.85))
FEW = speed("inconclusive", more=85)


def timed(summary: Summary, *speeds: Speed) -> Summary:
    """The summary with an endpoint for each of the verdicts, and one bound on the rate."""
    endpoints = tuple(
        replace(summary.endpoints[0], endpoint=f"GET /v1/{number}", speed=each, errors=None)
        for number, each in enumerate(speeds)
    )
    rate = RateBound(exchanges=2_000, divergent=3, upper=0.0039)
    return replace(summary, endpoints=endpoints, rate=rate, speed_withheld=None)


def test_without_evidence_there_is_no_section(summary: Summary) -> None:
    assert verdicts.gates(summary) == verdicts.resources(summary) == []
    assert {line.word for line in verdicts.latency(summary)} <= {"withheld"}
    assert verdicts.rate(replace(summary, rate=None)) == ""
    assert '<h2 id="gates">' not in FORMATS["html"](summary)
    assert "| gate |" not in FORMATS["markdown"](summary)
    assert 'testsuite name="gates"' not in FORMATS["junit"](summary)


def test_the_gate_comes_first_then_what_was_missed(summary: Summary) -> None:
    head, *lines = verdicts.gates(held(summary, MET, OPEN, MISSED))
    assert (head.name, head.word) == ("gate canary", "fail")
    assert head.text == "1 of 3 criteria met, 1 missed, 1 not decided"
    assert [line.word for line in lines] == ["fail", "inconclusive", "pass"]
    assert "at most 1.1; about 900 more exchanges; GET /v1/search" in lines[1].text


@pytest.mark.parametrize(
    ("name", "after", "shown"),
    [
        (
            "markdown",
            "## ",
            [
                "| ❌ fail | `gate canary` |",
                "| ❌ fail | `divergence rate` |",
                "⚠️ inconclusive",
                "✅ pass",
            ],
        ),
        ("github", "## ", ["| ❌ fail | `gate canary` |", "| ❌ fail | `divergence rate` |"]),
        (
            "html",
            "<h1>",
            ['state fail">fail</span> <code>gate canary</code>', 'state pass">pass</span>'],
        ),
    ],
)
def test_the_gate_stands_right_after_the_verdict(
    summary: Summary, name: str, after: str, shown: list[str]
) -> None:
    text = FORMATS[name](held(summary, MISSED, OPEN, MET))
    verdict = text.index(after)
    details = text.index("nil-slice-null")
    for each in shown:
        assert verdict < text.index(each) < details
    assert "<b>;" not in text
    assert "6.9 %, at most 0.10 %" in text


def test_criteria_are_test_cases(summary: Summary) -> None:
    root = ET.fromstring(FORMATS["junit"](held(summary, MISSED, OPEN, MET)))
    (suite,) = [each for each in root if each.get("name") == "gates"]
    results = [[result.tag for result in case] for case in suite]
    assert results == [["failure"], ["failure"], ["skipped"], []]
    assert [case.get("name") for case in suite][:2] == ["gate canary", "divergence rate"]


def test_a_gate_that_is_not_decided_is_no_green_suite(summary: Summary) -> None:
    root = ET.fromstring(FORMATS["junit"](held(summary, OPEN, MET)))
    (suite,) = [each for each in root if each.get("name") == "gates"]
    assert [[result.tag for result in case] for case in suite] == [["error"], ["skipped"], []]
    assert (suite.get("errors"), suite.get("skipped")) == ("1", "1")


@pytest.mark.parametrize(
    ("criteria", "kind", "said"),
    [
        ((MISSED, OPEN, MET), "error", "divergence rate: 6.9 %25, at most"),
        ((OPEN, MET), "warning", "latency p50: 1.08"),
    ],
)
def test_a_gate_that_is_not_passed_is_annotated(
    summary: Summary, criteria: tuple[CriterionResult, ...], kind: str, said: str
) -> None:
    found = parsed(FORMATS["annotations"](held(summary, *criteria)))
    about = [each for each in found if each[1]["title"].startswith("shadow%3A gate canary")]
    assert [each[0] for each in about] == [kind]
    assert said in about[0][2]


def test_a_gate_that_is_passed_is_not_annotated(summary: Summary) -> None:
    given = held(summary, MET)
    assert FORMATS["annotations"](given) == FORMATS["annotations"](summary)


def test_worse_endpoints_come_first_and_open_ones_last(summary: Summary) -> None:
    lines = verdicts.latency(timed(summary, FEW, FASTER, FEW, SLOWER))
    assert [line.word for line in lines] == ["slower", "faster", "inconclusive", "inconclusive"]
    assert lines[-1].text == "about 85 more exchanges"
    assert lines[0].text == "rust by 12 % (95 % CI 9\N{EN DASH}15 %)"


def test_who_fails_more_is_worse(summary: Summary) -> None:
    errors = Errors(both=0, baseline_only=0, candidate_only=9, verdict="more", p=0.004, q=0.004)
    given = timed(summary, FASTER)
    endpoints: tuple[EndpointSummary, ...] = (replace(given.endpoints[0], errors=errors),)
    lines = verdicts.latency(replace(given, endpoints=endpoints))
    assert [(line.word, line.state) for line in lines] == [("failures", "fail"), ("faster", "pass")]


@pytest.mark.parametrize(
    ("name", "more"),
    [("markdown", "<summary>3 more of latency</summary>"), ("html", "<summary>3 more</summary>")],
)
def test_what_comes_after_the_first_lines_is_folded(summary: Summary, name: str, more: str) -> None:
    text = FORMATS[name](timed(summary, *[FEW] * 10, SLOWER))
    assert text.index("/v1/10<" if name == "html" else "`GET /v1/10`") < text.index(more)
    assert "inconclusive: about" not in text
    assert more not in FORMATS[name](timed(summary, *[FEW] * 8))


@pytest.mark.parametrize(
    ("name", "heading"),
    [("markdown", "**Divergence rate:** "), ("html", '<h2 id="rate">Divergence rate</h2>\n<p>')],
)
def test_the_rate_reads_as_what_it_is(summary: Summary, name: str, heading: str) -> None:
    text = FORMATS[name](timed(summary, SLOWER))
    assert f"{heading}3 of 2,000 exchanges diverged; true rate below 0.39 %" in text
    assert "all endpoints" not in text.partition("Details")[0] or name == "html"


def test_what_the_services_used_is_a_line_each(summary: Summary) -> None:
    used = ResourceUse(source="pid:1", peak_bytes=30_000_000, notes=("it began anew",))
    given = replace(summary, resources=Resources(baseline=used))
    lines = [(line.name, line.text) for line in verdicts.resources(given)]
    assert lines == [("peak memory", "go 30 MB"), ("resources of go", "it began anew")]
    assert "| `peak memory` | go 30 MB |" in FORMATS["markdown"](given)
    assert "<li><code>peak memory</code> <span>go 30 MB</span></li>" in FORMATS["html"](given)
