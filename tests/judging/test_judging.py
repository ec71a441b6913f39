"""Pairs are judged where they belong, to the same judgement, and never hold up an event loop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable

import pytest

from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, judge, learn
from shadow.judging import Judging
from shadow.judging.judging import HERE_BYTES, POOL
from shadow.model import Answer, Exchange, Judgement, Outcome, Request, Response

ENDPOINT = "GET /v1/items"
EXCHANGE = Exchange(id="x", request=Request(method="GET", target="/v1/items"))


def answer(value: object) -> Answer:
    headers = (("Content-Type", "application/json"),)
    body = json.dumps(value, separators=(",", ":")).encode()
    return Answer(response=Response(status=200, headers=headers, body=body))


def small(price: int) -> Answer:
    return answer({"price": price})


def large(price: int) -> tuple[Answer, Answer]:
    """A pair whose bodies are long and differ in one place."""
    items = [{"id": number, "price": number % 90} for number in range(HERE_BYTES // 20)]
    other = [*items[:-1], {"id": -1, "price": price}]
    return answer(items), answer(other)


def dear() -> tuple[Answer, Answer]:
    """A pair that is long to compare: other items all over, to be aligned."""
    ours = [f"item-{number * 7919 % 100_000}" for number in range(1_900)]
    theirs = [f"item-{number * 7919 % 100_000 + number % 3}" for number in range(1_900, 0, -1)]
    return answer([*ours, *ours[:20]]), answer([*theirs, *ours[:60]])


async def judged(judging: Judging, baseline: Answer, candidate: Answer) -> tuple[bool, Judgement]:
    """Whether it was judged here, and what came of it."""
    here = judging.inline(EXCHANGE, ENDPOINT, baseline, candidate)
    if here is not None:
        return True, here
    return False, await judging.in_pool(EXCHANGE, ENDPOINT, baseline, candidate)


def test_a_cheap_pair_is_judged_here_and_a_long_one_elsewhere_as_by_the_judge() -> None:
    policy = Policy()

    async def both() -> None:
        async with Judging(policy) as judging:
            for pair, is_here in (((small(1), small(2)), True), (large(1), False)):
                expected = judge(EXCHANGE, ENDPOINT, *pair, policy)
                assert expected.outcome == Outcome.DIVERGENT
                assert await judged(judging, *pair) == (is_here, expected)

    asyncio.run(both())


def test_a_short_pair_that_takes_long_is_judged_elsewhere() -> None:
    async def one() -> None:
        pair = dear()
        assert sum(len(each.response.body) for each in pair) < HERE_BYTES
        async with Judging(Policy()) as judging:
            is_here, judgement = await judged(judging, *pair)
        assert not is_here
        assert judgement == judge(EXCHANGE, ENDPOINT, *pair, Policy())

    asyncio.run(one())


def test_equal_bodies_are_judged_here_whatever_their_length() -> None:
    async def one() -> None:
        pair = large(1)[0], large(2)[0]
        async with Judging(Policy()) as judging:
            assert await judged(judging, *pair) == (True, Judgement(outcome=Outcome.MATCH))

    asyncio.run(one())


async def longest_gap(work: Awaitable[object]) -> float:
    """The longest time for which the loop did nothing else while the work was done."""
    gap, last = 0.0, time.perf_counter()

    async def tick() -> None:
        nonlocal gap, last
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gap, last = max(gap, now - last), now

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        await work
        ticking.cancel()
    return gap


def test_a_pair_that_is_long_to_judge_does_not_hold_up_the_loop() -> None:
    pair = dear()
    started = time.perf_counter()
    judge(EXCHANGE, ENDPOINT, *pair, Policy())
    alone = time.perf_counter() - started

    async def measured() -> float:
        async with Judging(Policy()) as judging:
            await judged(judging, *large(1))  # the pool is up
            return await longest_gap(judged(judging, *pair))

    assert min(asyncio.run(measured()) for _ in range(3)) < alone / 4


def test_noise_is_learned_and_remembered_wherever_the_pair_is_judged() -> None:
    def noisy(number: int, pad: int) -> Answer:
        token = f"6ba7b810-9dad-11d1-80b4-{number:012d}"
        return answer({"pad": ["x"] * pad, "id": token})

    async def run(pad: int) -> tuple[list[bool], NoiseProfile]:
        noise = NoiseProfile()
        async with Judging(Policy(), noise) as judging:
            for number in range(3):
                await judging.learn(ENDPOINT, noisy(number, pad), noisy(100 + number, pad))
            places = []
            for number in range(5):
                pair = noisy(200 + number, pad), noisy(300, pad)
                is_here, judgement = await judged(judging, *pair)
                places.append(is_here)
                assert [each.verdict for each in judgement.divergences] == ["noise"]
        return places, noise

    here, near = asyncio.run(run(1))
    elsewhere, far = asyncio.run(run(HERE_BYTES // 4))
    assert (set(here), set(elsewhere)) == ({True}, {False})
    assert near.state() == far.state()
    direct = NoiseProfile()
    for number in range(3):
        learn(ENDPOINT, noisy(number, 1), noisy(100 + number, 1), direct, Policy())
    assert near.endpoints[ENDPOINT].pairs == direct.endpoints[ENDPOINT].pairs == 3
    assert near.repeats(ENDPOINT, "body", "$['id']")


async def kill_pool(judging: Judging, times: int) -> None:
    """Kill what judges, so many times, each as soon as it is there."""
    killed: set[int] = set()
    while len(killed) < times:
        await asyncio.sleep(0.01)
        pool = judging._pool
        for pid in [*(pool._processes or ())] if pool is not None else []:
            if pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)


@pytest.mark.parametrize("deaths", [1, 10])
def test_a_pair_whose_judge_dies_is_judged_all_the_same(deaths: int) -> None:
    pair = large(1)
    expected = judge(EXCHANGE, ENDPOINT, *pair, Policy())

    async def one() -> Judgement:
        async with Judging(Policy()) as judging, asyncio.TaskGroup() as group:
            killing = group.create_task(kill_pool(judging, deaths * POOL))
            _, judgement = await judged(judging, *pair)
            killing.cancel()
            return judgement

    judgement = asyncio.run(one())
    if deaths == 1:
        assert judgement == expected
    else:  # it never gets to an end: said so, and not taken for a match
        assert judgement.outcome == Outcome.DIVERGENT
        assert [each.kind for each in judgement.divergences] == ["over_budget"]


def test_what_fails_meanwhile_does_not_wait_for_the_pool() -> None:
    processes: list[int] = []

    async def one() -> None:
        async with Judging(Policy()) as judging, asyncio.TaskGroup() as group:
            await judged(judging, *large(1))  # the pool is up
            assert judging._pool is not None
            processes.extend(judging._pool._processes or ())
            group.create_task(judged(judging, *dear()))
            await asyncio.sleep(0)
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup, match="unhandled"):
        asyncio.run(one())
    assert processes
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
