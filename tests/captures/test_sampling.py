from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import open_writer, read
from shadow.captures.converting import KEPT
from shadow.captures.sampling import Sample, SamplePlan, run
from shadow.captures.shapes import shape_of
from shadow.errors import CaptureError
from shadow.model import Exchange, Request, Response

JSON = (("Content-Type", "application/json"),)


def asked(target: str = "/a", **given: Any) -> Request:
    return Request(**{"method": "GET", "target": target, **given})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked("/a?x=1&y=2"), asked("/a?y=9&x=")),
        (asked("/items/1"), asked("/items/2")),
        (asked(headers=(("Accept", "a"),)), asked(headers=(("User-Agent", "b"),))),
        (
            asked(method="POST", headers=JSON, body=b'{"a":1,"b":[{"c":"x"}]}'),
            asked(method="POST", headers=JSON, body=b'{"b":[{"c":"y"},{"c":""}],"a":22}'),
        ),
        (
            asked(headers=(("Content-Type", "application/x-www-form-urlencoded"),), body=b"a=1"),
            asked(headers=(("content-type", "application/x-www-form-urlencoded; x"),), body=b"a="),
        ),
        (asked(body=b"\xff1"), asked(body=b"\xff2")),
    ],
)
def test_requests_of_one_shape(one: Request, other: Request) -> None:
    assert shape_of(one) == shape_of(other)


@pytest.mark.parametrize(
    "other",
    [
        asked(method="HEAD"),
        asked("/a?x=1"),
        asked(headers=(("Range", "bytes=0-1"),)),
        asked(body=b"{}"),
        asked(headers=JSON, body=b'{"a":1}'),
        asked(headers=JSON, body=b'{"a":"1"}'),
        asked(headers=JSON, body=b'{"a":null}'),
        asked(headers=JSON, body=b'{"a":[1]}'),
        asked(truncated=True),
    ],
)
def test_requests_of_different_shapes(other: Request) -> None:
    known = {shape_of(asked()), shape_of(asked(headers=JSON, body=b'{"b":1}'))}
    assert shape_of(other) not in known


@given(st.binary(max_size=200), st.text(max_size=50))
def test_any_request_has_a_shape(body: bytes, target: str) -> None:
    request = asked(target=target, headers=JSON, body=body)
    assert shape_of(request) == shape_of(request)


def test_a_deep_and_a_huge_body_have_a_shape() -> None:
    for body in (b"[" * 100_000, b"[" * 900 + b"]" * 900, b"[" + b"1," * 100_000 + b"1]"):
        assert shape_of(asked(body=body))


def exchanges() -> list[Exchange]:
    """Ten users who read, and a session that writes in its middle."""
    reads = [
        Exchange(
            id=f"r{number}",
            session=f"reader-{number % 10}",
            request=asked(f"/items/{number}"),
            response=Response(status=200 if number % 10 else 404),
        )
        for number in range(200)
    ]
    writer = [
        Exchange(id=f"w{number}", session="writer", request=asked(f"/w?{number}=1", method=method))
        for number, method in enumerate(["GET", "POST", "GET"])
    ]
    return [*reads[:100], *writer, *reads[100:]]


def drawn(per_shape: int, seed: int = 0) -> tuple[Sample, list[Exchange]]:
    sample = Sample(
        per_shape,
        seed=seed,
        endpoint=lambda request: request.target.partition("?")[0].rstrip("0123456789"),
        is_safe=lambda request: request.method == "GET",
    )
    found = exchanges()
    for position, exchange in enumerate(found):
        sample.see(position, exchange)
    sample.close()
    return sample, [each for position, each in enumerate(found) if sample.has(position, each)]


def test_so_many_of_each_kind_and_whole_sessions_where_order_matters() -> None:
    sample, kept = drawn(2)
    statuses = Counter(each.response.status for each in kept if each.response)
    assert statuses == {200: 2, 404: 2}
    assert [each.id for each in kept if each.session == "writer"] == ["w0", "w1", "w2"]
    assert sample.whole == {"writer"}
    assert sample.kinds == 5


def test_a_sample_is_drawn_from_all_of_the_capture_and_its_seed_decides() -> None:
    places = {each.id for seed in range(20) for each in drawn(1, seed)[1] if each.response}
    assert len(places) > 10
    assert max(int(place[1:]) for place in places) > 100
    assert drawn(3, 7)[1] == drawn(3, 7)[1]


def plan(captures: tuple[str, ...], out: Path) -> SamplePlan:
    return SamplePlan(
        captures=captures,
        out=str(out),
        to="native",
        per_shape=1,
        seed=0,
        endpoint=lambda request: request.target.partition("?")[0].rstrip("0123456789"),
        is_safe=lambda request: request.method == "GET",
    )


def test_a_sample_is_a_capture(tmp_path: Path) -> None:
    with open_writer(tmp_path / "day.jsonl") as writer:
        for exchange in exchanges():
            writer.write(exchange)
    with (tmp_path / "day.jsonl").open("a") as file:
        file.write("{}\n")
    told = list(run(plan((str(tmp_path / "day.jsonl"),), tmp_path / "small.jsonl")))
    assert told[0].startswith(f"{tmp_path / 'day.jsonl'}:204: ")
    assert told[-1].startswith("5 of 203 exchanges in ")
    assert sum(1 for _ in read([tmp_path / "small.jsonl"])) == 5


def test_what_is_not_in_a_sample_is_told(tmp_path: Path) -> None:
    day = tmp_path / "day.har"
    entries = [{"request": {"method": "GET", "url": f"{scheme}://h/"}} for scheme in ("ws", "http")]
    day.write_text(json.dumps({"log": {"entries": [*entries, *([{}] * (KEPT + 2))]}}))
    told = list(run(plan((str(day),), tmp_path / "small.jsonl")))
    assert told[KEPT:-1] == ["and 2 more broken records", "left out 1: a websocket"]


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("-", str(tmp_path / "pipe")):
        with pytest.raises(CaptureError, match="a pipe cannot be read twice"):
            list(run(plan((path,), tmp_path / "out")))
