from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import decoding
from shadow.compare.classes.examples import answer, http_error, plain
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(decoding, go, rust, request)


TAKEN = answer(200, '{"name":""}')
DATA = "Failed to deserialize the JSON body into the target type: "
SYNTAX = "Failed to parse the request body as JSON: "
REFUSALS = [
    ("decode-missing-field", 422, DATA + "items[0]: missing field `qty` at line 1 column 9"),
    ("decode-missing-field", 422, "Failed to deserialize form body: missing field `a`"),
    ("decode-null-to-zero", 422, DATA + "invalid type: null, expected struct P at line 1 column 4"),
    ("decode-duplicate-field", 422, DATA + "duplicate field `name` at line 1 column 20"),
    ("decode-trailing-data", 400, SYNTAX + "trailing characters at line 1 column 33"),
    (
        "decode-invalid-utf8",
        400,
        SYNTAX + "name: lone leading surrogate in hex escape at line 1 column 16",
    ),
    (
        "decode-negative-zero-int",
        422,
        DATA + "age: invalid type: floating point `-0.0`, expected i64 at line 1 column 22",
    ),
    (
        "decode-depth-limit",
        400,
        SYNTAX + "[0]" * 126 + ": recursion limit exceeded at line 1 column 128",
    ),
    (
        "decode-unknown-field",
        422,
        DATA + "zzz: unknown field `zzz`, expected one of `name`, `age` at line 1 column 40",
    ),
    ("decode-empty-body", 400, SYNTAX + "EOF while parsing a value at line 1 column 0"),
]


@pytest.mark.parametrize(("id_", "status", "text"), REFUSALS)
def test_what_axum_says_is_known(id_: str, status: int, text: str) -> None:
    assert explained(TAKEN, plain(status, text)) == [id_]


@pytest.mark.parametrize(("id_", "status", "text"), REFUSALS)
def test_nothing_is_explained_where_go_refuses_otherwise(id_: str, status: int, text: str) -> None:
    for go in (http_error(400, "name is required"), answer(401), answer(500)):
        assert id_ not in explained(go, plain(status, text))


@pytest.mark.parametrize(("id_", "status", "text"), REFUSALS)
def test_a_handlers_json_error_is_read_too(id_: str, status: int, text: str) -> None:
    body = '{"error":"' + text.replace('"', '\\"') + '"}'
    assert explained(TAKEN, answer(status, body)) == [id_]


@given(st.data())
def test_a_changed_reason_is_another_or_none(data: st.DataObject) -> None:
    _, status, text = data.draw(st.sampled_from(REFUSALS[:4]))
    start = text.rindex(": ") + 2
    index = data.draw(
        st.integers(start, text.index(" at line") - 1 if " at line" in text else start)
    )
    changed = text[:index] + data.draw(st.sampled_from("#~^")) + text[index + 1 :]
    for id_ in explained(TAKEN, plain(status, changed)):
        cls = next(cls for cls in decoding.CLASSES if cls.id == id_)
        assert (cls.severity, cls.policy) == ("breaking", "fail")
