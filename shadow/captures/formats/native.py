r"""The program's own format: one exchange a line, as JSON (version 1).

The file is UTF-8 text while the model holds isomorphic strings (see `shadow.model`). Bytes of a
header or target that are not UTF-8 stand in the file as lone surrogates, `\udc80` to `\udcff`
(PEP 383). msgspec refuses those, so exactly such lines go through the standard library's json,
both ways.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, NoReturn

import msgspec

from shadow.captures.records import Broken, Fidelity, Record
from shadow.captures.shares import ELSEWHERE, Elsewhere, Share
from shadow.captures.streams import HEAD_BYTES, Chunks, Damage, split_records
from shadow.captures.syntax import (
    MalformedError,
    are_plain,
    check_headers,
    check_id,
    check_session,
    check_start,
    check_status,
    reason_of,
)
from shadow.model import (
    Exchange,
    Headers,
    NoAnswer,
    NoAnswerKind,
    Request,
    Response,
    isomorphic,
)

VERSION = 1
BEGINNING = b'{"v":%d,"id":"' % VERSION
"""How every line begins that `encode_line` makes; others may leave out the version."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


# The line as it stands in the file; the order of the fields is the order they are written in.
class _Request(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    method: str
    target: str
    headers: Headers | None = None
    body: str | None = None
    body_base64: bytes | None = None
    decoded: bool = False
    truncated: bool = False


class _Response(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    status: int
    headers: Headers | None = None
    body: str | None = None
    body_base64: bytes | None = None
    decoded: bool = False
    truncated: bool = False
    latency_ms: float | None = None


class _Error(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    kind: NoAnswerKind
    detail: str = ""


class _Line(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    v: int | None = None
    id: str
    ts: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    session: str | None = None
    request: _Request
    response: _Response | None = None
    error: _Error | None = None


class _Key(msgspec.Struct, frozen=True, gc=False):
    id: str
    session: str | None = None


class _Version(msgspec.Struct, frozen=True, gc=False):
    v: int | None = None


_decoder = msgspec.json.Decoder(_Line)
_HEAD = re.compile(
    rb'\{"v":1,"id":"([ !#-\[\]-~]+)"(?:,"ts":"[ !#-\[\]-~]*")?(?:,"session":"([ !#-\[\]-~]+)")?'
    rb',"request":'
)
_key_decoder = msgspec.json.Decoder(_Key)
_encoder = msgspec.json.Encoder()


class NativeFormat:
    """JSON lines; see the module and the schema `shadow/schemas/capture.schema.json`."""

    name = "shadow JSON lines"
    suffix = ".jsonl"
    fidelity = Fidelity()
    start = between = end = b""

    def sniff(self, head: bytes) -> bool:
        """Look for an object that names a request, or one line too long to be seen whole."""
        lines = [line.lstrip() for line in head.split(b"\n")]
        if any(line.startswith(b"{") and b'"request"' in line for line in lines):
            return True
        return len(lines) == 1 and len(head) >= HEAD_BYTES and lines[0].startswith(b"{")

    def read(self, stream: Chunks, path: str) -> Iterator[Record]:
        """Yield one exchange or one `Broken` for each line that is not blank."""
        for number, line in split_records(stream, b"\n"):
            if isinstance(line, Damage):
                yield Broken(path=path, line=number, reason=line.reason)
            elif line and not line.isspace():
                try:
                    yield decode_line(line)
                except MalformedError as error:
                    yield Broken(path=path, line=number, reason=str(error))

    def encode(self, exchange: Exchange) -> bytes:
        """Return one line; raises as `encode_line`."""
        return encode_line(exchange)

    def read_share(self, stream: Chunks, path: str, share: Share) -> Iterator[Record | Elsewhere]:
        """Yield as `read` does, with `ELSEWHERE` for the records of other shares.

        Of those only id and session are decoded. A line that shows these is in the share that
        they say, broken or not.
        """
        for number, line in split_records(stream, b"\n"):
            if isinstance(line, Damage):
                broken = Broken(path=path, line=number, reason=line.reason)
                yield broken if share.has(broken) else ELSEWHERE
            elif line and not line.isspace():
                key = _key(line)
                if key is not None and not share.takes(key.id, key.session):
                    yield ELSEWHERE
                    continue
                try:
                    record: Record = decode_line(line)
                except MalformedError as error:
                    record = Broken(path=path, line=number, reason=str(error))
                yield record if key is not None or share.has(record) else ELSEWHERE


def _key(line: bytes) -> _Key | None:
    """Return id and session of a line, without a look at the rest; None where it has no id.

    A line as it is usually written shows both at its beginning. What a line gives here decides
    on its share, so it need only be the same in every process.
    """
    head = _HEAD.match(line)
    if head is not None:
        session = None if head[2] is None else head[2].decode("ascii")
        return _Key(id=head[1].decode("ascii"), session=session)
    try:
        return _key_decoder.decode(line)
    except (ValueError, RecursionError):
        return None


def decode_line(line: bytes) -> Exchange:
    """Return the exchange of one line. Raises MalformedError where it holds none."""
    try:
        return _exchange(_decoder.decode(line))
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValueError) and _SURROGATE_ESCAPE.search(line):
            return _decode_surrogates(line)
        raise MalformedError(_reason(error, line)) from error


def encode_line(exchange: Exchange) -> bytes:
    """Return one line, with its line feed. Of an exchange without response the latency is not kept.

    Raises ValueError for an exchange that `decode_line` would refuse to read.
    """
    line = _line(exchange)
    try:
        return _encoder.encode(line) + b"\n"
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(line)
        return json.dumps(plain, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _decode_surrogates(line: bytes) -> Exchange:
    try:
        plain = json.loads(line, parse_constant=_refuse_constant)
        return _exchange(msgspec.convert(plain, _Line))
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedError(_reason(error, line)) from error


def _refuse_constant(_: str) -> NoReturn:
    raise MalformedError("JSON is malformed: NaN and Infinity are not JSON")


def _reason(error: Exception, line: bytes) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "it holds a surrogate that stands for no byte"
    try:
        version = msgspec.json.decode(line, type=_Version).v
    except (ValueError, RecursionError):
        version = None
    if version not in (None, VERSION):
        return _unknown_version(version)
    return reason_of(error)


def _unknown_version(version: int | None) -> str:
    return f"it is of version {version}; this program reads version {VERSION}"


def _exchange(line: _Line) -> Exchange:
    if line.v is not None and line.v != VERSION:
        raise MalformedError(_unknown_version(line.v))
    check_id(line.id)
    if line.session is not None:
        check_session(line.session)
    if line.response is not None and line.error is not None:
        raise MalformedError("it has both a response and an error")
    if line.ts is not None:
        _check_time(line.ts)
    error = line.error
    return Exchange(
        id=line.id,
        request=_request(line.request),
        response=None if line.response is None else _response(line.response),
        error=None if error is None else NoAnswer(kind=error.kind, detail=error.detail),
        latency_ms=None if line.response is None else _latency(line.response.latency_ms),
        session=line.session,
        ts=line.ts,
    )


def _request(part: _Request) -> Request:
    target = isomorphic(part.target)
    check_start(part.method, target)
    return Request(
        method=part.method,
        target=target,
        headers=_wire_headers(part.headers, "request"),
        body=_body(part),
        decoded=part.decoded,
        truncated=part.truncated,
    )


def _response(part: _Response) -> Response:
    check_status(part.status)
    return Response(
        status=part.status,
        headers=_wire_headers(part.headers, "response"),
        body=_body(part),
        decoded=part.decoded,
        truncated=part.truncated,
    )


def _wire_headers(headers: Headers | None, whose: str) -> Headers:
    if not headers:
        return ()
    if are_plain(headers):
        return headers
    check_headers(headers, whose)
    for _, value in headers:
        if not value.isascii():
            return tuple((name, isomorphic(text)) for name, text in headers)
    return headers


def _body(part: _Request | _Response) -> bytes:
    if part.body is None:
        return part.body_base64 or b""
    if part.body_base64 is not None:
        raise MalformedError("it has both a body and a body_base64")
    return part.body.encode("utf-8", "surrogateescape")


def _check_time(ts: datetime) -> None:
    """Refuse a time that leaves the calendar on its way to UTC."""
    if ts.year in (MINYEAR, MAXYEAR):
        try:
            ts.astimezone(UTC)
        except OverflowError:
            raise MalformedError("the ts is no time in UTC") from None


def _latency(latency_ms: float | None) -> float | None:
    # The standard library reads 1e999 as infinity where msgspec refuses it.
    if latency_ms is not None and not 0 <= latency_ms < float("inf"):
        raise MalformedError("the latency_ms is negative or not finite")
    return latency_ms


def _line(exchange: Exchange) -> _Line:
    check_id(exchange.id)
    if exchange.session is not None:
        check_session(exchange.session)
    if exchange.response is not None and exchange.error is not None:
        raise MalformedError("it has both a response and an error")
    if exchange.ts is not None:
        if exchange.ts.tzinfo is None:
            raise MalformedError("the time has no timezone")
        _check_time(exchange.ts)
    request, response, error = exchange.request, exchange.response, exchange.error
    check_start(request.method, request.target)
    text, raw = _file_body(request.body)
    return _Line(
        v=VERSION,
        id=exchange.id,
        ts=exchange.ts,
        session=exchange.session,
        request=_Request(
            method=request.method,
            target=_file_text(request.target),
            headers=_file_headers(request.headers, "request"),
            body=text,
            body_base64=raw,
            decoded=request.decoded,
            truncated=request.truncated,
        ),
        response=None if response is None else _file_response(response, exchange.latency_ms),
        error=None if error is None else _Error(kind=error.kind, detail=error.detail),
    )


def _file_response(response: Response, latency_ms: float | None) -> _Response:
    check_status(response.status)
    text, raw = _file_body(response.body)
    return _Response(
        status=response.status,
        headers=_file_headers(response.headers, "response"),
        body=text,
        body_base64=raw,
        decoded=response.decoded,
        truncated=response.truncated,
        latency_ms=_latency(latency_ms),
    )


def _file_headers(headers: Headers, whose: str) -> Headers | None:
    check_headers(headers, whose)
    return tuple((name, _file_text(value)) for name, value in headers) or None


def _file_text(wire: str) -> str:
    if wire.isascii():
        return wire
    return wire.encode("latin-1").decode("utf-8", "surrogateescape")


def _file_body(body: bytes) -> tuple[str | None, bytes | None]:
    if not body:
        return None, None
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return None, body
