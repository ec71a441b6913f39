"""Error replies: what the stacks say by default when a request or a handler fails."""

from __future__ import annotations

import re
from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place, Side
from shadow.compare.classes.error_texts import LONGEST, closes, is_raw_reply, says
from shadow.compare.classes.examples import Example, answer, asked, http_error, pairs, plain
from shadow.model import NoAnswer


def _is_final_newline(place: Place) -> bool:
    if place.where != "body" or place.difference.name != "":
        return False
    ours, theirs = place.pair.go.body, place.pair.rust.body
    if ours is None or theirs is None or b"\0" in ours:
        return False
    return ours == theirs + b"\n" or ours + b"\n" == theirs


def _is_encode_failure(pair: Pair) -> bool:
    go, rust = pair.go, pair.rust
    if go.status != 200 or rust.status != 500 or go.text or not rust.text.strip():
        return False
    asked_head = pair.request is not None and pair.request.method == "HEAD"
    return (
        not asked_head
        and go.media_type == "application/json"
        and go.headers.get("content-length", "0") == "0"
        and rust.media_type == "text/plain"
    )


_PANIC_BODIES: Final = frozenset(
    {"", "Service panicked", "Internal Server Error", '{"message":"Internal Server Error"}'}
)
_NETWORK: Final = re.compile(r"time|refused|unreachable|resol|tls|certificate", re.IGNORECASE)


def _cut_off(side: Side) -> bool:
    """The connection was closed in mid-exchange, and nothing says that the network failed."""
    observation = side.observation
    return (
        isinstance(observation, NoAnswer)
        and observation.kind in ("reset", "protocol")
        and not _NETWORK.search(observation.detail[:LONGEST])
    )


def _is_panic(pair: Pair) -> bool:
    for side, other in ((pair.go, pair.rust), (pair.rust, pair.go)):
        if side.failure is not None:
            return _cut_off(side) and other.status == 500
    bodies = pair.go.text.removesuffix("\n"), pair.rust.text.removesuffix("\n")
    return (
        pair.go.status == pair.rust.status == 500
        and bodies[0] != bodies[1]
        and all(body in _PANIC_BODIES for body in bodies)
    )


_GO_TIMEOUT: Final = "<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>"
_TIMED_OUT: Final = re.compile(
    r"[^\n]{0,80}\b(?:time-?out|timed out|deadline)\b[^\n]{0,80}", re.IGNORECASE
)


def _is_timeout(pair: Pair) -> bool:
    if pair.go.status != 503 or pair.rust.status not in (408, 504):
        return False
    if pair.rust.text.strip() and not says(pair.rust, _TIMED_OUT):
        return False
    return pair.go.text == _GO_TIMEOUT or says(pair.go, _TIMED_OUT)


def _is_malformed_request(pair: Pair) -> bool:
    if is_raw_reply(pair.go):
        return pair.rust.status > 0
    hyper = pair.rust.status == 400 and not pair.rust.text and closes(pair.rust)
    return hyper and pair.go.accepted


_TOO_MANY_HEADERS: Final = "431 Request Header Fields Too Large"


def _is_header_limit(pair: Pair) -> bool:
    statuses = pair.go.status, pair.rust.status
    if 431 not in statuses or 0 in statuses:
        return False
    refused = [side for side in (pair.go, pair.rust) if side.status == 431]
    return all(side.text in ("", _TOO_MANY_HEADERS) for side in refused) and (
        len(refused) == 1 or pair.go.text != pair.rust.text
    )


def _is_refused_expectation(pair: Pair) -> bool:
    if pair.request is None or 417 not in (pair.go.status, pair.rust.status):
        return False
    expected = [value for name, value in pair.request.headers if name.lower() == "expect"]
    return (
        pair.go.status != pair.rust.status
        and 0 not in (pair.go.status, pair.rust.status)
        and any(value.strip().lower() != "100-continue" for value in expected)
    )


_RAW_CLOSE: Final = {"Connection": "close"}

CLASSES: Final = (
    DivergenceClass(
        id="header-count-limit",
        title="One server refuses the size of the request head",
        go="Limits the request head to 1 MiB in all; answers 431 with a text.",
        rust="hyper and actix take 100 header fields and some 400 KiB; they answer 431 empty.",
        impact="Rare: clients with many cookies or headers are refused by one side.",
        fix_go="Set `Server.MaxHeaderBytes` to what clients may send.",
        fix_rust="Raise `max_headers` and `max_buf_size` of hyper's HTTP/1 builder.",
        severity="breaking",
        policy="fail",
        whole=_is_header_limit,
        valid=pairs(
            (answer(200, "{}"), answer(431)),
            (plain(431, _TOO_MANY_HEADERS, **_RAW_CLOSE), answer(431)),
        ),
        invalid=pairs(
            (answer(200, "{}"), answer(431, '{"error":"tenant has too many"}')),
            (answer(200, "{}"), answer(429)),
        ),
    ),
    DivergenceClass(
        id="malformed-request-reply",
        title="The servers disagree on a malformed request",
        go="net/http answers `400 Bad Request: reason` in plain text and closes; wants a Host.",
        rust="hyper answers 400 empty and closes, and accepts a missing or bad Host.",
        impact="Rare behind a proxy; what one side refuses the other may serve.",
        fix_go="Let a front proxy normalise requests.",
        fix_rust="Refuse requests without a valid Host in a layer; use a front proxy.",
        severity="breaking",
        policy="fail",
        whole=_is_malformed_request,
        valid=pairs(
            (
                plain(400, "400 Bad Request: missing required Host header", **_RAW_CLOSE),
                answer(200, '{"id":1}'),
            ),
            (plain(400, "400 Bad Request", **_RAW_CLOSE), answer(400, connection="close")),
            (answer(200, "{}"), answer(400, connection="close")),
        ),
        invalid=pairs(
            (http_error(400, "bad request: no id"), answer(200, '{"id":1}')),
            (answer(200, "{}"), answer(400)),
        ),
    ),
    DivergenceClass(
        id="expect-header",
        title="An unknown `Expect` is refused by one side only",
        go="Answers 417 to any `Expect` but `100-continue`.",
        rust="Ignores it.",
        impact="Rare.",
        fix_go="Strip the header in front of the service.",
        fix_rust="Answer 417 in a layer where clients rely on it.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_is_refused_expectation,
        valid=pairs(
            Example(go=answer(417), rust=answer(404), request=asked(expect="100-continue, foo")),
            Example(
                go=answer(417, **_RAW_CLOSE), rust=answer(200, "{}"), request=asked(Expect="foo")
            ),
        ),
        invalid=pairs(
            Example(go=answer(417), rust=answer(200, "{}"), request=asked()),
            Example(go=answer(417), rust=answer(200, "{}"), request=asked(expect="100-continue")),
        ),
    ),
    DivergenceClass(
        id="panic-response",
        title="A panic closes the connection or answers 500",
        go="net/http closes the connection; the Recoverers of gin and chi answer 500.",
        rust="axum and actix close it; `CatchPanicLayer` answers 500 `Service panicked`.",
        impact="Clients see a transport error in place of a status, and may retry.",
        fix_go="Put a Recoverer around all handlers, and mend the panic.",
        fix_rust="Add `CatchPanicLayer`, and mend the panic.",
        severity="breaking",
        policy="fail",
        whole=_is_panic,
        covers=frozenset({"transport", "status", "body", "content-type"}),
        valid=pairs(
            (NoAnswer(kind="reset", detail="eof"), plain(500, "Service panicked")),
            (answer(500), NoAnswer(kind="reset", detail="eof")),
            (answer(500, '{"message":"Internal Server Error"}\n'), plain(500, "Service panicked")),
        ),
        invalid=pairs(
            (NoAnswer(kind="reset"), answer(200, "{}")),
            (NoAnswer(kind="connect"), answer(500)),
            (NoAnswer(kind="reset", detail="read timeout"), answer(500)),
            (answer(500, '{"error":"db"}'), plain(500, "Service panicked")),
        ),
    ),
    DivergenceClass(
        id="encode-failure-200",
        title="A value that cannot be encoded: empty 200 or 500",
        go="The encoder fails after the header went out: 200 with an empty body.",
        rust="`Json` answers 500 with serde's error text.",
        impact="Go clients get a success without a body; Rust tells of the failure.",
        fix_go="Marshal before `WriteHeader`.",
        fix_rust="Make the value serialisable.",
        severity="breaking",
        policy="fail",
        whole=_is_encode_failure,
        valid=pairs(
            (
                answer(200, Content_Type="application/json", Content_Length="0"),
                plain(500, "key must be a string"),
            ),
            (
                answer(200, Content_Type="application/json"),
                plain(500, "Json serialize error: key must be a string"),
            ),
        ),
        invalid=pairs(
            (answer(200), plain(500, "key must be a string")),
            (
                answer(200, "null", Content_Type="application/json"),
                plain(500, "key must be a string"),
            ),
            (
                answer(200, Content_Type="application/json"),
                answer(500, '{"error":"database is down"}'),
            ),
        ),
    ),
    DivergenceClass(
        id="timeout-status",
        title="A handler's timeout answers another status",
        go="`http.TimeoutHandler`: 503 with an HTML page or the given message.",
        rust="tower-http's `TimeoutLayer`: 408 empty, or the status it was given (often 504).",
        impact="Retry rules differ: 408 is often retried at once, 503 with a delay.",
        fix_go="Keep 503, or answer 504 from a middleware of your own.",
        fix_rust="`TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, …)`.",
        severity="breaking",
        policy="fail",
        whole=_is_timeout,
        valid=pairs(
            (answer(503, _GO_TIMEOUT, Content_Type="text/html; charset=utf-8"), answer(408)),
            (plain(503, "request timed out"), answer(504)),
        ),
        invalid=pairs(
            (plain(503, "overloaded"), answer(408)),
            (answer(503, _GO_TIMEOUT, Content_Type="text/html; charset=utf-8"), answer(500)),
        ),
    ),
    DivergenceClass(
        id="http-error-newline",
        title="Go's `http.Error` ends the text with a newline",
        go="`http.Error` and `Fprintln` append a newline.",
        rust="A `&str` answer is sent as it is.",
        impact="None, unless the text is compared as a string.",
        fix_go="Write the text with `io.WriteString`.",
        fix_rust="Append the newline where clients compare the text.",
        severity="benign",
        policy="fail",
        at=_is_final_newline,
        types=frozenset({"text"}),
        valid=pairs(
            (http_error(404, "no such item"), plain(404, "no such item")),
            (plain(200, "pong"), plain(200, "pong\n")),
        ),
        invalid=pairs(
            (plain(400, "bad id\n\n"), plain(400, "bad id")),
            (plain(400, "bad id\n"), plain(400, "bad ids")),
            (plain(400, "bad id\n"), plain(400, "bad id ")),
        ),
    ),
)
"""Error replies, the most specific first."""
