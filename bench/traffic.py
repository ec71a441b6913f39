"""Captures to measure with: generated ones, and the demo's traffic many times over."""

from __future__ import annotations

import itertools
import json
import random
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from services import trial
from shadow.captures import open_writer, read
from shadow.model import Exchange, Headers, Request, Response
from shadow.sending.safety import Safety

SESSIONS = 5_000
ODD_EVERY = 100
"""One exchange in so many is answered differently."""
ODD_PATH = "/v1/odd"
BODY_BYTES = 1_500
SEED = 4

GO_HEADERS: Headers = (
    ("Content-Type", "application/json"),
    ("Date", "Mon, 03 Aug 2026 10:00:00 GMT"),
    ("Transfer-Encoding", "chunked"),
)
RUST_HEADERS: Headers = (
    ("content-type", "application/json"),
    ("content-length", "1500"),
    ("date", "Mon, 03 Aug 2026 10:00:01 GMT"),
)
"""What net/http and hyper send with the same answer."""


def catalogue(size: int, rng: random.Random) -> dict[str, Any]:
    """A page of items whose compact JSON is about `size` bytes."""
    page: dict[str, Any] = {"page": 1, "items": []}
    while len(text(page)) < size:
        page["items"].extend(item(rng) for _ in range(1 + (size - len(text(page))) // 400))
    return page


def bodies() -> tuple[bytes, bytes]:
    """What a service answers with, and the odd answer, which differs in one place."""
    page = catalogue(BODY_BYTES, random.Random(SEED))
    return text(page), text(changed(page, 1))


def item(rng: random.Random) -> dict[str, Any]:
    """One item, some 230 bytes of JSON."""
    number = rng.randrange(100_000)
    return {
        "id": rng.getrandbits(48),
        "sku": f"SKU-{number:05}",
        "name": rng.choice(("Oak chair", "Brass lamp", "Wool blanket", "Crème mug")),
        "price_cents": rng.randrange(100, 90_000),
        "weight_kg": rng.randrange(1, 9_000) / 1_000,
        "in_stock": rng.random() < 0.5,
        "rating": None if rng.random() < 0.2 else rng.randrange(10, 51) / 10,
        "tags": rng.sample(("garden", "office", "outdoor", "tools"), 2),
        "updated_at": moment(rng),
    }


def moment(rng: random.Random) -> str:
    """A time of one morning, to the microsecond."""
    return f"2026-08-03T10:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(10**6):06}Z"


def text(value: object) -> bytes:
    """The compact JSON of a value, as Go and serde_json write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def requests(count: int, *, odd: bool = False) -> Iterator[Exchange]:
    """Reads of a shop, each with its id, most with a target of their own, without an answer."""
    for number in range(count):
        differs = odd and number % ODD_EVERY == 0
        target = f"{ODD_PATH}/{number}" if differs else f"/v1/items/{number}?page={number % 7}"
        headers = (
            ("Host", "catalogue.example.com"),
            ("User-Agent", "shop-web/3.2"),
            ("Accept", "application/json"),
            ("X-Request-Id", f"{number:032x}"),
        )
        yield Exchange(
            id=f"x{number:07}",
            session=f"u-{number % SESSIONS}",
            request=Request(method="GET", target=target, headers=headers),
        )


def answered(count: int, *, body: bytes, odd_body: bytes, headers: Headers) -> Iterator[Exchange]:
    """The same reads, each with its answer, one in a hundred with the odd one."""
    for number, exchange in enumerate(requests(count)):
        shown = odd_body if number % ODD_EVERY == 0 else body
        response = Response(status=200, headers=headers, body=shown)
        yield msgspec.structs.replace(exchange, response=response, latency_ms=1.0)


def demo_reads(count: int) -> Iterator[Exchange]:
    """The reads of the demo's capture, over and over, without the answers of back then."""
    reads = tomllib.loads(trial.CONFIG.read_text("utf-8"))["safety"]["reads"]
    safety = Safety(reads)
    exchanges = [
        each
        for each in read([trial.CAPTURE])
        if isinstance(each, Exchange) and safety.is_safe(each.request)
    ]
    lap = itertools.cycle(exchanges)
    for number, each in zip(range(count), lap, strict=False):
        session = f"{each.session}-{number // len(exchanges)}"
        yield msgspec.structs.replace(each, id=f"x{number:07}", session=session, response=None)


def write(path: Path, exchanges: Iterator[Exchange]) -> Path:
    """Write a native capture."""
    with open_writer(path) as writer:
        for exchange in exchanges:
            writer.write(exchange)
    return path


def write_for_goreplay(path: Path, exchanges: Iterator[Exchange]) -> Path:
    """Write a GoReplay file whose requests are all due at once."""
    with path.open("wb") as file:
        for number, exchange in enumerate(exchanges):
            request = exchange.request
            fields = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
            head = f"{request.method} {request.target} HTTP/1.1\r\n{fields}\r\n"
            file.write(b"1 %024x 1785751200000000000 0\n" % number)
            file.write(head.encode("latin-1") + request.body + "\n🐵🙈🙉\n".encode())
    return path


def changed(page: dict[str, Any], count: int) -> dict[str, Any]:
    """A copy of a page with `count` numbers one higher, evenly spread, at most two an item."""

    def change(other: dict[str, Any]) -> None:
        items = other["items"]
        for number in range(count):
            field = "id" if number % 2 else "price_cents"
            items[number * len(items) // count][field] += 1

    return varied(page, change)


def varied(page: dict[str, Any], vary: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A copy of a page, changed."""
    other: dict[str, Any] = json.loads(text(page))
    vary(other)
    return other
