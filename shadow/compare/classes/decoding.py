"""Request bodies that one side refuses: encoding/json against serde_json."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Side
from shadow.compare.classes.decoder_texts import (
    FORM_PREFIXES,
    GO_ARRAY,
    GO_DEPTH,
    GO_LARGE,
    GO_UNKNOWN,
    JSON_PREFIXES,
    RUST_UNKNOWN,
    SYNTAX_PREFIX,
    serde_reasons,
    unparsed,
    untyped,
)
from shadow.compare.classes.error_texts import says, texts
from shadow.compare.classes.examples import Example, answer, http_error, pairs, plain
from shadow.model import Answer


def _rust_says(side: Side, pattern: re.Pattern[str], prefixes: tuple[str, ...]) -> bool:
    return any(
        pattern.fullmatch(reason)
        for text in texts(side)
        for reason in serde_reasons(text, prefixes)
    )


def only_rust_refuses(pattern: str) -> Callable[[Pair], bool]:
    """Go accepted the request and serde's reason to refuse it is this pattern."""
    compiled = re.compile(pattern)

    def whole(pair: Pair) -> bool:
        return (
            pair.go.accepted
            and pair.rust.status in (400, 422)
            and _rust_says(pair.rust, compiled, JSON_PREFIXES + FORM_PREFIXES)
        )

    return whole


_UNSUPPORTED: Final = re.compile(
    r"Expected request with `Content-Type: application/json`|Content type error"
)
_ECHO_UNSUPPORTED: Final = '{"message":"Unsupported Media Type"}'


def _is_content_type(pair: Pair) -> bool:
    if pair.go.accepted:
        return pair.rust.status in (400, 415) and says(pair.rust, _UNSUPPORTED)
    refused = pair.go.status == 415 and pair.go.text.removesuffix("\n") == _ECHO_UNSUPPORTED
    return refused and pair.rust.accepted


_NOTHING: Final = "EOF while parsing a value at line 1 column 0"


def _is_empty_body(pair: Pair) -> bool:
    return (
        pair.go.accepted
        and pair.rust.status in (400, 422)
        and any(text.endswith(_NOTHING) for text in texts(pair.rust))
    )


def _is_unknown_field(pair: Pair) -> bool:
    if pair.go.accepted:
        return _UNKNOWN_REFUSED(pair)
    return pair.go.status in (400, 422) and pair.rust.accepted and says(pair.go, GO_UNKNOWN)


_UNKNOWN_REFUSED: Final = only_rust_refuses(RUST_UNKNOWN.pattern)


def _is_array_as_struct(pair: Pair) -> bool:
    return 400 <= pair.go.status < 500 and pair.rust.accepted and says(pair.go, GO_ARRAY)


def _is_depth(pair: Pair) -> bool:
    if pair.go.accepted:
        return _DEPTH_REFUSED(pair)
    return pair.go.status in (400, 422) and pair.rust.accepted and says(pair.go, GO_DEPTH)


_DEPTH_REFUSED: Final = only_rust_refuses(r"recursion limit exceeded")


def _is_body_limit(pair: Pair) -> bool:
    if pair.go.accepted:
        return pair.rust.status == 413
    refused = pair.go.status in (400, 413) and says(pair.go, GO_LARGE)
    other = pair.rust.accepted or (pair.go.status == 400 and pair.rust.status == 413)
    return refused and other


_TAKEN: Final = answer(200, '{"name":"","age":0}')
_SUCCESSES: Final = (answer(201, '{"id":1}', Location="/people/1"), _TAKEN)
_OTHER_REASONS: Final = (
    Example(go=_TAKEN, rust=untyped("age: invalid value: integer `-1`, expected u8")),
    Example(go=_TAKEN, rust=plain(400, "name must not be empty")),
)


def _refusal(
    pattern: str, *rust_answers: Answer, fix_go: str = "Usually none.", **told: str
) -> DivergenceClass:
    """A class of requests that Go takes and Rust refuses with one reason of serde's."""
    refused_alike = tuple(
        Example(go=http_error(400, "bad body"), rust=rust, note="Go refuses it too")
        for rust in rust_answers
    )
    return DivergenceClass(
        id=told["id"],
        title=told["title"],
        go=told["go"],
        rust=told["rust"],
        impact=told["impact"],
        fix_go=fix_go,
        fix_rust=told["fix_rust"],
        severity="breaking",
        policy="fail",
        whole=only_rust_refuses(pattern),
        valid=tuple(
            Example(go=go, rust=rust) for go, rust in zip(_SUCCESSES, rust_answers, strict=True)
        ),
        invalid=_OTHER_REASONS + refused_alike,
    )


_NEGATIVE_ZERO: Final = "invalid type: floating point `-0.0`, expected u8"
_RARE: Final = "Rare: requests that Go served are refused."
_ECHO_ARRAY_TEXT: Final = "Unmarshal type error: expected=main.P, got=array, field=, offset=1"
_ARRAY_TEXT: Final = "json: cannot unmarshal array into Go value of type main.Person"

CLASSES: Final = (
    DivergenceClass(
        id="body-limit",
        title="One side limits the size of a request body",
        go="No limit, unless `MaxBytesReader`: then 400 `http: request body too large`.",
        rust="axum takes 2 MiB; actix 2 MiB of JSON, 256 KiB otherwise; beyond it 413.",
        impact="Uploads that one side served are refused by the other.",
        fix_go="Bound bodies with `http.MaxBytesReader` at the same size; answer 413.",
        fix_rust="`DefaultBodyLimit::max(n)`, or `disable()`.",
        severity="breaking",
        policy="fail",
        whole=_is_body_limit,
        valid=pairs(
            (_TAKEN, plain(413, "Failed to buffer the request body: length limit exceeded")),
            (http_error(400, "http: request body too large"), _TAKEN),
        ),
        invalid=pairs(
            (http_error(401, "who are you?"), answer(413)),
            (http_error(400, "no name"), _TAKEN),
            (_TAKEN, answer(414)),
        ),
    ),
    DivergenceClass(
        id="decode-content-type",
        title="A body is refused for its Content-Type by one side",
        go="net/http and gin's ShouldBindJSON do not look at it; echo's Bind answers 415.",
        rust="axum answers 415 unless JSON or `+json`; actix 400 `Content type error`.",
        impact="Clients that send JSON without saying so are refused.",
        fix_go="Check the header.",
        fix_rust="Parse from `Bytes` with serde_json.",
        severity="breaking",
        policy="fail",
        whole=_is_content_type,
        valid=pairs(
            (_TAKEN, plain(415, "Expected request with `Content-Type: application/json`")),
            (_TAKEN, plain(400, "Content type error")),
            (answer(415, _ECHO_UNSUPPORTED + "\n"), _TAKEN),
        ),
        invalid=pairs(
            (_TAKEN, answer(415, '{"error":"only PNG"}')),
            (
                http_error(401, "who are you?"),
                plain(415, "Expected request with `Content-Type: application/json`"),
            ),
        ),
    ),
    DivergenceClass(
        id="decode-empty-body",
        title="An empty body is taken as a zero value",
        go="echo's Bind skips an empty body: 200 with a zero struct; others say `EOF`.",
        rust="400 `EOF while parsing a value at line 1 column 0`.",
        impact="Clients that post nothing are refused.",
        fix_go="Refuse an empty body.",
        fix_rust="`Option<Json<T>>`.",
        severity="breaking",
        policy="fail",
        whole=_is_empty_body,
        valid=pairs(
            (_TAKEN, plain(400, f"{SYNTAX_PREFIX}: {_NOTHING}")),
            (_TAKEN, plain(400, f"Json deserialize error: {_NOTHING}")),
        ),
        invalid=pairs(
            (http_error(400, "EOF"), plain(400, f"{SYNTAX_PREFIX}: {_NOTHING}")),
            (_TAKEN, unparsed("EOF while parsing a value at line 1 column 8")),
        ),
    ),
    DivergenceClass(
        id="decode-unknown-field",
        title="Only one side refuses unknown members",
        go='Ignored; with `DisallowUnknownFields`: `json: unknown field "zzz"`.',
        rust="Ignored; with `deny_unknown_fields`: 422 `unknown field … expected one of …`.",
        impact="Requests with additional members are refused by one side.",
        fix_go="Be as strict as the other side.",
        fix_rust="Be as strict as the other side.",
        severity="breaking",
        policy="fail",
        whole=_is_unknown_field,
        valid=pairs(
            (http_error(400, 'json: unknown field "zzz"'), _TAKEN),
            (_TAKEN, untyped("unknown field `zzz`, expected `name` or `age`")),
        ),
        invalid=pairs(*_OTHER_REASONS, (http_error(400, "unknown field zzz"), _TAKEN)),
    ),
    DivergenceClass(
        id="decode-array-as-struct",
        title="Rust takes an array where an object is wanted",
        go="400 `json: cannot unmarshal array into Go value of type T`.",
        rust="serde fills a struct from an array by position, even from `[]`.",
        impact="Over-acceptance: input that passed no check reaches the handler.",
        fix_go="None needed.",
        fix_rust="Deserialize through a wrapper that calls `deserialize_map`.",
        severity="breaking",
        policy="fail",
        whole=_is_array_as_struct,
        valid=pairs(
            (http_error(400, _ARRAY_TEXT), _TAKEN),
            (
                answer(400, f'{{"message":"{_ECHO_ARRAY_TEXT}"}}'),
                _TAKEN,
            ),
        ),
        invalid=pairs(
            (http_error(400, _ARRAY_TEXT), untyped("invalid type: sequence")),
            (http_error(400, _ARRAY_TEXT.replace("array", "string")), _TAKEN),
        ),
    ),
    DivergenceClass(
        id="decode-depth-limit",
        title="The decoders bound nesting at different depths",
        go="10,000 levels, then `exceeded max depth`.",
        rust="128 levels, then `recursion limit exceeded`.",
        impact="Rare: deeply nested bodies are refused.",
        fix_go="Usually none.",
        fix_rust="`unbounded_depth` with `disable_recursion_limit` and a stack that grows.",
        severity="breaking",
        policy="fail",
        whole=_is_depth,
        valid=pairs(
            (_TAKEN, unparsed("[0][0]: recursion limit exceeded at line 1 column 9")),
            (http_error(400, "invalid character '[' exceeded max depth"), _TAKEN),
        ),
        invalid=pairs(*_OTHER_REASONS, (http_error(400, "too deep"), _TAKEN)),
    ),
    _refusal(
        r"invalid type: floating point `-0(?:\.0)?`, expected [ui](?:8|16|32|64|128|size)",
        untyped("age: invalid type: floating point `-0.0`, expected i64"),
        plain(400, "Json deserialize error: " + _NEGATIVE_ZERO + " at line 1 column 9"),
        id="decode-negative-zero-int",
        title="`-0` for an integer",
        go="`-0` is the integer 0.",
        rust="serde_json reads `-0` as a float: `floating point -0.0, expected i64`.",
        impact=_RARE,
        fix_rust="Accept a float that is zero in a custom deserializer.",
    ),
    _refusal(
        r"invalid type: null, expected [^\n]{1,300}",
        untyped("name: invalid type: null, expected a string"),
        plain(400, "Json deserialize error: invalid type: null, expected u8 at line 1 column 9"),
        id="decode-null-to-zero",
        title="`null` for a value that cannot be null",
        go="`null` leaves a non-pointer as it is: the zero value.",
        rust="422 `invalid type: null, expected …`.",
        impact="Clients that send null for `nothing` are refused.",
        fix_rust="`Option<T>` with `unwrap_or_default()`, in containers too.",
    ),
    _refusal(
        r"missing field `[^`\n]{1,200}`",
        untyped("missing field `name`"),
        plain(400, "Json deserialize error: missing field `name` at line 1 column 2"),
        id="decode-missing-field",
        title="A missing member is refused by serde",
        go="A missing member is the zero value.",
        rust="422 (actix 400) ``missing field `name` ``.",
        impact="Clients that leave a member out are refused.",
        fix_go="Check for required members.",
        fix_rust="`#[serde(default)]`.",
    ),
    _refusal(
        r"duplicate field `[^`\n]{1,200}`",
        untyped("duplicate field `name`"),
        plain(400, "Json deserialize error: duplicate field `name` at line 1 column 18"),
        id="decode-duplicate-field",
        title="A member given twice",
        go="The last one wins (encoding/json/v2: an error).",
        rust="A derived struct refuses it: ``duplicate field `name` ``.",
        impact="Rare; two readers of one body may see different values.",
        fix_go="Refuse duplicates, as encoding/json/v2 does.",
        fix_rust="Decode into `Value` first, where the last wins.",
    ),
    _refusal(
        r"trailing characters",
        unparsed("trailing characters at line 1 column 20"),
        plain(400, "Json deserialize error: trailing characters at line 1 column 20"),
        id="decode-trailing-data",
        title="Something follows the JSON value",
        go="`json.Decoder.Decode` reads one value and leaves the rest.",
        rust="400 `trailing characters`.",
        impact=_RARE,
        fix_go="Refuse what follows: a second `Decode` must say `io.EOF`.",
        fix_rust="`StreamDeserializer`, taking the first value.",
    ),
    _refusal(
        r"invalid unicode code point|unexpected end of hex escape"
        r"|lone leading surrogate in hex escape",
        unparsed("name: invalid unicode code point at line 1 column 12"),
        unparsed("name: unexpected end of hex escape at line 1 column 17"),
        id="decode-invalid-utf8",
        title="Bad UTF-8 or a lone surrogate in a body",
        go="Replaced by U+FFFD and taken (encoding/json/v2 refuses).",
        rust="400 `invalid unicode code point` and its like.",
        impact="Rare, but such clients are refused.",
        fix_go="Check with `utf8.Valid`.",
        fix_rust="`String::from_utf8_lossy` before decoding.",
    ),
)
"""Requests that only one decoder takes, the most specific first."""
