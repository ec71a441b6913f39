"""Runs a coroutine on each kind of loop, and proves that nothing went wrong behind it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from shadow.sidecar.batches import Batches
from tests.sending.conftest import _open_sockets
from tests.sending.service import Run

LONGEST_S = 30.0


@pytest.fixture(scope="session", autouse=True)
def old_objects_set_aside() -> Iterator[None]:
    """Let each collection look only at what the tests made: it then takes no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine; no socket outlives it, and no exception reaches the loop's handler."""
    before = _open_sockets()
    complaints: list[dict[str, Any]] = []

    async def guarded(work: Coroutine[Any, Any, Any]) -> Any:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(LONGEST_S):
            return await work

    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield lambda work: runner.run(guarded(work))
    gc.collect()
    assert not complaints
    assert _open_sockets() <= before


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a batch is done at once: whoever tests it need not wait either."""
    monkeypatch.setattr(Batches, "add", lambda batches, item: batches._work([item]))
