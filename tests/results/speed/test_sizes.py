from __future__ import annotations

import pytest

from tests.results.speed.sizes import recommended


def test_a_wider_spread_a_smaller_effect_and_more_endpoints_take_more() -> None:
    assert recommended(0.3) < recommended(0.6)
    assert recommended(0.6, effect=0.2) < recommended(0.6)
    assert recommended(0.6) < recommended(0.6, endpoints=10)
    assert recommended(0.6) < recommended(0.6, power=0.99)


def test_it_goes_with_the_square_of_the_spread() -> None:
    assert recommended(2.0) / recommended(1.0) == pytest.approx(4, rel=0.01)


def test_there_are_never_fewer_than_a_verdict_takes() -> None:
    assert recommended(0.01) == 100


def test_a_known_size() -> None:
    """(1.960 + 1.645)² · 0.5² / ln(1.1)² / 0.955 = 374.5, and the other condition takes less."""
    assert recommended(0.5) == 375
