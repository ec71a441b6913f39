from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shadow.reports import FORMATS, verdicts
from shadow.results.resources import Resources, ResourceUse
from shadow.results.speed.verdicts import Ratio, Speed
from shadow.results.summary import Summary


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A line of evidence as a summary may hold it."""

    name: str
    state: str
    text: str


class Judged(Summary, frozen=True, kw_only=True):
    """A summary of a run that was held to a gate and whose latencies were judged."""

    gates: tuple[Said, ...] | None = None


LINES = (
    Said(name="max_divergence_rate", state="missed", text="6.9 % of 0.1 % allowed <b>"),
    Said(name="min_exchanges", state="met", text="2,000 of 1,000"),
    Said(name="max_latency_ratio", state="inconclusive", text="takes about 900 more exchanges"),
)
SLOWER = Speed(
    verdict="slower",
    reason="",
    pairs=4_000,
    sampled=False,
    sessions=400,
    lag_p99_us=100,
    ratio=Ratio(value=1.12, low=1.09, high=1.15),
)


def judged(summary: Summary, **fields: Any) -> Summary:
    names = [field.name for field in msgspec.structs.fields(Summary)]
    return Judged(**{name: getattr(summary, name) for name in names}, **fields)


def test_without_evidence_there_is_no_section(summary: Summary) -> None:
    for given in (summary, judged(summary)):
        assert verdicts.gates(given) == verdicts.resources(given) == []
        assert {line.word for line in verdicts.latency(given)} <= {"rate", "withheld"}
        assert '<h2 id="gates">' not in FORMATS["html"](given)
        assert "| gates |" not in FORMATS["markdown"](given)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("markdown", ["| ❌ missed | `max_divergence_rate` |", "✅ met", "⚠️ inconclusive"]),
        ("github", ["| ❌ missed | `max_divergence_rate` |", "❌ slower | `GET /v1/search`"]),
        ("html", ['state fail">missed</span>', 'state pass">met</span>', "6.9 % of 0.1 %"]),
        ("junit", ['testsuite name="gates" tests="3" failures="1"', "<skipped message="]),
    ],
)
def test_gates_and_latency_stand_before_the_details(
    summary: Summary, name: str, shown: list[str]
) -> None:
    first = msgspec.structs.replace(summary.endpoints[0], endpoint="GET /v1/search", speed=SLOWER)
    slower = msgspec.structs.replace(summary, endpoints=(first, *summary.endpoints[1:]))
    text = FORMATS[name](judged(slower, gates=LINES))
    details = text.index("b1b1b1b1")
    for each in shown:
        assert text.index(each) < details
    assert "<b>" not in text.replace("<b>.", "").partition("allowed")[2][:20]


def test_a_word_that_is_not_known_is_a_note(summary: Summary) -> None:
    lines = (Said(name="cpu", state="shown", text="3.1 s per 1,000"),)
    (line,) = verdicts.gates(judged(summary, gates=lines))
    assert (line.state, line.word) == ("note", "shown")


def test_what_the_services_used_is_a_line_each(summary: Summary) -> None:
    used = ResourceUse(source="pid:1", peak_bytes=30_000_000, notes=("it began anew",))
    given = msgspec.structs.replace(summary, resources=Resources(baseline=used))
    lines = [(line.name, line.text) for line in verdicts.resources(given)]
    assert lines == [("peak memory", "go 30 MB"), ("resources of go", "it began anew")]
