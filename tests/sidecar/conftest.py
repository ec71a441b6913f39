"""Runs a coroutine on each kind of loop, and proves that nothing went wrong behind it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
import uvloop

from tests.sending.conftest import _open_sockets
from tests.sending.service import Run
from tests.sidecar.live import watched


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
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield lambda work: runner.run(watched(work))
    gc.collect()
    assert _open_sockets() <= before
