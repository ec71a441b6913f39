"""How long the event loop is held up while a pair is judged that takes long."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from bench import measure, traffic
from bench.compare import ENDPOINT, EXCHANGE, answer
from bench.figures import Figure
from shadow.judge import Policy, judge
from shadow.judging import Judging
from shadow.model import Answer

ITEMS = 20_000


def measured(sizes: measure.Sizes, _: Callable[[str], None]) -> list[Figure]:
    """The longest time without a turn of the loop: judged by the pool, and in the loop."""
    pair = shuffled()
    pool, loop = measure.in_turns(
        sizes.rounds,
        lambda: asyncio.run(longest_gap(pair, pooled=True)),
        lambda: asyncio.run(longest_gap(pair, pooled=False)),
    )
    length = sum(len(each.response.body) for each in pair)
    return [
        Figure(
            area="lag",
            what=f"loop held up by two bodies of {length / 1e6:.1f} MB, reordered",
            unit="s",
            shadow=pool,
            against="judged in the loop",
            other=loop,
        )
    ]


def shuffled() -> tuple[Answer, Answer]:
    """Two long lists of the same items in another order, every hundredth changed."""
    rng = random.Random(traffic.SEED)
    items = [traffic.item(rng) for _ in range(ITEMS)]
    other = [{**each, "id": 0} if number % 100 == 0 else each for number, each in enumerate(items)]
    rng.shuffle(other)
    return answer(traffic.text(items), candidate=False), answer(traffic.text(other), candidate=True)


async def longest_gap(pair: tuple[Answer, Answer], *, pooled: bool) -> float:
    """Seconds between two turns of the loop, at most, while the pair is judged."""
    gap, last = 0.0, time.perf_counter()

    async def tick() -> None:
        nonlocal gap, last
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gap, last = max(gap, now - last - 0.001), now

    async with Judging(Policy()) as judging:
        if pooled:  # the first one starts the pool, which a run does once
            await judging.in_pool(EXCHANGE, ENDPOINT, pair[0], pair[0])
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(tick())
            await asyncio.sleep(0.01)
            gap = 0.0
            if pooled:
                await judging.in_pool(EXCHANGE, ENDPOINT, *pair)
            else:
                judge(EXCHANGE, ENDPOINT, *pair, Policy())
            await asyncio.sleep(0.01)
            ticking.cancel()
    return gap
