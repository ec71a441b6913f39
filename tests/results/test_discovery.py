from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shadow.results.discovery import adjusted


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_it_is_what_scipy_says(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values)
    assert adjusted(p_values) == pytest.approx(list(expected), rel=1e-9, abs=1e-300)


def test_one_test_alone_is_as_it_was_and_many_are_not() -> None:
    assert adjusted([0.04]) == [0.04]
    assert adjusted([0.04, 0.9, 0.9, 0.9]) == [0.16, 0.9, 0.9, 0.9]
    assert adjusted([]) == []
