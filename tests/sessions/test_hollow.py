from __future__ import annotations

import pytest

from shadow.model import Request
from shadow.sessions.hollow import cause_of


def refused(*names: str) -> str:
    headers = tuple((name, "x") for name in names)
    return cause_of(Request(method="GET", target="/me", headers=headers), "GET /me", 401)


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "X-API-Key", "X-Auth-Token", "Api-Key", "X-Access-Token"]
)
def test_a_recorded_credential_that_is_refused_has_expired(name: str) -> None:
    assert refused("Host", name) == "expired-token"


def test_where_none_was_recorded_there_is_none() -> None:
    assert refused("Host", "Accept", "X-Request-Id", "Idempotency-Key") == "no-token"
