"""The wire, the wire under an httpx client, and httpx alone: the same answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx  # noqa: TID251  it is what the wire transport is compared with
import pytest

from services import run, trial
from shadow.captures import read
from shadow.config.file import load
from shadow.model import Answer, Exchange, Request
from shadow.sending.rewrite import render
from shadow.sending.safety import Safety
from shadow.sending.target import parse_target
from shadow.sending.through_httpx import HttpxService
from shadow.sending.transport import WireTransport
from shadow.sending.wire import Wire
from tests.sending import nginx
from tests.sending.proxy import forwarding

pytestmark = pytest.mark.e2e

Seen = tuple[int, Counter[tuple[str, str]], bytes]

VOLATILE = {
    "date",  # the second of the answer
    "x-request-id",  # drawn for each request
    "age",  # how old a cached answer is
}

OF_THE_CONNECTION = {"connection", "content-length", "server", "transfer-encoding"}
"""What is nginx's own business between two connections; HTTP/2 needs no `Content-Length`."""


def steady(body: bytes) -> bytes:
    """The body without what differs from one request to the next.

    `served_at` is the clock, with as many digits as its fraction needs (so `Content-Length`
    goes with it); Go walks a map of categories in another order each time.
    """
    if b'"served_at"' not in body:
        return body
    body = re.sub(rb'"served_at":\s*"[^"]*"', b"", body)
    return bytes(sorted(body)) if b'"by_category"' in body else body


def seen(status: int, headers: list[tuple[str, str]], body: bytes) -> Seen:
    volatile = VOLATILE | ({"content-length"} if b'"served_at"' in body else set())
    fields = Counter((name, value) for name, value in headers if name.lower() not in volatile)
    return status, fields, steady(body)


def reads() -> list[Request]:
    """Each read of the committed capture, once."""
    config = load(str(trial.CONFIG))
    safety = Safety(config.safety.reads)
    found: dict[str, Request] = {}
    for record in read((str(trial.CAPTURE),)):
        assert isinstance(record, Exchange)
        if safety.is_safe(record.request):
            found.setdefault(json.dumps(repr(record.request)), record.request)
    return list(found.values())


async def over(client: httpx.AsyncClient, url: str, request: Request) -> Seen:
    built = httpx.Request(
        request.method,
        url,
        headers=[(name.encode("latin-1"), v.encode("latin-1")) for name, v in request.headers],
        content=request.body,
        extensions={"target": request.target.encode("latin-1")},
    )
    response = await client.send(built, stream=True)
    raw = b"".join([piece async for piece in response.aiter_raw()])
    await response.aclose()
    client.cookies.clear()  # what one answer sets is no part of the next request
    fields = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw]
    return seen(response.status_code, fields, raw)


async def on(wire: Wire, request: Request) -> Seen:
    answer = await wire.send(render(request, wire.target), method=request.method, safe=True)
    assert isinstance(answer, Answer), answer
    return seen(answer.response.status, list(answer.response.headers), answer.response.body)


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_every_read_of_the_capture_is_answered_alike(binary: Path) -> None:
    requests = reads()
    assert len(requests) > 1_000
    statuses: Counter[int] = Counter()

    async def main(url: str) -> None:
        target = parse_target(url, side="baseline", name="go", option="--go", keep_host=True)
        options: dict[str, Any] = {"trust_env": False, "timeout": 30}
        async with (
            Wire(target) as wire,
            httpx.AsyncClient(transport=WireTransport(), **options) as ours,
            httpx.AsyncClient(**options) as theirs,
        ):
            for request in requests:
                expected = await over(theirs, url, request)
                assert await over(ours, url, request) == expected, request
                assert await on(wire, request) == expected, request
                statuses[expected[0]] += 1

    with run.running(binary, {"SEED": str(trial.SEED)}) as service:
        asyncio.run(main(service.url))
    assert statuses[200] > 1_000
    assert sum(statuses.values()) == len(requests)


@nginx.needs_nginx
@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_http2_and_a_proxy_give_what_the_wire_gives(binary: Path, tmp_path: Path) -> None:
    """HTTP/2 ends at an nginx in front of the service, which names itself in `Server`."""
    requests = reads()[:300]

    async def through(service: HttpxService, request: Request) -> Seen:
        message = service.render(request)
        answer = await service.send(message, method=request.method, safe=True)
        assert isinstance(answer, Answer), answer
        return seen(answer.response.status, list(answer.response.headers), answer.response.body)

    def plain(found: Seen) -> Seen:
        fields = Counter((name.lower(), value) for name, value in found[1].elements())
        for name, value in list(fields):
            if name in OF_THE_CONNECTION:
                del fields[name, value]
        return found[0], fields, found[2]

    async def main(url: str, front: nginx.Nginx) -> None:
        target = parse_target(url, side="baseline", name="go", option="--go", keep_host=True)
        async with forwarding() as between:
            forwarded = replace(target, proxy=between.proxy())
            async with (
                Wire(target) as wire,
                HttpxService(front.target(keep_host=True, http2=True)) as http2,
                HttpxService(forwarded) as proxied,
            ):
                for request in requests:
                    expected = await on(wire, request)
                    assert await through(proxied, request) == expected, request
                    assert plain(await through(http2, request)) == plain(expected), request
            assert len(between.heads) == 1

    with run.running(binary, {"SEED": str(trial.SEED)}) as service:
        servers = f"""server {{
  listen 127.0.0.1:{{port0}} http2;
  location / {{
    proxy_pass {service.url};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
  }}
}}"""
        with nginx.running(tmp_path, servers) as front:
            asyncio.run(main(service.url, front))
