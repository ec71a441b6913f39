"""URLs in captures: where a request went, and what its target was."""

from __future__ import annotations

import re
from typing import Final

from shadow.captures.records import UnwritableError
from shadow.captures.syntax import MalformedError
from shadow.model import Headers, Request, header, isomorphic

# Possessive, for a URL that is none is refused in one pass.
_URL: Final = re.compile(r"https?://(?:[^/?#@]*+@)*+([^/?#\s]++)([^#\s]*+)(?:#.*)?", re.IGNORECASE)
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


def split_url(url: str) -> tuple[str, str]:
    """Return the authority, without user, and the target as it is spelled, isomorphic.

    Raises MalformedError for what is no URL of the web.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise MalformedError("the URL is not http or https")
    rest = found[2]
    target = rest if rest.startswith("/") else f"/{rest}"
    return isomorphic(found[1]), isomorphic(target)


def with_host(headers: Headers, authority: str) -> Headers:
    """Return the headers of a request, with the authority of its URL where they name no host."""
    if header(headers, "host") is None:
        return (("Host", authority), *headers)
    return headers


def url_of(request: Request) -> str:
    """Return the URL of a recorded request, as Unicode text; its scheme is taken to be http.

    Raises UnwritableError where there is none: no Host, or a target that is no path.
    """
    if _ABSOLUTE.match(request.target):
        return utf8(request.target, "the target")
    host = header(request.headers, "host")
    if not host:
        raise UnwritableError("the request has no Host")
    if not request.target.startswith("/"):
        raise UnwritableError("the target is no path")
    return utf8(f"http://{host}{request.target}", "the URL")


def utf8(wire: str, what: str) -> str:
    """Return an isomorphic text as Unicode. Raises UnwritableError where it is not UTF-8."""
    try:
        return wire.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise UnwritableError(f"{what} is not UTF-8") from None
