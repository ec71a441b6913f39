from __future__ import annotations

import pytest
from hypothesis import given

from shadow.compare.classes import errors
from shadow.compare.classes.error_table import same_mistake
from shadow.compare.classes.examples import Example, answer
from tests.compare.classes.shape_families import (
    ANYTHING,
    check_examples,
    check_never_raises,
    mutants,
    named,
)
from tests.compare.values import text

# Each row: one mistake, Go's text, then texts of Rust libraries, as the programs printed them.
MISTAKES: list[tuple[str, ...]] = [
    ('strconv.Atoi: parsing "": invalid syntax', "cannot parse integer from empty string"),
    ('strconv.ParseInt: parsing "abc": invalid syntax', "invalid digit found in string"),
    (
        'strconv.Atoi: parsing "99999999999999999999": value out of range',
        "number too large to fit in target type",
    ),
    (
        'strconv.ParseInt: parsing "-99999999999999999999": value out of range',
        "number too small to fit in target type",
    ),
    ('strconv.ParseFloat: parsing "": invalid syntax', "cannot parse float from empty string"),
    ('strconv.ParseFloat: parsing "a\\"b": invalid syntax', "invalid float literal"),
    (
        'strconv.ParseBool: parsing "yes": invalid syntax',
        "provided string was not `true` or `false`",
    ),
    ("open /nope: no such file or directory", "No such file or directory (os error 2)"),
    ("file does not exist", "entity not found"),
    ("mkdir /tmp: file exists", "File exists (os error 17)"),
    ("read /tmp: is a directory", "Is a directory (os error 21)"),
    ("open /etc/passwd/x: not a directory", "Not a directory (os error 20)"),
    ("remove /tmp/e: directory not empty", "Directory not empty (os error 39)"),
    ("open /x: permission denied", "Permission denied (os error 13)", "permission denied"),
    (
        'Get "http://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused',
        "tcp connect error: Connection refused (os error 111)",
        "connection refused",
    ),
    ("context deadline exceeded", "deadline has elapsed", "operation timed out"),
    (
        'Get "http://h/": context deadline exceeded (Client.Timeout exceeded)',
        "deadline has elapsed",
        "error sending request for url (http://h/)",
    ),
    ("context canceled", "task 1 was cancelled", "oneshot canceled"),
    (
        "sql: no rows in result set",
        "no rows returned by a query that expected to return at least one row",
        "Query returned no rows",
    ),
    (
        'ERROR: duplicate key value violates unique constraint "u" (SQLSTATE 23505)',
        'error returned from database: duplicate key value violates unique constraint "u"',
    ),
    ("invalid UUID length: 3", "invalid length: found 3", "invalid character: found `z` at 0"),
    ("invalid UUID length: 24", "invalid group count: expected 5, found 4"),
    ("unexpected end of JSON input", "EOF while parsing an object at line 1 column 4"),
    ("invalid character '}' looking for beginning of value", "expected value at line 1 column 6"),
    (
        "invalid character 'a' looking for beginning of object key string",
        "key must be a string at line 1 column 2",
    ),
    ("invalid character 'x' after top-level value", "trailing characters at line 1 column 15"),
    ("invalid character '1' after object key", "expected `:` at line 1 column 6"),
    (
        "invalid character '\"' after object key:value pair",
        "expected `,` or `}` at line 1 column 8",
    ),
    ("invalid character 'x' in string escape code", "invalid escape at line 1 column 8"),
    (
        "invalid character '\\n' in string literal",
        "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
    ),
    (
        "json: cannot unmarshal string into Go struct field T.a of type int",
        'invalid type: string "x", expected i64 at line 1 column 8',
    ),
    (
        "json: cannot unmarshal number into Go struct field T.b of type string",
        "invalid type: integer `2`, expected a string at line 1 column 12",
    ),
    (
        "json: cannot unmarshal number 300 into Go struct field .n.x of type uint8",
        "invalid value: integer `300`, expected u8 at line 1 column 26",
    ),
    (
        "json: cannot unmarshal object into Go struct field T.c of type []int",
        "invalid type: map, expected a sequence at line 1 column 18",
    ),
    (
        "json: cannot unmarshal array into Go value of type main.T",
        "invalid length 1, expected struct T with 4 elements at line 1 column 3",
    ),
    ('json: unknown field "zz"', "unknown field `zz`, expected `a` at line 1 column 5"),
    (
        'parsing time "2024-13-01T00:00:00Z": month out of range',
        "input is out of range",
        "month was not in range",
        (
            "failed to parse two digit integer as month: "
            "parameter 'month' is not in the required range of 1..=12"
        ),
    ),
    (
        'parsing time "2024-01-02T03:04:05Zx": extra text: "x"',
        "trailing input",
        "unexpected trailing characters; the end of input was expected",
        (
            "parsed value '2024-01-02T03:04:05Z', "
            'but unparsed input "x" remains (expected no unparsed input)'
        ),
    ),
    (
        'parsing time "abc" as "2006-01-02": cannot parse "abc" as "2006"',
        "input contains invalid characters",
        "premature end of input",
        "the 'year' component could not be parsed",
    ),
    ('time: invalid duration ""', "value was empty"),
    ('time: invalid duration "abc"', "expected number at 0"),
    ('time: missing unit in duration "5"', "time unit needed, for example 5sec or 5ms"),
    (
        "unknown time zone No/Where",
        "failed to parse timezone",
        "failed to find time zone `No/Where` in time zone database",
    ),
    ('ParseAddr("1.2.3"): IPv4 address too short', "invalid IP address syntax"),
    ("address abc: missing port in address", "invalid socket address syntax"),
    (
        "dial tcp: lookup nope.invalid on 10.1.2.3:53: no such host",
        "failed to lookup address information: Name or service not known",
    ),
    ('parse ":": missing protocol scheme', "relative URL without a base"),
    ('parse "http://h:abc/": invalid port ":abc" after host', "invalid port number"),
    ("parse \"http://[::1\": missing ']' in host", "invalid IPv6 address"),
    ("encoding/hex: odd length hex string", "Odd number of digits"),
    ("encoding/hex: invalid byte: U+007A 'z'", "Invalid character 'z' at position 0"),
    ("illegal base64 data at input byte 1", "Invalid symbol 42, offset 1."),
]

OTHER_INPUT = [
    ('Get "http://h/": context deadline exceeded', "error sending request for url (http://g/)"),
    ("invalid UUID length: 3", "invalid length: found 31"),
    ("encoding/hex: invalid byte: U+007A 'z'", "Invalid character 'y' at position 0"),
    ('json: unknown field "zz"', "unknown field `zy`, expected `a` at line 1 column 5"),
    (
        "json: cannot unmarshal number 300 into Go struct field .n.x of type uint8",
        "invalid value: integer `301`, expected u8 at line 1 column 26",
    ),
    ('strconv.Atoi: parsing "": invalid syntax', "invalid digit found in string"),
    ('strconv.Atoi: parsing "-9": value out of range', "number too large to fit in target type"),
    ('parsing time "2024-13-01": month out of range', "day was not in range"),
    (
        'ERROR: duplicate key value violates unique constraint "u" (SQLSTATE 23505)',
        'error returned from database: duplicate key value violates unique constraint "v"',
    ),
    ("illegal base64 data at input byte 1", "Invalid symbol 42, offset 2."),
    ("unknown time zone No/Where", "failed to find time zone `No/How` in time zone database"),
]


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(errors)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(errors, go, rust)


@pytest.mark.parametrize("texts", MISTAKES, ids=lambda texts: texts[0][:40])
def test_texts_of_one_mistake_are_paired(texts: tuple[str, ...]) -> None:
    go, *rust = texts
    for other in rust:
        assert same_mistake(go, other), other
        assert same_mistake(f"bad limit: {go}", f"bad limit: {other}"), other
        assert not same_mistake(f"bad limit: {go}", f"bad page: {other}"), other
        assert not same_mistake(go, f"{other}."), other


def test_texts_of_two_mistakes_are_not_paired() -> None:
    for go, *_ in MISTAKES:
        for other, *rust in MISTAKES:
            for theirs in rust:
                told_alike = theirs in next(texts for texts in MISTAKES if texts[0] == go)
                if kind_of(go) != kind_of(other) and not told_alike:
                    assert not same_mistake(go, theirs), (go, theirs)


def kind_of(go: str) -> str:
    """Go's texts that Rust's libraries do not always tell apart are of one kind."""
    for kind in ("invalid UUID", "context deadline", "cannot unmarshal", "cannot parse"):
        if kind in go:
            return kind
    missing = ("no such file", "file does not exist")
    return "missing file" if any(part in go for part in missing) else go


@pytest.mark.parametrize(("go", "rust"), OTHER_INPUT)
def test_texts_that_quote_different_inputs_are_not_paired(go: str, rust: str) -> None:
    assert not same_mistake(go, rust)


def test_one_changed_letter_of_a_rust_text_is_not_paired() -> None:
    for go, rust, *_ in MISTAKES[:8]:
        for other in mutants(rust):
            assert not same_mistake(go, other), other


def refused(status: int, go: str, rust: str, kind: str) -> list[str | None]:
    return named(
        Example(
            go=answer(status, go, Content_Type=kind), rust=answer(status, rust, Content_Type=kind)
        )
    )


def test_a_text_body_and_a_json_string_are_both_looked_at() -> None:
    for go, rust, *_ in MISTAKES:
        assert refused(400, go + "\n", rust, "text/plain") == ["error-text"], go
        bodies = (text({"e": {"why": [go]}}), text({"e": {"why": [rust]}}))
        assert refused(503, *bodies, "application/json") == ["error-text"]
        assert refused(200, *bodies, "application/json") == [None]
        assert refused(399, go + "\n", rust, "text/plain") == [None]
