from __future__ import annotations

import pytest

from shadow.compare.classes import refusals
from shadow.compare.classes.examples import http_error, plain
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(refusals, go, rust, request)


DATA = "Failed to deserialize the JSON body into the target type: "
SYNTAX = "Failed to parse the request body as JSON: "


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
