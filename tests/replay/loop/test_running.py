from __future__ import annotations

import asyncio

import pytest

from shadow.errors import UnfinishedError
from shadow.replay.loop.running import Running


async def waits() -> None:
    await asyncio.Event().wait()


def test_what_is_done_beside_a_run_is_cancelled_at_its_end() -> None:
    left: list[str] = []

    async def beside() -> None:
        try:
            running.end()
            await waits()
        finally:
            left.append("beside")

    async def main() -> None:
        await running.run(lambda: None, beside=beside)
        assert left == ["beside"]
        assert running.ended.done()

    running = Running()
    asyncio.run(main())


@pytest.mark.parametrize("where", ["task", "beside", "callback"])
def test_the_first_thing_that_goes_wrong_ends_the_run(where: str) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise UnfinishedError("the disk is full", "make room")

    def begin() -> None:
        running.spawn(waits)
        if where == "task":
            running.spawn(fails)
        elif where == "callback":
            running.fail(UnfinishedError("the disk is full", "make room"))
            running.fail(UnfinishedError("later", "is not told"))
            running.end()

    running = Running()
    with pytest.raises(UnfinishedError, match="the disk is full"):
        asyncio.run(running.run(begin, beside=fails if where == "beside" else waits))
