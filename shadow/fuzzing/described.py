"""Requests made of an OpenAPI document, by its examples, defaults and types. Pure.

Source: https://spec.openapis.org/oas/v3.1.1.html; of Swagger 2 the parameters, `in: body` too.
A document in YAML is all text (`captures.yaml_text`), so a type decides what an example is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from shadow.captures.openapi import METHODS, path_items, path_prefixes, resolved
from shadow.compare.json_text import Json, Number, to_text
from shadow.fuzzing.parameters import escaped
from shadow.model import Request, isomorphic

MAX_REQUESTS: Final = 1_000
_DEPTH: Final = 8
_MEMBERS: Final = 50
"""Of one object, and parameters of one operation."""
_NODES: Final = 500
"""Values of one body."""
_TEXT: Final = 4_096
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LEXEME: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_FORMATS: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "a@example.com",
    "uri": "https://example.com/",
}
_WORDS: Final = {"true": True, "false": False, "null": None}

_Object = dict[str, Any]


def requests(document: _Object) -> Iterator[Request]:
    """Yield a request for each operation of a document, at most `MAX_REQUESTS`."""
    prefix = path_prefixes(document)[0]
    left = MAX_REQUESTS
    for route, item in path_items(document):
        for method in METHODS:
            if method in item and left > 0:
                left -= 1
                yield _Operation(document, item, item[method]).request(method, prefix + route)


class _Operation:
    """One operation, and how much more may be made for it."""

    def __init__(self, document: _Object, item: _Object, operation: Any) -> None:
        self._document = document
        self._operation = resolved(operation, document)
        shared, own = item.get("parameters"), self._operation.get("parameters")
        listed = [*_list(shared), *_list(own)][:_MEMBERS]
        self._parameters = [resolved(each, document) for each in listed]
        self._room = _NODES

    def request(self, method: str, route: str) -> Request:
        path, query, headers = route, [], [("Accept", "*/*")]
        for parameter in self._parameters:
            name = parameter.get("name")
            where = parameter.get("in")
            if not isinstance(name, str):
                continue
            if where == "path":
                path = path.replace("{" + name + "}", self._text(parameter))
            elif where == "query":
                query.append(f"{escaped(name)}={self._text(parameter)}")
            elif where == "header" and _NAME.fullmatch(name):
                headers.append((name, self._text(parameter)))
        media, body = self._body()
        if media:
            headers.append(("Content-Type", media))
        target = _without_braces(path) + ("?" + "&".join(query) if query else "")
        return Request(
            method=method.upper(), target=isomorphic(target), headers=tuple(headers), body=body
        )

    def _text(self, parameter: _Object) -> str:
        """What a parameter is, as it stands in a query or a path."""
        schema = parameter.get("schema", parameter)  # of Swagger 2 the parameter itself
        value = self._value(schema, _example(parameter), 0)
        return escaped(value if isinstance(value, str) else to_text(value, _TEXT)) or "1"

    def _body(self) -> tuple[str, bytes]:
        """The media type of the body and the body; both empty where there is none."""
        body = resolved(self._operation.get("requestBody"), self._document)
        content = body.get("content")
        for media, described in list(content.items())[:20] if isinstance(content, dict) else []:
            if isinstance(media, str) and media.partition(";")[0].strip().endswith("json"):
                return "application/json", self._json(resolved(described, self._document))
        for parameter in self._parameters:
            if parameter.get("in") == "body":
                return "application/json", self._json(parameter)
        return "", b""

    def _json(self, described: _Object) -> bytes:
        value = self._value(described.get("schema"), _example(described), 0)
        return to_text(value, 2 * _NODES * _TEXT).encode()

    def _value(self, schema: Any, example: Any, depth: int) -> Json:
        """A value of a schema: as an example has it, else the simplest one of its type."""
        self._room -= 1
        schema = resolved(schema, self._document)
        parts = next((each for name in _CHOICES if (each := _list(schema.get(name)))), None)
        if parts and depth < _DEPTH:
            return self._value(self._joined(schema, parts), example, depth + 1)
        example = _example(schema) if example is None else example
        kind = _kind(schema, example)
        if kind == "object":
            return self._object(schema, example if isinstance(example, dict) else {}, depth)
        if kind == "array":
            given = _list(example)[:_MEMBERS] or [None]
            return [
                self._value(schema.get("items"), each, depth + 1)
                for each in given
                if depth < _DEPTH and self._room > 0
            ]
        return _scalar(kind, example, schema)

    def _joined(self, schema: _Object, parts: list[Any]) -> _Object:
        """The members of all of `allOf`, or the first of `oneOf` and `anyOf`."""
        chosen = parts[:_MEMBERS] if "allOf" in schema else parts[:1]
        joined: _Object = {}
        properties: _Object = {}
        for part in chosen:
            found = resolved(part, self._document)
            joined |= found
            properties |= _object(found.get("properties"))
        kept = {name: each for name, each in schema.items() if name not in _CHOICES}
        return {**joined, **kept, **({"properties": properties} if properties else {})}

    def _object(self, schema: _Object, example: _Object, depth: int) -> Json:
        properties = _object(schema.get("properties"))
        names = [name for name in {**properties, **example} if isinstance(name, str)]
        return {
            name: self._value(properties.get(name), example.get(name), depth + 1)
            for name in names[:_MEMBERS]
            if depth < _DEPTH and self._room > 0
        }


_CHOICES: Final = ("allOf", "oneOf", "anyOf")


def _example(described: _Object) -> Any:
    """The first example of a parameter, a body or a schema; its default or first value else."""
    named = described.get("examples")
    if isinstance(named, dict) and named:
        first = next(iter(named.values()))
        return first.get("value") if isinstance(first, dict) else None
    listed = _list(named) or _list(described.get("enum"))
    for given in (described.get("example"), described.get("default"), *listed[:1]):
        if given is not None:
            return given
    return None


def _kind(schema: _Object, example: Any) -> str:
    """The type of a value; where the schema has none, by what is there."""
    kind = schema.get("type")
    if isinstance(kind, list) and kind:  # OpenAPI 3.1
        kind = next((each for each in kind if each not in ("null", None)), "null")
    if isinstance(kind, str):
        return kind
    if isinstance(example, dict) or "properties" in schema:
        return "object"
    if isinstance(example, list) or "items" in schema:
        return "array"
    return ""


def _scalar(kind: str, example: Any, schema: _Object) -> Json:
    if example is None:
        form = schema.get("format")
        made = _FORMATS.get(form, "a") if isinstance(form, str) else "a"
        return {"integer": Number("1"), "number": Number("1"), "boolean": True}.get(kind, made)
    if not isinstance(example, str):
        text = json.dumps(example) if isinstance(example, bool | int | float) else "null"
        return _WORDS[text] if text in _WORDS else Number(text)
    text = example[:_TEXT]
    if kind == "string":
        return text
    if text in _WORDS:
        return _WORDS[text]
    return Number(text) if _LEXEME.fullmatch(text) and kind in ("", "integer", "number") else text


def _without_braces(path: str) -> str:
    """A path whose variables that nothing describes are 1."""
    parts = path.split("{")
    return parts[0] + "".join("1" + part.partition("}")[2] for part in parts[1:])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> _Object:
    return value if isinstance(value, dict) else {}
