from __future__ import annotations

import asyncio
import time

import pytest

from shadow.sidecar.mirroring import batches as module
from shadow.sidecar.mirroring.batches import DELAY_S, MOST, PATIENCE_S, Batches, Clients


def test_what_is_gathered_is_done_together_and_in_order() -> None:
    done: list[list[int]] = []

    async def story() -> None:
        ended = asyncio.Event()

        def work(items: list[int]) -> int:
            done.append(items)
            if sum(map(len, done)) == 3:
                ended.set()
            return len(items)

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

        def work(items: list[int]) -> int:
            done.append(len(items))
            if sum(done) == 3 * MOST + 1:
                ended.set()
            return len(items)

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

        def work(items: list[int]) -> int:
            done.extend(items)
            for item in items:
                if item < 5:
                    batches.add(item + 1)
                else:
                    ended.set()
            return len(items)

        batches = Batches(work)
        batches.add(1)
        await ended.wait()

    asyncio.run(story())
    assert done == [1, 2, 3, 4, 5]


def test_a_flush_leaves_nothing_and_nothing_is_done_twice() -> None:
    done: list[list[int]] = []

    def work(items: list[int]) -> int:
        done.append(items)
        return len(items)

    async def story() -> None:
        batches = Batches(work)
        batches.flush()
        batches.add(1)
        batches.add(2)
        batches.flush()
        assert len(batches) == 0
        await asyncio.sleep(0.01)  # longer than a batch is gathered

    asyncio.run(story())
    assert done == [[1, 2]]


def test_work_that_stops_early_goes_on_in_the_next_turn_and_others_run_between() -> None:
    done: list[int | str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def work(items: list[int]) -> int:
            if not items[0]:
                batches.add(3)  # behind what waits already
            done.append(items[0])
            loop.call_soon(done.append, "other")
            if items[0] == 3:
                ended.set()
            return 1

        batches = Batches(work)
        for item in range(3):
            batches.add(item)
        await ended.wait()

    asyncio.run(story())
    assert done[:7] == [0, "other", 1, "other", 2, "other", 3]


def test_a_flush_does_all_that_the_work_leaves_for_later() -> None:
    done: list[int] = []

    def work(items: list[int]) -> int:
        done.append(items[0])
        return 1

    async def story() -> None:
        batches = Batches(work)
        for item in range(3):
            batches.add(item)
        batches.flush()
        assert len(batches) == 0

    asyncio.run(story())
    assert done == [0, 1, 2]


def test_who_waits_goes_first() -> None:
    waiting, done, took = Clients[str](), list[bool](), list[float]()
    for client in ("one", "another"):
        waiting.add(client)

    async def story() -> None:
        ended = asyncio.Event()

        def work(items: list[int]) -> int:
            done.append(bool(waiting))
            ended.set()
            return len(items)

        batches = Batches(work, waiting)
        batches.add(1)
        await asyncio.sleep(2 * DELAY_S)
        waiting.discard("one")
        await asyncio.sleep(0)
        assert done == []
        waiting.discard("another")
        began = time.perf_counter()
        await ended.wait()
        took.append(time.perf_counter() - began)

    asyncio.run(story())
    assert done == [False]
    assert took[0] < PATIENCE_S  # it did not wait for the time to pass


def test_a_client_who_comes_between_two_turns_goes_first_too() -> None:
    clients, done = Clients[str](), list[tuple[int, bool]]()

    async def story() -> None:
        ended = asyncio.Event()

        def work(items: list[int]) -> int:
            done.append((items[0], bool(clients)))
            if items[0] == 0:
                clients.add("a client")
                asyncio.get_running_loop().call_later(0, clients.discard, "a client")
            else:
                ended.set()
            return 1

        batches = Batches(work, clients)
        batches.add(0)
        batches.add(1)
        await ended.wait()

    asyncio.run(story())
    assert done == [(0, False), (1, False)]


def test_nobody_waits_for_ever_and_what_is_late_is_done_in_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At load there is always a client who waits: what was patient once is no more."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    turns: list[float] = []
    clients = Clients[str]()
    clients.add("a client")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def work(items: list[int]) -> int:
            turns.append(loop.time() - began)
            if len(turns) == 1:
                batches.add(0)  # has patience of its own, but stands behind the others
            if len(turns) == 5:
                ended.set()
            return min(len(items), MOST // 2)

        batches = Batches(work, clients)
        began = loop.time()
        for item in range(2 * MOST):
            batches.add(item)
        await ended.wait()

    asyncio.run(story())
    first, *others = turns
    assert first > 0.4
    assert others[2] - first < 0.5
