"""Where in a request or a response a value stands, and how one is put in its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Final, Literal, cast, get_args
from urllib.parse import quote, unquote, unquote_plus

import msgspec

from shadow.compare.encodings import UndecodableError, decode
from shadow.compare.headers import Cookie
from shadow.compare.json_lookup import scalars_at
from shadow.compare.json_places import Value, edited
from shadow.compare.json_text import Json, NotJsonError, Number, read, string_value
from shadow.compare.paths import Path, normalized, pattern
from shadow.compare.rules import parse_pattern
from shadow.errors import ConfigError
from shadow.model import FORM, Headers, Request, Response, header, header_values, media_type

Kind = Literal["json", "form", "header", "cookie", "query", "path"]
Edit = Callable[["Place", str], str | None]
"""Takes a text and where it stands; gives what stands there instead, or None to leave it."""

MAX_BODY: Final = 8 << 20
"""Bytes of a decoded body that is looked into."""
MAX_VALUES: Final = 10_000
"""Values of one body that are looked at."""
MAX_DEPTH: Final = 64
"""Containers around a value of JSON that is looked at."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_IN_A_SEGMENT: Final = "!$&'()*+,;=:@"
_IN_A_QUERY: Final = "!$'()*,:@/?"


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a value stands.

    `name` is a path of JSON with `[*]` for positions and variable keys, the name of a form field,
    header (in lower case), cookie or query parameter, or the number of a path's segment, from 1.
    """

    kind: Kind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == "json" else f"{self.kind}:{self.name}"


def parse_place(text: str) -> Place:
    """Read `$.token`, `header:authorization`, `path:3`, `cookie:sid`, `query:q`, `form:csrf`.

    Raises ConfigError.
    """
    if text.startswith("$"):
        steps = parse_pattern(text).steps
        return Place("json", pattern(tuple(want if kind == "name" else 0 for kind, want in steps)))
    kind, colon, name = text.partition(":")
    known = kind in get_args(Kind) and kind != "json" and colon and name
    if not known or (kind == "path" and not (name.isdecimal() and int(name) > 0)):
        raise ConfigError(
            f"place {text!r} is not understood",
            "write it like $.token, header:location, cookie:sid, query:cursor, path:3, form:csrf",
        )
    return Place(cast("Kind", kind), name.lower() if kind == "header" else name)


# Of a request.


def rewritten(
    request: Request,
    kinds: Collection[Kind],
    edit: Edit,
    *,
    members: Collection[str] | None = None,
) -> Request:
    """Return the request with what `edit` makes of the texts at its places of these kinds.

    What is not edited keeps its spelling. A body that is encoded, cut or longer than 8 MiB is
    not looked into. Where `edit` has something for a few places of JSON only, `members` are
    their names: to look at every one takes seconds for a megabyte.
    """
    target = _target(request.target, kinds, edit)
    headers = request.headers
    if "header" in kinds or "cookie" in kinds:
        headers = tuple((name, _header(name, value, kinds, edit)) for name, value in headers)
    body = _body(request, kinds, edit, members)
    if target == request.target and headers == request.headers and body == request.body:
        return request
    return msgspec.structs.replace(request, target=target, headers=headers, body=body)


def rewritten_at(request: Request, places: Collection[Place], edit: Edit) -> Request:
    """As `rewritten`, where `edit` has something for these places only."""
    kinds = frozenset(place.kind for place in places)
    members = [place.name for place in places if place.kind == "json"]
    return rewritten(request, kinds, edit, members=members)


def _target(target: str, kinds: Collection[Kind], edit: Edit) -> str:
    path, mark, query = target.partition("?")
    if "path" in kinds:
        start, *segments = path.split("/")
        path = "/".join(
            [
                start,
                *(
                    _escaped(Place("path", str(number)), segment, edit, _IN_A_SEGMENT, unquote)
                    for number, segment in enumerate(segments, 1)
                ),
            ]
        )
    if "query" in kinds:
        query = _pairs(query, "query", edit)
    return f"{path}{mark}{query}"


def _escaped(place: Place, raw: str, edit: Edit, safe: str, unescape: Callable[[str], str]) -> str:
    """Edit a text as it is spelled; where that finds nothing, what its escapes stand for."""
    if not raw:
        return raw
    other = edit(place, raw)
    if other is not None:
        return raw if other == raw else quote(other, safe=safe + "%")
    if "%" not in raw and "+" not in raw:
        return raw
    other = edit(place, unescape(raw))
    return raw if other is None else quote(other, safe=safe)


def _pairs(text: str, kind: Literal["query", "form"], edit: Edit) -> str:
    if not text:
        return text
    pairs = text.split("&")
    for number, pair in enumerate(pairs[:MAX_VALUES]):
        name, equals, value = pair.partition("=")
        if value:
            place = Place(kind, unquote_plus(name))
            pairs[number] = name + equals + _escaped(place, value, edit, _IN_A_QUERY, unquote_plus)
    return "&".join(pairs)


def _header(name: str, value: str, kinds: Collection[Kind], edit: Edit) -> str:
    key = name.lower()
    if key == "cookie":
        return _cookies(value, edit) if "cookie" in kinds else value
    if "header" not in kinds:
        return value
    other = edit(Place("header", key), value)
    return value if other is None else other


def _cookies(value: str, edit: Edit) -> str:
    pairs = value.split(";")
    for number, pair in enumerate(pairs[:MAX_VALUES]):
        name, equals, text = pair.partition("=")
        other = edit(Place("cookie", name.strip()), text) if text else None
        if other is not None:
            pairs[number] = name + equals + other
    return ";".join(pairs)


def _body(
    request: Request, kinds: Collection[Kind], edit: Edit, members: Collection[str] | None
) -> bytes:
    body = request.body
    if not body or request.truncated or len(body) > MAX_BODY:
        return body
    if header(request.headers, "content-encoding") and not request.decoded:
        return body
    if "form" in kinds and media_type(request.headers) == FORM:
        return _pairs(body.decode("latin-1"), "form", edit).encode("latin-1", "replace")
    if "json" not in kinds or body.lstrip()[:1] not in (b"{", b"[", b'"'):
        return body
    try:
        text = body.decode()
        found = None if members is None else scalars_at(text, members)
        return edited(text, lambda value, lexeme: _json(value, lexeme, edit), found).encode()
    except (NotJsonError, UnicodeError):
        return body


def _json(value: Value, lexeme: str, edit: Edit) -> str | None:
    if value.kind == "word" or value.depth > MAX_DEPTH:
        return None
    is_number = value.kind == "number"
    text = lexeme if is_number else string_value(lexeme)
    other = edit(Place("json", pattern(value.path)), text)
    if other is None or other == text:
        return None
    if is_number and _NUMBER.fullmatch(other):
        return other
    return json.dumps(other, ensure_ascii=False)


# Of a response.


class Found(msgspec.Struct, frozen=True):
    """A value of a response, with its place and which one of those at the place it is."""

    place: Place
    which: str
    """The whole path of JSON, else the number of the field."""
    text: str
    path: Path = ()
    """Of JSON."""


def values_of(response: Response, kinds: Collection[Kind], *, shortest: int = 0) -> Iterator[Found]:
    """Yield the values of a response: scalars of JSON, cookies it sets, headers; bounded.

    Of JSON only those of so many characters. Half a surrogate pair can be sent nowhere, so it
    makes no value.
    """
    for found in _all_values(response, kinds, shortest):
        if not _SURROGATE.search(found.text):
            yield found


def _all_values(response: Response, kinds: Collection[Kind], shortest: int) -> Iterator[Found]:
    if "json" in kinds:
        yield from _json_values(response, shortest)
    if "cookie" in kinds:
        for text in header_values(response.headers, "set-cookie")[:MAX_VALUES]:
            cookie = Cookie(text)
            yield Found(Place("cookie", cookie.name), cookie.name, cookie.value)
    if "header" in kinds:
        yield from _header_values(response.headers)


def _header_values(headers: Headers) -> Iterator[Found]:
    for number, (name, value) in enumerate(headers[:MAX_VALUES]):
        key = name.lower()
        if key != "set-cookie":
            yield Found(Place("header", key), f"{key} {number}", value)


def _json_values(response: Response, shortest: int) -> Iterator[Found]:
    document = _document(response)
    pending: list[tuple[Path, Json]] = [((), document)]
    for _ in range(MAX_VALUES):
        if not pending:
            return
        path, value = pending.pop()
        if len(path) > MAX_DEPTH:
            continue
        if isinstance(value, dict):
            pending += [((*path, key), value[key]) for key in reversed(list(value)[:MAX_VALUES])]
        elif isinstance(value, list):
            items = value[:MAX_VALUES]
            pending += [((*path, at), items[at]) for at in reversed(range(len(items)))]
        elif isinstance(value, str | Number):
            text = value.lexeme if isinstance(value, Number) else value
            if len(text) >= shortest:
                yield Found(Place("json", pattern(path)), normalized(path), text, path)


def _document(response: Response) -> Json:
    """The JSON of a body, or None."""
    codings = [] if response.decoded else header_values(response.headers, "content-encoding")
    try:
        body = decode(response.body, codings, MAX_BODY)
        if response.truncated or len(body) > MAX_BODY or body.lstrip()[:1] not in (b"{", b"["):
            return None
        return read(body.decode()).value
    except (UndecodableError, NotJsonError, UnicodeError):
        return None
