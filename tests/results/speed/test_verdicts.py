from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.results.speed.verdicts import Ratio, decide, more_exchanges


def ratio(value: float, low: float, high: float) -> Ratio:
    return Ratio(value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("effect", "q", "verdict"),
    [
        (ratio(0.88, 0.85, 0.91), 0.001, "faster"),
        (ratio(1.12, 1.02, 1.20), 0.049, "slower"),
        (ratio(1.12, 0.99, 1.27), 0.06, "inconclusive"),
        (ratio(1.12, 1.01, 1.24), 0.06, "inconclusive"),  # not after so many endpoints
        (ratio(1.04, 1.01, 1.07), 0.001, "inconclusive"),  # significant, and too small to matter
        (ratio(1.03, 1.02, 1.04), 0.001, "equivalent"),
        (ratio(1.00, 0.951, 1.049), 0.9, "equivalent"),
        (ratio(1.00, 0.949, 1.049), 0.9, "inconclusive"),
    ],
)
def test_size_and_certainty_both_count(effect: Ratio, q: float, verdict: str) -> None:
    said, reason = decide(effect, q, 500)
    assert said == verdict
    assert bool(reason) == (verdict == "inconclusive")


def test_what_the_generator_cannot_tell_is_not_called_different() -> None:
    effect = ratio(1.12, 1.08, 1.16)
    assert decide(effect, 0.001, 9) == ("inconclusive", "fine")
    assert decide(effect, 0.001, -9) == ("inconclusive", "fine")
    assert decide(effect, 0.001, 10) == ("slower", "")
    assert decide(ratio(1.0, 0.96, 1.04), 0.9, 0) == ("equivalent", "")


def test_a_tenth_of_the_width_takes_a_hundred_times_the_exchanges() -> None:
    wide = ratio(1.10, 1.10 * math.exp(-0.19), 1.10 * math.exp(0.19))
    more = more_exchanges(wide, 1000)
    assert more == pytest.approx(1000 * ((0.19 / math.log(1.10)) ** 2 - 1), abs=1)
    small = ratio(1.0, math.exp(-0.2), math.exp(0.2))
    assert more_exchanges(small, 1000) == pytest.approx(
        1000 * ((0.2 / math.log(1.05)) ** 2 - 1), abs=1
    )


def test_an_effect_at_the_threshold_has_no_number() -> None:
    assert more_exchanges(ratio(1.0499, 0.9, 1.2), 1000) is None
    assert more_exchanges(ratio(0.9501, 0.8, 1.1), 1000) is None


@given(st.floats(0.5, 2), st.floats(0.001, 1), st.integers(1, 10**6))
def test_whatever_number_is_named_would_do(value: float, half: float, pairs: int) -> None:
    more = more_exchanges(ratio(value, value * math.exp(-half), value * math.exp(half)), pairs)
    if more is not None:
        then = half * math.sqrt(pairs / (pairs + more))
        edge = abs(math.log(value))
        assert then <= max(edge, math.log(1.05) - edge) * 1.001
        assert more >= 1
