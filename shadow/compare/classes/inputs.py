"""The inputs of a request, and how the values of an answer show them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

from shadow.compare.classes.base import Place
from shadow.compare.classes.error_texts import LONGEST
from shadow.compare.classes.examples import Example, answer
from shadow.compare.difference import ABSENT
from shadow.compare.json_text import NotJsonError, Number, read
from shadow.model import Request

_MOST_FIELDS: Final = 1000
BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")


@lru_cache(maxsize=8)
def json_value(text: bytes | str) -> Any:
    """The value of a JSON text, ABSENT where it is none or is too long."""
    if len(text) > 1 << 16:
        return ABSENT
    try:
        return read(text if isinstance(text, str) else text.decode()).value
    except (NotJsonError, UnicodeDecodeError):
        return ABSENT


def path_of(request: Request | None) -> str:
    """The path of the target, escaped as sent; empty without a request."""
    return request.target.partition("?")[0] if request is not None else ""


def query_of(request: Request | None) -> str:
    """The query of the target, escaped as sent; empty without a request."""
    return request.target.partition("?")[2] if request is not None else ""


def fields_of(text: str) -> list[str]:
    """The first fields of a query or form, as sent; none of one that is too long."""
    return text.split("&")[:_MOST_FIELDS] if len(text) <= LONGEST else []


def _decoded(raw: str) -> str:
    """A form field as form_urlencoded reads it: a bad escape stays as it stands."""
    return unquote_plus(raw.encode("latin-1").decode("utf-8", "replace"), errors="replace")


def read_field(field: str) -> tuple[str, str]:
    """The decoded name and value of a field."""
    name, _, value = field.partition("=")
    return _decoded(name), _decoded(value)


def shown_text(value: Any) -> Any:
    """A value as the text of an input: a number's lexeme, a plain text without its newline."""
    if isinstance(value, Number):
        return value.lexeme
    return str(value).removesuffix("\n") if isinstance(value, str) else value


def is_shown(place: Place) -> bool:
    """Whether a place may show an input: a value in JSON, or a short plain text."""
    whole_text = place.where == "body" and place.difference.name == ""
    both = place.pair.go.accepted and place.pair.rust.accepted
    return both and (
        place.in_json or (whole_text and len(str(place.go)) < 4096 > len(str(place.rust)))
    )


def is_nothing(value: Any) -> bool:
    """Whether a value is absent, null or an empty text."""
    return value is ABSENT or value is None or shown_text(value) == ""


def is_semicolon_data(place: Place, fields: list[str]) -> bool:
    """Whether Go dropped a field with a semicolon that Rust took as data."""
    if not is_shown(place) or not is_nothing(place.go if place.go != [] else None):
        return False
    rust = place.rust[0] if isinstance(place.rust, list) and len(place.rust) == 1 else place.rust
    return any(
        ";" in field and shown_text(rust) == read_field(field)[1] and ";" in read_field(field)[1]
        for field in fields
    )


def json_for(request: Request, go: str, rust: str) -> Example:
    """An example of two JSON bodies with status 200 that answer a request."""
    return Example(go=answer(200, go), rust=answer(200, rust), request=request)
