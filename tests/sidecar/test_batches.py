from __future__ import annotations

import asyncio

from shadow.sidecar.batches import MOST, Batches


def test_what_is_gathered_is_done_together_and_in_order() -> None:
    done: list[list[int]] = []

    async def story() -> None:
        ended = asyncio.Event()

        def work(items: list[int]) -> None:
            done.append(items)
            if sum(map(len, done)) == 3:
                ended.set()

        batches = Batches(work)
        for item in range(3):
            batches.add(item)
        assert (len(batches), done) == (3, [])
        await ended.wait()
        assert len(batches) == 0

    asyncio.run(story())
    assert done == [[0, 1, 2]]


def test_a_batch_is_short_and_the_rest_comes_in_the_next_turn() -> None:
    done: list[int] = []

    async def story() -> None:
        ended = asyncio.Event()

        def work(items: list[int]) -> None:
            done.append(len(items))
            if sum(done) == 3 * MOST + 1:
                ended.set()

        batches = Batches(work)
        for item in range(3 * MOST + 1):
            batches.add(item)
        await ended.wait()

    asyncio.run(story())
    assert done == [MOST, MOST, MOST, 1]


def test_what_is_added_by_the_work_itself_is_done_too() -> None:
    done: list[int] = []

    async def story() -> None:
        ended = asyncio.Event()

        def work(items: list[int]) -> None:
            done.extend(items)
            for item in items:
                if item < 5:
                    batches.add(item + 1)
                else:
                    ended.set()

        batches = Batches(work)
        batches.add(1)
        await ended.wait()

    asyncio.run(story())
    assert done == [1, 2, 3, 4, 5]


def test_a_flush_leaves_nothing_and_nothing_is_done_twice() -> None:
    done: list[list[int]] = []

    async def story() -> None:
        batches = Batches(done.append)
        batches.flush()
        batches.add(1)
        batches.add(2)
        batches.flush()
        assert len(batches) == 0
        await asyncio.sleep(0.01)  # longer than a batch is gathered

    asyncio.run(story())
    assert done == [[1, 2]]
