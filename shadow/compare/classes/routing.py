"""What the routers answer by themselves: 404, 405, HEAD, OPTIONS."""

from __future__ import annotations

from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place, Side
from shadow.compare.classes.examples import Example, answer, asked, http_error, pairs, plain
from shadow.compare.classes.headers import methods, same_methods
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT

_GO_404: Final = "404 page not found"
_ECHO_404: Final = '{"message":"Not Found"}'
_ECHO_405: Final = '{"message":"Method Not Allowed"}'
_DEFAULT_404: Final = frozenset({"", _GO_404, _GO_404 + "\n", _ECHO_404, _ECHO_404 + "\n"})
_DEFAULT_405: Final = frozenset(
    {"", "Method Not Allowed\n", _ECHO_405, _ECHO_405 + "\n", "405 method not allowed"}
)


def is_default(side: Side) -> bool:
    """The reply that a router gives of itself."""
    if side.status == 404:
        return side.text in _DEFAULT_404
    return side.status == 405 and side.text in _DEFAULT_405


def _is_default_404(pair: Pair) -> bool:
    return (
        pair.go.status == pair.rust.status == 404
        and pair.go.text != pair.rust.text
        and is_default(pair.go)
        and is_default(pair.rust)
    )


def _is_method_refused(pair: Pair) -> bool:
    """A router's 405 against its 404 or another 405; or Go (before 1.22) serves any method."""
    go, rust = pair.go, pair.rust
    if (go.status, go.text) == (rust.status, rust.text) or 405 not in (go.status, rust.status):
        return False
    return is_default(rust) and (is_default(go) or go.status == 200)


def _is_method_list(place: Place) -> bool:
    """The Allow field that comes with a 405."""
    if place.name != "allow" or not _is_method_refused(place.pair):
        return False
    if ABSENT in (place.go, place.rust):
        return methods(place.go if place.rust is ABSENT else place.rust) is not None
    return same_methods(place.go, place.rust)


def _method(pair: Pair) -> str:
    return pair.request.method if pair.request is not None else ""


def _is_head(pair: Pair) -> bool:
    statuses = pair.go.status, pair.rust.status
    if _method(pair) != "HEAD" or statuses[0] == statuses[1]:
        return False
    unrouted = [status in (404, 405) for status in statuses]
    served = [pair.go.accepted, pair.rust.accepted]
    return any(unrouted) and all(map(max, unrouted, served)) and not pair.go.text + pair.rust.text


def _is_options(pair: Pair) -> bool:
    if _method(pair) != "OPTIONS" or pair.go.status == pair.rust.status:
        return False
    names = pair.go.headers.keys() | pair.rust.headers.keys()
    if any(name.startswith("access-control-") for name in names):
        return False
    return _answers_options(pair.go) and _answers_options(pair.rust)


def _answers_options(side: Side) -> bool:
    return is_default(side) or (side.status in (200, 204) and not side.text)


_JSON: Final = answer(200, '{"id":1}')

CLASSES: Final = (
    DivergenceClass(
        id="head-handling",
        title="HEAD is routed otherwise",
        go="ServeMux (1.22) answers it by GET; gin 404, chi and echo 405.",
        rust="axum answers it by GET; actix 404.",
        impact="Health checks and link checkers see another status.",
        fix_go="Register HEAD.",
        fix_rust="`.head()` beside `.get()`.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_is_head,
        covers=frozenset({"status", "content-type", "allow"}),
        valid=(
            Example(
                go=answer(405, Allow="GET"),
                rust=answer(200, content_type="application/json"),
                request=asked(method="HEAD"),
            ),
            Example(go=answer(200), rust=answer(404), request=asked(method="HEAD")),
        ),
        invalid=(
            Example(go=answer(405, Allow="GET"), rust=answer(200), request=asked()),
            Example(go=answer(200), rust=answer(500), request=asked(method="HEAD")),
            Example(go=answer(401), rust=answer(404), request=asked(method="HEAD")),
        ),
    ),
    DivergenceClass(
        id="options-handling",
        title="OPTIONS is routed otherwise",
        go="net/http answers `OPTIONS *` with 200; echo 204 with Allow.",
        rust="404 or 405.",
        impact="Matters to clients that ask for the methods; CORS is a class of its own.",
        fix_go="None needed.",
        fix_rust="A CORS layer, or an `.options()` route.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_is_options,
        covers=frozenset({"status", "body", "content-type", "allow"}),
        valid=(
            Example(go=answer(200), rust=answer(404), request=asked("*", "OPTIONS")),
            Example(
                go=answer(204, Allow="OPTIONS, GET"),
                rust=answer(405, allow="GET,HEAD"),
                request=asked("/items", "OPTIONS"),
            ),
        ),
        invalid=(
            Example(go=answer(200), rust=answer(404), request=asked("/items", "GET")),
            Example(
                go=answer(204, Access_Control_Allow_Origin="https://a.example"),
                rust=answer(405),
                request=asked("/items", "OPTIONS"),
            ),
        ),
    ),
    DivergenceClass(
        id="method-not-allowed",
        title="A method without a route",
        go="ServeMux (1.22) 405 with Allow; gin 404; chi 405 empty; echo 405 in JSON.",
        rust="axum 405 empty with allow; actix 404 or 405.",
        impact="Another status or body for a wrong method.",
        fix_go="Register patterns with methods.",
        fix_rust="`method_not_allowed_fallback`.",
        severity="breaking",
        policy="fail",
        whole=_is_method_refused,
        at=_is_method_list,
        types=HEADER,
        valid=pairs(
            (
                http_error(405, "Method Not Allowed", Allow="GET, HEAD"),
                answer(405, allow="GET,HEAD"),
            ),
            (plain(404, _GO_404), answer(405, allow="GET,HEAD")),
            (_JSON, answer(405, allow="GET,HEAD")),
        ),
        invalid=pairs(
            (answer(405, '{"error":"read-only"}'), answer(405)),
            (answer(404, '{"error":"no item"}'), answer(405, allow="GET")),
            (answer(405, Allow="GET"), answer(405, allow="POST")),
            (answer(405, Allow="GET"), _JSON),
        ),
    ),
    DivergenceClass(
        id="default-404-body",
        title="The router's own 404 page",
        go="`404 page not found` in plain text; echo in JSON.",
        rust="axum and actix: an empty body.",
        impact="None, unless the body is shown or parsed.",
        fix_go="A catch-all handler.",
        fix_rust="`Router::fallback`.",
        severity="risky",
        policy="fail",
        whole=_is_default_404,
        covers=frozenset({"body", "content-type"}),
        valid=pairs(
            (http_error(404, _GO_404), answer(404)),
            (plain(404, _GO_404), answer(404)),
            (answer(404, _ECHO_404 + "\n"), answer(404)),
        ),
        invalid=pairs(
            (answer(404, '{"error":"user not found"}'), answer(404)),
            (http_error(404, _GO_404), answer(200, "{}")),
            (http_error(404, _GO_404), answer(404, '{"error":"no route"}')),
        ),
    ),
)
"""Routers' answers, the most specific first."""
