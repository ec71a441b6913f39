"""An OpenAPI document as a source of endpoint templates: `GET /v1/items/{id}`.

OpenAPI 3 and Swagger 2, in JSON or YAML. Of `servers` and `basePath` the path counts; what a
document refers to elsewhere is not fetched.
Source: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from shadow.captures.streams import Damage
from shadow.captures.yaml_text import items
from shadow.errors import ConfigError

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_TEMPLATES: Final = 10_000
METHODS: Final = ("get", "head", "options", "post", "put", "patch", "delete", "trace")
_PATH: Final = re.compile(r"/[!-~]*")
_SERVER: Final = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://[^/?#]*)?(/[^?#]*)?")
_HINT: Final = "name a document of OpenAPI 3 or Swagger 2, in JSON or YAML"


def read_templates(path: Path) -> list[str]:
    """Return the templates of a document, in its order. Raises ConfigError."""
    return templates(read_document(path), path)


def read_document(path: Path) -> dict[str, Any]:
    """Return a document as plain values; what YAML writes is text. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}", _HINT) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: has more than {MAX_BYTES} bytes", "take a part of it")
    return _document(data, path)


def _document(data: bytes, path: Path) -> dict[str, Any]:
    document: Any = None
    if data.lstrip().startswith(b"{"):
        try:
            document = msgspec.json.decode(data)
        except (ValueError, RecursionError):
            document = None  # it may be YAML in one line
    if document is None:
        _, document = next(items(iter([data])), (0, None))
    if isinstance(document, Damage):
        raise ConfigError(f"{path}: {document.reason}", _HINT)
    if not isinstance(document, dict) or not ({"openapi", "swagger"} & document.keys()):
        raise ConfigError(f"{path}: is no OpenAPI document", _HINT)
    return document


def templates(document: dict[str, Any], path: Path) -> list[str]:
    """Return `METHOD /path` for each operation. Raises ConfigError where there are too many."""
    prefixes = path_prefixes(document)
    every = (
        f"{method.upper()} {prefix}{route}"
        for route, item in path_items(document)
        for method in METHODS
        if method in item
        for prefix in prefixes
    )
    found = list(itertools.islice(every, MAX_TEMPLATES + 1))
    if not found:
        raise ConfigError(f"{path}: has no paths", _HINT)
    if len(found) > MAX_TEMPLATES:
        raise ConfigError(f"{path}: has more than {MAX_TEMPLATES} operations", "take a part of it")
    return found


def path_prefixes(document: dict[str, Any]) -> list[str]:
    """Return what stands before each path: at least one, which may be empty."""
    return list(dict.fromkeys(_prefixes(document))) or [""]


def path_items(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each path of the document with its operations by method, and what they share."""
    for route, item in _members(document.get("paths")):
        if _PATH.fullmatch(route):
            yield route, resolved(item, document)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((name, item) for name, item in value.items() if isinstance(name, str))


def _prefixes(document: dict[str, Any]) -> Iterator[str]:
    """Yield what stands before each path: by OpenAPI 3 for each server."""
    base = document.get("basePath")
    if isinstance(base, str):
        yield _prefix(base)
    servers = document.get("servers")
    for server in servers[:20] if isinstance(servers, list) else []:
        url = server.get("url") if isinstance(server, dict) else None
        if isinstance(url, str):
            yield _prefix(url)


def _prefix(url: str) -> str:
    found = _SERVER.fullmatch(url)
    path = (found[1] or "") if found else ""
    return path.rstrip("/") if _PATH.fullmatch(path) and "{" not in path else ""


def resolved(item: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Return an object, or the one in the same document that it refers to; else an empty one."""
    reference = item.get("$ref") if isinstance(item, dict) else None
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = document
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        item = target
    return item if isinstance(item, dict) else {}
