"""What is said of a window of live traffic, of which only some exchanges have rows."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from shadow.model import Divergence, Outcome
from shadow.results.cautions import cautions
from shadow.results.evidence import Evidence
from shadow.results.failures import Failures
from shadow.results.judged import UNPAIRED, judge_evidence, why_withheld
from shadow.results.record import Record, Seen
from shadow.results.runs import Run, RunInfo, RunState
from shadow.results.tally import Tally

MakeRecord = Callable[..., Record]


@pytest.fixture(params=["proxy", "sink"])
def window(request: pytest.FixtureRequest, info: RunInfo) -> RunInfo:
    return msgspec.structs.replace(info, command=request.param)


def test_no_verdict_on_speed_whatever_the_options(window: RunInfo) -> None:
    for options in ({}, {"concurrency": 1}, {"rate": 10}):
        assert why_withheld(msgspec.structs.replace(window, options=options)) is UNPAIRED


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("running", "look again, or at a window that has ended: shadow runs"),
        ("killed", "its last exchanges are missing: look at another window, shadow runs"),
    ],
)
def test_nobody_is_told_to_replay_it(window: RunInfo, state: RunState, advice: str) -> None:
    run = Run(info=msgspec.structs.replace(window, state=state), tally=Tally())
    (first, *_) = cautions(run)
    assert (first.code, first.advice) == (state, advice)
    tally = Tally()
    run = Run(info=msgspec.structs.replace(window, state="finished"), tally=tally)
    tally.count_skipped("GET /a", "write")
    assert not any("replay" in each.advice for each in cautions(run))


def failed(seq: int, make_record: MakeRecord, go: int | None, rust: int | None) -> Record:
    where = "transport" if None in {go, rust} else "status"
    divergence = Divergence(
        where=where,  # type: ignore[arg-type]  # one of the two
        kind="no_answer" if where == "transport" else "value_changed",
        path="",
        path_pattern="",
        signature=f"{go}{rust}".ljust(16, "0"),
        baseline=str(go),
        candidate=str(rust),
    )
    seen = [
        Seen(no_answer="reset") if status is None else Seen(status=status) for status in (go, rust)
    ]
    return make_record(
        seq,
        divergence,
        outcome=Outcome.DIVERGENT,
        baseline=seen[0],
        candidate=seen[1],
    )


def test_failures_without_a_row_are_counted_by_their_finding(
    window: RunInfo, make_record: MakeRecord
) -> None:
    tally = Tally()
    statuses = [(200, 500)] * 30 + [(200, None)] * 20 + [(None, 200)] * 7 + [(503, 200)] * 3
    statuses += [(200, 404)] * 11 + [(500, None)] * 13
    for seq, (go, rust) in enumerate(statuses):
        tally.add(failed(seq, make_record, go, rust))
    evidence = Evidence(["GET /a"])
    evidence.endpoints["GET /a"].failures = Failures(both=13, baseline_only=2, candidate_only=9)
    run = Run(info=window, tally=tally)
    found = judge_evidence(run, evidence).errors["GET /a"]
    assert (found.both, found.baseline_only, found.candidate_only) == (13, 10, 50)
    assert found.verdict == "more"
    replay = msgspec.structs.replace(window, command="replay")
    found = judge_evidence(Run(info=replay, tally=tally), evidence).errors["GET /a"]
    assert (found.both, found.baseline_only, found.candidate_only) == (13, 2, 9)


def test_request_shapes_are_not_known(window: RunInfo, make_record: MakeRecord) -> None:
    tally, evidence = Tally(), Evidence(["GET /a"])
    tally.add(make_record(0))
    evidence.add_requests([("GET /a", "/a?x=1", False)])
    judged = judge_evidence(Run(info=window, tally=tally), evidence)
    assert judged.rate is not None
    assert (judged.rate.exchanges, judged.rate.shapes) == (1, None)
    assert judged.rates["GET /a"].shapes is None
