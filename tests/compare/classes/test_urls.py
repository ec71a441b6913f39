from __future__ import annotations

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import urls
from shadow.compare.classes.urls import as_url_crate
from tests.compare.classes.shape_families import (
    ANYTHING,
    check_examples,
    check_never_raises,
    mutants,
    named_json,
)
from tests.compare.values import text

READ_OFF_URL_CRATE = [
    ("HTTP://EXAMPLE.com:80/a/../b", "http://example.com/b"),
    ("http://h", "http://h/"),
    ("http://h?x=1", "http://h/?x=1"),
    (
        'http://h/a b?q=a b\'"<>`#f g"<>`{}',
        "http://h/a%20b?q=a%20b%27%22%3C%3E`#f%20g%22%3C%3E%60{}",
    ),
    ('http://h/{a}`"<>[]', "http://h/%7Ba%7D%60%22%3C%3E[]"),
    ("http://h/é?é#é", "http://h/%C3%A9?%C3%A9#%C3%A9"),
    ("http://h/%7ex/%2e%2E/y/./", "http://h/y/"),
    ("http://h:/", "http://h/"),
    ("http://h:080/", "http://h/"),
    ("http://@h/", "http://h/"),
    ("http://u:@h/", "http://u@h/"),
    ("http://u:p@h:443/", "http://u:p@h:443/"),
    ("https://h:443", "https://h/"),
    ("http://h/a/..", "http://h/"),
    ("http://h/a/.", "http://h/a/"),
    ("http://h//a", "http://h//a"),
    ("http://h/?", "http://h/?"),
    ("http://h/#", "http://h/#"),
    ("ftp://h:21/x", "ftp://h/x"),
    ("http://h/%2e/x", "http://h/x"),
    ("http://h./", "http://h./"),
    ("http://h/../../a", "http://h/a"),
    ("http://h/a%zz", "http://h/a%zz"),
    ("http://h/~*!$&'()+,;=:@", "http://h/~*!$&'()+,;=:@"),
    ("http://a_b.com/", "http://a_b.com/"),
    ("http://u%40x:p%3a@h/", "http://u%40x:p%3a@h/"),
    ("http://h/.%2e/b", "http://h/b"),
]


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(urls)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(urls, go, rust)


@pytest.mark.parametrize(("raw", "normal"), READ_OFF_URL_CRATE)
def test_normalises_as_the_url_crate_does(raw: str, normal: str) -> None:
    assert as_url_crate(raw) == normal
    assert as_url_crate(normal) == normal


@pytest.mark.parametrize(
    "raw",
    ["http://1.2.3/", "http://bücher.de/", "postgres://H/", "http://[::1]/", "http://h/a|b", ""],
)
def test_what_is_unsure_is_not_normalised(raw: str) -> None:
    assert as_url_crate(raw) is None


@pytest.mark.parametrize(("raw", "normal"), READ_OFF_URL_CRATE[:8])
def test_a_normalised_url_with_one_changed_character_is_unnamed(raw: str, normal: str) -> None:
    for other in mutants(normal):
        if other != raw:
            assert "url-normalise" not in named_json(text([raw]), text([other])), other


def query_escape(value: str) -> str:
    return quote_plus(value, safe="~")


def form_urlencoded(value: str) -> str:
    return quote_plus(value, safe="*").replace("~", "%7E")


def non_alphanumeric(value: str) -> str:
    escaped = quote(value, safe="")
    for character in "-._~":
        escaped = escaped.replace(character, f"%{ord(character):02X}")
    return escaped


@given(st.text(st.characters(codec="utf-8"), max_size=12), st.text(max_size=2))
def test_escape_sets_are_named_only_for_one_text(value: str, more: str) -> None:
    value += " ~"
    go = query_escape(value)
    for encode in (form_urlencoded, non_alphanumeric):
        assert named_json(text([go]), text([encode(value)])) == ["url-escape-set"]
        other = encode(value + "x" + "".join(filter(str.isascii, more)))
        assert named_json(text([go]), text([other])) == [None]
