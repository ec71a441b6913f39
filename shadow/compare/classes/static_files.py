"""Static files: FileServer against ServeDir."""

from __future__ import annotations

from typing import Final

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.examples import Example, answer, asked, http_error, pairs, plain
from shadow.compare.classes.redirects import WHOLE, split_query
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT


def _is_index_redirect(pair: Pair) -> bool:
    at_index = pair.request is None or split_query(pair.request.target)[0].endswith("/index.html")
    location = split_query(pair.go.headers.get("location", ""))
    same_query = pair.request is None or location[1] == split_query(pair.request.target)[1]
    return (
        (pair.go.status, pair.rust.status) == (301, 200)
        and location[0] == "./"
        and same_query
        and at_index
        and not pair.go.text
    )


def _is_bare_304(place: Place) -> bool:
    return (
        place.name == "last-modified"
        and place.rust is ABSENT
        and place.pair.go.status == place.pair.rust.status == 304
    )


_GO_RANGE: Final = frozenset({"invalid range: failed to overlap\n", "invalid range\n"})
_RUST_MULTIRANGE: Final = "Cannot serve multipart range requests"


def _is_range_refusal(pair: Pair) -> bool:
    go, rust = pair.go, pair.rust
    if go.status == 416:
        refused_alike = rust.status == 416 and rust.text in ("", _RUST_MULTIRANGE)
        return go.text in _GO_RANGE and (refused_alike or rust.status == 200)
    return rust.status == 416 and rust.text == _RUST_MULTIRANGE and go.status in (200, 206)


_FILE_FIELDS: Final = ("content-range", "accept-ranges", "last-modified")


def _is_range_field(place: Place) -> bool:
    """A field of the file that only one side gives with its refusal."""
    one_sided = place.go is ABSENT or place.rust is ABSENT
    return place.name in _FILE_FIELDS and one_sided and _is_range_refusal(place.pair)


CLASSES: Final = (
    DivergenceClass(
        id="static-index-redirect",
        title="`/index.html` is redirected to its directory",
        go="FileServer: 301 to `./`.",
        rust="ServeDir: 200.",
        impact="One round trip less.",
        fix_go="Serve the file with `http.ServeContent`.",
        fix_rust="Redirect where the canonical address matters.",
        severity="breaking",
        policy="fail",
        whole=_is_index_redirect,
        covers=WHOLE | {"last-modified", "accept-ranges"},
        valid=pairs(
            (answer(301, Location="./"), answer(200, "<p>", content_type="text/html")),
            Example(
                go=answer(301, Location="./"),
                rust=answer(200, "<p>", content_type="text/html"),
                request=asked("/static/index.html"),
            ),
        ),
        invalid=pairs(
            (answer(301, Location="./login"), answer(200, "<p>", content_type="text/html")),
            (answer(301, Location="./"), answer(404)),
        ),
    ),
    DivergenceClass(
        id="static-304-headers",
        title="A 304 without Last-Modified",
        go="FileServer keeps Last-Modified.",
        rust="ServeDir sends a bare 304.",
        impact="None: the client keeps what it has stored.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="fail",
        at=_is_bare_304,
        types=HEADER,
        valid=pairs(
            (answer(304, Last_Modified="Sun, 22 Nov 2026 10:14:45 GMT"), answer(304)),
            (answer(304, Last_Modified="Thu, 01 Jan 1970 00:00:01 GMT"), answer(304)),
        ),
        invalid=pairs(
            (answer(200, Last_Modified="Sun, 22 Nov 2026 10:14:45 GMT"), answer(200)),
            (answer(304, Cache_Control="no-store"), answer(304)),
        ),
    ),
    DivergenceClass(
        id="range-handling",
        title="Unsatisfiable or multiple ranges are answered otherwise",
        go="FileServer: 416 with a text; several ranges give a 206 multipart or the whole file.",
        rust="ServeDir: 416 empty; several ranges are refused with 416.",
        impact="Rare: download managers and PDF viewers ask for several ranges.",
        fix_go="Usually none.",
        fix_rust="Drop the Range header of multi-range requests before ServeDir.",
        severity="breaking",
        policy="fail",
        whole=_is_range_refusal,
        at=_is_range_field,
        types=HEADER,
        valid=pairs(
            (http_error(416, "invalid range: failed to overlap"), answer(416)),
            (
                answer(206, "--b\r\n", Content_Type="multipart/byteranges; boundary=b"),
                plain(416, _RUST_MULTIRANGE),
            ),
        ),
        invalid=pairs(
            (plain(206, "abc"), answer(416)), (http_error(416, "no such slice"), answer(416))
        ),
    ),
)
"""Answers of the file servers."""
