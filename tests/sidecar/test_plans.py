from __future__ import annotations

import pytest

from shadow.errors import ConfigError
from shadow.model import Headers
from shadow.sidecar.plans import AdminPlan, SessionKey, parse_session

COOKIE = parse_session("cookie:sid")
HEADER = parse_session("header:X-User")


@pytest.mark.parametrize(
    ("key", "headers", "found"),
    [
        (COOKIE, (("Cookie", "sid=u1"),), "u1"),
        (COOKIE, (("COOKIE", "theme=dark; sid=u1; x=y"),), "u1"),
        (COOKIE, (("Cookie", "a=b"), ("cookie", "c=d;sid=u=1")), "u=1"),
        (COOKIE, (("Cookie", "SID=u1; asid=u2; sid2=u3; sid"),), ""),
        (COOKIE, (("Cookie", "sid=first; sid=second"),), "first"),
        (COOKIE, (("sid", "u1"), ("Cookies", "sid=u1")), ""),
        (COOKIE, (), ""),
        (HEADER, (("x-user", "ann"),), "ann"),
        (HEADER, (("X-USER", "ann"), ("X-User", "ben")), "ann"),
        (HEADER, (("X-Users", "ann"), ("Cookie", "X-User=ann")), ""),
    ],
)
def test_the_key_of_a_session(key: SessionKey, headers: Headers, found: str) -> None:
    assert key.of(headers) == found


@pytest.mark.parametrize(
    "text",
    ["", "sid", "cookie", "cookie:", ":sid", "query:sid", "cookie:a b", "cookie:a=b", "header:X;Y",
     "header:é", "Cookie:sid", "header:X-User:"],
)  # fmt: skip
def test_what_names_no_session(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_session(text)
    assert refused.value.message == f"--session {text}: is not cookie:NAME or header:NAME"
    assert refused.value.hint


def test_a_cookie_s_name_has_case_and_a_field_s_has_none() -> None:
    assert parse_session("cookie:SiD").name == "SiD"
    assert parse_session("header:X-User").name == "x-user"


def test_a_token_is_not_shown() -> None:
    plan = AdminPlan(address=("127.0.0.1", 9465), token="s3cr3t" * 4)
    assert "s3cr3t" not in repr(plan)
    assert "9465" in repr(plan)
