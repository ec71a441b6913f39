from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import decoding
from shadow.compare.classes.base import answer
from shadow.compare.classes.replies import http_error, plain
from shadow.model import Observation
from tests.compare.classes.pairs import pair_of

WHOLE = {cls.id: cls.whole for cls in decoding.CLASSES}
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


def explained(go: Observation, rust: Observation) -> list[str]:
    pair = pair_of(go, rust)
    return [id_ for id_, whole in WHOLE.items() if whole is not None and whole(pair)]


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


GO_TEXTS = [
    "json: cannot unmarshal string into Go struct field P.age of type int",
    "json: cannot unmarshal array into Go value of type main.P",
    'json: unknown field "zzz"',
    "unexpected EOF",
    "invalid character '}' looking for beginning of object key string",
    "invalid character '[' exceeded max depth",
    'parsing time "\\"x\\"" as "\\"2006-01-02T15:04:05Z07:00\\"": cannot parse "x\\"" as "2006"',
    "code=400, message=Unmarshal type error: expected=int, got=string, field=age, offset=10",
    "Syntax error: offset=1, error=invalid character 'n' looking for beginning of value",
]


@pytest.mark.parametrize("text", GO_TEXTS)
def test_every_text_of_the_go_decoder_stands_behind_a_422(text: str) -> None:
    rust = plain(
        422, DATA + "name: invalid type: integer `1`, expected a string at line 1 column 9"
    )
    assert explained(http_error(400, text), rust) == ["decode-status-422"]
    assert explained(http_error(400, "invalid body: " + text), rust) == ["decode-status-422"]
    assert explained(http_error(409, text), rust) == []


@pytest.mark.parametrize(
    ("go", "rust", "same"),
    [
        ("EOF", SYNTAX + "EOF while parsing a value at line 1 column 0", True),
        ("unexpected EOF", SYNTAX + "expected value at line 1 column 1", True),
        (
            "invalid character 'x' after object key",
            SYNTAX + "expected `:` at line 1 column 4",
            True,
        ),
        (
            "invalid character '[' exceeded max depth",
            SYNTAX + "[0]: recursion limit exceeded at line 1 column 128",
            True,
        ),
        (
            GO_TEXTS[0],
            "Json deserialize error: invalid type: string, expected i64 at line 1 column 9",
            True,
        ),
        (GO_TEXTS[0], SYNTAX + "expected value at line 1 column 1", False),
        ("unexpected EOF", "EOF while parsing a value", False),
        ("unexpected EOF of the feed", SYNTAX + "expected value at line 1 column 1", False),
    ],
)
def test_two_texts_tell_of_one_fault_or_not(go: str, rust: str, same: bool) -> None:
    found = explained(http_error(400, go), plain(400, rust))
    assert found == (["decode-error-text"] if same else [])


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
