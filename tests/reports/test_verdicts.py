from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shadow.reports import FORMATS, verdicts
from shadow.results.summary import Summary


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A line of evidence as a summary may hold it."""

    name: str
    state: str
    text: str


class Judged(Summary, frozen=True, kw_only=True):
    """A summary of a run that was held to a gate and whose latencies were judged."""

    gates: tuple[Said, ...] | None = None
    latency: tuple[Said, ...] | None = None
    resources: tuple[Said, ...] | None = None


LINES = (
    Said(name="max_divergence_rate", state="missed", text="6.9 % of 0.1 % allowed <b>"),
    Said(name="min_exchanges", state="met", text="2,000 of 1,000"),
    Said(name="max_latency_ratio", state="inconclusive", text="takes about 900 more exchanges"),
)
SLOWER = (Said(name="GET /v1/search", state="slower", text="rust 12 % slower (95 % CI 9 to 15 %)"),)


def judged(summary: Summary, **fields: Any) -> Summary:
    names = [field.name for field in msgspec.structs.fields(Summary)]
    return Judged(**{name: getattr(summary, name) for name in names}, **fields)


def test_without_evidence_there_is_no_section(summary: Summary) -> None:
    for given in (summary, judged(summary)):
        assert verdicts.gates(given) == verdicts.latency(given) == verdicts.resources(given) == []
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
    text = FORMATS[name](judged(summary, gates=LINES, latency=SLOWER))
    details = text.index("b1b1b1b1")
    for each in shown:
        assert text.index(each) < details
    assert "<b>" not in text.replace("<b>.", "").partition("allowed")[2][:20]


def test_a_word_that_is_not_known_is_a_note(summary: Summary) -> None:
    lines = (Said(name="cpu", state="shown", text="3.1 s per 1,000"),)
    (line,) = verdicts.resources(judged(summary, resources=lines))
    assert (line.state, line.word) == ("note", "shown")
