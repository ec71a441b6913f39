from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shadow.captures.records import Broken, Record, Unsupported
from shadow.endpoints import Endpoints
from shadow.model import Exchange, NoAnswer, Request, Response
from shadow.results import inspection as inspection_module
from shadow.results.inspection import Fit, Inspection, Inspector
from shadow.sending.safety import Safety

START = datetime(2026, 8, 3, 10, tzinfo=UTC)


def exchange(number: int, **fields: Any) -> Exchange:
    request = {"method": "GET", "target": f"/v1/items/{number}", **fields.pop("request", {})}
    given = {
        "response": Response(status=200, body=b"{}"),
        "latency_ms": 2.0,
        "session": f"s{number % 3}",
        "ts": START + timedelta(seconds=number),
        **fields,
    }
    return Exchange(id=f"x{number}", request=Request(**request), **given)


def inspected(records: Iterable[Record], reads: Iterable[str] = ()) -> Inspection:
    inspector = Inspector(Endpoints(), Safety(tuple(reads)))
    for record in records:
        inspector.add(record)
    return inspector.result([], "")


def fit(found: Inspection, job: str) -> Fit:
    return next(each for each in found.fit if each.job == job)


def test_every_record_is_counted_once() -> None:
    found = inspected(
        [
            exchange(1),
            exchange(2, response=None, error=NoAnswer(kind="reset"), latency_ms=None),
            exchange(3, response=None, latency_ms=None),
            Broken(path="a.jsonl", line=7, reason="no id"),
            Unsupported(
                id="w", path="a.har", line=1, reason="a websocket", method="GET", target="/ws"
            ),
        ]
    )
    assert (found.exchanges, found.broken, found.unsupported) == (3, 1, 1)
    assert found.broken_reasons == ("a.jsonl:7: no id",)
    assert found.unsupported_reasons == {"a websocket": 1}
    assert found.statuses == {"200": 1, "none": 1, "reset": 1}
    assert (found.timed, found.time_us) == (1, 2000)


def test_writes_are_those_that_no_rule_lists_as_reads() -> None:
    records = [
        exchange(number, request={"method": "POST", "target": target})
        for number, target in enumerate(["/v1/quote", "/v1/quote", "/v1/items"])
    ]
    assert inspected(records).writes == 3
    found = inspected(records, ["POST /v1/quote"])
    assert (found.safe, found.writes) == (2, 1)
    assert {each.endpoint: each.safe for each in found.endpoints} == {
        "POST /v1/quote": 2,
        "POST /v1/items": 0,
    }


def test_candidates_for_a_rewrite_are_ranked_by_their_time() -> None:
    often = [exchange(number) for number in range(40)]
    slow = [
        exchange(number, request={"target": "/v1/report"}, latency_ms=100.0) for number in range(2)
    ]
    first, second = inspected([*often, *slow]).endpoints
    assert (first.endpoint, first.time_us, first.exchanges) == ("GET /v1/report", 200_000, 2)
    assert first.time_share == pytest.approx(200 / 280)
    assert first.latency.p50 is None  # two are too few
    assert (second.latency.p50, second.latency.p90, second.latency.p99) == (2000, 2000, None)


def test_bodies() -> None:
    records = [
        exchange(
            number,
            response=Response(
                status=200,
                headers=(("Content-Encoding", "GZip"),) if number else (),
                body=b"x" * 100,
                truncated=number == 1,
                decoded=number == 2,
            ),
        )
        for number in range(10)
    ]
    found = inspected(records)
    assert (found.responses.bytes, found.responses.p50, found.responses.largest) == (1000, 100, 100)
    assert found.responses.encodings == {"gzip": 9}
    assert (found.responses.truncated, found.responses.decoded) == (1, 1)
    assert (found.requests.empty, found.requests.p50) == (10, None)
    assert fit(found, "diff").fit == "partly"


def test_sessions_and_ids() -> None:
    found = inspected([exchange(1), exchange(1), exchange(4), exchange(2, session=None)])
    assert (found.sessions.count, found.sessions.without, found.sessions.longest) == (1, 1, 3)
    assert found.repeated_ids == 1
    assert "--join request" in fit(found, "diff").why
    assert fit(found, "sessions").fit == "partly"
    assert fit(inspected([exchange(1, session=None)]), "sessions").fit == "no"


def test_times_and_rates() -> None:
    records = [exchange(second) for second in range(11)]
    records += [exchange(3) for _ in range(4)]
    records.append(exchange(99, ts=None))
    line = inspected(records).timeline
    assert (line.first, line.last) == (START, START + timedelta(seconds=10))
    assert (line.timed, line.span_s, line.rate, line.peak) == (15, 10, 1.5, 5)


def test_no_exchange_at_all() -> None:
    found = inspected([])
    assert found.endpoints == ()
    assert found.timeline.rate is None
    assert {each.fit for each in found.fit} == {"no"}


def test_what_it_takes_for_a_verdict_on_speed() -> None:
    many = [exchange(number) for number in range(400)]
    assert fit(inspected(many), "speed").fit == "yes"
    rare = exchange(0, request={"target": "/rare"})
    assert fit(inspected([*many, rare]), "speed").fit == "partly"
    assert fit(inspected(many[:50]), "speed").fit == "no"
    untimed = [exchange(number, ts=None) for number in range(400)]
    assert fit(inspected(untimed), "speed").fit == "partly"


def test_whatever_is_in_it_the_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection_module, "MAX_DISTINCT", 50)
    monkeypatch.setattr(inspection_module, "MAX_ENDPOINTS", 10)
    monkeypatch.setattr(inspection_module, "MAX_NAMES", 10)
    monkeypatch.setattr(inspection_module, "MAX_WINDOWS", 16)
    records = [
        exchange(
            number,
            request={"method": f"M{number}", "target": f"/x{'abcdefghij'[number % 10] * number}"},
            session=f"s{number}",
            ts=START + timedelta(hours=number),
            response=Response(status=200, headers=(("Content-Encoding", f"e{number}"),), body=b"x"),
        )
        for number in range(200)
    ]
    found = inspected(records)
    assert found.exchanges == 200
    assert sum(each.exchanges for each in found.endpoints) == 200
    assert len(found.endpoints) == 11
    assert sum(found.methods.values()) == 200
    assert len(found.methods) == len(found.responses.encodings) == 11
    assert (found.sessions.count, found.sessions.more) == (50, True)
    assert found.timeline.window_s >= 16 * 60
    assert found.timeline.timed == 200


def test_credentials_in_a_target_are_not_told() -> None:
    found = inspected([exchange(1, request={"target": "http://me:secret@h/x?token=secret"})])
    assert "secret" not in repr(found)
