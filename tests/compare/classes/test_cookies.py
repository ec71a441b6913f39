from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import cookies
from shadow.compare.classes.base import Place
from shadow.compare.classes.examples import answer, asked
from tests.compare.classes.pairs import pair_of


def cookie_names(go: str, rust: str) -> list[bool]:
    pair = pair_of(answer(200, Set_Cookie=go), answer(200, Set_Cookie=rust))
    return [cookies._is_cookie_spelling(Place(one, pair)) for one in pair.differences]


def read(cookie: str, go: str, rust: str) -> list[bool]:
    pair = pair_of(answer(200, go), answer(200, rust), asked("/c", Cookie=cookie))
    return [cookies._is_cookie_read(Place(one, pair)) for one in pair.differences]


@given(st.text(st.sampled_from("ab ,:/+%")), st.text(st.sampled_from("ab ,:/+%")))
def test_an_escaped_value_is_named_only_where_it_decodes_to_the_quoted_one(
    value: str, other: str
) -> None:
    go = f'a="{value}"; Path=/'
    assert all(cookie_names(go, f"a={quote(value, safe='')}; Path=/"))
    if value.strip() != other.strip() and "%" not in value + other and "+" not in value + other:
        assert not any(cookie_names(go, f"a={quote(other, safe='')}; Path=/"))


@pytest.mark.parametrize(
    "lost", ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Domain=a.example", "Max-Age=10"]
)
def test_a_lost_attribute_is_never_excused(lost: str) -> None:
    rest = "; ".join({"HttpOnly", "Secure"} - {lost})
    assert not any(cookie_names(f'a="x y"; {lost}; {rest}', f"a=x%20y; {rest}"))
    assert not any(cookie_names(f"a=1; {lost}", "a=1"))


@pytest.mark.parametrize(
    ("cookie", "go", "rust"),
    [
        ('a="x y"', '["a=x y"]', '["a=\\"x y\\""]'),
        ("a=x%20y", '"x%20y"', '"x y"'),
        ("a=1; a=2", '["a=1","a=2"]', '["a=2"]'),
        ("foo", '["foo="]', "[]"),
        ("a=1; b=2; c=3", '["a=1","b=2","c=3"]', '["c=3","a=1","b=2"]'),
        ("a=1; foo; b=2", '{"all":["1","","2"]}', '{"all":["1","2"]}'),
    ],
)
def test_the_cookie_header_explains_both_sides(cookie: str, go: str, rust: str) -> None:
    found = read(cookie, go, rust)
    assert found
    assert all(found)


@pytest.mark.parametrize(
    ("cookie", "go", "rust"),
    [
        ("a=1; b=2", '["a=1","b=2"]', '["a=1"]'),
        ("a=1; a=2", '["a=1","a=2"]', '["a=1"]'),
        ("a=1; b=2", '{"a":"1"}', '{"a":"2"}'),
        ("a=x%20y", '"x%20y"', '"x_y"'),
        ("", '["a=x y"]', '["a=\\"x y\\""]'),
    ],
)
def test_other_values_are_not_explained(cookie: str, go: str, rust: str) -> None:
    assert not any(read(cookie, go, rust))
