from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.redact import Redaction
from shadow.captures.redact.marks import Secret
from shadow.captures.redact.rules import Names, member_name
from shadow.errors import ConfigError

NAMES = Names(
    Redaction(
        headers=("X-User",),
        query=("Account", "größe"),
        form=("iban",),
        json=("SSN", "$..pin", "$.user.phone", "$['a b'][*][0].*.\u00fc"),
    )
)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("header", "x-user", True),
        ("header", "X-USER", True),
        ("header", "x-user-agent", False),
        ("header", "Authorization", True),
        ("header", "X-Session", True),
        ("header", "account", False),
        ("query", "account", True),
        ("query", "ACCOUNT", True),
        ("query", "a%63count", True),
        ("query", "filter[account]", True),
        ("query", "accounts", False),
        ("query", "iban", False),
        ("query", "code", True),
        ("field", "iban", True),
        ("field", "account", True),
        ("field", "client_secret", True),
        ("member", "ssn", True),
        ("member", "PIN", True),
        ("member", "phone", False),
        ("member", "code", False),
        ("member", "pass\\u0077ord", True),
        ("member", "refresh_token\\", True),
        ("ends_path", "Phone", True),
        ("ends_path", "user", False),
        ("ends_path", "\xc3\xbc", True),
    ],
)
def test_names_of_secrets(kind: str, name: str, expected: bool) -> None:
    assert (getattr(NAMES, kind)(name) is not None) is expected


def test_paths_are_steps() -> None:
    assert tuple(path for path, _ in NAMES.paths) == (
        ("user", "phone"),
        ("a b", None, 0, None, "\u00fc"),
    )


@pytest.mark.parametrize(
    "path",
    ["$", "$.", "$[*]", "$[0]", "$.a..b", "$.a[", "$.a[-1]", "$['a]", "$.a b", "$.a.*.", "$a"],
)
def test_what_is_no_path_to_a_member_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="is no path to a member") as caught:
        Names(Redaction(json=(path,)))
    assert path in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a", "a"),
        ("\\u0061", "a"),
        ("\\\\\\u0061b", "ab"),
        ("a\\", "a"),
        ('a\\"', 'a"'),
        ("\xc3\xa9", "é"),
        ("\xff", "\ufffd"),
    ],
)
def test_a_member_is_named_by_what_is_meant(raw: str, expected: str) -> None:
    assert member_name(raw) == expected


words = st.sampled_from(
    [
        *("pass", "pwd", "token", "jwt", "secret", "api", "key", "auth", "orization", "cookie"),
        *("session", "id", "client", "assertion", "code", "sig", "signature", "x-amz-", "s", "set"),
        *("account", "iban", "ssn", "pin", "phone", "-", "[", "]", "_", "A", "credential", "word"),
        *("phrase", "private", "access", "gr\xc3\xb6\xc3\x9fe", "\xc3\xbc", "%6B", "\\u006b"),
    ]
)


@given(st.lists(words, min_size=1, max_size=4).map("".join))
def test_a_name_that_counts_is_never_passed_over(name: str) -> None:
    if NAMES.member(name) or NAMES.ends_path(name):
        assert NAMES.may_be_in(f'{{"{name}": 1}}')
    if NAMES.query(name) or NAMES.field(name):
        assert NAMES.may_be_in(f"/?{name}=1")


def test_most_texts_name_nothing() -> None:
    names = Names(Redaction(json=("ssn", "$.a.b.phone")))
    assert not names.may_be_in(
        '{"items": [{"name": "a", "price": 1.5}], "next": "/v1/items?page=4"}'
    )


@given(st.text())
def test_no_name_raises(name: str) -> None:
    for check in (NAMES.header, NAMES.query, NAMES.field, NAMES.member, NAMES.ends_path):
        found = check(name)
        assert found is None or isinstance(found, Secret)
