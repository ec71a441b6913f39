"""Paths: escapes and typed parameters in a segment."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.error_texts import LONGEST, is_raw_reply, reasons, says, texts
from shadow.compare.classes.examples import Example, answer, asked, http_error, json_pair, plain
from shadow.compare.classes.inputs import BAD_ESCAPE, is_shown, json_for, path_of, shown_text

_PATH_REFUSED: Final = re.compile(
    r"Cannot parse (?:value at index [0-9]{1,3} with value |`[^`\n]{1,200}` with value )?"
    r"`(?P<axum>[^`\n]{0,400})`(?: to an? `[^`\n]{1,100}`|: [^\n]{1,400})"
    r'|can not parse "(?P<actix>[^"\n]{0,400})" to an? [a-z0-9]{1,20}'
)
_UNSIGNED: Final = re.compile(r'strconv\.ParseUint: parsing "\+[0-9]{1,20}": invalid syntax')


def _is_path_type(pair: Pair) -> bool:
    if pair.rust.accepted:
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
                return pair.request is None or given in unquote(path_of(pair.request))
    return False


_ESCAPED: Final = re.compile(r"%2[ef]", re.IGNORECASE)


def _is_path_escaped(pair: Pair) -> bool:
    return "%" in path_of(pair.request)


def _is_path_escape(place: Place) -> bool:
    """One side shows a segment as it stood, the other its decoded form."""
    path = path_of(place.pair.request)
    if not is_shown(place) or not _ESCAPED.search(path) or len(path) > LONGEST:
        return False
    go, rust = shown_text(place.go), shown_text(place.rust)
    if not isinstance(go, str) or not isinstance(rust, str) or go == rust:
        return False
    raw = go if _ESCAPED.search(go) else rust
    return _ESCAPED.search(raw) is not None and raw in path and unquote(raw) in (go, rust)


_GIN_404: Final = ("404 page not found", "404 page not found\n")


def _is_unrouted_escape(pair: Pair) -> bool:
    return (
        _ESCAPED.search(path_of(pair.request)) is not None
        and pair.go.status == 404
        and pair.go.text in _GIN_404
        and pair.rust.accepted
    )


_NOT_UTF8: Final = re.compile(r"Invalid UTF-8 in `[^`\n]{1,200}`")


def _is_bad_path_escape(pair: Pair) -> bool:
    path = path_of(pair.request)
    if is_raw_reply(pair.go) and pair.go.status == 400:
        return BAD_ESCAPE.search(path) is not None and pair.rust.status > 0
    refused = pair.rust.status == 400 and says(pair.rust, _NOT_UTF8)
    return refused and (pair.go.accepted or pair.go.status == 404)


def _is_bad_path_bytes(place: Place) -> bool:
    path = path_of(place.pair.request)
    if not is_shown(place) or "%" not in path or len(path) > LONGEST:
        return False
    go, rust = shown_text(place.go), shown_text(place.rust)
    if not isinstance(go, str) or not isinstance(rust, str) or "%" not in go:
        return False
    return go in path and "\ufffd" in rust and unquote(go) == rust


_TAKEN: Final = answer(200, '{"name":"a","age":0}')

CLASSES: Final = (
    DivergenceClass(
        id="path-bad-escape",
        title="A bad escape in the path",
        go="`%zz`: 400 and close before routing; `%ff` becomes U+FFFD (chi and echo keep it).",
        rust="axum serves `%zz` as it stands and refuses `%ff`; actix gives U+FFFD.",
        impact="Rare.",
        fix_go="Usually none.",
        fix_rust="Refuse such targets in front of the router.",
        severity="breaking",
        policy="fail",
        whole=_is_bad_path_escape,
        at=_is_bad_path_bytes,
        when=_is_path_escaped,
        valid=(
            Example(
                go=plain(400, "400 Bad Request", Connection="close"),
                rust=_TAKEN,
                request=asked("/i/%zz"),
            ),
            Example(go=_TAKEN, rust=plain(400, "Invalid URL: Invalid UTF-8 in `id`")),
            json_for(asked("/i/%ff"), '{"id":"%ff"}', '{"id":"\ufffd"}'),
        ),
        invalid=(
            Example(go=http_error(400, "bad id"), rust=_TAKEN, request=asked("/i/%zz")),
            json_for(asked("/i/%ff"), '{"id":"%ff"}', '{"id":"?"}'),
        ),
    ),
    DivergenceClass(
        id="path-param-type",
        title="A path parameter of the wrong type",
        go="The handler's own status and strconv's text.",
        rust="axum: 400 ``Cannot parse `abc` to a `u32` ``; actix: 404 `can not parse`.",
        impact="Another status or text for a bad id; `+5` is a u32 but no Uint.",
        fix_go="Usually none.",
        fix_rust="`Path<String>` and a parse of one's own.",
        severity="breaking",
        policy="fail",
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
    DivergenceClass(
        id="path-escape",
        title="An escaped slash or dot in a path segment",
        go="ServeMux decodes `%2F` in a segment; chi and echo keep it; gin routes it apart: 404.",
        rust="axum and actix decode it.",
        impact="Ids with a slash are looked up under another name.",
        fix_go="Decode in the handler.",
        fix_rust="Usually none.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_is_unrouted_escape,
        at=_is_path_escape,
        when=_is_path_escaped,
        valid=(
            json_for(asked("/i/a%2Fb"), '{"id":"a%2Fb"}', '{"id":"a/b"}'),
            Example(go=plain(404, "404 page not found"), rust=_TAKEN, request=asked("/i/a%2fb")),
        ),
        invalid=(
            json_for(asked("/i/a%2Fb"), '{"id":"a%2Fb"}', '{"id":"a-b"}'),
            json_pair('{"id":"a%2Fb"}', '{"id":"a/b"}', "no request"),
        ),
    ),
)
"""Paths that the two sides read or refuse apart, the most specific first."""
