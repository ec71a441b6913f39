"""The formats of captures: what each keeps, and what comes back of what was written, by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from docs.pages.markdown import page, table
from shadow.captures import FORMATS, WRITINGS, Fidelity, UnwritableError, Writing
from shadow.model import Exchange, NoAnswer, Request, Response, header_values

_GZIP: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03KL\x04\x00\xaa\xbb]\xd6\x02\x00\x00\x00"
_PLAIN: Final = Request(method="GET", target="/a", headers=(("Host", "api.example.com"),))

_INTRODUCTION: Final = """\
What a file is, is told by its content, never by its name; each may be compressed with gzip or
zstd, and encrypted with age. How to get one: [captures](../howto/captures.md)."""
_READ: Final = """\
## What is read

`yes` is what the format keeps at its best; a single file may hold less, which `shadow inspect`
counts."""
_WRITTEN: Final = """\
## What is written, and comes back

`shadow convert --to NAME`. Each cell was tried when this page was made: an exchange was written
and read again. `left out` means that such an exchange is not written, which is counted and told;
`other` that it comes back changed; `not read` that the format is for other programs."""


class Trial(NamedTuple):
    """One thing that an exchange may have, and how it is looked at."""

    what: str
    exchange: Exchange
    of: Callable[[Exchange], Any]


def _trials() -> Iterator[Trial]:
    request, answered = _with_request, _with_response
    yield Trial("method, target", request(target="/a/%2F/?b=&b=%41#"), _start)
    yield Trial("header order and case", request(extra=(("x-B", "1"), ("X-a", "2"))), _names)
    yield Trial("repeated headers", request(extra=(("X-A", "1"), ("X-A", "2"))), _repeats)
    yield Trial("text body", request(body="ä".encode()), lambda each: each.request.body)
    yield Trial("binary body", request(body=b"\x00\xff"), lambda each: each.request.body)
    yield Trial("status", answered(), lambda each: each.response and each.response.status)
    yield Trial("response headers", answered(extra=(("X-A", "1"), ("X-A", "2"))), _response_fields)
    yield Trial("response body", answered(body=b"{}"), _response_body)
    coded = answered(body=_GZIP, extra=(("Content-Encoding", "gzip"),))
    yield Trial("encoded body", coded, _response_body)
    yield Trial("no answer", Exchange(id="a", request=_PLAIN, error=NoAnswer(kind="reset")), _error)
    yield Trial("cut body", answered(body=b"x", truncated=True), _cut)
    moment = datetime(2026, 8, 3, 10, 0, 0, 123456, tzinfo=UTC)
    yield Trial("time", Exchange(id="a", request=_PLAIN, ts=moment), lambda each: each.ts)
    yield Trial("latency", answered(), lambda each: each.latency_ms)
    yield Trial("session", Exchange(id="a", request=_PLAIN, session="u"), lambda each: each.session)
    yield Trial("id", Exchange(id="a", request=_PLAIN), lambda each: each.id)


def _with_request(
    *, target: str = "/a", extra: tuple[tuple[str, str], ...] = (), body: bytes = b""
) -> Exchange:
    headers = (*_PLAIN.headers, *extra)
    if body:
        headers = (*headers, ("Content-Length", str(len(body))))
    method = "POST" if body else "GET"
    return Exchange(
        id="a", request=Request(method=method, target=target, headers=headers, body=body)
    )


def _with_response(
    *, extra: tuple[tuple[str, str], ...] = (), body: bytes = b"", truncated: bool = False
) -> Exchange:
    headers = (("Content-Type", "application/json"), *extra, ("Content-Length", str(len(body))))
    response = Response(status=201, headers=headers, body=body, truncated=truncated)
    moment = datetime(2026, 8, 3, 10, 0, 0, tzinfo=UTC)
    return Exchange(id="a", request=_PLAIN, response=response, latency_ms=3.25, ts=moment)


def _start(exchange: Exchange) -> object:
    return exchange.request.method, exchange.request.target


def _names(exchange: Exchange) -> object:
    return [name for name, _ in exchange.request.headers if name.lower().startswith("x-")]


def _repeats(exchange: Exchange) -> object:
    return list(header_values(exchange.request.headers, "x-a"))


def _response_fields(exchange: Exchange) -> object:
    headers = exchange.response.headers if exchange.response else ()
    return [(name.lower(), value) for name, value in headers]


def _response_body(exchange: Exchange) -> object:
    return exchange.response.body if exchange.response else None


def _error(exchange: Exchange) -> object:
    return exchange.error and exchange.error.kind


def _cut(exchange: Exchange) -> object:
    return exchange.response and (exchange.response.body, exchange.response.truncated)


def render() -> str:
    """The page, as Markdown."""
    fields = Fidelity.__struct_fields__
    read = [
        [each.name, *("yes" if getattr(each.fidelity, field) else "no" for field in fields)]
        for each in FORMATS
    ]
    written = [
        [trial.what, *(_tried(writing, trial) for writing in WRITINGS.values())]
        for trial in _trials()
    ]
    return page(
        "Formats of captures",
        _INTRODUCTION,
        _READ,
        table(["", *(field.replace("_", " ") for field in fields)], read),
        _WRITTEN,
        table(["", *(f"`{name}`" for name in WRITINGS)], written),
    )


def _tried(writing: Writing, trial: Trial) -> str:
    """Write the exchange, read it back, and say what became of what is looked at."""
    try:
        data = writing.start + writing.encode(trial.exchange) + writing.end
    except UnwritableError:
        return "left out"
    reader = next((each for each in FORMATS if each.sniff(data)), None)
    if reader is None:
        return "not read"
    back = [each for each in reader.read(iter([data]), "x") if isinstance(each, Exchange)]
    if len(back) != 1:
        return "not read"
    found, wanted = trial.of(back[0]), trial.of(trial.exchange)
    if found == wanted:
        return "yes"
    return "other" if found else "no"
