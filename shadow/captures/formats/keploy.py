"""Test cases of Keploy: a YAML document each, with the request and the answer in it.

Source: https://keploy.io/docs/keploy-explained/introduction/ and the files that it writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shadow.captures.formats.plain_values import (
    fields,
    head_of,
    member,
    moment,
    octets,
    text,
    with_body,
)
from shadow.captures.formats.urls import split_url, with_host
from shadow.captures.records import Broken, Fidelity, Record, Unsupported, record_of
from shadow.captures.streams import Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_id,
    check_start,
    has_no_body,
)
from shadow.captures.yaml_text import items
from shadow.model import Exchange, Request, Response

_HEAD: Final = re.compile(rb"^version:\s*[\"']?api\.keploy\.io/", re.MULTILINE)


class KeployTests:
    """Documents of the kind `Http`; mocks, which the service sent, are unsupported."""

    name = "Keploy tests"
    fidelity = Fidelity(whole_body=False, header_order=False, header_repeats=False)

    def sniff(self, head: bytes) -> bool:
        """Look for the version of the format."""
        return _HEAD.search(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange for each test; its id is the test's name."""
        for line, document in items(stream):
            if isinstance(document, Damage):
                yield Broken(path=path, line=line, reason=document.reason)
            elif document is not None:
                try:
                    yield _record(document, line, path)
                except MalformedError as error:
                    yield Broken(path=path, line=line, reason=str(error))


def _record(document: Any, line: int, path: str) -> Record:
    identity = member(document, "name") or f"keploy-{line:06}"
    check_id(text(identity, "the name"))
    kind = text(member(document, "kind"), "the kind")
    asked = member(document, "spec", "req")
    if kind != "Http" or asked is None:
        return Unsupported(
            id=identity, path=path, line=line, reason="no HTTP test", method="-", target="-"
        )
    if member(document, "spec", "metadata", "type") is not None:
        return Unsupported(
            id=identity, path=path, line=line, reason="a mock", method="-", target="-"
        )
    method = text(member(asked, "method"), "the method")
    authority, target = split_url(text(member(asked, "url"), "the URL"))
    check_start(method, target)
    headers = with_host(fields(member(asked, "header")), authority)
    check_headers(headers, "request")
    # A form has only its meaning here, and a long body is in a file of its own.
    is_cut = bool(member(asked, "form") or member(asked, "body_ref", "path"))
    request = Request(
        method=method,
        target=target,
        headers=headers,
        body=b"" if is_cut else octets(member(asked, "body")),
        truncated=is_cut,
    )
    answered = member(document, "spec", "resp")
    response = _response(answered, method)
    sent, done = moment(member(asked, "timestamp")), moment(member(answered, "timestamp"))
    took = (done - sent).total_seconds() * 1000 if sent and done and response else None
    latency_ms = took if took is not None and took >= 0 else None
    exchange = Exchange(
        id=identity, request=request, response=response, latency_ms=latency_ms, ts=sent
    )
    return record_of(exchange, path, line)


def _response(part: Any, method: str) -> Response | None:
    if part is None:
        return None
    head = head_of(member(part, "status_code"), member(part, "header"))
    if has_no_body(method, head.status):
        return head
    found = member(part, "body")
    # A body over 1 MiB is not kept, and of a stream there are the events.
    if member(part, "body_skipped") == "true" or isinstance(found, list):
        return msgspec.structs.replace(head, truncated=True)
    return with_body(head, octets(found), textual=True)
