from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Outcome
from shadow.results import evidence as module
from shadow.results.evidence import Evidence, PairRow, request_shape
from shadow.results.failures import Failures
from shadow.results.record import Record, Seen
from shadow.results.runs import Run, RunInfo
from shadow.results.speed.pairs import WARM_UP
from shadow.results.store import Store
from shadow.results.tally import Tally

MakeRecord = Callable[..., Record]


def stored(store: Store, info: RunInfo, records: Sequence[Record]) -> Run:
    run_id, tally = store.start_run(info), Tally()
    for record in records:
        tally.add(record)
    store.commit_segment(run_id, cursor="1", records=records, tally=tally)
    return store.load(run_id)


def answer(status: int, service: int | None = 700, response: int | None = 750) -> Seen:
    return Seen(status=status, service_us=service, response_us=response)


LOST = Seen(no_answer="timeout", service_us=9_000_000, response_us=9_000_000)


def test_pairs_of_a_run_by_endpoint_without_warm_up(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    records = [
        make_record(
            seq,
            endpoint="GET /a" if seq % 2 else "GET /b",
            session=f"s{seq}",
            baseline=answer(200, 1000 + seq, 2000 + seq),
            candidate=answer(200, 3000 + seq, 4000 + seq),
        )
        for seq in range(100)
    ]
    evidence = store.evidence(stored(store, info, records))
    assert evidence.paired
    pairs = evidence.endpoints["GET /a"].pairs
    expected = [seq for seq in range(100) if seq % 2][WARM_UP:]
    assert list(pairs.baseline_service) == [1000 + seq for seq in expected]
    assert list(pairs.baseline_response) == [2000 + seq for seq in expected]
    assert list(pairs.candidate_service) == [3000 + seq for seq in expected]
    assert list(pairs.candidate_response) == [4000 + seq for seq in expected]
    assert len(set(pairs.keys)) == len(expected)


@pytest.mark.parametrize(
    "fields",
    [
        {"hollow": True},
        {"candidate": LOST},
        {"baseline": answer(503), "candidate": answer(503)},
        {"candidate": answer(404)},  # a quick refusal is no quick service
        {"candidate": answer(200, None, None)},
        {"baseline": None, "candidate": None, "outcome": Outcome.SKIPPED},
    ],
)
def test_what_is_no_pair(
    store: Store, info: RunInfo, make_record: MakeRecord, fields: dict[str, Any]
) -> None:
    records = [make_record(seq) for seq in range(WARM_UP + 5)]
    records += [make_record(100 + seq, **fields) for seq in range(5)]
    evidence = store.evidence(stored(store, info, records))
    assert len(evidence.endpoints["GET /a"].pairs) == 5


def test_a_candidate_s_created_is_as_good_as_an_ok(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    records = [make_record(seq, candidate=answer(201)) for seq in range(WARM_UP + 5)]
    evidence = store.evidence(stored(store, info, records))
    assert len(evidence.endpoints["GET /a"].pairs) == 5


def test_a_recording_has_no_pairs(store: Store, info: RunInfo, make_record: MakeRecord) -> None:
    untimed = {"baseline": answer(200, None, None), "candidate": answer(200, None, None)}
    evidence = store.evidence(stored(store, info, [make_record(0, **untimed)]))
    assert not evidence.paired


def test_failures_are_counted_on_both_sides_alike(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    failing: list[dict[str, Any]] = [
        {"baseline": LOST, "outcome": Outcome.INCOMPARABLE},
        {"baseline": answer(500), "hollow": True},
        {"candidate": answer(502)},
        {"candidate": LOST},
        {"candidate": LOST},
        {"baseline": answer(500), "candidate": LOST},
        {"baseline": answer(404), "candidate": answer(404)},
        {"baseline": None, "candidate": None, "outcome": Outcome.SKIPPED},
        {"baseline": None, "candidate": answer(500), "outcome": Outcome.INCOMPARABLE},
    ]
    records = [make_record(seq, **fields) for seq, fields in enumerate(failing)]
    evidence = store.evidence(stored(store, info, records))
    assert evidence.endpoints["GET /a"].failures == Failures(
        both=1, baseline_only=2, candidate_only=3
    )


def test_request_shapes_of_what_was_compared(
    store: Store, info: RunInfo, make_record: MakeRecord, make_divergence: Callable[..., Any]
) -> None:
    records = [
        make_record(0, target="/a?page=1&q=x"),
        make_record(1, make_divergence(), target="/a?q=yy&page=22"),
        make_record(2, target="/a?page=none"),
        make_record(3, target="/a"),
        make_record(4, target="/a?hollow=1", hollow=True),
        make_record(5, target="/a?skipped=1", outcome=Outcome.SKIPPED),
    ]
    found = store.evidence(stored(store, info, records)).endpoints["GET /a"]
    assert found.shapes == {"page=0&q=a", "page=a", ""}
    assert found.divergent_shapes == {"page=0&q=a"}


def test_endpoints_that_the_counts_do_not_name_are_left_out(
    store: Store, info: RunInfo, make_record: MakeRecord
) -> None:
    run = stored(store, info, [make_record(seq, endpoint="GET /gone") for seq in range(40)])
    assert set(store.evidence(run).endpoints) == {"GET /gone"}
    other = store.evidence(Run(info=run.info, tally=Tally()))
    assert (other.endpoints, other.paired) == ({}, False)


def test_what_is_kept_is_bounded_over_all_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL", 3000)
    evidence = Evidence(["a", "b"])
    rows: list[PairRow] = [
        (name, f"s{seq}", 1, 2, 3, 4) for seq in range(4000) for name in ("a", "a", "b")
    ]
    for start in range(0, len(rows), 500):
        evidence.add_pairs(rows[start : start + 500])
    kept = [len(evidence.endpoints[name].pairs) for name in ("a", "b")]
    assert sum(kept) <= 3000
    assert min(kept) >= 500
    assert [evidence.endpoints[name].pairs.seen for name in ("a", "b")] == [7980, 3980]


def test_too_many_request_shapes_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHAPES", 10)
    evidence = Evidence(["a"])
    evidence.add_requests([("a", f"/?{n}x=1", False) for n in range(9)])
    counted = [evidence.shapes_counted]
    evidence.add_requests([("a", f"/?{n}y=1", True) for n in range(9)])
    counted.append(evidence.shapes_counted)
    assert counted == [True, False]
    assert len(evidence.endpoints["a"].shapes) == 10


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ("/v1/items?page=2&sort=name&q=", "page=0&q=&sort=a"),
        ("/v1/items?sort=9&page=-2.5", "page=0&sort=0"),
        ("/v1/items?tag=a&tag=b", "tag=a"),
        ("/v1/items?a=0&b=00x&c=0", "a=0&b=a&c=0"),
        ("/v1/items?flag&x=1=2", "flag&x=a"),
        ("/v1/items", ""),
        ("/v1/items?", ""),
    ],
)
def test_shapes(target: str, shape: str) -> None:
    assert request_shape(target) == shape


@given(st.text("ab=&?01.-", max_size=20))
def test_a_shape_is_its_own_shape(query: str) -> None:
    shape = request_shape(f"/?{query}")
    assert request_shape(f"/?{shape}") == shape
