from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.redact.marks import Marks, octets

MARKS = Marks(b"key of sixteen b")


@given(st.binary(min_size=1, max_size=200), st.binary(min_size=16, max_size=80))
def test_a_mark_is_the_start_of_an_hmac(value: bytes, key: bytes) -> None:
    plain = value.hex().encode()
    expected = hmac.digest(key, plain, "sha256").hex()[:20]
    assert Marks(key).of_bytes(plain) == f"shadow-redacted-{expected}"


@pytest.mark.parametrize(
    "spelling",
    [
        "a b/c==",
        "a%20b/c==",
        "a%20b%2fc%3D%3d",
        "a%2520b%252Fc==",
        "a%252520b/c==",
        '"a b/c=="',
        " a b/c==\t",
        "%22a b/c==%22",
    ],
)
def test_how_a_value_is_spelled_does_not_count(spelling: str) -> None:
    assert MARKS.of(spelling) == MARKS.of("a b/c==")


def test_in_a_query_a_plus_is_a_space_and_elsewhere_a_plus() -> None:
    assert MARKS.of_query("a+b") == MARKS.of("a b") == MARKS.of_query("a%20b")
    assert MARKS.of_query("a%2Bb") == MARKS.of("a+b") != MARKS.of("a b")


@pytest.mark.parametrize("text", ["", " ", "%20", '""', " \t"])
def test_of_nothing_there_is_no_mark(text: str) -> None:
    assert {MARKS.of(text), MARKS.of_query(text), MARKS.of_cookie(text)} == {text}
    assert MARKS.credential(text) == text
    assert MARKS.of_query("+") == "+" != MARKS.of("+")


def test_the_mark_of_a_mark_is_itself() -> None:
    mark = MARKS.of("secret")
    assert {
        *(MARKS.of(mark), MARKS.of_query(mark), MARKS.of_cookie(mark), MARKS.credential(mark)),
        *(MARKS.of_unicode(mark), Marks(b"another").of(mark), MARKS.of(mark.replace("-", "%2D"))),
    } == {mark}
    assert MARKS.of(f"{mark}0") != f"{mark}0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer abc", "Bearer ~"),
        ("bearer\t abc", "bearer\t ~"),
        ("Basic YTpi", "Basic ~"),
        ("Digest username=a, response=b", "Digest ~"),
        ("AWS4-HMAC-SHA256 Credential=a, Signature=b", "AWS4-HMAC-SHA256 ~"),
        ("Token token=abc", "Token ~"),
        ("Bearer", "~"),
        ("hunter2 is my password", "~"),
        ("abc", "~"),
    ],
)
def test_only_a_known_scheme_is_kept(value: str, expected: str) -> None:
    found = MARKS.credential(value)
    assert found.partition("shadow-redacted-")[0] + "~" == expected
    assert MARKS.unicode_credential(value) == found
    assert "abc" not in found
    assert "hunter" not in found


def test_bytes_that_are_utf_8_and_unicode_text_are_one_value() -> None:
    assert MARKS.of("caf\xc3\xa9") == MARKS.of_unicode("café") == MARKS.of("caf%C3%A9")


@given(st.text())
def test_any_text_has_octets(text: str) -> None:
    assert len(octets(text)) >= len(text)
