"""Cookies: how each side writes them, and how it reads a request's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from shadow.compare.classes.base import DivergenceClass, Pair, Place
from shadow.compare.classes.examples import Example, answer, asked
from shadow.compare.classes.inputs import json_value, shown_text
from shadow.compare.classes.value_types import HEADER
from shadow.compare.difference import ABSENT
from shadow.model import Request

_LONGEST: Final = 10_000
_MOST: Final = 200
_SOUND_ESCAPES: Final = re.compile(r"[!-$&-~]*(?:%[0-9a-fA-F]{2}[!-$&-~]*)*")
_QUOTED: Final = re.compile(r'"[^"\\]*"')
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _unquoted(value: str) -> str:
    return value[1:-1] if _QUOTED.fullmatch(value) else value


def _written_by_go(value: str) -> Iterator[str]:
    """What a Go cookie stands for: quotes are no part of it; gin escapes as in a query."""
    yield _unquoted(value)
    if _SOUND_ESCAPES.fullmatch(value) and ("%" in value or "+" in value):
        yield _text(unquote_plus(value, "latin-1"))


def _written_by_rust(value: str) -> Iterator[str]:
    """What a Rust cookie stands for: axum-extra escapes it, the plain jar does not."""
    yield _unquoted(value)
    if _SOUND_ESCAPES.fullmatch(value) and "%" in value:
        yield _text(unquote(value, "latin-1"))


def _text(wire: str) -> str:
    return wire.encode("latin-1", "replace").decode("utf-8", "replace")


def _is_cookie_spelling(place: Place) -> bool:
    """One value written in two ways, with every attribute as it was."""
    if not place.name.startswith("set-cookie/") or place.name.count("/") != 1:
        return False
    go, rust = place.go, place.rust
    if not isinstance(go, str) or not isinstance(rust, str) or len(go) + len(rust) > _LONGEST:
        return False
    attributes = place.name + "/"
    if any((other.name or "").startswith(attributes) for other in place.pair.differences):
        return False
    return not set(_written_by_go(go)).isdisjoint(_written_by_rust(rust))


def _cookie_header(request: Request | None) -> str:
    if request is None:
        return ""
    values = [value for name, value in request.headers if name.lower() == "cookie"]
    text = "; ".join(values)
    return text if len(text) <= _LONGEST else ""


def _read_by_go(header: str) -> list[tuple[str, str]]:
    """net/http: quotes stripped, nothing decoded, duplicates and bare names kept."""
    found = []
    for part in header.split(";")[:_MOST]:
        name, _, value = part.strip().partition("=")
        if not _TOKEN.fullmatch(name.strip()):
            continue
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        if all(" " <= c <= "~" and c not in '";\\' for c in value):
            found.append((name.strip(), value))
    return found


def _read_by_rust(header: str) -> dict[str, str]:
    """axum-extra: escapes decoded, quotes kept, the last of a name, no bare names."""
    found = {}
    for part in header.split(";")[:_MOST]:
        name, equals, value = part.strip().partition("=")
        if equals and name.strip():
            found[_text(unquote(name.strip(), "latin-1"))] = _text(
                unquote(value.strip(), "latin-1")
            )
    return found


def _renders(name: str, value: str) -> tuple[str, str]:
    return value, f"{name}={value}"


def _has_cookies(pair: Pair) -> bool:
    return bool(_cookie_header(pair.request))


def _is_cookie_read(place: Place) -> bool:
    """The request's Cookie header explains both values."""
    header = _cookie_header(place.pair.request)
    whole_text = place.where == "body" and place.difference.name == ""
    if not header or not (place.in_json or whole_text):
        return False
    ours, theirs = _read_by_go(header), _read_by_rust(header)
    go, rust = shown_text(place.go), shown_text(place.rust)
    for name, value in ours:
        other = theirs.get(name)
        if other is not None and value != other and isinstance(go, str):
            pairs = zip(_renders(name, value), _renders(name, other), strict=True)
            if (go, rust) in pairs:
                return True
    return _are_cookie_lists(place, ours, theirs)


def _are_cookie_lists(place: Place, ours: list[tuple[str, str]], theirs: dict[str, str]) -> bool:
    """The lists that hold the place are all cookies, as each side reads them."""
    go, rust = place.go, place.rust
    if place.kind in ("missing", "extra") or isinstance(place.key, int):
        path = place.difference.path[:-1]
        go = _at(place.pair.go.text, path)
        rust = _at(place.pair.rust.text, path)
    if not _are_texts(go) or not _are_texts(rust) or not ours or go == rust:
        return False
    return any(
        go == [_renders(*cookie)[form] for cookie in ours]
        and sorted(rust) == sorted(_renders(*cookie)[form] for cookie in theirs.items())
        for form in (0, 1)
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _at(text: str, path: tuple[str | int, ...]) -> Any:
    value = json_value(text)
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step, ABSENT)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return ABSENT
    return value


def _set(go: str, rust: str) -> Example:
    return Example(go=answer(200, Set_Cookie=go), rust=answer(200, set_cookie=rust))


def _read(cookie: str, go: str, rust: str) -> Example:
    return Example(
        go=answer(200, go), rust=answer(200, rust), request=asked("/readcookie", Cookie=cookie)
    )


CLASSES: Final = (
    DivergenceClass(
        id="cookie-encoding",
        title="A cookie's value is quoted or escaped otherwise",
        go='Quoted where it holds a space or comma, `a="x y,z"`; gin escapes: `x+y%2Cz`.',
        rust="axum-extra escapes it: `x%20y%2Cz`.",
        impact="None for a browser; a service of the other kind reads another value.",
        fix_go="`url.PathEscape` the value where both services share the cookie.",
        fix_rust="Build the header without encoding (`Cookie::to_string`).",
        severity="benign",
        policy="fail",
        at=_is_cookie_spelling,
        types=HEADER,
        valid=(
            _set('a="x y,z"; Path=/; HttpOnly', "a=x%20y%2Cz; HttpOnly; Path=/"),
            _set("a=x+y%2Cz; Path=/", "a=x%20y%2Cz; Path=/"),
        ),
        invalid=(
            _set('a="x y"; Path=/; HttpOnly', "a=x%20y; Path=/"),
            _set('a="x y"', "a=x%20z"),
            _set("a=x y; Secure", "a=x%20y"),
            _set("a=1; Max-Age=10", "a=1; Max-Age=100"),
        ),
    ),
    DivergenceClass(
        id="cookie-parse",
        title="A request's cookies are read otherwise",
        go="Quotes stripped, nothing decoded, duplicates and bare names kept.",
        rust="axum-extra: quotes kept, escapes decoded, the last duplicate, order of a hash.",
        impact="Sessions break: the other service reads another value.",
        fix_go="Set cookie values that need no quotes and no escapes.",
        fix_rust="`cookie::Cookie::split_parse`, which does not decode.",
        severity="breaking",
        policy="fail",
        needs="request",
        at=_is_cookie_read,
        when=_has_cookies,
        valid=(
            _read('a="x y"', '["a=x y"]', '["a=\\"x y\\""]'),
            _read("a=x%20y", '{"a":"x%20y"}', '{"a":"x y"}'),
            _read("a=1; a=2; b=3", '["a=1","a=2","b=3"]', '["b=3","a=2"]'),
        ),
        invalid=(
            _read('a="x y"', '["a=x y"]', '["a=x_y"]'),
            _read("a=1; b=2", '{"a":"1"}', '{"a":"2"}'),
            _read("a=1; a=2", '["a=1","a=2"]', '["a=1"]'),
        ),
    ),
)
"""Cookies written and read."""
