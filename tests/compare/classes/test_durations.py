from __future__ import annotations

import json
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import durations
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(durations)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(durations, go, rust)


def shapes(nanos: int) -> list[object]:
    """As time.Duration, std, chrono, time and jiff write it."""
    seconds, part = divmod(nanos, 10**9)
    minutes, rest = divmod(seconds, 60)
    return [
        nanos,
        {"secs": seconds, "nanos": part},
        [seconds, part],
        f"{seconds}.{part:09}",
        f"PT{minutes}M{rest}.{part:09}S",
        f"{nanos}ns",
    ]


@given(st.integers(1, 10**15), st.integers(1, 10**9))
def test_shapes_of_one_duration_are_named_and_of_two_are_not(nanos: int, more: int) -> None:
    others = shapes(nanos + more)
    for go, rust in permutations(range(6), 2):
        ours, theirs = shapes(nanos)[go], shapes(nanos)[rust]
        assert named_json(json.dumps([ours]), json.dumps([theirs]))[0] == "duration-representation"
        assert "duration-representation" not in named_json(
            json.dumps([ours]), json.dumps([others[rust]])
        )


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_units_are_named_only_for_one_duration(ours: int, theirs: int) -> None:
    seconds, part = divmod(ours, 10**9)
    hours, seconds = divmod(seconds, 3600)
    go = f"{hours}h{seconds // 60}m{seconds % 60}.{part:09}s"
    assert named_json(json.dumps([go]), json.dumps([f"{ours}ns"])) == ["duration-text"]
    found = named_json(json.dumps([go]), json.dumps([f"{theirs}ns"]))
    assert ("duration-text" in found) == (ours == theirs)


def test_units_that_rise_or_repeat_are_no_duration() -> None:
    for text in ("30s1m", "1m1m", "1.5m30s", "1m30", "", "-", "h"):
        assert named_json(json.dumps([text]), '["90s"]') == [None]
