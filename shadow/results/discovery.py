"""Many endpoints judged at once: of those called different, few may be so by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

ALPHA: Final = 0.05
"""The share of those called different that may be so by chance."""


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return p-values so adjusted that those below `ALPHA` keep the false discovery rate there.

    Each is multiplied by the number of tests over its rank; a larger p-value never ends up
    below a smaller one. Source: Benjamini and Hochberg, JRSS B 57 (1995).
    """
    adjusted = [1.0] * len(p_values)
    least = 1.0
    ascending = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank in range(len(p_values), 0, -1):
        place = ascending[rank - 1]
        least = min(least, p_values[place] * len(p_values) / rank)
        adjusted[place] = least
    return adjusted
