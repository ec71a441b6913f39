"""Sends a seeded plan of user sessions to one service and writes what it saw as a capture.

    python services/traffic.py --url http://127.0.0.1:8080 --seed 7 --out capture.jsonl.gz

The requests depend on the options alone, not on who answers. They are sent one after the other;
the timestamps are those of the planned open-loop timeline, the latencies are measured.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import http.client
import json
import random
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from services.mistakes import blunder, deck
from services.workload import ACTIONS, AGENTS, TOKEN, Call, Shopper, log_in
from shadow.errors import ShadowError, UnfinishedError

BEGIN = datetime(2026, 8, 3, 10, tzinfo=UTC)
RATE_PER_S = 20.0
THINK_S = 1.5
EXCHANGES_PER_SESSION = 16
MISTAKE_RATE = 0.045
ANSWER_TIMEOUT_S = 10.0

_DRAFT = re.compile(r"\{draft:([^}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One call with its place in time: seconds from the beginning of the plan."""

    at: float
    session: str
    call: Call


def plan(*, seed: int, exchanges: int, exports: int) -> list[Planned]:
    """The whole plan in order of time: `exchanges` calls, `exports` of them exports.

    Each session begins with a login; the sessions overlap.
    """
    rng = random.Random(seed)
    sessions = max(1, exchanges // EXCHANGES_PER_SESSION)
    weights = [rng.expovariate(1) for _ in range(sessions)]
    owners = rng.choices(range(sessions), weights, k=max(0, exchanges - sessions))
    lengths = [owners.count(session) for session in range(sessions)]
    exporters = sorted(range(sessions), key=lambda session: -lengths[session])[:exports]
    mistakes = deck(rng)
    planned: list[Planned] = []
    for session, length in enumerate(lengths):
        shopper = Shopper(rng=rng, user=f"u-{session + 1}", agent=rng.choice(AGENTS))
        _shop(shopper, length, mistakes, export=session in exporters)
        at = rng.uniform(0, exchanges / RATE_PER_S)
        for call in shopper.calls:
            planned.append(Planned(at=at, session=shopper.user, call=call))
            at += rng.expovariate(1 / THINK_S)
    return sorted(planned, key=lambda entry: entry.at)[:exchanges]


def _shop(shopper: Shopper, length: int, mistakes: Iterator[int], *, export: bool) -> None:
    actions = [action for action, _ in ACTIONS]
    weights = [weight for _, weight in ACTIONS]
    log_in(shopper)
    for number in range(length):
        if export and number == length // 2:
            shopper.ask("GET", "/v1/export")
        elif shopper.rng.random() < MISTAKE_RATE:
            blunder(shopper, next(mistakes))
        else:
            shopper.rng.choices(actions, weights)[0](shopper)


@dataclass(slots=True, kw_only=True)
class Learned:
    """What the answers told one session: its token, and the ids of its drafts by SKU."""

    token: str = ""
    drafts: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """The text with its placeholders replaced."""
        text = text.replace(TOKEN, self.token)
        return _DRAFT.sub(lambda match: self.drafts.get(match[1], "unknown"), text)

    def learn(self, call: Call, status: int, body: bytes) -> None:
        """Take from an answer what later calls need."""
        path = call.target.partition("?")[0]
        if call.method != "POST" or path not in {"/v1/login", "/v1/items"}:
            return
        if status not in {200, 201}:
            return
        answer = json.loads(body)
        if path == "/v1/login":
            self.token = answer["token"]
        else:
            self.drafts[answer["sku"]] = answer["id"]


class Recorder:
    """Sends calls over one connection and turns each into an exchange of a capture."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ShadowError(f"--url: {url} is not an http URL", hint="http://127.0.0.1:8080")
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port or 80, timeout=ANSWER_TIMEOUT_S
        )
        self._sessions: dict[str, Learned] = {}

    def record(self, planned: Iterable[Planned]) -> Iterator[dict[str, Any]]:
        """One exchange, in the capture format, for each call; the connection is closed after."""
        try:
            for number, entry in enumerate(planned, start=1):
                yield self._exchange(f"x{number:06}", entry)
        finally:
            self._connection.close()

    def _exchange(self, exchange_id: str, entry: Planned) -> dict[str, Any]:
        learned = self._sessions.setdefault(entry.session, Learned())
        call = Call(
            method=entry.call.method,
            target=learned.fill(entry.call.target),
            headers=tuple((name, learned.fill(text)) for name, text in entry.call.headers),
            body=entry.call.body,
        )
        return {
            "v": 1,
            "id": exchange_id,
            "ts": _timestamp(entry.at),
            "session": entry.session,
            "request": {
                "method": call.method,
                "target": call.target,
                "headers": call.headers,
                **_body(call.body),
            },
            **self._answer(call, learned),
        }

    def _answer(self, call: Call, learned: Learned) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            response = self._send(call)
            body = response.read()
        except (OSError, http.client.HTTPException) as problem:
            self._connection.close()
            kind = "timeout" if isinstance(problem, TimeoutError) else "reset"
            if isinstance(problem, ConnectionRefusedError):
                raise UnfinishedError(f"no service answers: {problem}") from problem
            return {"error": {"kind": kind, "detail": str(problem)}}
        latency_ms = round((time.perf_counter() - began) * 1000, 3)
        if call.body and response.status >= 400:
            # A server may close after an answer to a body it did not read, and hyper does not say.
            self._connection.close()
        learned.learn(call, response.status, body)
        return {
            "response": {
                "status": response.status,
                "headers": response.getheaders(),
                **_body(body),
                "latency_ms": latency_ms,
            }
        }

    def _send(self, call: Call) -> http.client.HTTPResponse:
        self._connection.putrequest(
            call.method, call.target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in call.headers:
            self._connection.putheader(name, value)
        self._connection.endheaders(call.body or None)
        return self._connection.getresponse()


def _timestamp(at: float) -> str:
    moment = BEGIN + timedelta(seconds=at)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _body(body: bytes) -> dict[str, str]:
    if not body:
        return {}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def write(path: Path, exchanges: Iterable[dict[str, Any]]) -> int:
    """Write a capture, compressed where the name ends in `.gz`; returns how many exchanges.

    The compressed file holds neither a name nor a time, so equal contents are equal files.
    """
    count = 0
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as raw:
            compressed = path.suffix == ".gz"
            out = gzip.GzipFile("", "wb", 9, raw, mtime=0) if compressed else raw
            for exchange in exchanges:
                line = json.dumps(exchange, separators=(",", ":"), ensure_ascii=False)
                out.write(line.encode() + b"\n")
                count += 1
            if compressed:
                out.close()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def record(*, url: str, exchanges: int, seed: int, out: Path, exports: int = 3) -> int:
    """Plan, send and write; returns how many exchanges were written.

    Raises ShadowError for a wrong URL, UnfinishedError when nobody listens there.
    """
    calls = plan(seed=seed, exchanges=exchanges, exports=exports)
    return write(out, Recorder(url).record(calls))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="the service to send to")
    parser.add_argument("--exchanges", type=int, default=2000, help="how many requests")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same requests")
    parser.add_argument("--exports", type=int, default=3, help="how many of them are exports")
    parser.add_argument("--out", type=Path, required=True, help="the capture to write")
    options = parser.parse_args()
    try:
        count = record(**vars(options))
    except ShadowError as problem:
        print(f"traffic: {problem.message} ({problem.hint})", file=sys.stderr)
        return problem.exit_code
    print(f"{options.out}: {count} exchanges", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
