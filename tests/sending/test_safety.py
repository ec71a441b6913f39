from __future__ import annotations

import pytest

from shadow.model import Request
from shadow.sending.safety import Safety

READS = ("POST /v1/quote", "POST /v1/users/{id}/search", "POST /v1/files/{rest...}")


def request(method: str, target: str = "/x", **headers: str) -> Request:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method=method, target=target, headers=given)


def form(target: str, body: bytes, method: str = "POST") -> Request:
    headers = (("Content-Type", " application/x-www-form-urlencoded; charset=utf-8"),)
    return Request(method=method, target=target, headers=headers, body=body)


def parts(disposition: str) -> Request:
    headers = (("Content-Type", "multipart/form-data; boundary=b"),)
    body = f"--b\r\nContent-Disposition: {disposition}\r\n\r\nDELETE\r\n--b--\r\n".encode()
    return Request(method="POST", target="/v1/quote", headers=headers, body=body)


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
        (request("GET", "/x?a=1&_method=delete"), False),
        (request("GET", "/x?%5Fmethod=delete"), False),
        (request("GET", "/x?my_method=a"), True),
        (form("/v1/quote", b"a=1&_method=PUT"), False),
        (form("/v1/quote", b"a=_method"), True),
        (form("/v1/quote", b"method=1&a_method=2"), True),
        (form("/v1/quote", b"_%6deth%4Fd=DELETE"), False),
        (form("/v1/quote", b"a=" + b"x" * (1 << 20) + b"&_METHOD=PUT"), False),
        (form("/x", b"_method=DELETE", "GET"), False),
        (parts('form-data; name="_method"'), False),
        (parts("form-data; name=_method"), False),
        (parts('form-data; name="_m\\ethod"'), False),
        (parts("form-data; name*=utf-8''%5fmethod"), False),
        (parts('form-data; name*0="_met"; name*1="hod"'), False),
        (parts('form-data; name="a_method"'), True),
        (request("GET", "/x?_METHOD=delete"), False),
        (request("GET", "/x?_%6dethod=delete"), False),
        (Request(method="GET", target="/x", headers=(("X_HTTP_Method_Override", "PUT"),)), False),
        (request("POST", "/v1/files/a%2Fb"), True),
        (request("POST", "/v1/files/..%2F..%2Forders"), False),
        (request("POST", "/v1/files/..%5corders"), False),
        (request("POST", "/v1/quote#/orders"), False),
    ],
)
def test_reads_and_writes(asked: Request, safe: bool) -> None:
    assert Safety(READS).is_safe(asked) == safe
    assert Safety(READS).may_send(asked) == safe
    assert Safety(READS, allow_writes=True).may_send(asked)
