from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Divergence
from shadow.results.races import ALPHA, RaceCounts
from shadow.results.shares import share_test

Make = Callable[..., Divergence]


def divergence(signature: str = "a" * 16) -> Divergence:
    return Divergence(
        where="body",
        kind="value_changed",
        path="$['cost']",
        path_pattern="$['cost']",
        signature=signature,
        baseline="1",
        candidate="2",
    )


def counts(shares: dict[int, tuple[int, int]], endpoint: str = "GET /a") -> RaceCounts:
    """By level: hits and trials."""
    found = RaceCounts(sorted(shares))
    for level, (hits, trials) in shares.items():
        for number in range(trials):
            found.add("both", level, endpoint, [divergence()] if number < hits else [])
    return found


def test_what_shows_under_load_only_is_a_race_at_its_best_level() -> None:
    (race,) = counts({1: (0, 60), 4: (5, 60), 16: (40, 60)}).races()
    assert (race.level, race.hits, race.trials) == (16, 40, 60)
    assert (race.alone_hits, race.alone_trials) == (0, 60)
    assert race.p == pytest.approx(2 * share_test((0, 60), (40, 60)))


@pytest.mark.parametrize(
    "shares",
    [
        {1: (30, 60), 16: (32, 60)},
        {1: (60, 60), 16: (60, 60)},
        {1: (40, 60), 16: (2, 60)},
        {1: (0, 60), 16: (2, 60)},
        {1: (0, 3), 16: (3, 3)},
        {1: (0, 0), 16: (20, 20)},
    ],
)
def test_what_shows_alone_too_or_hardly_is_none(shares: dict[int, tuple[int, int]]) -> None:
    assert counts(shares).races() == []


def test_many_signatures_make_a_share_weaker_evidence() -> None:
    alone = counts({1: (0, 40), 16: (6, 40)})
    assert len(alone.races()) == 1
    crowd = counts({1: (0, 40), 16: (6, 40)})
    for number in range(100):
        crowd.add("both", 16, "GET /b", [divergence(f"{number:016x}")])
        crowd.add("both", 1, "GET /b", [])
    assert crowd.races() == []


@pytest.mark.parametrize(
    ("trials", "rounds", "enough"), [(60, 3, True), (6, 3, False), (0, 3, False)]
)
def test_it_says_how_many_rounds_would_tell(trials: int, rounds: int, enough: bool) -> None:
    needed = counts({1: (0, trials), 16: (0, trials)}).rounds_needed(rounds)
    assert (needed == 0) is enough
    if trials and not enough:
        more = round(trials / rounds * needed)
        assert share_test((0, more), (more // 2, more)) <= ALPHA


@given(
    st.lists(st.tuples(st.sampled_from([1, 4]), st.booleans()), max_size=60),
    st.randoms(use_true_random=False),
)
def test_the_order_of_counting_does_not_show(seen: list[tuple[int, bool]], order: object) -> None:
    def counted(each: list[tuple[int, bool]]) -> RaceCounts:
        found = RaceCounts((1, 4))
        for level, hit in each:
            found.add("baseline", level, "GET /a", [divergence()] if hit else [])
        return found

    shuffled = list(seen)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    assert counted(seen).races() == counted(shuffled).races()
    assert all(race.p <= ALPHA for race in counted(seen).races())
