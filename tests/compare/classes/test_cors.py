from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import cors
from shadow.compare.classes.examples import answer
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(cors, go, rust, request)


@pytest.mark.parametrize(
    ("rust", "named"),
    [
        ({"Access_Control_Allow_Origin": "*"}, True),
        ({"Access_Control_Allow_Origin": "https://a.example"}, False),
        ({"Access_Control_Allow_Origin": "*", "Access_Control_Allow_Credentials": "true"}, False),
        ({"Access_Control_Allow_Origin": "*", "Access_Control_Expose_Headers": "x-a,x-b"}, True),
        ({"Vary": "origin, access-control-request-method"}, True),
        ({"Vary": "origin, cookie"}, False),
    ],
)
def test_cors_is_named_where_rust_allows_no_less(rust: dict[str, str], named: bool) -> None:
    found = explained(answer(200, "{}"), answer(200, "{}", **rust))
    assert ("cors-headers" in found) is named


@given(
    st.lists(st.sampled_from(["GET", "PUT", "POST", "X-A"]), unique=True, min_size=1),
    st.lists(st.sampled_from(["GET", "PUT", "POST", "X-A"]), unique=True, min_size=1),
)
def test_a_method_that_is_no_longer_allowed_is_not_excused(go: list[str], rust: list[str]) -> None:
    sides = (
        answer(204, Access_Control_Allow_Methods=", ".join(go)),
        answer(204, Access_Control_Allow_Methods=",".join(rust)),
    )
    named = "cors-headers" in explained(*sides)
    assert not named or set(go) <= set(rust)
