"""Content types: charset, sniffing, presence, `nosniff`."""

from __future__ import annotations

import re
from typing import Any, Final

from shadow.compare.classes.base import DivergenceClass, Place, Side
from shadow.compare.classes.examples import answer, http_error, pairs, plain
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import NotJsonError, read
from shadow.model import Answer, Response

_MEDIA: Final = re.compile(
    r"(?P<type>[a-z]+/[a-z0-9.+-]+)(?: ?; ?charset=(?:utf-8|\"utf-8\"))?",
    re.IGNORECASE | re.ASCII,
)
_ENCODED_TYPES: Final = re.compile(r"application/(?:[a-z0-9.-]+\+)?json")
"""Types whose encoding is UTF-8 whatever a parameter says (RFC 8259 8.1)."""


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
    body = side.body
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
    ours, theirs = place.pair.go.body, place.pair.rust.body
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
    empty = go.body == rust.body == b""
    return present in _DEFAULT_TYPES and (empty or (go.status >= 400 and rust.status >= 400))


def _is_nosniff(place: Place) -> bool:
    return (
        place.name == "x-content-type-options"
        and place.go == "nosniff"
        and place.rust is ABSENT
        and place.pair.go.status >= 400
    )


_JSON: Final = answer(200, '{"id":1}')


def _untyped(body: bytes, status: int = 200, **fields: str) -> Answer:
    headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return Answer(response=Response(status=status, headers=headers, body=body))


CLASSES: Final = (
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
        types=HEADER,
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
        types=HEADER,
        valid=pairs(
            (plain(200, '{"id":1}'), answer(200, '{"id":1}')),
            (plain(200, "ok"), answer(200, "ok", content_type="application/octet-stream")),
            (plain(200, "ok"), _untyped(b"ok")),
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
        types=HEADER,
        valid=pairs(
            (plain(404, "no item"), _untyped(b"no item", 404)),
            (answer(200), answer(200, content_type="application/json")),
        ),
        invalid=pairs(
            (plain(200, "ok"), _untyped(b"ok")),
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
        types=HEADER,
        valid=pairs(
            (http_error(404, "no item"), plain(404, "no item")),
            (http_error(500, "db"), plain(500, "db")),
        ),
        invalid=pairs(
            (answer(200, "{}", X_Content_Type_Options="nosniff"), answer(200, "{}")),
            (plain(404, "x"), http_error(404, "x")),
        ),
    ),
)
"""Content types, the most specific first."""
