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

from shadow.captures.formats.plain_values import member
from shadow.captures.formats.urls import split_url, with_host
from shadow.captures.records import Broken, Fidelity, Record, Unsupported, record_of
from shadow.captures.streams import MAX_RECORD_BYTES, Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_start,
    check_status,
    declared_length,
    has_no_body,
)
from shadow.errors import CaptureError
from shadow.model import Exchange, Headers, Request, Response, header, isomorphic

MAX_VARIABLES: Final = 10_000
_ROUNDS: Final = 5
"""Variables may name variables."""
_MOST_ADDED: Final = 1 << 20
"""Characters that the variables may add to a text in a round."""

# A member, for the name may also stand in a body that another format holds.
_HEAD: Final = re.compile(
    rb'"schema"\s*+:\s*+"https?://schema\.(?:getpostman\.com/json/collection|postman\.com/.{0,40})/v2'
)
_VARIABLE: Final = re.compile(r"\{\{([^{}]{1,200})\}\}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# What Postman escapes as it sends: https://github.com/postmanlabs/postman-url-encoder
_IN_PATH: Final = re.compile(r"[\x00-\x20\"<>`{}\x7f]|[^\x00-\x7f]+")
_IN_QUERY: Final = re.compile(r"[\x00-\x20\"'<>\x7f]|[^\x00-\x7f]+")
_AFTER_PATH: Final = re.compile(r"(?=[?#])")
_STEP_SAFE: Final = "!$%&'()*+,/:;=@[\\]^|~"
_KINDS: Final = {
    "html": "text/html",
    "javascript": "application/javascript",
    "json": "application/json",
    "xml": "application/xml",
}


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
        for item in _requests(root.get("item")):
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


def _requests(items: Any) -> Iterator[dict[str, Any]]:
    """Yield the items that are requests, folder after folder."""
    pending = _list(items)[::-1]
    while pending:
        item = pending.pop()
        if isinstance(item, dict) and "request" in item:
            yield item
        elif isinstance(item, dict):
            pending += reversed(_list(item.get("item")))


def _examples(item: dict[str, Any]) -> Sequence[Any]:
    return [each for each in _list(item.get("response")) if isinstance(each, dict)] or [None]


def _variables(values: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in _list(values)[:MAX_VARIABLES]:
        if isinstance(each, dict) and not each.get("disabled"):
            name = each.get("key", each.get("id"))
            value = each.get("value")
            if isinstance(name, str) and isinstance(value, str | int | float | bool):
                found[name] = value if isinstance(value, str) else _json(value)
    return found


def _filled(text: str, variables: dict[str, str]) -> str:
    """Return a text with the values of its variables. Raises _Unknown for one without."""

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1].strip(), found[0])

    for _ in range(_ROUNDS):
        if "{{" not in text:
            return text
        added = sum(len(value(found)) - len(found[0]) for found in _VARIABLE.finditer(text))
        if added > _MOST_ADDED:
            raise _Unknown("its variables of Postman make it too long")
        filled = _VARIABLE.sub(value, text)
        if filled == text:
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
    exchange = Exchange(id=identity, request=request, response=response)
    return record_of(exchange, path, position)


def _request(asked: dict[str, Any], variables: dict[str, str]) -> Request:
    method = asked.get("method") or "GET"
    url = _escaped(_filled(_url(asked.get("url"), variables), variables).strip())
    authority, target = split_url(url if _SCHEME.match(url) else f"http://{url}")
    check_start(str(method), target)
    headers = tuple(
        (_filled(name, variables), isomorphic(_filled(value, variables)))
        for name, value in _fields(asked.get("header"))
    )
    body, kind = _body(asked.get("body"), variables)
    if body is not None and kind and header(headers, "content-type") is None:
        headers = (*headers, ("Content-Type", kind))
    headers = with_host(headers, authority)
    check_headers(headers, "request")
    return Request(
        method=str(method), target=target, headers=headers, body=body or b"", truncated=body is None
    )


def _escaped(url: str) -> str:
    """Return a URL without its fragment and as Postman sends it; what is escaped stays so."""
    path, mark, query = url.partition("#")[0].partition("?")
    path = _IN_PATH.sub(lambda found: quote(found[0]), path)
    return path + mark + _IN_QUERY.sub(lambda found: quote(found[0]), query)


def _url(url: Any, variables: dict[str, str]) -> str:
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
    path, *rest = _AFTER_PATH.split(raw, maxsplit=1)
    values = _variables(url.get("variable"))
    steps = [
        quote(_filled(values[step[1:]], variables), _STEP_SAFE)
        if step.startswith(":") and step[1:] in values
        else step
        for step in path.split("/")
    ]
    return "".join(["/".join(steps), *rest])


def _fields(fields: Any) -> Headers:
    """Return the names and values of headers as they stand there."""
    if isinstance(fields, str):  # version 2.0
        pairs = [line.partition(":") for line in fields.splitlines() if line.strip()]
        return tuple((name.strip(), value.strip()) for name, _, value in pairs)
    return tuple(
        (str(each["key"]), str(each.get("value") or ""))
        for each in _list(fields)
        if isinstance(each, dict) and not each.get("disabled") and each.get("key")
    )


def _body(part: Any, variables: dict[str, str]) -> tuple[bytes | None, str]:
    """Return the body, None where only its meaning is in the file, and its media type."""
    if not isinstance(part, dict) or part.get("disabled"):
        return b"", ""
    mode = part.get("mode")
    if mode == "raw":
        text = _filled(str(part.get("raw") or ""), variables)
        language = member(part, "options", "raw", "language")
        return text.encode(), _KINDS.get(str(language), "text/plain") if text else ""
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
        return _graphql(part["graphql"], variables), "application/json"
    return (b"", "") if mode is None else (None, "")


def _graphql(asked: dict[str, Any], variables: dict[str, str]) -> bytes:
    """Put a body together as Postman does: variables of GraphQL go out as they were typed."""
    members = [
        f'"{name}":{_json(_filled(asked[name], variables))}'
        for name in ("query", "operationName")
        if isinstance(asked.get(name), str)
    ]
    given = asked.get("variables")
    if given not in (None, ""):
        text = given if isinstance(given, str) else _json(given)
        members.append(f'"variables":{_filled(text, variables)}')
    return f"{{{','.join(members)}}}".encode()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _response(example: dict[str, Any], method: str) -> Response | None:
    status = example.get("code")
    if not isinstance(status, int):
        return None
    check_status(status)
    headers = tuple((name, isomorphic(value)) for name, value in _fields(example.get("header")))
    check_headers(headers, "response")
    body = example.get("body")
    if has_no_body(method, status):
        return Response(status=status, headers=headers)
    if not isinstance(body, str) or not body:
        cut = declared_length(headers) > 0
        return Response(status=status, headers=headers, truncated=cut)
    coded = (header(headers, "content-encoding") or "identity").lower() != "identity"
    return Response(status=status, headers=headers, body=body.encode(), decoded=coded)
