"""Header fields: spelling, framing, Content-Type, CORS, gRPC."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from shadow.compare.bodies import decoded
from shadow.compare.classes.base import (
    ABSENT,
    DivergenceClass,
    Example,
    Pair,
    Place,
    Side,
    answer,
    asked,
)
from shadow.compare.classes.replies import http_error, pairs, plain
from shadow.compare.json_text import NotJsonError, read
from shadow.model import Answer, Response

_LONGEST: Final = 10_000
_MEDIA: Final = re.compile(
    r"(?P<type>[a-z]+/[a-z0-9.+-]+)(?: ?; ?charset=(?:utf-8|\"utf-8\"))?",
    re.IGNORECASE | re.ASCII,
)
_ENCODED_TYPES: Final = re.compile(r"application/(?:[a-z0-9.-]+\+)?json")
"""Types whose encoding is UTF-8 whatever a parameter says (RFC 8259 8.1)."""


def _spelled(spelling: str) -> Callable[[Place], bool]:
    """A difference that the header comparison has already named."""
    return lambda place: place.difference.spelling == spelling


def _body(side: Side) -> bytes | None:
    """The decoded body; None where there is none to be had."""
    body = decoded(side.response, 1 << 26) if side.response else None
    return body if isinstance(body, bytes) else None


def _is_charset(place: Place) -> bool:
    """The parameter is UTF-8 or absent, and absent only where no reader could tell."""
    if place.name != "content-type":
        return False
    ours, theirs = _media(place.go), _media(place.rust)
    if ours is None or theirs is None or ours["type"].lower() != theirs["type"].lower():
        return False
    if _ENCODED_TYPES.fullmatch(ours["type"].lower()):
        return True
    sides = (ours, place.pair.go), (theirs, place.pair.rust)
    return all(";" in match[0] or _is_ascii(side) for match, side in sides)


def _media(value: Any) -> re.Match[str] | None:
    return _MEDIA.fullmatch(value) if isinstance(value, str) and len(value) < 200 else None


def _is_ascii(side: Side) -> bool:
    body = _body(side)
    return body is not None and body.isascii()


_TEXT: Final = "text/plain; charset=utf-8"
_SNIFFED: Final = frozenset(
    {
        (_TEXT, "application/json"),
        (_TEXT, "application/json; charset=utf-8"),
        (_TEXT, "application/octet-stream"),
        (_TEXT, ABSENT),
        ("text/html; charset=utf-8", _TEXT),
        ("text/xml; charset=utf-8", _TEXT),
        ("application/octet-stream", ABSENT),
        ("application/x-yaml", "text/x-yaml"),
        ("application/yaml", "text/x-yaml"),
        ("application/javascript", "text/javascript"),
        ("text/javascript; charset=utf-8", "application/javascript"),
    }
)


def _is_sniffed(place: Place) -> bool:
    """Go guessed the type of an equal body, or took it from another table."""
    if place.name != "content-type" or place.pair.go.status != place.pair.rust.status:
        return False
    untyped_error = place.rust is ABSENT and place.pair.rust.status >= 400
    if (place.go, place.rust) not in _SNIFFED or untyped_error:
        return False
    ours, theirs = _body(place.pair.go), _body(place.pair.rust)
    if not ours or not theirs or ours.removesuffix(b"\n") != theirs.removesuffix(b"\n"):
        return False
    return "json" not in str(place.rust) or _is_json(theirs)


def _is_json(body: bytes) -> bool:
    try:
        read(body.decode())
    except (NotJsonError, UnicodeDecodeError):
        return False
    return True


_DEFAULT_TYPES: Final = frozenset(
    {
        *("application/json", "application/json; charset=utf-8", "application/octet-stream"),
        *("text/plain", _TEXT, "text/plain; charset=UTF-8", "text/html; charset=utf-8"),
        "application/json; charset=UTF-8",
    }
)


def _is_type_presence(place: Place) -> bool:
    if place.name != "content-type" or place.kind not in ("missing", "extra"):
        return False
    present = place.go if place.rust is ABSENT else place.rust
    go, rust = place.pair.go, place.pair.rust
    empty = _body(go) == _body(rust) == b""
    return present in _DEFAULT_TYPES and (empty or (go.status >= 400 and rust.status >= 400))


def _is_nosniff(place: Place) -> bool:
    return (
        place.name == "x-content-type-options"
        and place.go == "nosniff"
        and place.rust is ABSENT
        and place.pair.go.status >= 400
    )


_METHODS: Final = re.compile(r"[A-Z]{1,20}(?:, ?[A-Z]{1,20}){0,20}")


def methods(value: Any) -> frozenset[str] | None:
    """The methods of an Allow field; None where it is none."""
    if not isinstance(value, str) or not _METHODS.fullmatch(value):
        return None
    return frozenset(value.replace(" ", "").split(","))


def same_methods(go: Any, rust: Any) -> bool:
    """Equal sets but for what routers add by themselves: HEAD beside GET, and OPTIONS."""
    ours, theirs = methods(go), methods(rust)
    if ours is None or theirs is None:
        return False
    added = {"OPTIONS"} | ({"HEAD"} if "GET" in ours & theirs else set())
    return ours - added == theirs - added


def _is_allow_spelling(place: Place) -> bool:
    go, rust = place.pair.go, place.pair.rust
    same_answer = go.status == rust.status and _body(go) == _body(rust)
    return place.name == "allow" and same_answer and same_methods(place.go, place.rust)


def _is_compression(place: Place) -> bool:
    """Another coding, or only `accept-encoding` comes to Vary, or goes."""
    if place.name != "vary":
        return place.difference.spelling == "compression-framing"
    ours, theirs = _words(place.go), _words(place.rust)
    return None not in (ours, theirs) and (ours or set()) ^ (theirs or set()) == {"accept-encoding"}


def _words(value: Any) -> set[str] | None:
    """The words of a comma list in lower case; empty for an absent field."""
    if value is ABSENT:
        return set()
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    return {word.strip(" ").lower() for word in value.split(",")}


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
    wanted, listed = _words(ABSENT if go is None else go), _words(rust)
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


def _is_cors(place: Place) -> bool:
    if place.where != "header" or not _cors_alike(place.pair):
        return False
    if place.name == "vary":
        ours, theirs = _words(place.go), _words(place.rust)
        return ours is not None and theirs is not None and ours ^ theirs <= _CORS_VARY
    if place.name == "allow":
        is_extra = place.go is ABSENT and methods(place.rust) is not None
        return is_extra and _is_preflight(place.pair)
    return place.name.startswith("access-control-")


def _is_grpc_text(place: Place) -> bool:
    """An equal status whose message or details are only written otherwise."""
    statuses = [side.headers.get("grpc-status") for side in (place.pair.go, place.pair.rust)]
    both = isinstance(place.go, str) and isinstance(place.rust, str)
    if not both or statuses[0] is None or statuses[0] != statuses[1]:
        return False
    if place.name == "grpc-message":
        sound = r"[ -$&-~]*(?:%[0-9a-fA-F]{2}[ -$&-~]*)*"
        texts = (place.go, place.rust)
        return all(re.fullmatch(sound, text) for text in texts) and unquote(
            place.go, "latin-1"
        ) == unquote(place.rust, "latin-1")
    if place.name == "grpc-status-details-bin":
        ours = _bytes(place.go)
        return ours is not None and ours == _bytes(place.rust)
    return False


def _bytes(text: str) -> bytes | None:
    """Base64 with or without its padding, as gRPC allows."""
    try:
        bare = text.rstrip("=")
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    sound = base64.b64encode(data).decode().rstrip("=") == bare
    return data if sound and len(text) <= 16384 else None


def _raw(body: bytes, status: int = 200, **fields: str) -> Answer:
    headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Answer(response=Response(status=status, headers=headers, body=body))


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
    _quiet(
        "header-name-case",
        "Header names in another case",
        "HTTP/1.1 names are canonical: `Content-Type`, `Etag`.",
        "hyper and actix write lower case.",
        fix_rust="hyper's `http1::Builder::title_case_headers(true)`.",
        valid=pairs(
            (answer(204, ETag='"1"'), answer(204, etag='"1"')),
            (_JSON, _raw(b'{"id":1}', content_type="application/json")),
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
        valid=pairs(
            (
                _JSON,
                _raw(_PACKED, Content_Type="application/json", Content_Encoding="gzip"),
            ),
            (_JSON, answer(200, '{"id":1}', vary="accept-encoding")),
            (answer(204, Vary="Origin"), answer(204, vary="origin, accept-encoding")),
        ),
        invalid=pairs(
            (answer(204, Vary="Origin"), answer(204, vary="accept-encoding")),
            (_JSON, answer(200, '{"id":1}', vary="*")),
        ),
    ),
    DivergenceClass(
        id="content-type-charset",
        title="Only the charset parameter differs",
        go="gin `application/json; charset=utf-8`, echo `charset=UTF-8`, FileServer with it.",
        rust="axum `application/json`; ServeDir's text types without it.",
        impact="None: JSON is UTF-8, and text is named only where it is ASCII.",
        fix_go="Set the header.",
        fix_rust="Set the header.",
        severity="benign",
        policy="allow",
        at=_is_charset,
        valid=pairs(
            (answer(200, "{}", Content_Type="application/json; charset=utf-8"), answer(200, "{}")),
            (plain(200, "ok"), answer(200, "ok", content_type="text/plain; charset=UTF-8")),
            (plain(200, "ok"), answer(200, "ok", content_type="text/plain")),
        ),
        invalid=pairs(
            (answer(200, "{}"), answer(200, "{}", content_type="text/html; charset=utf-8")),
            (plain(200, "ok"), answer(200, "ok", content_type="text/plain; charset=latin1")),
            (plain(200, "é"), answer(200, "é", content_type="text/plain")),
        ),
    ),
    DivergenceClass(
        id="content-type-sniffed",
        title="Go guessed the Content-Type of an equal body",
        go="No type set: sniffed, so that JSON becomes `text/plain; charset=utf-8`.",
        rust="The type of the answer's kind; `Vec<u8>` is octet-stream, in actix none.",
        impact="Clients that act on the type stop, or start, to parse the body.",
        fix_go="Set the header.",
        fix_rust="Set the header.",
        severity="breaking",
        policy="fail",
        at=_is_sniffed,
        valid=pairs(
            (plain(200, '{"id":1}'), answer(200, '{"id":1}')),
            (plain(200, "ok"), answer(200, "ok", content_type="application/octet-stream")),
            (plain(200, "ok"), _raw(b"ok")),
        ),
        invalid=pairs(
            (_JSON, answer(200, '{"id":1}', content_type="text/html; charset=utf-8")),
            (plain(200, "ok"), answer(200, "ok", content_type="text/html; charset=utf-8")),
            (plain(200, '{"id":1}'), answer(200, '{"id":2}')),
        ),
    ),
    DivergenceClass(
        id="content-type-presence",
        title="A Content-Type on one side of empty or error answers",
        go="Error replies are typed.",
        rust="An empty body has no Content-Type.",
        impact="None: there is nothing to read, or an error text.",
        fix_go="None needed.",
        fix_rust="Set the header.",
        severity="benign",
        policy="fail",
        at=_is_type_presence,
        valid=pairs(
            (plain(404, "no item"), _raw(b"no item", 404)),
            (answer(200), answer(200, content_type="application/json")),
        ),
        invalid=pairs(
            (plain(200, "ok"), _raw(b"ok")),
            (answer(404, content_type="application/problem+xml"), answer(404)),
        ),
    ),
    DivergenceClass(
        id="nosniff-header",
        title="`X-Content-Type-Options` is lost on errors",
        go="`http.Error` and NotFound add `nosniff`.",
        rust="No such header.",
        impact="A browser may guess the type of an error page.",
        fix_go="None needed.",
        fix_rust="`SetResponseHeaderLayer` with `nosniff`.",
        severity="benign",
        policy="fail",
        at=_is_nosniff,
        valid=pairs(
            (http_error(404, "no item"), plain(404, "no item")),
            (http_error(500, "db"), plain(500, "db")),
        ),
        invalid=pairs(
            (answer(200, "{}", X_Content_Type_Options="nosniff"), answer(200, "{}")),
            (plain(404, "x"), http_error(404, "x")),
        ),
    ),
    DivergenceClass(
        id="allow-header-format",
        title="The Allow list is written otherwise",
        go="`GET, HEAD`; chi `GET`; echo `OPTIONS, GET`.",
        rust="`GET,HEAD`.",
        impact="None, unless the list is compared as a string.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="fail",
        at=_is_allow_spelling,
        valid=pairs(
            (answer(405, Allow="GET, HEAD"), answer(405, allow="GET,HEAD")),
            (answer(405, Allow="GET"), answer(405, allow="GET,HEAD")),
        ),
        invalid=pairs(
            (answer(405, Allow="GET, HEAD"), answer(405, allow="GET,POST")),
            (answer(405, Allow="GET, HEAD"), answer(405, allow="GETHEAD")),
        ),
    ),
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
    DivergenceClass(
        id="grpc-status",
        title="A gRPC status is written otherwise",
        go="Percent-encoded grpc-message; details in grpc-status-details-bin.",
        rust="tonic: the same protocol; details need tonic-types.",
        impact="None where code, message and details are equal, and only then is it named.",
        fix_go="None needed.",
        fix_rust="Send details with `tonic_types`.",
        severity="benign",
        policy="allow",
        at=_is_grpc_text,
        valid=pairs(
            (
                answer(200, Grpc_Status="5", Grpc_Message="no%20item"),
                answer(200, grpc_status="5", grpc_message="no item"),
            ),
            (
                answer(200, Grpc_Status="5", Grpc_Status_Details_Bin="CAU="),
                answer(200, grpc_status="5", grpc_status_details_bin="CAU"),
            ),
        ),
        invalid=pairs(
            (answer(200, Grpc_Status="5"), answer(200, grpc_status="2")),
            (
                answer(200, Grpc_Status="5", Grpc_Message="no%20item"),
                answer(200, grpc_status="5", grpc_message="no items"),
            ),
            (
                answer(200, Grpc_Status="5", Grpc_Message="a%20b"),
                answer(200, grpc_status="2", grpc_message="a b"),
            ),
        ),
    ),
    DivergenceClass(
        id="http2-frames",
        title="HTTP/2 settings, priorities and frames",
        go="HPACK in lower case, SETTINGS and priorities of its own.",
        rust="hyper's h2: others.",
        impact="None: status, headers and body do not show it.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="allow",
        needs="never",
    ),
)
"""Header fields, the most specific first."""
