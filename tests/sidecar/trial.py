"""What the tests of a sidecar are made of: services in the loop of the test, plans, clients."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import httptools

from shadow.compare.noise import NoiseProfile
from shadow.endpoints import Endpoints
from shadow.judge import Policy
from shadow.model import (
    Answer,
    Exchange,
    Headers,
    Judgement,
    Observation,
    Outcome,
    Request,
    Response,
    SideName,
    Timing,
)
from shadow.results.runs import RunInfo, Side
from shadow.results.store import Store
from shadow.results.tally import Tally
from shadow.sending.limits import Limits
from shadow.sending.safety import Safety
from shadow.sending.target import Target, parse_target
from shadow.sending.wire import Wire
from shadow.sidecar.canary.guards import GuardPolicy
from shadow.sidecar.mirroring.mirror import MirrorOptions
from shadow.sidecar.mirroring.window import Room
from shadow.sidecar.plans import SidecarPlan
from shadow.sidecar.proxying import Proxy
from shadow.sidecar.relay.passage import COPY_BYTES
from shadow.sidecar.server.server import LiveServer
from shadow.sidecar.sidecar import Sidecar
from shadow.sidecar.sinking import Sink

JSON: Final[Headers] = (("Content-Type", "application/json"),)
PATIENCE_S: Final = 10.0


# Services


class Asked(NamedTuple):
    """A request as a service got it."""

    method: str
    target: str
    headers: Headers
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


Reply = Callable[[Asked], bytes | Awaitable[bytes]]
"""Makes an answer as it goes on the wire; an empty one closes the connection."""


def reply(body: str | bytes = "{}", status: int = 200, *fields: str) -> bytes:
    """An answer on the wire."""
    data = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *fields]
    return "\r\n".join([*head, f"Content-Length: {len(data)}", "", ""]).encode() + data


class _Parser:
    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class Upstream:
    """A service on a port of this machine; `replies` may be changed at any time."""

    def __init__(self, replies: Reply) -> None:
        self.replies = replies
        self.asked: list[Asked] = []
        self.streams = 0.0
        """Seconds between the head of an answer and its body."""
        self.url = ""
        self._came = asyncio.Event()
        self._serving: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while asked := await _read(reader):
                self.asked.append(asked)
                self._came.set()
                said = self.replies(asked)
                data = said if isinstance(said, bytes) else await said
                if not data:
                    break
                if self.streams:
                    head, end, data = data.partition(b"\r\n\r\n")
                    writer.write(head + end)
                    await asyncio.sleep(self.streams)
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def end(self) -> None:
        """Let go of everybody."""
        while self._serving:
            serving = list(self._serving)
            for task in serving:
                task.cancel()
            await asyncio.wait(serving)
        await asyncio.sleep(0)

    async def has(self, count: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.asked) < count:
                self._came.clear()
                await self._came.wait()

    def target(self, side: SideName) -> Target:
        name = "go" if side == "baseline" else "rust"
        return parse_target(self.url, side=side, name=name, option="--x", keep_host=True)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    found = _Parser()
    parser = httptools.HttpRequestParser(found)
    while not found.complete:
        data = await reader.read(65536)
        if not data:
            return None
        with suppress(httptools.HttpParserUpgrade):
            parser.feed_data(data)
    return Asked(
        parser.get_method().decode(), found.target.decode(), tuple(found.headers), found.body
    )


@asynccontextmanager
async def upstream(replies: Reply = lambda _: reply()) -> AsyncIterator[Upstream]:
    """A service while the block runs."""
    service = Upstream(replies)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        server.close()
        await service.end()


# Clients


class Got(NamedTuple):
    """An answer as a client got it."""

    status: int
    headers: Headers
    body: bytes


async def ask(
    port: int,
    target: str = "/v1/items/1",
    method: str = "GET",
    fields: Iterable[str] = (),
    body: bytes = b"",
) -> Got:
    """Ask once, on a connection of its own."""
    head = [f"{method} {target} HTTP/1.1", "Host: api.test", *fields]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return await send(port, "\r\n".join([*head, "", ""]).encode() + body)


async def send(port: int, data: bytes) -> Got:
    """Send bytes and read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            return await answer_of(reader)
    finally:
        writer.close()


async def answer_of(reader: asyncio.StreamReader) -> Got:
    """Read one answer."""
    found = _Parser()
    parser = httptools.HttpResponseParser(found)
    while not found.complete:
        data = await reader.read(65536)
        if not data:
            raise ConnectionResetError
        parser.feed_data(data)
    return Got(parser.get_status_code(), tuple(found.headers), found.body)


# Sidecars


def info(command: str = "proxy") -> RunInfo:
    return RunInfo(
        command=command,
        digest="d",
        baseline=Side(name="go", url="http://go.test"),
        candidate=Side(name="rust", url="http://rust.test"),
    )


def plan_of(folder: Path, go: Target, rust: Target, **given: Any) -> SidecarPlan:
    """A plan with small bounds on time."""
    writes = given.pop("allow_writes", False)
    return SidecarPlan(
        listen=("127.0.0.1", 0),
        status=None,
        baseline=go,
        candidate=rust,
        endpoints=Endpoints(["GET /v1/items/{id}", "POST /v1/items"]),
        safety=Safety(["POST /v1/quote"], allow_writes=writes),
        policy=Policy(),
        info=info(given.pop("command", "proxy")),
        **{
            "admin": None,
            "limits": Limits(timeout_s=PATIENCE_S),
            "mirror": MirrorOptions(),
            "guards": GuardPolicy(),
            "room": Room(),
            "store": str(folder / "store.sqlite"),
            **given,
        },
    )


class Told(list[str]):
    """What the operator was told."""

    def tell(self, line: str) -> None:
        self.append(line)


@asynccontextmanager
async def live(service: Any) -> AsyncIterator[int]:
    """The port of a live server with this service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with LiveServer(service, listener):
            yield listener.getsockname()[1]


def counted(sidecar: Sidecar) -> dict[str, int]:
    """The exchanges by outcome, as the metrics have them."""
    table = sidecar.counters.tables["shadow_exchanges_total"]
    return {outcome.value: table[(outcome.value,)] for outcome in Outcome}


def skipped(sidecar: Sidecar) -> dict[str, int]:
    """The skipped ones by reason, as the metrics have them."""
    table = sidecar.counters.tables["shadow_skipped_total"]
    return {reason: count for (reason,), count in table.items() if count}


def stored(path: Path) -> Tally:
    """The counts of all runs of a store together."""
    total = Tally()
    with Store.open(path, create=False) as store:
        for each in store.runs():
            tally = store.load(each.id).tally
            assert tally.accounted
            total.merge(tally)
    return total


def by_outcome(tally: Tally) -> dict[str, int]:
    return {outcome.value: count for outcome, count in tally.outcomes.items()}


def events(folder: Path) -> list[Any]:
    """The events of all logs in a folder, in order of their logs."""
    return [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


# Exchanges


def exchange(number: int = 0, target: str = "/v1/items/1", **fields: Any) -> Exchange:
    request = Request(method="GET", target=target, headers=(("Host", "api.test"),), **fields)
    return Exchange(id=f"x{number}", request=request)


def answer(body: str = "{}", status: int = 200, service_s: float = 0.001) -> Answer:
    return Answer(
        response=Response(status=status, headers=JSON, body=body.encode()),
        timing=Timing(due=0.0, sent=0.0, done=service_s),
    )


def judged(go: Observation, rust: Observation, endpoint: str = "GET /v1/items/{id}") -> Judgement:
    from shadow.judge import judge  # noqa: PLC0415 - the name is taken

    return judge(exchange(), endpoint, go, rust, Policy(), noise=NoiseProfile())


# Whole sidecars


class Running:
    """A sidecar that runs in the loop of the test."""

    def __init__(
        self, sidecar: Sidecar, port: int, told: Told, hand_on: Callable[[], object] = lambda: None
    ) -> None:
        self.sidecar = sidecar
        self.port = port
        self.told = told
        self._hand_on = hand_on
        """Makes copies of what has passed at once."""

    async def settled(self) -> None:
        """Wait until every copy has its outcome."""
        self._hand_on()
        async with asyncio.timeout(PATIENCE_S):
            await self.sidecar.mirror.ended()

    async def take_away(self, store: Path) -> None:
        """Put a folder where the store is, which is set aside."""

        def swap() -> None:
            store.rename(store.with_name("aside"))
            store.mkdir()

        await self.sidecar.keeping.in_thread(swap)  # while nothing is written

    async def bring_back(self, store: Path) -> None:
        """Put the store back."""

        def swap() -> None:
            store.rmdir()
            store.with_name("aside").rename(store)

        await self.sidecar.keeping.in_thread(swap)


@asynccontextmanager
async def proxied(plan: SidecarPlan) -> AsyncIterator[Running]:
    """What `shadow proxy` runs, but for the small ports and the signals."""
    told, limits = Told(), replace(plan.limits, max_body=COPY_BYTES, connections=64)
    async with (
        Sidecar(plan, told.tell) as sidecar,
        Wire(plan.baseline, limits=limits) as go,
        Wire(plan.candidate, limits=limits) as rust,
    ):
        proxy = Proxy(sidecar, {"baseline": go, "candidate": rust})
        try:
            async with live(proxy) as port:
                yield Running(sidecar, port, told, proxy._passed.flush)
        finally:
            proxy.close()


@asynccontextmanager
async def sunk(plan: SidecarPlan) -> AsyncIterator[Running]:
    """What `shadow sink` runs, but for the small ports and the signals."""
    told = Told()
    async with Sidecar(plan, told.tell) as sidecar, live(Sink(sidecar)) as port:
        yield Running(sidecar, port, told)
