from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from shadow.captures import Broken, Record
from shadow.captures.formats.native import decode_line, encode_line
from shadow.captures.syntax import MalformedError
from shadow.model import Exchange, Headers, NoAnswer, Request, Response
from tests.captures.exchanges import exchanges

CONTRACT = {
    "v": 1,
    "id": "7f3a",
    "ts": "2026-08-03T10:00:00.123456Z",
    "session": "u-17",
    "request": {
        "method": "POST",
        "target": "/v1/quote?currency=EUR",
        "headers": [["Host", "api.example.com"], ["Content-Type", "application/json"]],
        "body": '{"sku":1}',
    },
    "response": {
        "status": 200,
        "headers": [["Content-Type", "application/json"]],
        "body": '{"total":12}',
        "latency_ms": 3.2,
    },
}


def changed(**changes: Any) -> bytes:
    """The contract's line with other values; a key that becomes `...` goes."""
    line = CONTRACT | changes
    return json.dumps({key: value for key, value in line.items() if value is not ...}).encode()


def request_with(**changes: Any) -> bytes:
    request: dict[str, Any] = {"method": "GET", "target": "/", **changes}
    return changed(request=request)


def headers_of(line: bytes) -> Headers:
    return decode_line(line).request.headers


def test_reads_the_example_of_the_contract() -> None:
    assert decode_line(json.dumps(CONTRACT).encode()) == Exchange(
        id="7f3a",
        ts=datetime(2026, 8, 3, 10, 0, 0, 123456, tzinfo=UTC),
        session="u-17",
        request=Request(
            method="POST",
            target="/v1/quote?currency=EUR",
            headers=(("Host", "api.example.com"), ("Content-Type", "application/json")),
            body=b'{"sku":1}',
        ),
        response=Response(
            status=200,
            headers=(("Content-Type", "application/json"),),
            body=b'{"total":12}',
        ),
        latency_ms=3.2,
    )


def test_writes_the_example_of_the_contract_in_its_order() -> None:
    line = encode_line(decode_line(json.dumps(CONTRACT).encode()))
    assert line == json.dumps(CONTRACT, separators=(",", ":")).encode() + b"\n"


@given(exchanges())
def test_every_byte_survives_writing_and_reading(exchange: Exchange) -> None:
    line = encode_line(exchange)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_line(line) == exchange


def test_text_of_the_file_is_utf8_and_the_model_is_bytes() -> None:
    line = request_with(target="/käse", headers=[["X-City", "Zürich"]])
    request = decode_line(line).request
    assert request.target.encode("latin-1") == "/käse".encode()
    assert request.headers[0][1].encode("latin-1") == "Zürich".encode()


def test_bytes_that_are_not_utf8_stand_as_lone_surrogates() -> None:
    exchange = Exchange(
        id="a", request=Request(method="GET", target="/\xff", headers=(("X", "caf\xe9 \xc3\xa9"),))
    )
    line = encode_line(exchange)
    assert json.loads(line)["request"]["target"] == "/\udcff"
    assert json.loads(line)["request"]["headers"] == [["X", "caf\udce9 é"]]
    assert b"\\udcff" in line
    assert decode_line(line) == exchange


def test_a_line_with_lone_surrogates_keeps_all_its_other_fields() -> None:
    line = json.dumps(CONTRACT | {"request": {"method": "GET", "target": "/\udc80"}}).encode()
    read = decode_line(line)
    assert read.request.target == "/\x80"
    assert read.ts == datetime(2026, 8, 3, 10, 0, 0, 123456, tzinfo=UTC)
    assert read.latency_ms == 3.2
    assert read.response is not None
    assert read.response.body == b'{"total":12}'


def test_an_astral_character_next_to_a_raw_byte_is_kept_apart() -> None:
    wire = "\U0001f600".encode().decode("latin-1") + "\x80"
    exchange = Exchange(id="a", request=Request(method="GET", target="/" + wire))
    assert decode_line(encode_line(exchange)) == exchange


@pytest.mark.parametrize(
    ("body", "key"), [(b"text \x00 \xc3\xa9", "body"), (b"\xff\xfe", "body_base64")]
)
def test_a_body_is_text_where_it_can_be(body: bytes, key: str) -> None:
    exchange = Exchange(id="a", request=Request(method="POST", target="/", body=body))
    written = json.loads(encode_line(exchange))["request"]
    assert {"body", "body_base64"} & written.keys() == {key}
    assert decode_line(encode_line(exchange)).request.body == body


def test_what_is_absent_is_empty() -> None:
    assert decode_line(b'{"id":"a","request":{"method":"GET","target":"/"}}') == Exchange(
        id="a", request=Request(method="GET", target="/")
    )


def test_null_is_absent() -> None:
    line = {
        **dict.fromkeys(["v", "ts", "session", "response", "error"]),
        "id": "a",
        "request": {
            "method": "GET",
            "target": "/",
            **dict.fromkeys(["headers", "body", "body_base64"]),
        },
    }
    assert decode_line(json.dumps(line).encode()) == Exchange(
        id="a", request=Request(method="GET", target="/")
    )


def test_unknown_keys_are_ignored_at_every_level() -> None:
    line = changed(
        extra={"deep": [1, {"x": None}]},
        request={"method": "GET", "target": "/", "trailers": []},
        response={"status": 204, "reason": "No Content"},
    )
    assert decode_line(line).response == Response(status=204)


def test_header_order_case_and_multiplicity_are_kept() -> None:
    headers = [["b", "1"], ["A", "2"], ["B", "3"], ["b", ""]]
    assert headers_of(request_with(headers=headers)) == tuple((n, v) for n, v in headers)


def test_flags_beside_a_body() -> None:
    line = request_with(body="abc", truncated=True, decoded=True)
    request = decode_line(line).request
    assert (request.truncated, request.decoded) == (True, True)


def test_an_error_stands_in_place_of_a_response() -> None:
    read = decode_line(changed(response=..., error={"kind": "reset", "detail": "eof"}))
    assert read.response is None
    assert read.error == NoAnswer(kind="reset", detail="eof")


def test_a_time_with_an_offset_is_that_moment() -> None:
    ts = decode_line(changed(ts="2026-08-03T12:00:00+02:00")).ts
    assert ts == datetime(2026, 8, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id":"a"', "truncated"),
        (b"[]", "Expected `object`"),
        (changed(id=...), "required field `id`"),
        (changed(id=""), "the id is empty"),
        (changed(id=7), "Expected `str`, got `int` - at `$.id`"),
        (changed(id="x" * 257), "longer than 256"),
        (changed(id="a\tb"), "control characters"),
        (changed(id="a\udc80"), "not Unicode text"),
        (changed(session="a\nb"), "the session holds control"),
        (changed(v=2), "it is of version 2; this program reads version 1"),
        (b'{"v":2,"exchange":{}}', "it is of version 2; this program reads version 1"),
        (changed(request=...), "required field `request`"),
        (changed(ts="yesterday"), "RFC3339"),
        (changed(ts="2026-08-03T10:00:00"), "timezone"),
        (changed(ts="0001-01-01T00:00:00+14:00"), "no time in UTC"),
        (changed(ts="9999-12-31T23:59:59-14:00"), "no time in UTC"),
        (changed(error={"kind": "reset"}), "both a response and an error"),
        (changed(response=..., error={"kind": "gone"}), "$.error.kind"),
        (changed(response={"status": 99}), "between 100 and 999"),
        (changed(response={"status": 1000}), "between 100 and 999"),
        (changed(response={"status": "200"}), "$.response.status"),
        (changed(response={"status": 200.5}), "$.response.status"),
        (changed(response={"status": 200, "latency_ms": -1}), "latency_ms"),
        (changed(response={"status": 200, "headers": [["a b", "c"]]}), "response header 1"),
        (request_with(method="GE T"), "the method"),
        (request_with(method=""), "the method"),
        (request_with(method="GET\n"), "the method"),
        (request_with(target=""), "target is empty"),
        (request_with(target="/a b"), "the request target holds a space"),
        (request_with(target="/a\r\nX: 1"), "the request target holds"),
        (request_with(target="/\x00"), "the request target holds"),
        (request_with(target="/\ud800"), "surrogate that stands for no byte"),
        (request_with(headers=[["ok", "x"], ["", "y"]]), "name of request header 2"),
        (request_with(headers=[["x\n", "y"]]), "name of request header 1"),
        (request_with(headers=[["ö", "y"]]), "name of request header 1"),
        (request_with(headers=[["x", "a\r\nb: c"]]), "value of request header 1"),
        (request_with(headers=[["x", "a\x00"]]), "value of request header 1"),
        (request_with(headers=[["x"]]), "headers[0]"),
        (request_with(headers={"x": "y"}), "Expected `array"),
        (request_with(body="a", body_base64="YQ=="), "both a body and a body_base64"),
        (request_with(body_base64="%%%"), "base64"),
        (request_with(body={"a": 1}), "$.request.body"),
        (b'{"id":"\xff","request":{"method":"GET","target":"/"}}', "it is not UTF-8"),
        (b'{"id":"a","x":' + b"[" * 100_000, "nested too deeply"),
        (b'{"id":"\\udc80","x":' + b"[" * 100_000, "nested too deeply"),
        (b'{"x":"\\udc80","id":"a","ms":NaN}', "NaN"),
        (
            b'{"id":"a","request":{"method":"GET","target":"\\udc80"},%s}'
            % b'"response":{"status":200,"latency_ms":1e999}',
            "latency_ms",
        ),
    ],
)
def test_a_broken_line_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(MalformedError) as caught:
        decode_line(line)
    assert reason in str(caught.value)
    assert len(str(caught.value)) <= 200


def test_a_reason_never_quotes_a_value() -> None:
    with pytest.raises(MalformedError) as caught:
        decode_line(request_with(headers=[["Authorization", "Bearer s3cret\n"]]))
    assert "s3cret" not in str(caught.value)
    with pytest.raises(MalformedError) as caught:
        decode_line(changed(response=..., error={"kind": "s3cret' - at `$.a` s3cret"}))
    assert str(caught.value) == "Invalid value - at `$.error.kind`"


@pytest.mark.parametrize(
    "exchange",
    [
        Exchange(id="", request=Request(method="GET", target="/")),
        Exchange(id="a", request=Request(method="G T", target="/")),
        Exchange(id="a", request=Request(method="GET", target="/ /")),
        Exchange(id="a", session="\n", request=Request(method="GET", target="/")),
        Exchange(id="a", ts=datetime(2026, 8, 3), request=Request(method="GET", target="/")),  # noqa: DTZ001  # the case
        Exchange(
            id="a",
            ts=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            request=Request(method="GET", target="/"),
        ),
        Exchange(id="a", request=Request(method="GET", target="/", headers=(("a:", "b"),))),
        Exchange(
            id="a",
            request=Request(method="GET", target="/"),
            response=Response(status=200),
            error=NoAnswer(kind="reset"),
        ),
        Exchange(
            id="a",
            request=Request(method="GET", target="/"),
            response=Response(status=200),
            latency_ms=float("nan"),
        ),
    ],
)
def test_what_could_not_be_read_back_is_not_written(exchange: Exchange) -> None:
    with pytest.raises(MalformedError):
        encode_line(exchange)


def test_a_broken_line_has_its_number_and_the_others_are_read(
    records: Callable[[bytes], list[Record]],
) -> None:
    good = request_with()
    content = b"\n\r\n".join([good, b"not json", b"   ", good])
    first, broken, last = records(content)
    assert isinstance(first, Exchange)
    assert isinstance(broken, Broken)
    assert broken.line == 3
    assert broken.path.endswith("capture")
    assert isinstance(last, Exchange)


def test_byte_order_mark_crlf_and_a_missing_last_line_feed_are_tolerated(
    records: Callable[[bytes], list[Record]],
) -> None:
    good = request_with()
    assert len(records(b"\xef\xbb\xbf" + good + b"\r\n\r\n" + good)) == 2
