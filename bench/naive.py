"""The same job written plainly, with the packages one would reach for: what shadow is beside.

An httpx client for both services, both asked at once, DeepDiff on every pair of answers, one
structlog line for each exchange. Nothing is done badly on purpose: one client and its
connections are kept, the loop is uvloop's, 64 exchanges are in flight. The client's limits are
httpx's own, which is also the fastest: with a pool of 128 kept connections, so that none is
ever closed, it is three times as slow.

python -m bench.naive CAPTURE GO_URL RUST_URL LOG
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import httpx  # noqa: TID251 - the packages are what is measured
import structlog
import uvloop
from deepdiff import DeepDiff  # noqa: TID251 - as above

CONCURRENCY = 64
TIMEOUT_S = 30.0
SET_ANEW = {"host", "content-length", "connection"}
"""Fields that httpx sets for each request."""


def read(capture: str) -> list[dict[str, Any]]:
    """The exchanges of a native capture."""
    with Path(capture).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def logger(file: TextIO) -> structlog.typing.FilteringBoundLogger:
    """A logger that writes one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one service answered; status 0 where it did not."""

    status: int
    content: Any
    """The decoded JSON; the text where it is none."""
    seconds: float


async def send(client: httpx.AsyncClient, base: str, request: dict[str, Any]) -> Answer:
    """Send one recorded request to one service."""
    headers = [each for each in request.get("headers", []) if each[0].lower() not in SET_ANEW]
    started = time.perf_counter()
    try:
        response = await client.request(
            request["method"],
            base + request["target"],
            headers=headers,
            content=request.get("body"),
        )
    except httpx.HTTPError as error:
        return Answer(status=0, content=repr(error), seconds=time.perf_counter() - started)
    seconds = time.perf_counter() - started
    try:
        content = response.json()
    except ValueError:
        content = response.text
    return Answer(status=response.status_code, content=content, seconds=seconds)


async def replay(
    exchanges: list[dict[str, Any]],
    baseline: str,
    candidate: str,
    log: structlog.typing.FilteringBoundLogger,
) -> int:
    """Send all exchanges to both services, compare and log; how many answers differ."""
    different = 0
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(client: httpx.AsyncClient, exchange: dict[str, Any]) -> None:
        nonlocal different
        async with gate:
            ours, theirs = await asyncio.gather(
                send(client, baseline, exchange["request"]),
                send(client, candidate, exchange["request"]),
            )
        found = DeepDiff(ours.content, theirs.content)
        same = ours.status == theirs.status and not found
        different += not same
        log.info(
            "exchange",
            exchange_id=exchange["id"],
            target=exchange["request"]["target"],
            baseline_status=ours.status,
            candidate_status=theirs.status,
            baseline_s=ours.seconds,
            candidate_s=theirs.seconds,
            same=same,
            diff=None if same else found.to_json(),
        )

    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client, asyncio.TaskGroup() as group:
        for exchange in exchanges:
            group.create_task(one(client, exchange))
    return different


def main() -> None:
    """Replay, and print what it came to and how long it took without starting up."""
    capture, baseline, candidate, log_path = sys.argv[1:]
    exchanges = read(capture)
    with Path(log_path).open("w", encoding="utf-8") as file:
        log = logger(file)
        started, cpu = time.perf_counter(), time.process_time()
        different = uvloop.run(replay(exchanges, baseline, candidate, log))
        told = {
            "exchanges": len(exchanges),
            "different": different,
            "duration_s": time.perf_counter() - started,
            "cpu_s": time.process_time() - cpu,
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
