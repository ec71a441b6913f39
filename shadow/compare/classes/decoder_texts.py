"""What encoding/json and serde_json say of a request body that they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from shadow.compare.classes.error_texts import LONGEST, reasons
from shadow.compare.classes.examples import plain
from shadow.model import Answer

_GO_SYNTAX: Final = re.compile(
    r"EOF|unexpected EOF|unexpected end of JSON input|jsontext: [^\n]{1,300}"
    r"|(?:Syntax error: offset=[0-9]{1,9}, error=)?"
    r"invalid character [^\n]{1,12} (?:after|in|looking for|at|within) [ -~]{1,80}"
)
_GO_TYPE: Final = re.compile(
    r"json: cannot unmarshal [^\n]{1,600}"
    r"|json: invalid (?:use of ,string struct tag|number literal), [^\n]{1,600}"
    r"|(?:code=400, message=)?Unmarshal type error: expected=[^\n]{1,300}, got=[^\n]{1,600}"
)
GO_ARRAY: Final = re.compile(
    r"json: cannot unmarshal (?:JSON )?array into Go [^\n]{1,600}"
    r"|(?:code=400, message=)?Unmarshal type error: expected=[^\n]{1,300}, got=array[^\n]{1,600}"
)
GO_UNKNOWN: Final = re.compile(
    r'json: unknown field "[^\n]{0,300}"|json: [^\n]{1,300}unknown object member name [^\n]{1,300}'
)
GO_DEPTH: Final = re.compile(r"(?:invalid character '[\[{]' |json: )?exceeded max depth")
GO_TIME: Final = re.compile(
    r'parsing time "[^\n]{1,400}|Time\.UnmarshalJSON: input is not a JSON string'
)
GO_LARGE: Final = re.compile(r"http: request body too large")

SYNTAX_PREFIX: Final = "Failed to parse the request body as JSON"
DATA_PREFIX: Final = "Failed to deserialize the JSON body into the target type"
JSON_PREFIXES: Final = (SYNTAX_PREFIX, DATA_PREFIX, "Json deserialize error")
FORM_PREFIXES: Final = ("Failed to deserialize form body", "Failed to deserialize form")
_POSITION: Final = re.compile(r" at line [0-9]{1,9} column [0-9]{1,9}\Z")

_RUST_SYNTAX: Final = re.compile(
    r"EOF while parsing (?:a list|an object|a string|a value)|expected (?:ident|value)"
    r"|expected `:`|expected `,` or `[\]}]`|expected `\"`|invalid escape|invalid number"
    r"|number out of range|control character \(\\u0000-\\u001F\) found while parsing a string"
    r"|key must be a string|trailing comma|trailing characters|invalid unicode code point"
    r"|lone leading surrogate in hex escape|unexpected end of hex escape"
)
_RUST_TYPE: Final = re.compile(
    r"(?:invalid (?:type|value|length)|unknown variant) ?:? ?[^\n]{1,2000}|number out of range"
)
RUST_UNKNOWN: Final = re.compile(
    r"unknown field `[^\n]{0,300}`, (?:expected [^\n]{1,4000}|there are no fields)"
)
RUST_TIME: Final = re.compile(
    r"input is out of range|no possible date and time matching input|trailing input"
    r"|input is not enough for unique date and time|input contains invalid characters"
    r"|premature end of input|bad or unsupported format string"
    r"|the '[a-z -]{1,30}' component could not be parsed|a character literal was not valid"
    r"|failed to parse [^\n]{1,300}"
)
RUST_BOOL_OR_FLOAT: Final = r"provided string was not `true` or `false`|invalid float literal"
MISSING_FIELD: Final = re.compile(r"missing field `([^`\n]{1,200})`")

PAIRED: Final = (
    (GO_UNKNOWN, RUST_UNKNOWN),
    (GO_DEPTH, re.compile(r"recursion limit exceeded")),
    (_GO_SYNTAX, _RUST_SYNTAX),
    (_GO_TYPE, _RUST_TYPE),
    (GO_TIME, RUST_TIME),
)
"""What each side says of one fault."""


def serde_reasons(text: str, prefixes: tuple[str, ...] = JSON_PREFIXES) -> Iterator[str]:
    """What serde says in a text that is an extractor's refusal or ends with a JSON position."""
    bare = _POSITION.sub("", text)
    if bare != text or text.partition(": ")[0] in prefixes:
        yield from reasons(bare)


def same_fault(go: str, rust: str) -> bool:
    """Whether two error texts say the same of a body, each in its decoder's words."""
    if len(go) > LONGEST or len(rust) > LONGEST:
        return False
    ours, theirs = list(reasons(go)), list(serde_reasons(rust))
    return any(
        any(map(said.fullmatch, ours)) and any(map(answered.fullmatch, theirs))
        for said, answered in PAIRED
    )


def unparsed(reason: str) -> Answer:
    """An example refusal of bad syntax by axum's `Json`."""
    return plain(400, f"{SYNTAX_PREFIX}: {reason}")


def untyped(reason: str) -> Answer:
    """An example refusal of a wrong type by axum's `Json`."""
    return plain(422, f"{DATA_PREFIX}: {reason} at line 1 column 9")
