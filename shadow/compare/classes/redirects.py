"""Redirects: what the routers send by themselves, and how a Location is written."""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import unquote, urljoin

from shadow.compare.classes.base import DivergenceClass, Pair, Place, Side
from shadow.compare.classes.examples import Example, answer, asked, pairs, plain
from shadow.compare.classes.routing import is_default
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT
from shadow.model import Answer

_LONGEST: Final = 10_000
_REASONS: Final = {
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
}


def _stub(location: str, status: int) -> str | None:
    """The body that `http.Redirect` writes for a GET (net/http server.go)."""
    reason = _REASONS.get(status)
    text = html.escape(location, quote=False).replace('"', "&#34;").replace("'", "&#39;")
    return f'<a href="{text}">{reason}</a>.\n\n' if reason else None


_HREF: Final = re.compile(r'<a href="([^"\n]{0,4000})">[A-Za-z ]{1,20}</a>\.\n\n')


def _is_stub(side: Side) -> bool:
    """Go's redirect page, for the Location that it gives."""
    found = _HREF.fullmatch(side.text) if len(side.text) <= _LONGEST else None
    if found is None:
        return False
    target = html.unescape(found[1])
    return side.text == _stub(target, side.status) and _wire(target) == side.headers.get("location")


def _wire(target: str) -> str:
    """Bytes beyond ASCII as `hexEscapeNonASCII` writes them."""
    return "".join(
        chr(byte) if byte < 0x80 else f"%{byte:x}" for byte in target.encode("utf-8", "replace")
    )


def split_query(target: str) -> tuple[str, str]:
    """A target's path, and its query with the question mark."""
    path, mark, query = target.partition("?")
    return path, mark + query


def _moves(pair: Pair) -> str | None:
    """Where Go's router sends a request that Rust does not redirect."""
    go, rust = pair.go, pair.rust
    location = go.headers.get("location")
    if go.status not in (301, 307, 308) or location is None or len(location) > _LONGEST:
        return None
    bare = not go.text and pair.request is not None and pair.request.method not in ("GET", "HEAD")
    head = pair.request is not None and pair.request.method == "HEAD"
    if not (_is_stub(go) or bare or head):
        return None
    return location if rust.status == 404 or 200 <= rust.status < 300 else None


_LOCAL_DIRECTORY: Final = re.compile(r"/[^/]+(?:/[^/]+)*/")


def _is_slash_redirect(pair: Pair) -> bool:
    location = _moves(pair)
    if location is None:
        return False
    path, query = split_query(location)
    if pair.request is None:
        unrouted = pair.rust.status == 404 and is_default(pair.rust)
        return unrouted and _LOCAL_DIRECTORY.fullmatch(path) is not None
    asked_path, asked_query = split_query(pair.request.target)
    one_slash = path + "/" == asked_path or path == asked_path + "/"
    return one_slash and query == asked_query and path not in ("", "/")


def _clean(path: str) -> str:
    """net/http's cleanPath: no empty, `.` and `..` segments; a final slash stays."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    final = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + final


def _is_clean_redirect(pair: Pair) -> bool:
    location = _moves(pair)
    if location is None or pair.request is None or len(pair.request.target) > _LONGEST:
        return False
    asked_path, asked_query = split_query(pair.request.target)
    path, query = split_query(location)
    cleaned = _clean(unquote(asked_path, "latin-1"))
    return (
        cleaned != unquote(asked_path, "latin-1")
        and unquote(path, "latin-1") in (cleaned, cleaned + "/")
        and query == asked_query
    )


_HEX: Final = re.compile(r"%[0-9a-fA-F]{2}")


def _resolved(location: str, pair: Pair) -> str:
    """A Location with one spelling of escapes, resolved where the request is known."""
    escaped = "".join(c if c < "\x80" else f"%{ord(c):X}" for c in location)
    spelled = _HEX.sub(lambda found: found[0].upper(), escaped)
    absolute = "://" in spelled or spelled.startswith("//")
    if pair.request is None or absolute or not pair.request.target.startswith("/"):
        return spelled
    return urljoin("http://h" + pair.request.target, spelled)


def _locations_alike(pair: Pair) -> bool:
    go, rust = (side.headers.get("location", "") for side in (pair.go, pair.rust))
    if not go or not rust or len(go) + len(rust) > _LONGEST:
        return False
    try:
        return go == rust or _resolved(go, pair) == _resolved(rust, pair)
    except ValueError:
        return False


def _is_location_form(place: Place) -> bool:
    pair = place.pair
    both = pair.go.status in _REASONS and pair.rust.status in _REASONS
    created = pair.go.status == pair.rust.status == 201
    spelled = both or created
    return place.name == "location" and spelled and (_locations_alike(pair) or _lost_prefix(pair))


def _lost_prefix(pair: Pair) -> bool:
    """A directory's slash: Go gives `sub/`, ServeDir the path below where it is nested."""
    go, rust = (side.headers.get("location", "") for side in (pair.go, pair.rust))
    path = split_query(pair.request.target)[0] if pair.request is not None else ""
    return (
        _LOCAL_DIRECTORY.fullmatch(rust) is not None
        and (path + "/").endswith(rust)
        and go == path.rpartition("/")[2] + "/"
    )


def _is_redirect_status(pair: Pair) -> bool:
    return (
        pair.go.status != pair.rust.status
        and pair.go.status in _REASONS
        and pair.rust.status in _REASONS
        and _locations_alike(pair)
    )


def _is_stub_place(place: Place) -> bool:
    """The body or type of Go's redirect page, where Rust sends nothing."""
    pair = place.pair
    if not _is_stub(pair.go) or pair.rust.response is None or pair.rust.response.body:
        return False
    if place.where == "body":
        return place.difference.name == ""
    page = place.go == "text/html; charset=utf-8"
    return place.name == "content-type" and page and place.rust is ABSENT


def _is_other_redirect(place: Place) -> bool:
    return _is_redirect_status(place.pair) and _is_stub_place(place)


def _is_redirect_body(place: Place) -> bool:
    pair = place.pair
    same = pair.go.status == pair.rust.status and _locations_alike(pair)
    return same and _is_stub_place(place)


def _redirect(status: int, location: str, text: str | None = None) -> Answer:
    """An example redirect as `http.Redirect` answers a GET."""
    return answer(
        status,
        _stub(location, status) or "" if text is None else text,
        Location=location,
        Content_Type="text/html; charset=utf-8",
    )


WHOLE: Final = frozenset({"status", "body", "content-type", "location"})
"""The places that an answer in place of a redirect explains."""

_JSON: Final = answer(200, '{"id":1}')
_DIR: Final = asked("/dir")
_DOTS: Final = asked("/f/a/../b")

CLASSES: Final = (
    DivergenceClass(
        id="path-clean-redirect",
        title="Go redirects to the cleaned path, Rust serves it",
        go="`//`, `/./` and `/../` are redirected (301, from 1.26 on 307) to the clean path.",
        rust="404, or the handler sees `a/../b` in a wildcard.",
        impact="Security: a handler may leave the tree it serves.",
        fix_go="None needed.",
        fix_rust="Refuse or clean such paths in front of the router.",
        severity="breaking",
        policy="fail",
        needs="request",
        whole=_is_clean_redirect,
        covers=WHOLE,
        valid=(
            Example(go=_redirect(301, "/f/b"), rust=_JSON, request=_DOTS),
            Example(go=_redirect(307, "/a/b"), rust=answer(404), request=asked("/a//b")),
        ),
        invalid=(
            Example(go=_redirect(301, "/f/c"), rust=_JSON, request=_DOTS),
            Example(go=_redirect(301, "/f/b"), rust=_JSON, request=asked("/f/a/b")),
            Example(go=_redirect(301, "/f/b"), rust=_JSON, note="no request"),
        ),
    ),
    DivergenceClass(
        id="trailing-slash-redirect",
        title="Go redirects to the path with or without a slash",
        go="`/dir` → `/dir/`: 301, from 1.26 on 307; gin both ways; chi and echo 404.",
        rust="404.",
        impact="Links without the slash break.",
        fix_go="Register both.",
        fix_rust="`NormalizePathLayer`, or register both.",
        severity="breaking",
        policy="fail",
        whole=_is_slash_redirect,
        covers=WHOLE,
        valid=(
            Example(go=_redirect(307, "/dir/"), rust=answer(404), request=_DIR),
            Example(go=_redirect(301, "/dir/"), rust=answer(404)),
            Example(go=_redirect(301, "/dir?q=1"), rust=_JSON, request=asked("/dir/?q=1")),
        ),
        invalid=(
            Example(go=_redirect(307, "/login/"), rust=answer(404), request=_DIR),
            Example(go=_redirect(301, "/dir/", '<a href="/login/">x</a>.\n\n'), rust=_JSON),
            Example(go=_redirect(302, "/dir/"), rust=answer(404), request=_DIR),
        ),
    ),
    DivergenceClass(
        id="redirect-status",
        title="Another redirect status to the same Location",
        go="The code given to `http.Redirect`, mostly 302.",
        rust="`Redirect::to` 303, `temporary` 307, `permanent` 308; actix 307.",
        impact="303 turns a POST into a GET; 307 and 308 repeat it.",
        fix_go="None needed.",
        fix_rust="Answer a status and a Location header.",
        severity="breaking",
        policy="fail",
        whole=_is_redirect_status,
        covers=frozenset({"status"}),
        at=_is_other_redirect,
        types=HEADER | {"text"},
        when=_is_redirect_status,
        valid=pairs(
            (_redirect(302, "/json"), answer(303, location="/json")),
            (answer(301, Location="/a"), answer(308, location="/a")),
        ),
        invalid=pairs(
            (answer(302, Location="/login"), answer(303, location="/")),
            (answer(302, Location="/a"), answer(200, location="/a")),
        ),
    ),
    DivergenceClass(
        id="redirect-body",
        title="Go's redirect page is missing",
        go='`<a href="/json">Found</a>.` in HTML for a GET.',
        rust="An empty body.",
        impact="None: clients follow the Location.",
        fix_go="None needed.",
        fix_rust="None needed.",
        severity="benign",
        policy="allow",
        at=_is_redirect_body,
        types=HEADER | {"text"},
        valid=pairs(
            (_redirect(302, "/json"), answer(302, location="/json")),
            (_redirect(303, "/a?b=1&c=2"), answer(303, location="/a?b=1&c=2")),
        ),
        invalid=pairs(
            (_redirect(302, "/json"), answer(302, location="/login")),
            (_redirect(302, "/json", "<p>moved</p>"), answer(302, location="/json")),
            (_redirect(302, "/json"), plain(302, "moved", location="/json")),
        ),
    ),
    DivergenceClass(
        id="redirect-location-form",
        title="Location is written otherwise, or lost its prefix",
        go="Resolved against the request; bytes beyond ASCII as `%c3%a9`; FileServer `sub/`.",
        rust="As given; ServeDir `/sub/`, without the prefix under which it is nested.",
        impact="None where it resolves to the same; a lost prefix breaks the link.",
        fix_go="Give absolute paths in ASCII.",
        fix_rust="Give absolute paths in ASCII.",
        severity="risky",
        policy="fail",
        at=_is_location_form,
        types=HEADER,
        valid=(
            Example(go=_redirect(302, "/caf%c3%a9"), rust=answer(302, location="/caf%C3%A9")),
            Example(
                go=_redirect(302, "/a/b"),
                rust=answer(302, location="b"),
                request=asked("/a/start"),
            ),
            Example(
                go=answer(301, Location="sub/"),
                rust=answer(301, location="/sub/"),
                request=asked("/static/sub"),
                note="the prefix is lost",
            ),
        ),
        invalid=(
            Example(go=_redirect(302, "/login"), rust=answer(302, location="/")),
            Example(
                go=answer(301, Location="sub/"),
                rust=answer(301, location="/other/"),
                request=asked("/static/sub"),
            ),
        ),
    ),
)
"""Redirects, the most specific first."""
