"""Hypothesis strategies for JSON values and their texts."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["a", "b", "__c", "id", "x y", "'\"", "é"]), inner)
    ),
    max_leaves=20,
)
"""Any JSON value, small, with keys that collide often."""


def strictly_equal(left: Any, right: Any) -> bool:
    """Type-strict equality of decoded JSON, written naively: the reference for the walk."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            strictly_equal(left[key], right[key]) for key in left
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(strictly_equal, left, right))
    if isinstance(left, float):
        return repr(left) == repr(right)
    return bool(left == right)


def text(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)
