from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from shadow.results.shares import holm, share_test


@st.composite
def shares(draw: st.DrawFn, most: int = 60) -> tuple[int, int]:
    trials = draw(st.integers(1, most))
    return draw(st.integers(0, trials)), trials


def reference(one: tuple[int, int], other: tuple[int, int]) -> float:
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    return float(fisher_exact(table).pvalue)


@given(shares(), shares())
def test_it_is_fishers_exact_test(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert share_test(one, other) == pytest.approx(reference(one, other), rel=1e-6)


@given(shares(3000), shares(3000))
def test_large_tables(one: tuple[int, int], other: tuple[int, int]) -> None:
    wanted = reference(one, other)
    assume(wanted > 1e-200)
    assert share_test(one, other) == pytest.approx(wanted, rel=1e-5)


@given(shares(), shares())
def test_the_order_does_not_matter(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert share_test(one, other) == pytest.approx(share_test(other, one), rel=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ((0, 10), (0, 10), 1.0),
        ((10, 10), (10, 10), 1.0),
        ((0, 10), (10, 10), 1.0825e-05),
        ((3, 4), (1, 4), 0.485714),  # the lady tasting tea
        ((500_000, 1_000_000), (500_000, 1_000_000), 1.0),
        ((500_000, 1_000_000), (503_000, 1_000_000), 2.2228e-05),
    ],
)
def test_known_values(one: tuple[int, int], other: tuple[int, int], p: float) -> None:
    assert share_test(one, other) == pytest.approx(p, rel=1e-3)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04, times 4, 3, 2, 1; none below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_is_between_none_and_bonferroni(values: list[float]) -> None:
    adjusted = holm(values)
    for value, own in zip(values, adjusted, strict=True):
        assert value <= own <= min(1.0, len(values) * value)
    ranks = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[each] for each in ranks] == sorted(adjusted)
