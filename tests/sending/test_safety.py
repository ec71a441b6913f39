from __future__ import annotations

import pytest

from shadow.errors import ConfigError
from shadow.model import Request
from shadow.sending.safety import Safety, refuse_denied
from shadow.sending.target import parse_target

READS = ("POST /v1/quote", "POST /v1/users/{id}/search")


def request(method: str, target: str = "/x", **headers: str) -> Request:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method=method, target=target, headers=given)


@pytest.mark.parametrize(
    ("asked", "safe"),
    [
        (request("GET"), True),
        (request("HEAD"), True),
        (request("OPTIONS", "*"), True),
        (request("POST"), False),
        (request("PUT"), False),
        (request("get"), False),
        (request("POST", "/v1/quote?x=1"), True),
        (request("POST", "/v1/quote/7"), False),
        (request("POST", "/v1/users/7/search"), True),
        (request("PATCH", "/v1/quote"), False),
        (request("POST", "/v1/users/../search"), False),
        (request("POST", "/v1/users/%2e%2E/search"), False),
        (request("GET", "/x", X_HTTP_Method_Override="DELETE"), False),
        (request("POST", "/v1/quote", x_method_override="PUT"), False),
    ],
)
def test_reads_and_writes(asked: Request, safe: bool) -> None:
    assert Safety(READS).is_safe(asked) == safe
    assert Safety(READS).may_send(asked) == safe
    assert Safety(READS, allow_writes=True).may_send(asked)


@pytest.mark.parametrize("denied", ["127.0.0.1", "LOCALHOST", "localhost.", "[127.0.0.1]"])
def test_a_denied_host_is_refused_by_name_case_and_address(denied: str) -> None:
    target = parse_target("http://localhost:1", side="candidate", name="rust", option="--rust")
    with pytest.raises(ConfigError, match="never"):
        refuse_denied(target, [denied])


def test_other_hosts_are_not() -> None:
    target = parse_target("http://127.0.0.1:1", side="candidate", name="rust", option="--rust")
    refuse_denied(target, ["192.0.2.7", "api.example.invalid"])
