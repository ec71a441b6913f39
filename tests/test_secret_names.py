"""The names of secrets, and the words by which a text without any is told quickly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.secret_names import (
    QUERY_WORDS,
    STEMS,
    WORDS,
    bare,
    is_secret_header,
    is_secret_name,
    is_secret_query,
)

SOME = [
    *("password", "pass_phrase", "Client-Secret", "api_key", "privateKey", "SECRET_KEY"),
    *("access-key", "Subscription_Key", "refresh_token", "id_token", "pwd", "passwd", "jwt"),
    *("authorization", "Proxy-Authorization", "cookie", "set-cookie", "credentials", "sessionid"),
    *("session_id", "JSESSIONID", "PHPSESSID", "sess-id", "client_assertion", "tokens"),
]


def test_names_are_compared_without_case_and_separators() -> None:
    for name in ("ACCESS_TOKEN", "accessToken", "access-token", "db_password", "stripe_secret_key"):
        assert is_secret_name(name)
    for name in ("next_page", "keyboard", "author", "compass", "tokenizer", "total_tokens_used"):
        assert not is_secret_name(name)


@pytest.mark.parametrize("name", SOME)
def test_a_name_of_a_secret_holds_a_word_and_a_stem(name: str) -> None:
    assert is_secret_name(name)
    holds_one(name)


def holds_one(name: str) -> None:
    letters = bare(name.encode()).decode()
    assert any(word.replace(" ", "") in letters for word in WORDS)
    assert any(stem in name.lower() or stem in letters for stem in STEMS)


parts = st.lists(
    st.sampled_from(
        [*(part for word in WORDS for part in word.split()), "client", "my", "id", "x", "word"]
    ),
    min_size=1,
    max_size=4,
)


@given(parts=parts, between=st.sampled_from(["", "-", "_", "."]))
def test_what_is_a_secret_by_its_name_is_found_by_the_words(parts: list[str], between: str) -> None:
    name = between.join(parts)
    if is_secret_name(name):
        holds_one(name)


@pytest.mark.parametrize("name", ["key", "X-Amz-Signature", "sig", "code", "auth"])
def test_a_parameter_that_is_one_in_a_query_alone_holds_a_word_too(name: str) -> None:
    assert is_secret_query(name)
    assert not is_secret_name(name)
    assert any(word in name.lower() for word in QUERY_WORDS)


@pytest.mark.parametrize("name", ["x-session", "x-auth", "x-signature", "x-api-key", "x-jwt"])
def test_a_header_that_is_one_holds_a_stem(name: str) -> None:
    assert is_secret_header(name)
    assert any(stem in name for stem in STEMS)
