"""Cassettes of vcrpy and of VCR for Ruby, in YAML.

Sources: https://vcrpy.readthedocs.io/en/latest/usage.html and its cassettes,
https://benoittgt.github.io/vcr/
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

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
from shadow.captures.records import Broken, Fidelity, Record, record_of
from shadow.captures.streams import Chunks, Damage
from shadow.captures.syntax import (
    MalformedError,
    check_headers,
    check_start,
    has_no_body,
)
from shadow.captures.yaml_text import items
from shadow.model import Exchange, Request, Response

_HEAD: Final = re.compile(rb"^(?:http_)?interactions\s*:", re.MULTILINE)
# What Ruby calls encodings, and text of them stands here as UTF-8; not all that Python knows, for
# some of those take quadratic time.
_ENCODINGS: Final = {
    **{f"iso-8859-{part}": f"iso-8859-{part}" for part in range(1, 17) if part != 12},
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
    "shift_jis": "shift_jis",
    "windows-31j": "cp932",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
    "gbk": "gbk",
    "gb18030": "gb18030",
    "big5": "big5",
}
_LISTS: Final = frozenset({"interactions", "http_interactions"})


class VcrCassette:
    """`interactions` of vcrpy, `http_interactions` of Ruby's VCR."""

    name = "VCR cassette"
    fidelity = Fidelity(whole_body=False, header_order=False, latency=False)

    def sniff(self, head: bytes) -> bool:
        """Look for the name of the list at the beginning of a line."""
        return not head.lstrip().startswith(b"{") and _HEAD.search(head) is not None

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield an exchange for each interaction, with the ids `vcr-000001` and on."""
        for position, (line, item) in enumerate(items(stream, _LISTS), 1):
            if isinstance(item, Damage):
                yield Broken(path=path, line=line, reason=item.reason)
                continue
            try:
                yield _record(item, f"vcr-{position:06}", line, path)
            except MalformedError as error:
                yield Broken(path=path, line=line, reason=str(error))


def _record(item: Any, identity: str, line: int, path: str) -> Record:
    method = text(member(item, "request", "method"), "the method").upper()
    authority, target = split_url(text(member(item, "request", "uri"), "the URI"))
    check_start(method, target)
    headers = with_host(fields(member(item, "request", "headers")), authority)
    check_headers(headers, "request")
    body, _ = _body(member(item, "request", "body"))
    request = Request(method=method, target=target, headers=headers, body=body)
    response = _response(member(item, "response"), method)
    recorded = _recorded_at(member(item, "recorded_at"))
    exchange = Exchange(id=identity, request=request, response=response, ts=recorded)
    return record_of(exchange, path, line)


def _response(part: Any, method: str) -> Response | None:
    if part is None:
        return None
    head = head_of(member(part, "status", "code"), member(part, "headers"))
    if has_no_body(method, head.status):
        return head
    body, textual = _body(member(part, "body"))
    return with_body(head, body, textual=textual)


def _body(value: Any) -> tuple[bytes, bool]:
    """Return a body, and whether the file has it as text."""
    if isinstance(value, dict):
        coded = value.get("base64_string")
        if coded is not None:
            try:
                return binascii.a2b_base64(octets(coded)), False
            except binascii.Error as error:
                raise MalformedError("a body is not base64") from error
        return _encoded(value.get("string"), value.get("encoding"))
    return octets(value), isinstance(value, str)


def _encoded(value: Any, encoding: Any) -> tuple[bytes, bool]:
    """Return the bytes of a body in the encoding that it had."""
    codec = _ENCODINGS.get(encoding.lower()) if isinstance(encoding, str) else None
    if codec is None or not isinstance(value, str):
        return octets(value), isinstance(value, str)
    try:
        return value.encode(codec), True
    except UnicodeEncodeError:  # it was not in the encoding that its header named
        return octets(value), True


def _recorded_at(value: Any) -> datetime | None:
    """Return when it was recorded: RFC 3339, or RFC 2822 as Ruby writes it."""
    found = moment(value)
    if found is not None or not isinstance(value, str):
        return found
    try:
        parsed = parsedate_to_datetime(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
