"""CORS: the middlewares of Go against tower-http."""

from __future__ import annotations

import re
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.examples import Example, answer, asked, pairs
from shadow.compare.classes.headers import methods, words
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT

_LONGEST: Final = 10_000
_CORS_VARY: Final = frozenset(
    {"origin", "access-control-request-method", "access-control-request-headers"}
)
_LISTED: Final = ("allow-methods", "allow-headers", "expose-headers")


def _cors_alike(pair: Pair) -> bool:
    """Rust allows what Go allows, to the same origin, with the same credentials."""
    go, rust = pair.go.headers, pair.rust.headers
    names = [name for name in go.keys() | rust.keys() if name.startswith("access-control-")]
    return all(
        go.get(name) == rust.get(name) or _allows_as_much(name, go.get(name), rust.get(name))
        for name in names
    )


_LIST: Final = re.compile(r"\*|[A-Za-z0-9-]+(?:, ?[A-Za-z0-9-]+)*")


def _allows_as_much(name: str, go: str | None, rust: str | None) -> bool:
    kind = name.removeprefix("access-control-")
    if kind == "allow-origin":
        return go is None and rust == "*"
    if kind not in _LISTED or rust is None or len(rust) > _LONGEST or not _LIST.fullmatch(rust):
        return False
    wanted, listed = words(ABSENT if go is None else go), words(rust)
    return wanted is not None and listed is not None and (rust == "*" or wanted <= listed)


def _is_preflight(pair: Pair) -> bool:
    asked_options = pair.request is None or pair.request.method == "OPTIONS"
    return (
        asked_options
        and "access-control-allow-methods" in pair.go.headers.keys() & pair.rust.headers.keys()
    )


def _is_cors_status(pair: Pair) -> bool:
    statuses = (pair.go.status, pair.rust.status)
    return (
        statuses == (204, 200)
        and not pair.go.text
        and not pair.rust.text
        and _is_preflight(pair)
        and _cors_alike(pair)
    )


def _is_about_cors(name: str) -> bool:
    return name in ("vary", "allow") or name.startswith("access-control-")


def _is_cors(place: Place) -> bool:
    if place.where != "header" or not _is_about_cors(place.name) or not _cors_alike(place.pair):
        return False
    if place.name == "vary":
        ours, theirs = words(place.go), words(place.rust)
        return ours is not None and theirs is not None and ours ^ theirs <= _CORS_VARY
    if place.name == "allow":
        is_extra = place.go is ABSENT and methods(place.rust) is not None
        return is_extra and _is_preflight(place.pair)
    return place.name.startswith("access-control-")


_JSON: Final = answer(200, '{"id":1}')
_PREFLIGHT: Final = answer(
    204,
    Access_Control_Allow_Methods="POST",
    Access_Control_Allow_Origin="*",
    Vary="Origin, Access-Control-Request-Method",
)
_PREFLIGHT_RUST: Final = answer(
    200,
    vary="origin, access-control-request-method, access-control-request-headers",
    access_control_allow_methods="GET,POST",
    access_control_allow_origin="*",
    allow="GET,HEAD",
)

CLASSES: Final = (
    DivergenceClass(
        id="cors-headers",
        title="The CORS middlewares answer otherwise",
        go="rs/cors: preflight 204, echoes what was asked; nothing without an Origin.",
        rust="tower-http: preflight 200 with lists and `allow`; `*` and Vary on every answer.",
        impact="Breaks browsers where an origin or method is no longer allowed.",
        fix_go="List methods and headers.",
        fix_rust="Configure `CorsLayer` with the same lists.",
        severity="breaking",
        policy="fail",
        whole=_is_cors_status,
        covers=frozenset({"status"}),
        at=_is_cors,
        types=HEADER,
        valid=(
            Example(go=_PREFLIGHT, rust=_PREFLIGHT_RUST, request=asked("/c", "OPTIONS")),
            Example(go=_JSON, rust=answer(200, '{"id":1}', access_control_allow_origin="*")),
        ),
        invalid=pairs(
            (
                answer(200, Access_Control_Allow_Origin="https://a.example"),
                answer(200, access_control_allow_origin="https://b.example"),
            ),
            (
                answer(200, Access_Control_Allow_Methods="PUT"),
                answer(200, access_control_allow_methods="GET,POST"),
            ),
            (
                answer(200, Access_Control_Allow_Credentials="true"),
                answer(200, Access_Control_Allow_Origin="*"),
            ),
        ),
    ),
)
"""Cross-origin headers."""
