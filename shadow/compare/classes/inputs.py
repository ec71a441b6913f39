"""Inputs outside the body (query, path, form), and values that one parser refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from shadow.compare.classes.base import (
    ABSENT,
    DivergenceClass,
    Example,
    Pair,
    Place,
    Side,
    answer,
    asked,
    json_pair,
)
from shadow.compare.classes.decoding import GO_TIME, RUST_TIME, serde_reasons
from shadow.compare.classes.replies import (
    LONGEST,
    accepted,
    http_error,
    is_raw_reply,
    pairs,
    plain,
    reasons,
    says,
    texts,
)
from shadow.compare.json_text import NotJsonError, Number, read
from shadow.model import Request

_MOST_FIELDS: Final = 1000
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_QUERY_PREFIXES: Final = ("Failed to deserialize query string", "Query deserialize error")

_NUMBER_TEXT: Final = (
    r"cannot parse (?:integer|float) from empty string|invalid digit found in string"
    r"|number too (?:large|small) to fit in target type"
    r"|number would be zero for non-zero type"
)
_LENIENT_TEXT: Final = r"provided string was not `true` or `false`|invalid float literal"
_UNTYPED: Final = re.compile(
    _NUMBER_TEXT + "|" + _LENIENT_TEXT + r"|invalid (?:type|value): [^\n]{1,400}"
    r"|unknown variant `[^\n]{1,400}"
)


def _query_refused(pattern: re.Pattern[str]) -> Callable[[Pair], bool]:
    """Go accepted the request and Rust's query extractor gives this reason to refuse it."""

    def whole(pair: Pair) -> bool:
        return (
            accepted(pair.go)
            and pair.rust.status in (400, 422)
            and any(
                pattern.fullmatch(reason)
                for text in texts(pair.rust)
                if text.partition(": ")[0] in _QUERY_PREFIXES
                for reason in serde_reasons(text, _QUERY_PREFIXES)
            )
        )

    return whole


def _path(request: Request | None) -> str:
    return request.target.partition("?")[0] if request is not None else ""


def _query(request: Request | None) -> str:
    return request.target.partition("?")[2] if request is not None else ""


def _form(request: Request | None) -> str:
    """The text of a form body, empty where the request has none."""
    if request is None or len(request.body) > LONGEST:
        return ""
    types = [value for name, value in request.headers if name.lower() == "content-type"]
    is_form = any(value.startswith("application/x-www-form-urlencoded") for value in types)
    return request.body.decode("latin-1") if is_form else ""


def _fields(text: str) -> list[str]:
    return text.split("&")[:_MOST_FIELDS] if len(text) <= LONGEST else []


def _decoded(raw: str) -> str:
    """A form field as form_urlencoded reads it: a bad escape stays as it stands."""
    return unquote_plus(raw.encode("latin-1").decode("utf-8", "replace"), errors="replace")


def _named(field: str) -> tuple[str, str]:
    name, _, value = field.partition("=")
    return _decoded(name), _decoded(value)


def shown_text(value: Any) -> Any:
    """A value as the text of an input: a number's lexeme, a plain text without its newline."""
    if isinstance(value, Number):
        return value.lexeme
    return str(value).removesuffix("\n") if isinstance(value, str) else value


def _is_value(place: Place) -> bool:
    """A place that may show an input: a value in JSON, or a short plain text."""
    whole_text = place.where == "body" and place.difference.name == ""
    both = accepted(place.pair.go) and accepted(place.pair.rust)
    return both and (
        place.in_json or (whole_text and len(str(place.go)) < 4096 > len(str(place.rust)))
    )


def _is_nothing(value: Any) -> bool:
    return value is ABSENT or value is None or shown_text(value) == ""


def _is_repeated(place: Place) -> bool:
    if not _is_value(place) or place.pair.request is None:
        return False
    found: dict[str, list[str]] = {}
    for field in _fields(_query(place.pair.request)):
        name, value = _named(field)
        found.setdefault(name, []).append(value)
    go, rust = shown_text(place.go), shown_text(place.rust)
    return any(
        values[0] != values[-1] and go == values[0] and rust in (values[-1], values)
        for name, values in found.items()
        if len(values) > 1 and (place.key not in found or place.key == name)
    )


def _is_semicolon_data(place: Place, fields: list[str]) -> bool:
    """Go dropped a field with a semicolon that Rust took as data."""
    if not _is_value(place) or not _is_nothing(place.go if place.go != [] else None):
        return False
    rust = place.rust[0] if isinstance(place.rust, list) and len(place.rust) == 1 else place.rust
    return any(
        ";" in field and shown_text(rust) == _named(field)[1] and ";" in _named(field)[1]
        for field in fields
    )


def _is_query_semicolon(place: Place) -> bool:
    return _is_semicolon_data(place, _fields(_query(place.pair.request)))


def _is_form_semicolon(place: Place) -> bool:
    return _is_semicolon_data(place, _fields(_form(place.pair.request)))


def _is_bad_query_escape(place: Place) -> bool:
    if not _is_value(place):
        return False
    query = _query(place.pair.request)
    rust = shown_text(place.rust)
    if "#" in query:
        kept, cut = _fields(query), _fields(query.partition("#")[0])
        if (
            cut
            and shown_text(place.go) == _named(kept[len(cut) - 1])[1]
            and "#" in kept[len(cut) - 1]
        ):
            return bool(rust == _named(cut[-1])[1])
    return _is_nothing(place.go) and any(
        _BAD_ESCAPE.search(field) and rust == _named(field)[1] != "" for field in _fields(query)
    )


_PATH_REFUSED: Final = re.compile(
    r"Cannot parse (?:value at index [0-9]{1,3} with value |`[^`\n]{1,200}` with value )?"
    r"`(?P<axum>[^`\n]{0,400})`(?: to an? `[^`\n]{1,100}`|: [^\n]{1,400})"
    r'|can not parse "(?P<actix>[^"\n]{0,400})" to an? [a-z0-9]{1,20}'
)
_UNSIGNED: Final = re.compile(r'strconv\.ParseUint: parsing "\+[0-9]{1,20}": invalid syntax')


def _is_path_type(pair: Pair) -> bool:
    if accepted(pair.rust):
        return pair.go.status in (400, 404, 422) and says(pair.go, _UNSIGNED)
    if pair.rust.status not in (400, 404) or pair.go.status not in (
        *range(200, 400),
        400,
        404,
        422,
    ):
        return False
    for text in texts(pair.rust):
        for reason in reasons(text):
            found = _PATH_REFUSED.fullmatch(reason)
            if found and (text.startswith("Invalid URL: Cannot") or found["actix"] is not None):
                given = found["axum"] or found["actix"] or ""
                return pair.request is None or given in unquote(_path(pair.request))
    return False


_ESCAPED: Final = re.compile(r"%2[ef]", re.IGNORECASE)


def _is_path_escape(place: Place) -> bool:
    """One side shows a segment as it stood, the other its decoded form."""
    path = _path(place.pair.request)
    if not _is_value(place) or not _ESCAPED.search(path) or len(path) > LONGEST:
        return False
    go, rust = shown_text(place.go), shown_text(place.rust)
    if not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    raw = go if _ESCAPED.search(go) else rust
    return _ESCAPED.search(raw) is not None and raw in path and unquote(raw) in (go, rust)


_GIN_404: Final = ("404 page not found", "404 page not found\n")


def _is_unrouted_escape(pair: Pair) -> bool:
    return (
        _ESCAPED.search(_path(pair.request)) is not None
        and pair.go.status == 404
        and pair.go.text in _GIN_404
        and accepted(pair.rust)
    )


_NOT_UTF8: Final = re.compile(r"Invalid UTF-8 in `[^`\n]{1,200}`")


def _is_bad_path_escape(pair: Pair) -> bool:
    path = _path(pair.request)
    if is_raw_reply(pair.go) and pair.go.status == 400:
        return _BAD_ESCAPE.search(path) is not None and pair.rust.status > 0
    refused = pair.rust.status == 400 and says(pair.rust, _NOT_UTF8)
    return refused and (accepted(pair.go) or pair.go.status == 404)


def _is_bad_path_bytes(place: Place) -> bool:
    path = _path(place.pair.request)
    if not _is_value(place) or "%" not in path or len(path) > LONGEST:
        return False
    go, rust = shown_text(place.go), shown_text(place.rust)
    if not isinstance(go, str) or not isinstance(rust, str) or "%" not in go:
        return False
    return go in path and "\ufffd" in rust and unquote(go) == rust


_FORM_REFUSED: Final = re.compile(
    r"Form requests must have `Content-Type: application/x-www-form-urlencoded`"
    r"|Content type error\.?"
)


def _is_form_type(pair: Pair) -> bool:
    taken = accepted(pair.go) or pair.go.status == 400
    return taken and pair.rust.status == 415 and says(pair.rust, _FORM_REFUSED)


def _one_refuses(go: re.Pattern[str], rust: re.Pattern[str]) -> Callable[[Pair], bool]:
    """Exactly one side refuses, with a text of its parser."""

    def told(side: Side, pattern: re.Pattern[str]) -> bool:
        return side.status in (400, 404, 422) and any(
            pattern.fullmatch(reason)
            for text in texts(side)
            for reason in (*reasons(text), *serde_reasons(text))
        )

    def whole(pair: Pair) -> bool:
        if accepted(pair.go):
            return told(pair.rust, rust)
        return accepted(pair.rust) and told(pair.go, go)

    return whole


_GO_NUMBER: Final = re.compile(
    r'strconv\.ParseFloat: parsing "[^\n]{1,400}": value out of range'
    r'|strconv\.ParseBool: parsing "[^\n]{0,400}": invalid syntax'
)


def _fold(name: str) -> str:
    """Case folding rune by rune, as encoding/json matches names."""
    return "".join(one if len(one := c.casefold()) == 1 else c for c in name)


@lru_cache(maxsize=8)
def json_value(text: bytes | str) -> Any:
    """The value of a JSON text, ABSENT where it is none or is too long."""
    if len(text) > 1 << 16:
        return ABSENT
    try:
        return read(text if isinstance(text, str) else text.decode()).value
    except (NotJsonError, UnicodeDecodeError):
        return ABSENT


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    stack, room = [value], LONGEST
    while stack and room:
        room -= 1
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _respelled(wanted: str, holder: dict[str, Any]) -> str | None:
    """The name in a request's object that only folds to the wanted one."""
    if wanted in holder or len(holder) > _MOST_FIELDS:
        return None
    return next((name for name in holder if _fold(name) == _fold(wanted)), None)


def _sent(pair: Pair) -> Any:
    return json_value(pair.request.body) if pair.request is not None else ABSENT


_MISSING: Final = re.compile(r"missing field `([^`\n]{1,200})`")


def _is_unmatched_case(pair: Pair) -> bool:
    if not accepted(pair.go) or pair.rust.status not in (400, 422) or pair.request is None:
        return False
    found = (
        _MISSING.fullmatch(reason) for text in texts(pair.rust) for reason in serde_reasons(text)
    )
    return any(
        missing and any(_respelled(missing[1], holder) for holder in _objects(_sent(pair)))
        for missing in found
    )


def _is_zero(value: Any) -> bool:
    if isinstance(value, Number):
        return not value.lexeme.strip("-0.")
    return value is ABSENT or value is None or value is False or value in ("", [], {})


def _is_silent_zero(place: Place) -> bool:
    """Go read a member under another case; Rust answers as if it had not been sent."""
    pair = place.pair
    if not place.in_json or not accepted(pair.go) or not accepted(pair.rust):
        return False
    sent = _sent(pair)
    if not isinstance(sent, dict):
        return False
    ours, theirs = json_value(pair.go.text), json_value(pair.rust.text)
    for step in place.difference.path:
        if not isinstance(ours, dict) or not isinstance(step, str):
            return False
        ours = ours.get(step, ABSENT)
        theirs = theirs.get(step, ABSENT) if isinstance(theirs, dict) else ABSENT
        name = _respelled(step, sent)
        if name is not None:
            return _same(sent[name], ours) and not _is_zero(ours) and _is_zero(theirs)
    return False


def _same(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except RecursionError:
        return False


_A: Final = asked("/q?a=1&a=2")
_NO_INT: Final = "Failed to deserialize query string: n: cannot parse integer from empty string"
_SENT: Final = asked("/echo", "POST", '{"NAME":"a"}', Content_Type="application/json")
_TAKEN: Final = answer(200, '{"name":"a","age":0}')
_MISSING_TEXT: Final = (
    "Failed to deserialize the JSON body into the target type: "
    "missing field `name` at line 1 column 12"
)


def _input(*, severity: Any = "breaking", needs: Any = "pair", **told: Any) -> DivergenceClass:
    return DivergenceClass(severity=severity, policy="fail", needs=needs, **told)


def _json_for(request: Request, go: str, rust: str) -> Example:
    return Example(go=answer(200, go), rust=answer(200, rust), request=request)


CLASSES: Final = (
    _input(
        id="decode-case-insensitive",
        title="A member under another case is not matched by serde",
        go="encoding/json matches names whatever their case, Unicode folds too; the last wins.",
        rust="The name must be exact: `missing field`, or with a default a silent zero.",
        impact="Requests are refused, or data is lost without a word.",
        fix_go="Move to encoding/json/v2, which is case-sensitive.",
        fix_rust="`#[serde(alias)]`, or normalise the names first.",
        needs="request",
        whole=_is_unmatched_case,
        at=_is_silent_zero,
        valid=(
            Example(go=_TAKEN, rust=plain(422, _MISSING_TEXT), request=_SENT),
            _json_for(_SENT, '{"name":"a"}', '{"name":""}'),
        ),
        invalid=(
            Example(
                go=_TAKEN, rust=plain(422, _MISSING_TEXT), request=asked("/echo", "POST", "{}")
            ),
            _json_for(_SENT, '{"name":"b"}', '{"name":""}'),
            _json_for(_SENT, '{"name":"a"}', '{"name":"b"}'),
        ),
    ),
    _input(
        id="query-repeated-key",
        title="A repeated query key: first, last or refused",
        go="`Query().Get` gives the first value; the slice has all.",
        rust="A struct refuses it: `duplicate field`; a `HashMap` keeps the last.",
        impact="Another value is used, or the request is refused.",
        fix_go="Refuse repeated keys.",
        fix_rust="`axum_extra::extract::Query`, or `Vec<(K, V)>` and take the first.",
        needs="request",
        whole=_query_refused(re.compile(r"duplicate field `[^`\n]{1,200}`")),
        at=_is_repeated,
        valid=(
            Example(
                go=_TAKEN,
                rust=plain(400, "Failed to deserialize query string: duplicate field `a`"),
                request=_A,
            ),
            _json_for(_A, '{"a":"1"}', '{"a":"2"}'),
            _json_for(_A, '{"a":1}', '{"a":2}'),
        ),
        invalid=(
            _json_for(_A, '{"a":"1"}', '{"a":"3"}'),
            _json_for(_A, '{"a":"2"}', '{"a":"1"}'),
            _json_for(asked("/q?a=1&b=2"), '{"a":"1"}', '{"a":"2"}'),
        ),
    ),
    _input(
        id="query-missing-param",
        title="A missing query parameter is refused",
        go='`Query().Get` gives `""`.',
        rust="400 ``missing field `n` `` (an `Option` gives null).",
        impact="Requests that leave a parameter out are refused.",
        fix_go="Check for required parameters.",
        fix_rust="`Option<T>`, or `#[serde(default)]`.",
        whole=_query_refused(_MISSING),
        valid=pairs(
            (_TAKEN, plain(400, "Failed to deserialize query string: missing field `n`")),
            (_TAKEN, plain(400, "Query deserialize error: missing field `n`")),
        ),
        invalid=pairs(
            (_TAKEN, plain(422, _MISSING_TEXT)),
            (http_error(400, "n?"), plain(400, "Query deserialize error: missing field `n`")),
        ),
    ),
    _input(
        id="query-typed-param",
        title="A query parameter of the wrong type is refused",
        go="An ignored `Atoi` or `ParseBool` error gives 0 or false; `1`, `t`, `TRUE` are true.",
        rust="400 with the field and the parser's text.",
        impact="Sloppy or empty parameters are refused.",
        fix_go="Check the error.",
        fix_rust="`Option<String>` and a lenient parse; `empty_string_as_none`.",
        whole=_query_refused(_UNTYPED),
        valid=pairs(
            (_TAKEN, plain(400, _NO_INT)),
            (_TAKEN, plain(400, "Query deserialize error: invalid digit found in string")),
        ),
        invalid=pairs(
            (_TAKEN, plain(400, "n: cannot parse integer from empty string")),
            (http_error(400, "bad n"), plain(400, _NO_INT)),
        ),
    ),
    _input(
        id="query-semicolon",
        title="A semicolon in the query is data to Rust",
        go="A pair that holds `;` is dropped (since 1.17).",
        rust="`;` is data: `a=1;b=2` is a = `1;b=2`.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse or drop such pairs.",
        needs="request",
        at=_is_query_semicolon,
        valid=(
            _json_for(asked("/q?a=1;b=2"), '{"a":""}', '{"a":"1;b=2"}'),
            _json_for(asked("/q?a=1;b=2"), "{}", '{"a":"1;b=2"}'),
        ),
        invalid=(
            _json_for(asked("/q?a=1;b=2"), '{"a":""}', '{"a":"1"}'),
            _json_for(asked("/q?a=1%3Bb"), '{"a":""}', '{"a":"1;b"}'),
        ),
    ),
    _input(
        id="query-bad-escape",
        title="A bad escape in the query is data to Rust",
        go="A pair with `%zz` is dropped; a raw `#` stays in the query.",
        rust="`%zz` stays as it stands; hyper cuts the target at `#`.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse such targets.",
        needs="request",
        at=_is_bad_query_escape,
        valid=(
            _json_for(asked("/q?a=%zz"), '{"a":""}', '{"a":"%zz"}'),
            _json_for(asked("/q?a=1#x"), '{"a":"1#x"}', '{"a":"1"}'),
        ),
        invalid=(
            _json_for(asked("/q?a=%zz"), '{"a":""}', '{"a":"zz"}'),
            _json_for(asked("/q?a=%41"), '{"a":""}', '{"a":"A"}'),
        ),
    ),
    _input(
        id="path-bad-escape",
        title="A bad escape in the path",
        go="`%zz`: 400 and close before routing; `%ff` becomes U+FFFD (chi and echo keep it).",
        rust="axum serves `%zz` as it stands and refuses `%ff`; actix gives U+FFFD.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse such targets in front of the router.",
        whole=_is_bad_path_escape,
        at=_is_bad_path_bytes,
        valid=(
            Example(
                go=plain(400, "400 Bad Request", Connection="close"),
                rust=_TAKEN,
                request=asked("/i/%zz"),
            ),
            Example(go=_TAKEN, rust=plain(400, "Invalid URL: Invalid UTF-8 in `id`")),
            _json_for(asked("/i/%ff"), '{"id":"%ff"}', '{"id":"\ufffd"}'),
        ),
        invalid=(
            Example(go=http_error(400, "bad id"), rust=_TAKEN, request=asked("/i/%zz")),
            _json_for(asked("/i/%ff"), '{"id":"%ff"}', '{"id":"?"}'),
        ),
    ),
    _input(
        id="path-param-type",
        title="A path parameter of the wrong type",
        go="The handler's own status and strconv's text.",
        rust="axum: 400 ``Cannot parse `abc` to a `u32` ``; actix: 404 `can not parse`.",
        impact="Another status or text for a bad id; `+5` is a u32 but no Uint.",
        fix_go="Usually none.",
        fix_rust="`Path<String>` and a parse of one's own.",
        whole=_is_path_type,
        valid=(
            Example(
                go=http_error(400, 'strconv.Atoi: parsing "abc": invalid syntax'),
                rust=plain(400, "Invalid URL: Cannot parse `abc` to a `u32`"),
                request=asked("/i/abc"),
            ),
            Example(go=http_error(400, "bad id"), rust=plain(404, 'can not parse "abc" to a u32')),
        ),
        invalid=(
            Example(go=http_error(400, "bad id"), rust=plain(400, "bad id: abc")),
            Example(
                go=http_error(401, "who are you?"),
                rust=plain(400, "Invalid URL: Cannot parse `abc` to a `u32`"),
            ),
            Example(
                go=_TAKEN,
                rust=plain(400, "Invalid URL: Cannot parse `abc` to a `u32`"),
                request=asked("/i/7"),
            ),
        ),
    ),
    _input(
        id="path-escape",
        title="An escaped slash or dot in a path segment",
        go="ServeMux decodes `%2F` in a segment; chi and echo keep it; gin routes it apart: 404.",
        rust="axum and actix decode it.",
        impact="Ids with a slash are looked up under another name.",
        fix_go="Decode in the handler.",
        fix_rust="Usually none.",
        needs="request",
        whole=_is_unrouted_escape,
        at=_is_path_escape,
        valid=(
            _json_for(asked("/i/a%2Fb"), '{"id":"a%2Fb"}', '{"id":"a/b"}'),
            Example(go=plain(404, "404 page not found"), rust=_TAKEN, request=asked("/i/a%2fb")),
        ),
        invalid=(
            _json_for(asked("/i/a%2Fb"), '{"id":"a%2Fb"}', '{"id":"a-b"}'),
            json_pair('{"id":"a%2Fb"}', '{"id":"a/b"}', "no request"),
        ),
    ),
    _input(
        id="form-content-type",
        title="A form under another Content-Type is refused",
        go="`ParseForm` ignores bodies of other types.",
        rust="415 `Form requests must have …`; the form of a GET is the query.",
        impact="Clients that do not label their form are refused.",
        fix_go="Check the header.",
        fix_rust="`RawForm`, or parse from `Bytes`.",
        whole=_is_form_type,
        valid=pairs(
            (
                _TAKEN,
                plain(
                    415, "Form requests must have `Content-Type: application/x-www-form-urlencoded`"
                ),
            ),
            (_TAKEN, plain(415, "Content type error.")),
        ),
        invalid=pairs(
            (_TAKEN, plain(415, "only PNG")), (_TAKEN, plain(400, "Content type error."))
        ),
    ),
    _input(
        id="form-semicolon",
        title="A semicolon in a form is data to Rust",
        go="`ParseForm` fails on a pair that holds `;`, and drops it.",
        rust="`;` is data.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse or drop such pairs.",
        needs="request",
        at=_is_form_semicolon,
        valid=(
            _json_for(
                asked("/f", "POST", "a=1;b", Content_Type="application/x-www-form-urlencoded"),
                "{}",
                '{"a":"1;b"}',
            ),
            _json_for(
                asked("/f", "POST", "a=1;b", Content_Type="application/x-www-form-urlencoded"),
                '{"a":""}',
                '{"a":"1;b"}',
            ),
        ),
        invalid=(
            _json_for(asked("/f", "POST", "a=1;b"), '{"a":""}', '{"a":"1;b"}'),
            _json_for(
                asked("/f", "POST", "a=1;b", Content_Type="application/x-www-form-urlencoded"),
                '{"a":""}',
                '{"a":"1"}',
            ),
        ),
    ),
    _input(
        id="time-parse-leniency",
        title="A time that only one parser takes",
        go="Refuses `z`, a space, second 60, `+0200`; takes `,5` and many fraction digits.",
        rust="chrono takes `z`, a space, `:60`; jiff refuses more than 9 digits.",
        impact="Requests with such times are refused by one side.",
        fix_go="Parse with a list of layouts.",
        fix_rust="An RFC 3339 parser of one's own, as strict as Go's.",
        whole=_one_refuses(GO_TIME, RUST_TIME),
        valid=pairs(
            (http_error(400, 'parsing time "x" as "2006": cannot parse "x" as "2006"'), _TAKEN),
            (_TAKEN, plain(422, "at: input contains invalid characters at line 1 column 30")),
        ),
        invalid=pairs(
            (http_error(400, "bad time"), _TAKEN),
            (_TAKEN, plain(422, "the input is late")),
        ),
    ),
    _input(
        id="parse-leniency",
        title="A number or bool that only one parser takes",
        go="ParseBool takes `1`, `t`, `TRUE`; ParseFloat `0x1p-2`; `1e400` is out of range.",
        rust="`bool` is `true` or `false`; f64 refuses hexadecimal; `1e400` is infinite.",
        impact="Requests with such values are refused by one side.",
        fix_go="Usually none.",
        fix_rust="A parse of one's own.",
        whole=_one_refuses(_GO_NUMBER, re.compile(_LENIENT_TEXT)),
        valid=pairs(
            (_TAKEN, answer(400, '{"error":"provided string was not `true` or `false`"}')),
            (http_error(400, 'strconv.ParseFloat: parsing "1e400": value out of range'), _TAKEN),
        ),
        invalid=pairs(
            (_TAKEN, plain(400, "flag must be true or false")),
            (http_error(400, "bad"), plain(400, "invalid float literal")),
        ),
    ),
)
"""Inputs that the two sides read or refuse apart, the most specific first."""
