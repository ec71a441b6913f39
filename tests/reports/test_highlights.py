from __future__ import annotations

import msgspec
import pytest

from shadow.reports import times
from shadow.reports.files import location
from shadow.reports.highlights import highlights
from shadow.results.latency import Latency
from shadow.results.summary import EndpointSummary, Percentiles, SideLatency, Summary

replace = msgspec.structs.replace
FAST = [1_000] * 350


def percentiles(values: list[int]) -> Percentiles:
    latency = Latency()
    for value in values:
        latency.record(value)
    p50, p90, p99 = latency.percentiles((50, 90, 99))
    return Percentiles(count=len(values), p50=p50, p90=p90, p99=p99, spread=latency.spread())


def timed(each: EndpointSummary, baseline: list[int], candidate: list[int]) -> EndpointSummary:
    sides = [
        SideLatency(service=percentiles(values), response=Percentiles())
        for values in (baseline, candidate)
    ]
    return replace(each, baseline=sides[0], candidate=sides[1])


def with_times(summary: Summary, baseline: list[int], candidate: list[int]) -> Summary:
    """The summary with these times at `GET /v1/search`, and equal ones elsewhere."""
    endpoints = tuple(
        timed(each, baseline, candidate)
        if each.endpoint == "GET /v1/search"
        else timed(each, FAST, FAST)
        for each in summary.endpoints
    )
    return replace(summary, endpoints=endpoints)


def slow(summary: Summary) -> list[tuple[str, str, str]]:
    return [
        (each.endpoint, each.place, each.said)
        for each in highlights(summary)
        if each.about == "latency"
    ]


def test_one_late_answer_in_fifty_is_seen_without_a_p99(summary: Summary) -> None:
    given = with_times(summary, FAST, FAST[7:] + [151_000] * 7)
    assert times.rows(given)[0].tail == "p90"
    assert slow(given) == [
        ("GET /v1/search", "slow answers", "7 of 350 from rust took over 126 ms, 0 from go")
    ]
    assert times.rows(given)[0].endpoint == "GET /v1/search"


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        (FAST, FAST),
        (FAST, FAST[3:] + [151_000] * 3),  # too few to say anything
        (FAST[5:] + [151_000] * 5, FAST[9:] + [151_000] * 9),  # Go does so too
        (FAST, FAST[50:] + [1_800] * 50),  # not late
        ([10] * 350, [10] * 340 + [200] * 10),  # nobody notices
    ],
)
def test_what_is_no_tail_is_not_shown(
    summary: Summary, baseline: list[int], candidate: list[int]
) -> None:
    assert slow(with_times(summary, baseline, candidate)) == []


def test_a_longer_p99_is_shown(summary: Summary) -> None:
    baseline = [1_000] * 380 + [2_000] * 20
    candidate = [1_000] * 380 + [4_000] * 20
    given = with_times(summary, baseline, candidate)
    (line,) = slow(given)
    assert line[1] == "p99"
    assert line[2].startswith("2.00 ms → 4.00 ms (go → rust), 2.00")


def test_what_nothing_explains_comes_first_and_faces_of_one_thing_once(summary: Summary) -> None:
    found = [each for each in highlights(summary) if each.about == "finding"]
    assert [each.said.endswith("no known cause") for each in found][:3] == [True] * 3
    finding = summary.findings[0]
    twice = replace(summary, findings=(finding, replace(finding, where="status", kind="missing")))
    assert len([each for each in highlights(twice) if each.about == "finding"]) == 1


def test_a_status_is_said_by_its_values(summary: Summary) -> None:
    (status,) = [each for each in highlights(summary) if each.place == "status"]
    assert status.said.startswith("200 → 404 in 5 exchanges")


@pytest.mark.parametrize(
    ("entry", "path", "line"),
    [
        ("src/a.rs", "src/a.rs", 1),
        ("src/a.rs:12", "src/a.rs", 12),
        ("./src/a.rs:0", "src/a.rs:0", 1),
        ("/etc/passwd", "etc/passwd", 1),
        ("../../x\\y:3", "x/y", 3),
        ("..", "shadow.toml", 1),
    ],
)
def test_a_file_is_inside_the_repository(entry: str, path: str, line: int) -> None:
    found = location({"GET /x": entry, "*": "other.rs"}, "GET /x")
    assert (found.path, found.line, found.known) == (path, line, True)


def test_a_star_stands_for_all_other_endpoints() -> None:
    assert location({"*": "other.rs:9"}, "GET /y").line == 9
    assert not location({}, "GET /y").known
