"""Query strings: net/url against serde_urlencoded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place, Side
from shadow.compare.classes.decoder_texts import (
    MISSING_FIELD,
    RUST_BOOL_OR_FLOAT,
    serde_reasons,
    untyped,
)
from shadow.compare.classes.error_texts import LONGEST, texts
from shadow.compare.classes.examples import Example, answer, asked, http_error, pairs, plain
from shadow.compare.classes.inputs import (
    BAD_ESCAPE,
    fields_of,
    is_nothing,
    is_semicolon_data,
    is_shown,
    json_for,
    query_of,
    read_field,
    shown_text,
)
from shadow.model import Request

_PREFIXES: Final = ("Failed to deserialize query string", "Query deserialize error")
_NUMBER_TEXT: Final = (
    r"cannot parse (?:integer|float) from empty string|invalid digit found in string"
    r"|number too (?:large|small) to fit in target type"
    r"|number would be zero for non-zero type"
)
_UNTYPED: Final = re.compile(
    _NUMBER_TEXT + "|" + RUST_BOOL_OR_FLOAT + r"|invalid (?:type|value): [^\n]{1,400}"
    r"|unknown variant `[^\n]{1,400}"
)


def _query_refused(pattern: re.Pattern[str]) -> Callable[[Pair], bool]:
    """Go accepted the request and Rust's query extractor gives this reason to refuse it."""

    def whole(pair: Pair) -> bool:
        return (
            pair.go.accepted
            and pair.rust.status in (400, 422)
            and any(
                pattern.fullmatch(reason)
                for text in texts(pair.rust)
                if text.partition(": ")[0] in _PREFIXES
                for reason in serde_reasons(text, _PREFIXES)
            )
        )

    return whole


_READ_APART: Final = re.compile(r"%(?![0-9a-fA-F]{2})|[;#]")
"""What makes the two sides read a query as different fields."""
_REFUSED_VALUES: Final = {
    "cannot parse integer from empty string": re.compile(r""),
    "cannot parse float from empty string": re.compile(r""),
    "invalid digit found in string": re.compile(r"(?!\+?[0-9]+\Z).+", re.DOTALL),
    "number too large to fit in target type": re.compile(r"\+?[0-9]{3,400}"),
    "number too small to fit in target type": re.compile(r"-[0-9]{3,400}"),
    "number would be zero for non-zero type": re.compile(r"[+-]?0{1,400}"),
    "provided string was not `true` or `false`": re.compile(r"(?!(?:true|false)\Z).*", re.DOTALL),
    "invalid float literal": re.compile(
        r"(?![+-]?(?:inf(?:inity)?|nan|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)\Z).+",
        re.DOTALL | re.IGNORECASE,
    ),
}
"""The values that `FromStr` of std refuses for each reason, whatever the width and sign."""


def _given(request: Request | None) -> dict[str, str] | None:
    """The first value of each parameter; None where the two sides may read others."""
    query = query_of(request)
    if request is None or len(query) > LONGEST or _READ_APART.search(query):
        return None
    return dict(read_field(field) for field in reversed(query.split("&")))


def _mistyped(said: str, given: dict[str, str]) -> str | None:
    """The parameter whose value serde refuses for its type, and rightly so."""
    name, _, reason = said.partition(": ")
    value = given.get(name)
    if value is None or len(value) > LONGEST:
        return None
    refused = _REFUSED_VALUES.get(reason)
    if refused is None:
        return name if reason.startswith(f"unknown variant `{value}`, expected ") else None
    return name if refused.fullmatch(value) else None


def _absent(said: str, given: dict[str, str]) -> str | None:
    """The parameter that serde misses, and that the request does not have."""
    missing = MISSING_FIELD.fullmatch(said)
    return missing[1] if missing and missing[1] not in given else None


def _tells_of(side: Side, name: str, value: str | None) -> bool:
    """Whether a refusal has the parameter's name as a word, or quotes its value like strconv."""
    if len(side.text) > LONGEST:
        return False
    word = rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)"
    if re.search(word, side.text, re.IGNORECASE):
        return True
    return value is not None and any(f'parsing "{value}": ' in text for text in texts(side))


def _both_refuse(pair: Pair, fault: Callable[[str, dict[str, str]], str | None]) -> bool:
    """Both answer 400 for one parameter, Rust's extractor before a handler could speak."""
    given = _given(pair.request)
    if given is None or (pair.go.status, pair.rust.status) != (400, 400):
        return False
    said = (text.partition(": ") for text in texts(pair.rust))
    faults = (fault(reason, given) for prefix, _, reason in said if prefix in _PREFIXES)
    return any(name is not None and _tells_of(pair.go, name, given.get(name)) for name in faults)


_MISSING_REFUSED: Final = _query_refused(MISSING_FIELD)
_UNTYPED_REFUSED: Final = _query_refused(_UNTYPED)


def _is_missing(pair: Pair) -> bool:
    return _MISSING_REFUSED(pair) or _both_refuse(pair, _absent)


def _is_mistyped(pair: Pair) -> bool:
    return _UNTYPED_REFUSED(pair) or _both_refuse(pair, _mistyped)


def _query_has(*marks: str) -> Callable[[Pair], bool]:
    """The query was sent with one of the marks in it."""

    def has_mark(pair: Pair) -> bool:
        query = query_of(pair.request)
        return any(mark in query for mark in marks)

    return has_mark


def _is_repeated(place: Place) -> bool:
    if not is_shown(place) or place.pair.request is None:
        return False
    found: dict[str, list[str]] = {}
    for field in fields_of(query_of(place.pair.request)):
        name, value = read_field(field)
        found.setdefault(name, []).append(value)
    go, rust = shown_text(place.go), shown_text(place.rust)
    return any(
        values[0] != values[-1] and go == values[0] and rust in (values[-1], values)
        for name, values in found.items()
        if len(values) > 1 and (place.key not in found or place.key == name)
    )


def _is_query_semicolon(place: Place) -> bool:
    return is_semicolon_data(place, fields_of(query_of(place.pair.request)))


def _is_bad_query_escape(place: Place) -> bool:
    if not is_shown(place):
        return False
    query = query_of(place.pair.request)
    rust = shown_text(place.rust)
    if "#" in query:
        kept, cut = fields_of(query), fields_of(query.partition("#")[0])
        if (
            cut
            and shown_text(place.go) == read_field(kept[len(cut) - 1])[1]
            and "#" in kept[len(cut) - 1]
        ):
            return bool(rust == read_field(cut[-1])[1])
    return is_nothing(place.go) and any(
        BAD_ESCAPE.search(field) and rust == read_field(field)[1] != ""
        for field in fields_of(query)
    )


_A: Final = asked("/q?a=1&a=2")
_NO_INT: Final = "Failed to deserialize query string: n: cannot parse integer from empty string"
_NO_DIGIT: Final = "Failed to deserialize query string: limit: invalid digit found in string"
_NO_Q: Final = "Failed to deserialize query string: missing field `q`"
_BAD_LIMIT: Final = answer(400, '{"error":"limit must be a number"}')
_Q_MISSING: Final = answer(400, '{"error":"q is missing"}')
_TAKEN: Final = answer(200, '{"name":"a","age":0}')

CLASSES: Final = (
    DivergenceClass(
        id="query-repeated-key",
        title="A repeated query key: first, last or refused",
        go="`Query().Get` gives the first value; the slice has all.",
        rust="A struct refuses it: `duplicate field`; a `HashMap` keeps the last.",
        impact="Another value is used, or the request is refused.",
        fix_go="Refuse repeated keys.",
        fix_rust="`axum_extra::extract::Query`, or `Vec<(K, V)>` and take the first.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_query_refused(re.compile(r"duplicate field `[^`\n]{1,200}`")),
        at=_is_repeated,
        when=_query_has("&"),
        valid=(
            Example(
                go=_TAKEN,
                rust=plain(400, "Failed to deserialize query string: duplicate field `a`"),
                request=_A,
            ),
            json_for(_A, '{"a":"1"}', '{"a":"2"}'),
            json_for(_A, '{"a":1}', '{"a":2}'),
        ),
        invalid=(
            json_for(_A, '{"a":"1"}', '{"a":"3"}'),
            json_for(_A, '{"a":"2"}', '{"a":"1"}'),
            json_for(asked("/q?a=1&b=2"), '{"a":"1"}', '{"a":"2"}'),
        ),
    ),
    DivergenceClass(
        id="query-missing-param",
        title="A missing query parameter is refused",
        go='`Query().Get` gives `""`; a handler that checks answers in its own words.',
        rust="400 ``missing field `n` `` (an `Option` gives null).",
        impact="Requests that leave a parameter out are refused.",
        fix_go="Check for required parameters.",
        fix_rust="`Option<T>`, or `#[serde(default)]`.",
        severity="breaking",
        policy="fail",
        whole=_is_missing,
        valid=pairs(
            (_TAKEN, plain(400, _NO_Q)),
            (_TAKEN, plain(400, "Query deserialize error: missing field `n`")),
            Example(go=_Q_MISSING, rust=plain(400, _NO_Q), request=asked("/search?limit=1")),
        ),
        invalid=pairs(
            (_TAKEN, untyped("missing field `name`")),
            (http_error(400, "n?"), plain(400, "Query deserialize error: missing field `n`")),
            Example(go=_Q_MISSING, rust=plain(400, _NO_Q), request=asked("/search?q=")),
            Example(
                go=answer(400, '{"error":"no tenant"}'),
                rust=plain(400, _NO_Q),
                request=asked("/search"),
                note="Go refuses something else",
            ),
        ),
    ),
    DivergenceClass(
        id="query-typed-param",
        title="A query parameter of the wrong type is refused",
        go="An ignored `Atoi` error gives 0, `ParseBool` takes `t`; or the handler's own 400.",
        rust="400 with the field and the parser's text, before any handler runs.",
        impact="Sloppy or empty parameters are refused.",
        fix_go="Check the error.",
        fix_rust="`Option<String>` and a lenient parse; `empty_string_as_none`.",
        severity="breaking",
        policy="fail",
        whole=_is_mistyped,
        valid=pairs(
            (_TAKEN, plain(400, _NO_INT)),
            (_TAKEN, plain(400, "Query deserialize error: invalid digit found in string")),
            Example(go=_BAD_LIMIT, rust=plain(400, _NO_DIGIT), request=asked("/s?limit=ten")),
        ),
        invalid=pairs(
            (_TAKEN, plain(400, "n: cannot parse integer from empty string")),
            (http_error(400, "bad n"), plain(400, _NO_INT)),
            Example(go=_BAD_LIMIT, rust=plain(400, _NO_DIGIT), request=asked("/s?limit=10")),
            Example(go=_BAD_LIMIT, rust=plain(400, _NO_DIGIT), request=asked("/s?page=ten")),
            Example(
                go=answer(400, '{"error":"no tenant"}'),
                rust=plain(400, _NO_DIGIT),
                request=asked("/s?limit=ten"),
                note="Go refuses something else",
            ),
        ),
    ),
    DivergenceClass(
        id="query-semicolon",
        title="A semicolon in the query is data to Rust",
        go="A pair that holds `;` is dropped (since 1.17).",
        rust="`;` is data: `a=1;b=2` is a = `1;b=2`.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse or drop such pairs.",
        severity="breaking",
        policy="fail",
        needs="request",
        at=_is_query_semicolon,
        when=_query_has(";"),
        valid=(
            json_for(asked("/q?a=1;b=2"), '{"a":""}', '{"a":"1;b=2"}'),
            json_for(asked("/q?a=1;b=2"), "{}", '{"a":"1;b=2"}'),
        ),
        invalid=(
            json_for(asked("/q?a=1;b=2"), '{"a":""}', '{"a":"1"}'),
            json_for(asked("/q?a=1%3Bb"), '{"a":""}', '{"a":"1;b"}'),
        ),
    ),
    DivergenceClass(
        id="query-bad-escape",
        title="A bad escape in the query is data to Rust",
        go="A pair with `%zz` is dropped; a raw `#` stays in the query.",
        rust="`%zz` stays as it stands; hyper cuts the target at `#`.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse such targets.",
        severity="breaking",
        policy="fail",
        needs="request",
        at=_is_bad_query_escape,
        when=_query_has("#", "%"),
        valid=(
            json_for(asked("/q?a=%zz"), '{"a":""}', '{"a":"%zz"}'),
            json_for(asked("/q?a=1#x"), '{"a":"1#x"}', '{"a":"1"}'),
        ),
        invalid=(
            json_for(asked("/q?a=%zz"), '{"a":""}', '{"a":"zz"}'),
            json_for(asked("/q?a=%41"), '{"a":""}', '{"a":"A"}'),
        ),
    ),
)
"""Queries that the two sides read or refuse apart, the most specific first."""
