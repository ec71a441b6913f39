from __future__ import annotations

import pytest

from shadow.compare.headers import compare_headers
from shadow.model import Headers, Response


def differences(left: Headers, right: Headers) -> list[tuple[str, str, str]]:
    found = compare_headers(Response(status=200, headers=left), Response(status=200, headers=right))
    return [(d.kind, d.name or "", d.spelling or "") for d in found]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((("X-A", "1"),), (("X-A", "1"),), []),
        ((("X-A", "1"),), (("x-a", "1"),), [("spelling", "", "header-name-case")]),
        (
            (("X-A", "1"), ("X-B", "2")),
            (("X-B", "2"), ("X-A", "1")),
            [("spelling", "", "header-order")],
        ),
        ((("X-A", "1"),), (("X-A", "2"),), [("value_changed", "x-a", "")]),
        ((("X-A", "1"),), (), [("missing", "x-a", "")]),
        ((), (("X-A", "1"),), [("extra", "x-a", "")]),
        (
            (("X-A", "1"), ("X-A", "2")),
            (("X-A", "2"), ("X-A", "1")),
            [("reordered", "x-a", "")],
        ),
        ((("X-A", "1"), ("X-A", "1")), (("X-A", "1"),), [("value_changed", "x-a", "")]),
        ((("Date", "a"),), (("Date", "b"),), [("spelling", "date", "date-volatile")]),
        (
            (("Content-Length", "3"),),
            (("Transfer-Encoding", "chunked"),),
            [
                ("spelling", "content-length", "transfer-framing"),
                ("spelling", "transfer-encoding", "transfer-framing"),
            ],
        ),
        (
            (("Content-Length", "3"),),
            (("Content-Length", "4"),),
            [("spelling", "content-length", "content-length-derived")],
        ),
        ((("Connection", "close"),), (), [("spelling", "connection", "connection-header")]),
    ],
)
def test_each_kind(left: Headers, right: Headers, expected: list[tuple[str, str, str]]) -> None:
    assert differences(left, right) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("sid=1; Path=/; HttpOnly", "sid=1; httponly; path=/", []),
        ("sid=1; HttpOnly", "sid=1", [("missing", "set-cookie/sid/httponly", "")]),
        ("sid=1; Secure", "sid=1", [("missing", "set-cookie/sid/secure", "")]),
        (
            "sid=1; SameSite=Lax",
            "sid=1; SameSite=None",
            [("value_changed", "set-cookie/sid/samesite", "")],
        ),
        ("sid=1; SameSite=Lax", "sid=1; SameSite=lax", []),
        ("sid=1", "sid=2", [("value_changed", "set-cookie/sid", "")]),
        ("sid=1", "SID=1", [("extra", "set-cookie/SID", ""), ("missing", "set-cookie/sid", "")]),
        ("sid=a=b", "sid=a=b", []),
    ],
)
def test_cookies_compare_by_name_and_attribute_set(
    left: str, right: str, expected: list[tuple[str, str, str]]
) -> None:
    assert differences((("Set-Cookie", left),), (("Set-Cookie", right),)) == expected


def test_the_order_of_cookies_does_not_matter() -> None:
    cookies = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    assert differences(cookies, cookies[::-1]) == []
