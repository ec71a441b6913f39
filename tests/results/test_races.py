"""What concurrency brings, by the counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Divergence, SideName
from shadow.results.races import (
    MAX_SIGNATURES,
    Counts,
    Found,
    LevelSummary,
    RacesSummary,
)

ROUTE = "POST /v1/route"
COST = Divergence(
    where="body",
    kind="value_changed",
    path="$['cost']",
    path_pattern="$['cost']",
    signature="60af7e4f4caf9fa7",
    baseline="525",
    candidate="226",
)
ALWAYS = msgspec.structs.replace(COST, path_pattern="$['path']", signature="0" * 16)


def add(
    counts: Counts,
    level: int,
    hits: int,
    compared: int,
    *,
    side: SideName = "candidate",
    endpoint: str = ROUTE,
) -> None:
    """Count so many comparisons, the first `hits` of which differ in the cost."""
    for number in range(compared):
        found = [COST] if number < hits else []
        counts.add(side, endpoint, level, f"x{number}", [*found, ALWAYS])


def summary(found: Found, **changes: Any) -> RacesSummary:
    level = LevelSummary(
        level=1,
        compared=50,
        incomparable=0,
        hollow=0,
        unsent=0,
        in_flight_baseline=1.0,
        in_flight_candidate=1.0,
    )
    whole = RacesSummary(
        baseline="go",
        candidate="rust",
        exchanges=25,
        sessions=5,
        skipped={},
        rounds=2,
        rounds_done=2,
        seed=0,
        ended="rounds",
        duration_s=1.0,
        levels=(level, msgspec.structs.replace(level, level=16)),
        found=found,
        again=("shadow", "races", "c.jsonl"),
    )
    return msgspec.structs.replace(whole, **changes)


def test_what_is_more_frequent_under_concurrency_is_a_race() -> None:
    counts = Counts([1, 4, 16])
    add(counts, 1, 0, 50)
    add(counts, 4, 3, 50)
    add(counts, 16, 40, 50)
    found = counts.found(2)
    (race,) = found.races
    assert (race.signature, race.endpoint, race.side) == (COST.signature, ROUTE, "candidate")
    assert (race.level, race.alone_hits, race.alone_compared) == (16, 0, 50)
    assert [(each.level, each.hits, each.compared) for each in race.levels] == [
        (4, 3, 50),
        (16, 40, 50),
    ]
    assert race.exchanges == 40
    assert race.example is not None
    assert (race.example.exchange_id, race.example.level) == ("x0", 4)
    # 2 signatures at 2 levels; the smallest p of four is multiplied by four.
    assert found.tests == 4
    assert race.at.p_holm == pytest.approx(4 * race.at.p)
    assert summary(found).exit_code == 1


def test_what_diverges_alone_as_often_is_none() -> None:
    counts = Counts([1, 16])
    for level in (1, 16):
        add(counts, level, 25, 50)
    found = counts.found(2)
    assert not found.races + found.suspected
    assert not found.untold
    assert summary(found).exit_code == 0


def test_what_is_rarer_under_concurrency_is_none() -> None:
    counts = Counts([1, 16])
    add(counts, 1, 40, 50)
    add(counts, 16, 0, 50)
    assert counts.found(2).races == counts.found(2).suspected == ()


def test_what_was_seen_too_seldom_is_suspected_and_says_how_much_would_tell() -> None:
    def counted(times: int) -> Found:
        counts = Counts([1, 16])
        add(counts, 1, 0, 50 * times)
        add(counts, 16, 2 * times, 50 * times)
        return counts.found(2 * times)

    found = counted(1)
    assert not found.races
    (race,) = found.suspected
    assert race.verdict == "suspected"
    assert summary(found).exit_code == 3
    assert race.rounds_needed is not None
    assert counted(race.rounds_needed // 2).races
    assert not counted(race.rounds_needed // 2 - 1).races


def test_what_was_seen_once_may_be_anything() -> None:
    counts = Counts([1, 16])
    add(counts, 1, 0, 500)
    add(counts, 16, 1, 500)
    assert summary(counts.found(2)).exit_code == 0


def test_a_race_of_the_baseline_is_told_apart() -> None:
    counts = Counts([1, 16])
    for side in ("baseline", "candidate"):
        add(counts, 1, 0, 50, side=side)
        add(counts, 16, 40, 50, side=side)
    found = counts.found(2)
    assert [(each.side, each.signature) for each in found.races] == [("baseline", COST.signature)]
    assert [(each.side, each.signature) for each in found.echoes] == [("candidate", COST.signature)]


def test_too_few_comparisons_tell_nothing() -> None:
    counts = Counts([1, 16])
    for level in (1, 16):
        add(counts, level, 0, 3)
    found = counts.found(3)
    assert not found.races
    (untold,) = found.untold
    assert (untold.endpoint, untold.compared, found.untold_share) == (ROUTE, 3, 1.0)
    assert untold.rounds_needed is not None
    assert summary(found).exit_code == 3
    more = Counts([1, 16])
    for level in (1, 16):
        add(more, level, 0, untold.rounds_needed)
    assert more.found(untold.rounds_needed).untold == ()


def test_one_session_is_never_at_once_with_another() -> None:
    counts = Counts([1])
    found = counts.found(1)
    alone = summary(found).levels[:1]
    assert summary(found, levels=alone).exit_code == 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"ended": "interrupted"}, 130),
        ({"ended": "failed"}, 4),
        ({"rounds_done": 0, "ended": "time"}, 3),
    ],
)
def test_the_exit_code(changes: dict[str, Any], code: int) -> None:
    counts = Counts([1, 16])
    for level in (1, 16):
        add(counts, level, 0, 50)
    assert summary(counts.found(2), **changes).exit_code == code


def test_what_is_hollow_is_no_evidence() -> None:
    counts = Counts([1, 16])
    for level in (1, 16):
        add(counts, level, 0, 50)
    whole = summary(counts.found(2))
    hollow = [msgspec.structs.replace(each, hollow=10) for each in whole.levels]
    assert summary(whole.found, levels=tuple(hollow)).exit_code == 3


def test_signatures_are_bounded() -> None:
    counts = Counts([1, 16])
    for number in range(MAX_SIGNATURES + 5):
        own = msgspec.structs.replace(COST, signature=f"{number:016x}")
        counts.add("candidate", ROUTE, 16, "x", [own])
    found = counts.found(1)
    assert (found.tests, found.dropped) == (MAX_SIGNATURES, 5)


def test_what_is_kept_is_masked() -> None:
    counts = Counts([1, 16], lambda each: msgspec.structs.replace(each, baseline="*"))
    add(counts, 1, 0, 50)
    add(counts, 16, 50, 50)
    (race,) = counts.found(2).races
    assert race.example is not None
    assert (race.example.baseline, race.example.candidate) == ("*", "226")


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_a_race_is_always_more_frequent_than_alone(alone: int, low: int, high: int) -> None:
    counts = Counts([1, 4, 16])
    for level, hits in ((1, alone), (4, low), (16, high)):
        add(counts, level, hits, 30)
    found = counts.found(1)
    for race in (*found.races, *found.suspected):
        assert race.at.rate > race.alone_hits / race.alone_compared
        assert all(each.p <= each.p_holm <= 1 for each in race.levels)
