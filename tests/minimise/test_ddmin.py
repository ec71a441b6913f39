from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from shadow.minimise.ddmin import smallest


def run(items: list[int], needed: set[int]) -> tuple[list[int], int]:
    asked = 0

    async def keep(part: list[int]) -> bool:
        nonlocal asked
        asked += 1
        return needed <= set(part)

    return asyncio.run(smallest(items, keep)), asked


@given(st.lists(st.integers(0, 60), unique=True, max_size=40), st.data())
def test_what_is_needed_stays_and_nothing_else(items: list[int], data: st.DataObject) -> None:
    needed = set(data.draw(st.lists(st.sampled_from(items), unique=True))) if items else set()
    kept, _ = run(items, needed)
    assert kept == [each for each in items if each in needed]


@given(st.lists(st.integers(0, 9), max_size=25), st.integers(0, 40))
def test_no_single_item_of_the_result_can_go(items: list[int], most: int) -> None:
    async def keep(part: list[int]) -> bool:
        return sum(part) >= min(most, sum(items))

    kept = asyncio.run(smallest(items, keep))
    assert asyncio.run(keep(kept))
    for place in range(len(kept)):
        assert not asyncio.run(keep(kept[:place] + kept[place + 1 :]))


def test_one_of_a_thousand_is_found_in_few_asks() -> None:
    kept, asked = run(list(range(1000)), {777})
    assert kept == [777]
    assert asked < 60


def test_nothing_is_asked_of_an_empty_list() -> None:
    assert run([], set()) == ([], 0)
