from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shadow.model import SideName
from shadow.sidecar.mirroring.mirror import Copy, Mirror
from shadow.sidecar.relay.forwarding import MARK
from tests.sidecar.trial import (
    Asked,
    Running,
    Upstream,
    answer_of,
    ask,
    by_outcome,
    counted,
    plan_of,
    reply,
    skipped,
    stored,
    sunk,
    upstream,
)


class Trial:
    """Both services and the sink before them."""

    def __init__(self, running: Running, go: Upstream, rust: Upstream) -> None:
        self.go, self.rust = go, rust
        self.running = running
        self.sidecar = running.sidecar

    async def mirror(self, *words: Any, **given: Any) -> None:
        """Send a copy, as a mirroring proxy does."""
        got = await ask(self.running.port, *words, **given)
        assert (got.status, got.body) == (202, b"")

    async def outcomes(self) -> dict[str, int]:
        await self.running.settled()
        return {name: count for name, count in counted(self.sidecar).items() if count}

    async def reasons(self) -> dict[str, int]:
        await self.running.settled()
        return skipped(self.sidecar)


@asynccontextmanager
async def trying(folder: Path, **given: Any) -> AsyncIterator[Trial]:
    """A sink; when it has ended, the store has what the metrics have."""
    async with upstream() as go, upstream() as rust:
        targets = go.target("baseline"), rust.target("candidate")
        async with sunk(plan_of(folder, *targets, command="sink", **given)) as running:
            trial = Trial(running, go, rust)
            yield trial
        assert by_outcome(stored(folder / "store.sqlite")) == counted(trial.sidecar)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_it_answers_before_it_does_anything(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            gate = asyncio.Event()

            async def wait(_: Asked) -> bytes:
                await gate.wait()
                return reply()

            trial.go.replies = trial.rust.replies = wait
            for _ in range(3):
                await trial.mirror()
            assert counted(trial.sidecar)["match"] == 0
            gate.set()
            assert await trial.outcomes() == {"match": 3}
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert requests["baseline", "2xx"] == 3

    run(story)


def test_it_answers_though_the_work_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            complaints: list[dict[str, Any]] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))

            def fail(*_: object) -> None:
                raise RuntimeError

            monkeypatch.setattr(trial.sidecar, "exchange", fail)
            await trial.mirror()
            assert len(complaints) == 1

    run(story)


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("api.test-shadow", "api.test"),
        ("api.test-shadow:8080", "api.test:8080"),
        ("api.test", "api.test"),
        ("api-shadow.test", "api-shadow.test"),
        ("api-shadow-shadow", "api-shadow"),
        ("-shadow", ""),
    ],
)
def test_the_host_is_as_it_was(tmp_path: Path, host: str, sent: str) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            reader, writer = await asyncio.open_connection("127.0.0.1", trial.running.port)
            fields = f"hOst: {host}\r\nX-Envoy-Internal: true\r\nX-Forwarded-For: 10.0.0.9\r\n"
            writer.write(f"GET /v1/items/1?q=%20 HTTP/1.1\r\n{fields}\r\n".encode())
            assert (await answer_of(reader)).status == 202
            writer.close()
            assert await trial.outcomes() == {"match": 1}
            for side in (trial.go, trial.rust):
                (asked,) = side.asked
                assert asked.target == "/v1/items/1?q=%20"
                assert asked.values("host") == [sent]
                assert ("hOst", sent) in asked.headers
                assert asked.values("x-envoy-internal") == []
                assert asked.values("x-forwarded-for") == ["10.0.0.9"]
                assert asked.values(MARK.lower()) == [trial.sidecar.ident]

    run(story)


@pytest.mark.parametrize(
    ("words", "given", "plan", "reason"),
    [
        ((), {"fields": [f"{MARK}: other"]}, {}, "loop"),
        (("/v1/items", "POST"), {"body": b"{}"}, {}, "write"),
        ((), {}, {"sample": 0.0}, "sampled-out"),
        ((), {"fields": ["Connection: Upgrade", "Upgrade: websocket"]}, {}, "upgrade"),
        (("/v1/quote", "POST"), {"body": b"x" * 600_000}, {}, "truncated"),
        (("*",), {}, {}, "unsupported"),
    ],
)
def test_what_is_not_compared_is_counted(
    tmp_path: Path, words: tuple[Any], given: dict[str, Any], plan: dict[str, Any], reason: str
) -> None:
    async def story() -> None:
        async with trying(tmp_path, **plan) as trial:
            await trial.mirror(*words, **given)
            assert await trial.reasons() == {reason: 1}
            assert trial.go.asked == trial.rust.asked == []

    run(story)


def test_h2c_is_no_other_protocol(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            fields = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: A"]
            await trial.mirror(fields=fields)
            assert await trial.outcomes() == {"match": 1}

    run(story)


def test_writes_go_to_both_where_they_may(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, allow_writes=True) as trial:
            await trial.mirror("/v1/items", "POST", body=b'{"a":1}')
            assert await trial.outcomes() == {"match": 1}
            assert [each.body for each in (*trial.go.asked, *trial.rust.asked)] == [b'{"a":1}'] * 2

    run(story)


def test_either_side_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[tuple[SideName, ...]] = []
    offer = Mirror.offer

    def offered(mirror: Mirror, copy: Copy, sides: tuple[SideName, ...]) -> None:
        orders.append(sides)
        offer(mirror, copy, sides)

    monkeypatch.setattr(Mirror, "offer", offered)

    async def story() -> None:
        async with trying(tmp_path) as trial:
            for _ in range(64):
                await trial.mirror()
            assert await trial.outcomes() == {"match": 64}

    run(story)
    baseline = orders.count(("baseline", "candidate"))
    assert len(orders) == 64
    assert 8 <= baseline <= 56  # less likely than one in 10^10 else


def test_both_dead_is_incomparable(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.go.replies = trial.rust.replies = lambda _: b""
            await trial.mirror()
            assert await trial.outcomes() == {"incomparable": 1}

    run(story)
