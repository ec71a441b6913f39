from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.formats.native import decode_line, encode_line
from shadow.captures.syntax import MalformedError
from shadow.model import Exchange, NoAnswer, Request, Response

REQUEST: dict[str, Any] = {"method": "GET", "target": "/"}
wire = st.text(st.characters(max_codepoint=255, blacklist_characters="\x00\r\n "), min_size=1)
headers = st.lists(st.tuples(st.sampled_from(["Host", "x-a"]), wire), max_size=3).map(tuple)


@pytest.fixture
def validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@given(
    request=st.builds(
        Request, method=st.just("GET"), target=wire, headers=headers, body=st.binary()
    ),
    response=st.none()
    | st.builds(Response, status=st.integers(100, 999), headers=headers, body=st.binary()),
    detail=st.none() | st.text(),
)
def test_every_written_line_is_valid(
    schema: dict[str, Any], request: Request, response: Response | None, detail: str | None
) -> None:
    error = None if detail is None or response else NoAnswer(kind="tls", detail=detail)
    exchange = Exchange(id="a", request=request, response=response, error=error)
    jsonschema.Draft202012Validator(schema).validate(json.loads(encode_line(exchange)))


VALID: list[dict[str, Any]] = [
    {"id": "a", "request": REQUEST},
    {"v": 1, "id": "ü😀", "request": {**REQUEST, "headers": None}, "response": None},
    {"id": "a", "session": None, "request": REQUEST, "error": {"kind": "reset"}},
    {"id": "a", "request": REQUEST, "response": {"status": 200, "latency_ms": 0}},
    {"id": "a", "request": REQUEST, "response": {"status": 204}, "error": None},
    {"id": "a", "request": {**REQUEST, "body": None, "body_base64": "YQ=="}, "more": [1]},
]


@pytest.mark.parametrize("line", VALID)
def test_what_is_valid_is_read(
    validator: jsonschema.Draft202012Validator, line: dict[str, Any]
) -> None:
    validator.validate(line)
    decode_line(json.dumps(line).encode())


@pytest.mark.parametrize(
    "line",
    [
        [],
        {"request": REQUEST},
        {"id": "a"},
        {"id": "", "request": REQUEST},
        {"id": "x" * 257, "request": REQUEST},
        {"id": "a\n", "request": REQUEST},
        {"id": 1, "request": REQUEST},
        {"v": 2, "id": "a", "request": REQUEST},
        {"v": True, "id": "a", "request": REQUEST},
        {"id": "a", "session": "\x00", "request": REQUEST},
        {"id": "a", "ts": 5, "request": REQUEST},
        {"id": "a", "request": {"method": "GET"}},
        {"id": "a", "request": {"target": "/"}},
        {"id": "a", "request": {**REQUEST, "method": "GET\n"}},
        {"id": "a", "request": {**REQUEST, "method": ""}},
        {"id": "a", "request": {**REQUEST, "target": ""}},
        {"id": "a", "request": {**REQUEST, "target": "/\n"}},
        {"id": "a", "request": {**REQUEST, "headers": {"a": "b"}}},
        {"id": "a", "request": {**REQUEST, "headers": [["a"]]}},
        {"id": "a", "request": {**REQUEST, "headers": [["a", "b", "c"]]}},
        {"id": "a", "request": {**REQUEST, "headers": [["a:", "b"]]}},
        {"id": "a", "request": {**REQUEST, "headers": [["a", "b\r"]]}},
        {"id": "a", "request": {**REQUEST, "body": "a", "body_base64": "YQ=="}},
        {"id": "a", "request": {**REQUEST, "decoded": 1}},
        {"id": "a", "request": {**REQUEST, "truncated": None}},
        {"id": "a", "request": REQUEST, "response": {}},
        {"id": "a", "request": REQUEST, "response": {"status": 99}},
        {"id": "a", "request": REQUEST, "response": {"status": "200"}},
        {"id": "a", "request": REQUEST, "response": {"status": 200, "latency_ms": -1}},
        {"id": "a", "request": REQUEST, "error": {}},
        {"id": "a", "request": REQUEST, "error": {"kind": "gone"}},
        {"id": "a", "request": REQUEST, "response": {"status": 200}, "error": {"kind": "tls"}},
    ],
)
def test_what_is_not_valid_is_broken(validator: jsonschema.Draft202012Validator, line: Any) -> None:
    assert not validator.is_valid(line)
    with pytest.raises(MalformedError):
        decode_line(json.dumps(line).encode())
