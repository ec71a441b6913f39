from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.masking import WITHHELD
from shadow.model import Divergence, Outcome
from shadow.results import tally as tally_module
from shadow.results.record import Record, Seen
from shadow.results.runs import Run, RunInfo
from shadow.results.summary import exit_code, summarise, without_values
from shadow.results.tally import Tally

MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]


def run_of(info: RunInfo, records: Sequence[Record], **fields: object) -> Run:
    tally = Tally()
    for record in records:
        tally.add(record)
    given = {"id": "r1", "state": "finished", **fields}
    return Run(info=msgspec.structs.replace(info, **given), tally=tally)


def outcomes(make_record: MakeRecord, **counts: int) -> Tally:
    tally = Tally()
    for name, count in counts.items():
        for _ in range(count):
            if name == "hollow":
                tally.add(make_record(hollow=True))
            else:
                tally.add(make_record(outcome=Outcome(name)))
    return tally


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({}, 3),
        ({"skipped": 10}, 3),
        ({"incomparable": 1}, 3),
        ({"match": 1}, 0),
        ({"equivalent": 1}, 0),
        ({"divergent": 1, "match": 99}, 1),
        ({"divergent": 1, "incomparable": 99}, 1),
        ({"match": 95, "incomparable": 5}, 0),
        ({"match": 95, "incomparable": 5, "skipped": 1000}, 0),
        ({"match": 94, "incomparable": 6, "skipped": 1000}, 3),
        ({"match": 95, "hollow": 5}, 0),
        ({"match": 94, "hollow": 6}, 3),
    ],
)
def test_exit_codes(make_record: MakeRecord, counts: dict[str, int], code: int) -> None:
    assert exit_code(outcomes(make_record, **counts)) == code


def test_never_failing_still_says_inconclusive(make_record: MakeRecord) -> None:
    assert exit_code(outcomes(make_record, divergent=1, match=99), "never") == 0
    assert exit_code(outcomes(make_record, divergent=1, incomparable=9), "never") == 3


def test_only_new_signatures_fail_where_that_is_asked(
    make_record: MakeRecord, make_divergence: MakeDivergence, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_divergence("a" * 16), make_divergence("b" * 16)
    noise = make_divergence("c" * 16, verdict="noise", rule="noise:x")
    tally = Tally()
    tally.add(make_record(0, old, noise))
    assert exit_code(tally, "new", known={"a" * 16}) == 0
    assert exit_code(tally, "new") == 1
    tally.add(make_record(1, new))
    assert exit_code(tally, "new", known={"a" * 16}) == 1
    monkeypatch.setattr(tally_module, "MAX_FINDINGS", 1)
    assert exit_code(tally, "new", known={"a" * 16}) == 1, "a dropped finding may be a new one"


def test_findings_are_sorted_and_have_their_share(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    rare = make_divergence("1" * 16)
    often = make_divergence("2" * 16, severity="risky")
    noise = make_divergence("3" * 16, verdict="noise", rule="noise:x")
    records = [make_record(seq, often, noise) for seq in range(3)]
    records += [make_record(3, rare), make_record(4)]
    records += [make_record(5, outcome=Outcome.SKIPPED), make_record(6, endpoint="GET /b")]
    summary = summarise(run_of(info, records))
    assert [(each.signature[0], each.share) for each in summary.findings] == [
        ("1", 0.2),
        ("2", 0.6),
        ("3", 0.6),
    ]
    assert (summary.divergences, summary.signatures) == (7, 3)
    assert [each.endpoint for each in summary.endpoints] == ["GET /a", "GET /b"]


def test_what_turned_out_to_be_noise_is_not_the_candidate_s_own(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    own = make_divergence("1" * 16, unstable=True)
    noise = make_divergence("2" * 16, unstable=True, verdict="noise", rule="noise:x")
    summary = summarise(run_of(info, [make_record(0, own, noise)]))
    assert [each.unstable for each in summary.findings] == [True, False]


@settings(deadline=None)
@given(st.data())
def test_the_numbers_of_a_summary_add_up(
    info: RunInfo, record_lists: st.SearchStrategy[list[Record]], data: st.DataObject
) -> None:
    summary = summarise(run_of(info, data.draw(record_lists)))
    judged = summary.match + summary.equivalent + summary.divergent
    assert judged + summary.incomparable + summary.skipped == summary.read
    for each in summary.endpoints:
        assert each.compared == each.match + each.equivalent + each.divergent
        assert each.compared + each.incomparable + each.skipped == each.exchanges
    assert sum(each.exchanges for each in summary.endpoints) == summary.read
    assert summary.conclusion == ("divergent" if summary.divergent else summary.conclusion)
    assert (summary.exit_code == 1) == (summary.divergent > 0)


def test_latencies_are_shown_by_side_where_there_are_enough(
    info: RunInfo, make_record: MakeRecord
) -> None:
    slow = {"baseline": Seen(status=200, service_us=2000, response_us=9000)}
    records = [make_record(seq) for seq in range(20)]
    records += [make_record(20 + seq, endpoint="GET /b", **slow) for seq in range(30)]
    summary = summarise(run_of(info, records))
    overall = summary.latency_baseline
    assert (overall.service.count, overall.service.p50, overall.service.p90) == (50, 2000, 2000)
    assert overall.service.p99 is None
    assert overall.response.p90 == 9007
    by_name = {each.endpoint: each for each in summary.endpoints}
    assert by_name["GET /a"].candidate.service.p50 == 800
    assert by_name["GET /a"].candidate.service.p90 is None


def codes(run: Run) -> list[str]:
    return [warning.code for warning in summarise(run).warnings]


def test_warnings(
    info: RunInfo,
    make_record: MakeRecord,
    make_divergence: MakeDivergence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fine = [make_record(seq) for seq in range(30)]
    assert codes(run_of(info, fine)) == []
    assert codes(run_of(info, [])) == ["nothing-judged"]
    assert codes(run_of(info, fine, state="interrupted")) == ["interrupted"]
    lost = [make_record(30 + n, outcome=Outcome.INCOMPARABLE) for n in range(2)]
    assert codes(run_of(info, fine + lost)) == ["incomparable"]
    assert codes(run_of(info, fine + lost[:1])) == []
    assert codes(run_of(info, [*fine, make_record(30, hollow=True)])) == ["hollow"]
    broken = run_of(info, fine)
    broken.tally.count_broken()
    assert codes(broken) == ["broken"]
    monkeypatch.setattr(tally_module, "MAX_FINDINGS", 0)
    monkeypatch.setattr(tally_module, "MAX_ENDPOINTS", 0)
    full = run_of(info, [*fine, make_record(30, make_divergence())])
    assert codes(full) == ["findings-dropped", "endpoints-folded"]


def test_the_run_s_own_exit_code_wins_over_the_rule(info: RunInfo, make_record: MakeRecord) -> None:
    run = run_of(info, [make_record()], exit_code=130)
    assert summarise(run).exit_code == 130
    assert summarise(run, code=4).exit_code == 4


def test_withheld_values_are_gone_but_absence_is_not(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    divergence = make_divergence(baseline="V4LUE", candidate=None)
    summary = without_values(summarise(run_of(info, [make_record(0, divergence)])))
    (example,) = summary.findings[0].examples
    assert (example.baseline, example.candidate) == (WITHHELD, None)
    assert b"V4LUE" not in msgspec.json.encode(summary)
