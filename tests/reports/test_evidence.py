from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from shadow.reports.evidence import (
    errors_text,
    rate_text,
    resources_texts,
    share,
    speed_text,
    tail_text,
)
from shadow.reports.terminal import render
from shadow.results.bounds import rate_bound
from shadow.results.failures import Failures, judge_errors
from shadow.results.judged import UNSCHEDULED
from shadow.results.record import Record
from shadow.results.resources import Resources, ResourceUse, Spread
from shadow.results.speed.verdicts import (
    Ratio,
    Shift,
    Span,
    Speed,
    SpeedReason,
    SpeedVerdict,
)
from shadow.results.summary import Summary

MakeRecord = Callable[[int], Record]
MakeSummary = Callable[..., Summary]
replace = msgspec.structs.replace


def speed(
    verdict: SpeedVerdict,
    ratio: tuple[float, float, float] | None = None,
    reason: SpeedReason = "",
    more: int | None = None,
    lag_p99_us: int | None = None,
) -> Speed:
    return Speed(
        verdict=verdict,
        reason=reason,
        pairs=500,
        sessions=120,
        ratio=ratio and Ratio(value=ratio[0], low=ratio[1], high=ratio[2]),
        more=more,
        lag_p99_us=lag_p99_us,
    )


FASTER = speed("faster", (0.88, 0.85, 0.91))
SLOWER = speed("slower", (1.312, 1.305, 1.319))
EQUAL = speed("equivalent", (1.001, 0.98, 1.02))
WIDE = speed("inconclusive", (1.04, 0.95, 1.14), "wide", more=1234)
NEAR = speed("inconclusive", (1.049, 1.02, 1.08), "near")
FINE = replace(speed("inconclusive", (1.11, 1.08, 1.14), "fine"), apart_us=8)
FEW = speed("inconclusive", None, "few", more=87)
LATE = speed("withheld", None, "saturated", lag_p99_us=6_660)


@pytest.mark.parametrize(
    ("judged", "text"),
    [
        (FASTER, "rust 12 % faster (95 % CI 9\u201315 %)"),
        (SLOWER, "rust 31.2 % slower (95 % CI 30.5\u201331.9 %)"),
        (EQUAL, "rust as fast as go, within 5 % (95 % CI -2 to 2 %)"),
        (WIDE, "inconclusive: about 1,300 more exchanges (95 % CI -5 to 14 %)"),
        (NEAR, "inconclusive: too near 5 % to tell (95 % CI 2 to 8 %)"),
        (FINE, "inconclusive: 8 µs apart, too little to tell (95 % CI 8 to 14 %)"),
        (FEW, "inconclusive: about 87 more exchanges"),
        (LATE, "withheld: the generator was the bottleneck (6.66 ms late)"),
    ],
)
def test_how_a_verdict_on_speed_reads(judged: Speed, text: str) -> None:
    assert speed_text(judged, "go", "rust") == text


@pytest.mark.parametrize(
    ("judged", "difference", "text"),
    [
        (FASTER, (350, 100, 600), "p99 35 % slower (95 % CI 10\u201360 %)"),
        (WIDE, (350, 100, 600), "p99 35 % slower (95 % CI 10\u201360 %)"),
        (SLOWER, (350, 100, 600), ""),  # that is said already
        (FASTER, (350, -10, 600), ""),  # it may be chance
        (FASTER, (40, 10, 90), ""),  # it does not matter
        (FASTER, (-350, -600, -100), ""),
    ],
)
def test_a_slower_tail_is_told(judged: Speed, difference: tuple[int, int, int], text: str) -> None:
    value, low, high = difference
    shift = Shift(
        percentile=99,
        baseline=1000,
        candidate=1000 + value,
        difference=Span(value=value, low=low, high=high),
    )
    assert tail_text(replace(judged, shifts=(shift,))) == text
    assert tail_text(judged) == ""


def test_how_a_rate_reads() -> None:
    clean = rate_bound(0, 41_200)
    assert rate_text(clean) == "0 divergences in 41,200; true rate below 0.0073 % (95 %)"
    shapes = rate_bound(1, 1000, (12, 1))
    assert rate_text(shapes) == (
        "1 of 1,000 exchanges diverged; true rate below 0.47 % (95 %);"
        " 1 of 12 request shapes, below 34 %"
    )
    assert rate_text(rate_bound(0, 0)) == "0 divergences in 0"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.003, "0.30 %"), (0.0003, "0.030 %"), (1.0, "100 %"), (0.12, "12 %"), (0.0, "0 %")],
)
def test_shares(value: float, text: str) -> None:
    assert share(value) == text


@given(st.floats(1e-9, 1))
def test_a_share_is_never_shown_as_none(value: float) -> None:
    assert float(share(value).removesuffix(" %")) == pytest.approx(100 * value, rel=0.06)


def test_who_fails_more_is_said_only_where_it_is_no_chance() -> None:
    judged = judge_errors({"more": Failures(0, 1, 20), "fewer": Failures(0, 20, 1)})
    assert errors_text(judged["more"], "rust") == (
        "rust fails more often: 20 times alone, against 1"
    )
    assert errors_text(judged["fewer"], "rust").startswith("rust fails less often")
    alike = judge_errors({"a": Failures(9, 2, 2)})
    assert errors_text(alike["a"], "rust") == ""


@pytest.mark.parametrize("width", [80, 100])
def test_what_the_numbers_prove(summary: Summary, width: int, snapshot: SnapshotAssertion) -> None:
    verdicts = [FASTER, WIDE, SLOWER, LATE]
    errors = [None, None, judge_errors({"a": Failures(0, 1, 20)})["a"], None]
    endpoints = [
        replace(endpoint, speed=verdict, errors=error)
        for endpoint, verdict, error in zip(summary.endpoints, verdicts, errors, strict=False)
    ]
    text = render(replace(summary, endpoints=tuple(endpoints)), width=width)
    start = text.index("speed ")
    assert text[start : text.index("!", start)] == snapshot


def test_a_run_that_withholds_every_verdict_says_why(summary: Summary) -> None:
    text = render(replace(summary, speed_withheld=UNSCHEDULED), width=120)
    assert UNSCHEDULED.text in text
    assert UNSCHEDULED.advice in text


def test_what_both_services_used(summary: Summary) -> None:
    go = ResourceUse(
        source="pid:1",
        cpu_s_per_1000=Spread(median=1.2345, low=1.1, high=1.4, windows=20),
        peak_bytes=120_000_000,
    )
    rust = ResourceUse(
        source="pid:2",
        cpu_s_per_1000=Spread(median=0.41, low=0.4, high=0.5, windows=20),
        peak_bytes=40_000_000,
        notes=("process 2 has ended",),
    )
    both = Resources(
        baseline=go,
        candidate=rust,
        cpu_ratio=Spread(median=0.332, low=0.301, high=0.36, windows=20),
    )
    expected = [
        "CPU per 1,000 requests: go 1.23 s, rust 0.41 s, rust takes 33 % (95 % CI 30\u201336 %)",
        "peak memory: go 120 MB, rust 40 MB",
        "resources of rust: process 2 has ended",
    ]
    assert resources_texts(both, "go", "rust") == expected
    text = render(replace(summary, resources=both), width=120)
    assert all(line in text for line in expected)
    assert resources_texts(Resources(), "go", "rust") == []
    unread = ResourceUse(source="port 1", notes=("nothing listens on port 1 here",))
    assert resources_texts(Resources(baseline=unread), "go", "rust") == [
        "resources of go: nothing listens on port 1 here"
    ]


def test_what_is_worse_stands_first_and_the_rest_is_counted(
    make_summary: MakeSummary, make_record: MakeRecord
) -> None:
    records = [replace(make_record(seq), endpoint=f"GET /{seq % 15}") for seq in range(300)]
    made = make_summary(*records)
    endpoints = tuple(replace(each, speed=EQUAL) for each in made.endpoints)
    slow = (*endpoints[:-1], replace(endpoints[-1], speed=SLOWER))
    lines = render(replace(made, endpoints=slow), width=100).splitlines()
    (head,) = [place for place, line in enumerate(lines) if line.startswith("speed ")]
    assert "slower" in lines[head + 1]
    assert "… and 5 endpoints more" in lines[head:][11]
