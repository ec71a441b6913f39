from __future__ import annotations

import asyncio

import pytest

from shadow.sidecar.tasks import Tasks
from tests.sidecar.client import until


def test_what_fails_is_told_and_harms_nothing_else() -> None:
    told: list[BaseException] = []
    done: list[str] = []

    async def fails() -> None:
        raise ValueError("broken")

    async def works() -> None:
        await asyncio.sleep(0.01)
        done.append("done")

    async def main() -> None:
        async with Tasks(told.append) as tasks:
            for work in (fails(), works(), fails(), works()):
                tasks.spawn(work)
            await until(lambda: not tasks._tasks)  # nothing of what has ended is kept

    asyncio.run(main())
    assert [str(error) for error in told] == ["broken", "broken"]
    assert done == ["done", "done"]


def test_leaving_cancels_the_rest_and_waits_for_it() -> None:
    cleaned: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    async def main() -> None:
        async with Tasks(lambda error: pytest.fail(str(error))) as tasks:
            for _ in range(3):
                tasks.spawn(waits())
            await asyncio.sleep(0)

    asyncio.run(main())
    assert cleaned == ["cleaned"] * 3


def test_who_is_told_may_fail_too() -> None:
    def failed(error: BaseException) -> None:
        raise OSError(f"no room to write {error}")

    async def fails() -> None:
        raise ValueError("broken")

    async def main() -> None:
        async with Tasks(failed) as tasks:
            tasks.spawn(fails())
            await asyncio.sleep(0.01)
            tasks.spawn(fails())

    asyncio.run(main())
