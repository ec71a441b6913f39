"""Collections of Postman, version 2.1 and 2.0: requests in folders, with examples of answers.

Each saved example is an exchange; a request without one is an exchange without an answer.
`{{variables}}` are those of the collection; where one is not known the request cannot be sent.
Source: https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from shadow.captures.formats.urls import split_url
from shadow.captures.records import Broken, Fidelity, Record, Unsupported
from shadow.captures.streams import MAX_RECORD_BYTES, Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_start,
    check_status,
    has_no_body,
    unreplayable,
)
from shadow.errors import CaptureError
from shadow.model import Exchange, Headers, Request, Response, header, isomorphic

MAX_DEPTH: Final = 32
"""Folders in folders."""
MAX_VARIABLES: Final = 10_000
_MOST_IN_PATH: Final = 50
_ROUNDS: Final = 5
"""Variables may name variables."""
_LONGEST: Final = 1 << 20

_HEAD: Final = re.compile(rb"getpostman\.com/json/collection/v2|schema\.postman\.com/.{0,40}/v2")
_VARIABLE: Final = re.compile(r"\{\{\s*([^{}]{1,200}?)\s*\}\}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class _Unknown(ValueError):  # noqa: N818  it is a verdict on a request, not a fault
    """A request that cannot be made; its text is the reason."""


class PostmanCollection:
    """A collection; environments, scripts and authorisation helpers are passed over."""

    name = "Postman collection"
    fidelity = Fidelity(whole_body=False, timing=False, latency=False)

    def sniff(self, head: bytes) -> bool:
        """Look for the name of the schema."""
        return head.lstrip().startswith(b"{") and _HEAD.search(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange for each example, and for each request that has none.

        Raises CaptureError where the document is no collection.
        """
        root = _document(stream, path)
        variables = _variables(root.get("variable"))
        position = 0
        for item in _requests(root.get("item"), MAX_DEPTH):
            for example in _examples(item):
                position += 1
                try:
                    yield _record(item, example, variables, position, path)
                except (MalformedError, UnicodeError) as error:
                    reason = str(error) if isinstance(error, MalformedError) else "no Unicode text"
                    yield Broken(path=path, line=position, reason=reason)
        if not position:
            raise CaptureError(f"{path}: holds no exchanges", "export the collection again")


def _document(stream: Chunks, path: str) -> dict[str, Any]:
    document = bytearray()
    for chunk in stream:
        if isinstance(chunk, Damage):
            raise CaptureError(f"{path}: {chunk.reason}", "copy the file again from its source")
        document += chunk
        if len(document) > MAX_RECORD_BYTES:
            raise CaptureError(
                f"{path}: a collection of more than {MAX_RECORD_BYTES} bytes", "export it in parts"
            )
    try:
        return msgspec.json.decode(document, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise CaptureError(f"{path}: is no collection of Postman", "export it again") from None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _requests(items: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield the items that are requests, folder after folder."""
    for item in _list(items):
        if isinstance(item, dict) and "request" in item:
            yield item
        elif isinstance(item, dict) and depth > 0:
            yield from _requests(item.get("item"), depth - 1)


def _examples(item: dict[str, Any]) -> Sequence[Any]:
    return [each for each in _list(item.get("response")) if isinstance(each, dict)] or [None]


def _variables(values: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in _list(values)[:MAX_VARIABLES]:
        if isinstance(each, dict) and not each.get("disabled"):
            name = each.get("key", each.get("id"))
            value = each.get("value")
            if isinstance(name, str) and isinstance(value, str | int | float | bool):
                found[name] = str(value)
    return found


def _filled(text: str, variables: dict[str, str]) -> str:
    """Return a text with the values of its variables. Raises _Unknown for one without."""
    for _ in range(_ROUNDS):
        if "{{" not in text:
            return text
        filled = _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), text)
        if filled == text or len(filled) > _LONGEST:
            break
        text = filled
    if _VARIABLE.search(text):
        raise _Unknown("a variable of Postman has no value in the collection")
    return text


def _record(
    item: dict[str, Any], example: Any, variables: dict[str, str], position: int, path: str
) -> Record:
    identity = f"postman-{position:06}"
    asked = (example or {}).get("originalRequest") or item["request"]
    asked = {"url": asked} if isinstance(asked, str) else asked
    if not isinstance(asked, dict):
        raise MalformedError("the request is no object")
    try:
        request = _request(asked, variables)
    except _Unknown as unknown:
        method = str(asked.get("method") or "GET")[:20]
        return Unsupported(
            id=identity, path=path, line=position, reason=str(unknown), method=method, target="-"
        )
    response = None if example is None else _response(example, request.method)
    reason = unreplayable(request, response)
    if reason is None:
        return Exchange(id=identity, request=request, response=response)
    return Unsupported(
        id=identity,
        path=path,
        line=position,
        reason=reason,
        method=request.method,
        target=request.target,
    )


def _request(asked: dict[str, Any], variables: dict[str, str]) -> Request:
    method = asked.get("method") or "GET"
    url = _filled(_url(asked.get("url")), variables)
    authority, target = split_url(url if _SCHEME.match(url) else f"http://{url}")
    check_start(str(method), target)
    headers = _headers(asked.get("header"), variables)
    body, kind = _body(asked.get("body"), variables)
    if body is not None and kind and header(headers, "content-type") is None:
        headers = (*headers, ("Content-Type", kind))
    if header(headers, "host") is None:
        headers = (("Host", authority), *headers)
    check_headers(headers, "request")
    return Request(
        method=str(method), target=target, headers=headers, body=body or b"", truncated=body is None
    )


def _url(url: Any) -> str:
    """Return the URL as it was typed, or put together of its parts; path variables filled in."""
    if isinstance(url, str):
        return url
    if not isinstance(url, dict):
        raise MalformedError("the URL is missing")
    raw = url.get("raw")
    if not isinstance(raw, str):
        host, steps = url.get("host"), url.get("path")
        where = ".".join(map(str, host)) if isinstance(host, list) else str(host or "")
        way = "/".join(map(str, steps)) if isinstance(steps, list) else str(steps or "")
        port = f":{url['port']}" if url.get("port") else ""
        raw = f"{url.get('protocol') or 'http'}://{where}{port}/{way.removeprefix('/')}"
        pairs = [
            f"{each.get('key') or ''}={each.get('value') or ''}"
            for each in _list(url.get("query"))
            if isinstance(each, dict) and not each.get("disabled")
        ]
        raw += f"?{'&'.join(pairs)}" if pairs else ""
    for name, value in list(_variables(url.get("variable")).items())[:_MOST_IN_PATH]:
        raw = re.sub(rf"(?<=/):{re.escape(name)}(?=[/?#]|$)", quote(value, ""), raw)
    return raw


def _headers(fields: Any, variables: dict[str, str]) -> Headers:
    if isinstance(fields, str):  # version 2.0
        pairs = [line.partition(":") for line in fields.splitlines() if line.strip()]
        return tuple((name.strip(), isomorphic(value.strip())) for name, _, value in pairs)
    return tuple(
        (str(each.get("key") or ""), isomorphic(_filled(str(each.get("value") or ""), variables)))
        for each in _list(fields)
        if isinstance(each, dict) and not each.get("disabled") and each.get("key")
    )


def _body(part: Any, variables: dict[str, str]) -> tuple[bytes | None, str]:
    """Return the body, None where only its meaning is in the file, and its media type."""
    if not isinstance(part, dict) or part.get("disabled"):
        return b"", ""
    mode = part.get("mode")
    if mode == "raw":
        language = ((part.get("options") or {}).get("raw") or {}).get("language")
        kind = {"json": "application/json", "xml": "application/xml"}.get(str(language), "")
        return _filled(str(part.get("raw") or ""), variables).encode(), kind
    if mode == "urlencoded":
        pairs = [
            (
                _filled(str(each.get("key") or ""), variables),
                _filled(str(each.get("value") or ""), variables),
            )
            for each in _list(part.get("urlencoded"))
            if isinstance(each, dict) and not each.get("disabled")
        ]
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    if mode == "graphql" and isinstance(part.get("graphql"), dict):
        query = part["graphql"]
        text = _filled(str(query.get("query") or ""), variables)
        given = str(query.get("variables") or "{}")
        try:
            decoded = msgspec.json.decode(_filled(given, variables))
        except (ValueError, RecursionError):
            return None, ""
        return msgspec.json.encode({"query": text, "variables": decoded}), "application/json"
    return (b"", "") if mode is None else (None, "")


def _response(example: dict[str, Any], method: str) -> Response | None:
    status = example.get("code")
    if not isinstance(status, int):
        return None
    check_status(status)
    headers = _headers(example.get("header"), {})
    check_headers(headers, "response")
    body = example.get("body")
    if has_no_body(method, status) or not isinstance(body, str):
        return Response(status=status, headers=headers)
    coded = (header(headers, "content-encoding") or "identity").lower() != "identity"
    return Response(status=status, headers=headers, body=body.encode(), decoded=coded)
