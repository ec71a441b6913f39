from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.masking import Masker
from shadow.model import (
    Answer,
    Divergence,
    Exchange,
    Judgement,
    NoAnswer,
    Observation,
    Outcome,
    Request,
    Response,
    Timing,
)
from shadow.results import tally as tally_module
from shadow.results.record import Record, Revision, Seen
from shadow.results.tally import OTHER, Tally

Records = st.SearchStrategy[list[Record]]
MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]


def tally_of(records: Iterable[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def merged(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    return total


def broken(count: int) -> Tally:
    tally = Tally()
    tally.count_broken(count)
    return tally


@settings(deadline=None)
@given(st.data())
def test_every_exchange_is_accounted_for(record_lists: Records, data: st.DataObject) -> None:
    records = data.draw(record_lists)
    tally = tally_of(records)
    assert tally.accounted
    assert tally.read == len(records)
    for outcome in Outcome:
        assert tally.outcomes[outcome] == sum(each.outcome is outcome for each in records)
    assert tally.hollow == sum(each.hollow for each in records)
    listed = sum(finding.divergences for finding in tally.findings)
    assert listed + tally.findings_dropped == sum(len(each.divergences) for each in records)


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from([1, 2, 10_000]))
def test_parts_merge_to_the_whole_in_any_grouping_and_order(
    record_lists: Records, data: st.DataObject, bound: int
) -> None:
    records = data.draw(record_lists)
    part_of = data.draw(st.lists(st.integers(0, 3), min_size=8, max_size=8))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MAX_FINDINGS", "MAX_ENDPOINTS", "MAX_NAMES"):
            patch.setattr(tally_module, name, bound)
        parts = [tally_of(r for r in records if part_of[r.seq] == part) for part in range(4)]
        for part in parts:
            part.count_broken()
        whole = merged([tally_of(records), broken(4)]).to_json()
        a, b, c, d = parts
        assert merged([a, b, c, d]).to_json() == whole
        assert merged([d, c, b, a]).to_json() == whole
        assert merged([merged([a, b]), merged([c, d])]).to_json() == whole
        assert merged([merged([d, a]), merged([c]), b]).to_json() == whole
        assert merged([Tally.from_json(part.to_json()) for part in parts]).to_json() == whole


@settings(deadline=None)
@given(st.data())
def test_merging_leaves_the_other_tally_alone(record_lists: Records, data: st.DataObject) -> None:
    one, other = tally_of(data.draw(record_lists)), tally_of(data.draw(record_lists))
    before = other.to_json()
    one.merge(other)
    one.merge(other)
    assert other.to_json() == before


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_both_json_forms_keep_everything(record_lists: Records, data: st.DataObject) -> None:
    tally = tally_of(data.draw(record_lists))
    tally.count_skipped("GET /a", "sampled-out", 7)
    tally.count_broken(2)
    plain = tally.to_json()
    assert Tally.from_json(plain).to_json() == plain
    assert Tally.from_json(tally.to_json(compact=True)).to_json() == plain


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"v":2,"read":1}'])
def test_what_is_no_tally_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tally.from_json(text)


def test_a_damaged_histogram_is_refused(make_record: MakeRecord) -> None:
    text = tally_of([make_record()]).to_json(compact=True).decode()
    latency = msgspec.json.decode(text)["endpoints"]["GET /a"]["latency"]["baseline_service"]
    with pytest.raises(ValueError, match=r"."):
        Tally.from_json(text.replace(latency, latency[:-4]))


def test_skips_without_records_and_broken_lines_are_counted(make_record: MakeRecord) -> None:
    tally = tally_of([make_record(0), make_record(1, outcome=Outcome.SKIPPED, reason="write")])
    tally.count_skipped("POST /b", "sampled-out", 5)
    tally.count_broken(3)
    assert (tally.read, tally.broken, tally.compared) == (7, 3, 1)
    assert tally.reasons == {Outcome.SKIPPED: {"write": 1, "sampled-out": 5}}
    assert tally.endpoints["POST /b"].outcomes == {Outcome.SKIPPED: 5}
    assert tally.accounted


def test_a_finding_counts_exchanges_once_and_places_each(
    make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    twice = [make_divergence(path="$[0]", unstable=True), make_divergence(path="$[1]")]
    risky = make_divergence(severity="risky", baseline="3")
    (finding,) = tally_of([make_record(5, *twice), make_record(2, risky)]).findings
    assert (finding.exchanges, finding.divergences) == (2, 3)
    assert (finding.severity, finding.unstable) == ("breaking", True)
    assert [(each.seq, each.path, each.baseline) for each in finding.examples] == [
        (2, "$['a']", "3"),
        (5, "$[0]", "1"),
    ]
    assert finding.examples[0].baseline_status == 200


def test_a_signature_judged_differently_is_two_findings(
    make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    divergences = [
        make_divergence(),
        make_divergence(class_id="c"),
        make_divergence(verdict="noise", rule="noise:uuid"),
        make_divergence(verdict="noise", rule="noise:time"),
    ]
    tally = tally_of([make_record(0, *divergences), make_record(1, divergences[0])])
    assert sorted(finding.exchanges for finding in tally.findings) == [1, 1, 1, 2]


def test_the_first_three_examples_are_kept_whatever_comes_first(
    make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    tally = tally_of(make_record(seq, make_divergence()) for seq in (9, 4, 7, 1, 8, 3))
    (finding,) = tally.findings
    assert [example.seq for example in finding.examples] == [1, 3, 4]


def test_divergent_findings_are_dropped_last(
    make_record: MakeRecord, make_divergence: MakeDivergence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_module, "MAX_FINDINGS", 2)
    noisy = [make_divergence(f"{n:016x}", verdict="noise", rule="noise:x") for n in range(8)]
    bad = [make_divergence("f" * 16), make_divergence("e" * 16)]
    tally = tally_of(make_record(seq, each) for seq, each in enumerate([*noisy, *bad]))
    assert {finding.signature for finding in tally.findings} == {"f" * 16, "e" * 16}
    assert tally.findings_dropped == 8


def test_endpoints_beyond_the_bound_are_counted_together(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_module, "MAX_ENDPOINTS", 2)
    tally = tally_of(make_record(seq, endpoint=f"GET /{seq % 7}") for seq in range(21))
    assert list(tally.endpoints) == ["GET /0", "GET /1", OTHER]
    assert tally.endpoints[OTHER].compared == 15
    assert tally.endpoints[OTHER].latency["baseline_service"].total == 15
    assert tally.accounted


def test_reasons_and_spellings_are_bounded(
    make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_module, "MAX_NAMES", 2)
    names = [f"name-{seq}" for seq in range(9)]
    tally = tally_of(make_record(seq, spellings=(name,)) for seq, name in enumerate(names))
    for name in names:
        tally.count_skipped("GET /a", name)
    assert tally.spellings == {"name-0": 1, "name-1": 1, OTHER: 7}
    assert tally.reasons[Outcome.SKIPPED] == {"name-0": 1, "name-1": 1, OTHER: 7}


def test_only_pairs_that_prove_something_are_timed(make_record: MakeRecord) -> None:
    failed = Seen(no_answer="timeout", service_us=5_000_000)
    tally = tally_of(
        [
            make_record(0),
            make_record(1, candidate=failed),
            make_record(2, baseline=failed),
            make_record(3, hollow=True),
            make_record(4, baseline=Seen(status=200)),
            make_record(5, baseline=None),
        ]
    )
    latency = tally.endpoints["GET /a"].latency
    assert {measure: each.total for measure, each in latency.items()} == {
        "baseline_service": 1,
        "baseline_response": 1,
        "candidate_service": 2,
        "candidate_response": 2,
    }


@settings(deadline=None)
@given(st.data())
def test_revising_comes_to_the_same_as_tallying_the_revised(
    record_lists: Records, data: st.DataObject
) -> None:
    records = data.draw(record_lists)
    tally = tally_of(records)
    judged = [record for record in records if record.divergences]
    chosen = data.draw(st.sets(st.sampled_from(range(8))))
    settled = {
        record.seq: record.revised(Revision(seq=record.seq, outcome=Outcome.EQUIVALENT))
        for record in judged
        if record.seq in chosen
    }
    for record in records:
        if record.seq in settled:
            tally.move(record, Outcome.EQUIVALENT)
    after = [settled.get(record.seq, record) for record in records]
    signatures = {d.signature for record in settled.values() for d in record.divergences}
    tally.recount(
        (r for r in after if {d.signature for d in r.divergences} & signatures), signatures
    )
    assert tally.to_json() == tally_of(after).to_json()
    tally.recount(after, None)
    assert tally.to_json() == tally_of(after).to_json()


TIMINGS = st.none() | st.builds(
    Timing, due=st.just(0.0), sent=st.sampled_from([0.0, 0.25]), done=st.floats(0.25, 4_000)
)
OBSERVATIONS: st.SearchStrategy[Observation] = st.builds(
    Answer, response=st.just(Response(status=200)), timing=TIMINGS
) | st.builds(NoAnswer, kind=st.just("reset"), timing=TIMINGS)
JUDGEMENTS = st.builds(
    Judgement,
    outcome=st.sampled_from([Outcome.MATCH, Outcome.EQUIVALENT, Outcome.INCOMPARABLE]),
    reason=st.sampled_from(["", "truncated"]),
    hollow=st.sampled_from(["", "state", "expired-token"]),
    spellings=st.lists(st.sampled_from(["header-order", "date-volatile"])).map(tuple),
)


@given(st.lists(st.tuples(JUDGEMENTS, OBSERVATIONS, OBSERVATIONS), max_size=5))
def test_without_a_record_the_counts_are_the_same(
    judged: list[tuple[Judgement, Observation, Observation]],
) -> None:
    exchange = Exchange(id="x", request=Request(method="GET", target="/a"))
    with_records, without = Tally(), Tally()
    for judgement, go, rust in judged:
        record = Record.of(
            exchange,
            judgement,
            seq=0,
            endpoint="GET /a",
            masker=Masker(),
            baseline=go,
            candidate=rust,
        )
        with_records.add(record)
        without.count_judged("GET /a", judgement, go, rust)
    assert without.to_json() == with_records.to_json()
