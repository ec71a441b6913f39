"""Framing: how header fields and bodies are put on the wire, which no client can tell."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place
from shadow.compare.classes.examples import answer, pairs, plain
from shadow.compare.classes.headers import words
from shadow.compare.classes.value_types import HEADER


def _spelled(spelling: str) -> Callable[[Place], bool]:
    """A difference that the header comparison has already named."""
    return lambda place: place.difference.spelling == spelling


def _is_compression(place: Place) -> bool:
    """Another coding, or only `accept-encoding` comes to Vary, or goes."""
    if place.name != "vary":
        return place.difference.spelling == "compression-framing"
    ours, theirs = words(place.go), words(place.rust)
    return None not in (ours, theirs) and (ours or set()) ^ (theirs or set()) == {"accept-encoding"}


def _quiet(id_: str, title: str, go: str, rust: str, **told: Any) -> DivergenceClass:
    """A class that the header comparison itself recognises; no client can tell."""
    given: dict[str, Any] = {
        "impact": "None: HTTP gives it no meaning.",
        "fix_go": "None needed.",
        "fix_rust": "None needed.",
    }
    return DivergenceClass(
        id=id_,
        title=title,
        go=go,
        rust=rust,
        severity="benign",
        policy="allow",
        at=_spelled(id_),
        types=HEADER,
        **(given | told),
    )


_JSON: Final = answer(200, '{"id":1}')
_CHANGED: Final = pairs(
    (answer(200, X_Plan="free"), answer(200, X_Plan="paid")),
    (_JSON, answer(200, '{"id":2}')),
)
_NOW: Final = "Sun, 22 Nov 2026 10:14:45 GMT"
_THEN: Final = "Sun, 22 Nov 2026 10:14:46 GMT"
_PACKED: Final = gzip.compress(b'{"id":1}', mtime=0)

CLASSES: Final = (
    _quiet(
        "header-name-case",
        "Header names in another case",
        "HTTP/1.1 names are canonical: `Content-Type`, `Etag`.",
        "hyper and actix write lower case.",
        fix_rust="hyper's `http1::Builder::title_case_headers(true)`.",
        valid=pairs(
            (answer(204, ETag='"1"'), answer(204, etag='"1"')),
            (_JSON, answer(200, b'{"id":1}', content_type="application/json")),
        ),
        invalid=_CHANGED,
    ),
    _quiet(
        "header-order",
        "Header fields in another order",
        "Alphabetical, then Date, Content-Length and a sniffed Content-Type.",
        "Order of insertion, then content-length and date.",
        valid=pairs(
            (answer(204, A="1", B="2"), answer(204, B="2", A="1")),
            (answer(200, Vary="A", ETag="1"), answer(200, ETag="1", Vary="A")),
        ),
        invalid=(*_CHANGED, *pairs((answer(204, A="1", B="2"), answer(204, A="2", B="1")))),
    ),
    _quiet(
        "transfer-framing",
        "Chunked on one side, Content-Length on the other",
        "Up to 2,048 bytes a Content-Length, beyond it chunked unless set; Flush: chunked.",
        "Content-Length where the size is known; streams are chunked.",
        fix_go="Set Content-Length.",
        valid=pairs(
            (answer(200, "{}", Transfer_Encoding="chunked"), answer(200, "{}", Content_Length="2")),
            (answer(200, "{}", Transfer_Encoding="chunked"), answer(200, "{}")),
        ),
        invalid=_CHANGED,
    ),
    _quiet(
        "content-length-derived",
        "Content-Length follows the body",
        "The length of its body.",
        "The length of its body.",
        impact="None: the difference of the bodies is reported by itself.",
        valid=pairs(
            (plain(200, "ok\n", Content_Length="3"), plain(200, "ok", Content_Length="2")),
            (answer(204, Content_Length="0"), answer(204)),
        ),
        invalid=_CHANGED,
    ),
    _quiet(
        "connection-header",
        "Connection and other hop-by-hop fields",
        "`Connection: close` after a 4xx for a bad request, MaxBytesReader, 417.",
        "`connection: close` in cases of its own.",
        impact="None but for the reuse of the connection.",
        valid=pairs(
            (answer(400, Connection="close"), answer(400)),
            (answer(200, Keep_Alive="timeout=5"), answer(200)),
        ),
        invalid=_CHANGED,
    ),
    _quiet(
        "date-volatile",
        "The Date of the answer",
        "The second in which it answered.",
        "The second in which it answered.",
        valid=pairs(
            (answer(200, Date=_NOW), answer(200, Date=_THEN)),
            (answer(200, Date=_NOW), answer(200)),
        ),
        invalid=(
            *_CHANGED,
            *pairs((answer(200, Last_Modified=_NOW), answer(200, last_modified=_THEN))),
        ),
    ),
    DivergenceClass(
        id="compression-framing",
        title="Other compression of an equal body",
        go="None by default; chi's Compress or gin's gzip where set.",
        rust="`CompressionLayer`: other gzip bytes; `vary: accept-encoding` even without.",
        impact="None: the decoded bodies are compared.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="allow",
        at=_is_compression,
        types=HEADER,
        valid=pairs(
            (
                _JSON,
                answer(200, _PACKED, Content_Type="application/json", Content_Encoding="gzip"),
            ),
            (_JSON, answer(200, '{"id":1}', vary="accept-encoding")),
            (answer(204, Vary="Origin"), answer(204, vary="origin, accept-encoding")),
        ),
        invalid=pairs(
            (answer(204, Vary="Origin"), answer(204, vary="accept-encoding")),
            (_JSON, answer(200, '{"id":1}', vary="*")),
        ),
    ),
)
"""Spellings that the header comparison itself recognises, and compression."""
