from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from shadow.errors import ShadowError
from shadow.model import Divergence
from shadow.results.provenance import Build, Commit
from shadow.results.record import Record, Seen
from shadow.results.runs import Run, RunInfo
from shadow.results.tally import Tally
from shadow.results.trend import Series, course, trend

MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]
SIGNATURE = "ab" * 8


@pytest.fixture
def runs(info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence) -> list[Run]:
    """Three runs of 40 exchanges: 0, 10 and 20 diverge, and the candidate takes ever longer."""
    found = []
    for number in range(3):
        tally = Tally()
        for seq in range(40):
            diverges = [make_divergence(SIGNATURE)] if seq < 10 * number else []
            times = {"baseline": 1000, "candidate": 500 * (number + 1)}
            seen = {
                side: Seen(status=200, service_us=taken, response_us=taken)
                for side, taken in times.items()
            }
            tally.add(make_record(seq, *diverges, **seen))
        started = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=number)
        found.append(
            Run(
                info=msgspec.structs.replace(
                    info,
                    id=f"run-{number}",
                    started=started,
                    candidate_build=Build(version=f"1.{number}"),
                    commit=Commit(sha=str(number) * 40),
                ),
                tally=tally,
            )
        )
    return found


def series(found: tuple[Series, ...], name: str) -> tuple[float | None, ...]:
    return next(each.values for each in found if each.name == name)


def test_the_course_of_everything(runs: list[Run]) -> None:
    found = trend(runs)
    assert found.subject == "all endpoints"
    assert [each.candidate for each in found.runs] == ["1.0", "1.1", "1.2"]
    assert series(found.series, "divergent") == (0, 0.25, 0.5)
    assert series(found.series, "findings") == (0, 1, 1)
    assert series(found.series, "go p50") == (1000, 1000, 1000)
    assert series(found.series, "rust p90") == (500, 1000, 1500)
    assert not any(each.name == "rust p99" for each in found.series)  # 40 are too few


@pytest.mark.parametrize("what", [SIGNATURE, SIGNATURE[:6]])
def test_the_course_of_a_finding(runs: list[Run], what: str) -> None:
    found = trend(runs, what)
    assert found.subject == SIGNATURE
    assert [each.values for each in found.series] == [(0, 0.25, 0.5), (0, 10, 20)]


def test_a_course_is_a_share_a_line(runs: list[Run]) -> None:
    found = course(runs, [SIGNATURE])
    assert [each.name for each in found.series] == ["divergent", SIGNATURE]
    assert [each.values for each in found.series] == [(0, 0.25, 0.5)] * 2
    assert {each.unit for each in found.series} == {"share"}


def test_a_run_that_has_not_seen_the_endpoint_knows_nothing_of_it(
    runs: list[Run], info: RunInfo, make_record: MakeRecord
) -> None:
    other = Tally()
    other.add(make_record(0, endpoint="GET /b"))
    both = [*runs, Run(info=info, tally=other)]
    assert trend(both, SIGNATURE).series[0].values == (0, 0.25, 0.5, None)
    assert series(trend(both, "GET /a").series, "compared") == (40, 40, 40, None)
    assert series(trend(both, "GET /b").series, "divergent") == (None, None, None, 0)


def test_the_course_of_an_endpoint(runs: list[Run]) -> None:
    found = trend(runs, "GET /a").series
    assert [each.name for each in found] == [
        *("divergent", "compared"),
        *("go p50", "rust p50", "go p90", "rust p90"),
    ]
    assert {each.unit for each in found} == {"share", "count", "us"}


def test_the_course_of_a_percentile(runs: list[Run]) -> None:
    found = trend(runs, "p50").series
    assert [each.name for each in found] == [
        *("go all endpoints", "rust all endpoints"),
        *("go GET /a", "rust GET /a"),
    ]
    assert trend(runs, "p99").series == ()


def test_what_no_run_knows(runs: list[Run]) -> None:
    with pytest.raises(ShadowError) as caught:
        trend(runs, "GET /aa")
    assert caught.value.hint == "did you mean 'GET /a'?"
    with pytest.raises(ShadowError, match="no endpoint, finding or percentile"):
        trend(runs, "0123456789")


def test_the_beginning_of_two_signatures(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    tally = Tally()
    tally.add(make_record(0, make_divergence("abcd" * 4), make_divergence("abcde" + "0" * 11)))
    with pytest.raises(ShadowError, match="more than one finding"):
        trend([Run(info=info, tally=tally)], "abcd")
