from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.detectors import ALWAYS, NAMES, Detectors, luhn
from shadow.errors import ConfigError

EVERY = Detectors(NAMES)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
GITHUB = "ghp_" + "a1B2" * 9


def found(text: str) -> list[tuple[str, str]]:
    return [(name, text[start:end]) for name, start, end in EVERY.find(text)]


def mark(name: str, _: str) -> str:
    return f"[{name}]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwt", JWT),
        ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."),
        ("aws-key", "AKIAIOSFODNN7EXAMPLE"),
        ("github-token", GITHUB),
        ("github-token", "github_pat_" + "a1B2" * 6),
        ("pan", "4111111111111111"),
        ("pan", "4111 1111 1111 1111"),
        ("pan", "5555-5555-5555-4444"),
        ("pan", "378282246310005"),
        ("pan", "3782 822463 10005"),
        ("pan", "2223003122003222"),
        ("pan", "6011111111111117"),
        ("email", "a.b+c@mail.example.co.uk"),
        ("phone", "+49 30 901820"),
        ("phone", "+1 (415) 555-2671"),
        ("phone", "(415) 555-2671"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432"),
        ("iban", "NO9386011117947"),
        ("ip", "192.168.10.255"),
        ("ip", "2001:db8::8a2e:370:7334"),
        ("ip", "::ffff:10.1.2.3"),
        ("ip", "fe80::1"),
    ],
)
def test_each_is_found_wherever_it_stands(name: str, value: str) -> None:
    for text in (value, f'{{"a":"{value}"}}', f"so {value}, then.", f"\xe4 {value} \u20ac\ud800"):
        assert found(text) == [(name, value)]
        assert EVERY.may_find(text)
        assert EVERY.may_find(text + " " * 200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.DEF-123456", [("bearer", "abc.DEF-123456")]),
        ("aws_secret_access_key = " + "aB3/" * 10, [("aws-key", "aB3/" * 10)]),
        ("2026 4111 1111 1111 1111 123", [("pan", "4111 1111 1111 1111")]),
        ("http://10.0.0.1:8080/", [("ip", "10.0.0.1")]),
        ("10.0.0.1, 10.0.0.2.", [("ip", "10.0.0.1"), ("ip", "10.0.0.2")]),
        ("ES91 2100 0418 4502 0005 1332 THE", [("iban", "ES91 2100 0418 4502 0005 1332")]),
        (f"Bearer {JWT}", [("jwt", JWT)]),
        ("basic dTpw, Basic YWxpY2U6cGFzcw==", [("basic", "dTpw"), ("basic", "YWxpY2U6cGFzcw==")]),
        ("/users/a@example.com/b", [("email", "a@example.com")]),
    ],
)
def test_no_more_than_the_value_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # Luhn
        "1785751200123456 1785751200123456789",  # microseconds, nanoseconds
        "2592000000000000",  # 30 days in nanoseconds
        "0.4111111111111111 4111111111111111.5 -4111111111111111",
        "a4111111111111111 4111111111111111b 14111111111111111",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "4111 111111111111 41 11 11 11 11 11 11 11",
        "0000000000000000 4444444444444444",
        "bearer of news, Bearer realm=api, bearer token",
        "a@b @example.com a@b.c1 http://a@example.com/",
        "basic training, Basic authentication, basic YWJj basic YWJjZ basic /+/+",
        "2026-08-03T10:00:00.123456Z 10:00:00 1:2 std::vec a::b ::",
        "v1.2.3.4 1.2.3.4.5 256.1.1.1 1.2.3.4-beta",
        "DE89 3704 0044 0532 0130 01 XX89370400440532013000",
        "12345678 555-1234 +1234; 1 415 555 2671",
        "ghp_short AKIA123 eyJa.b",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_a_near_miss_is_left_alone(text: str) -> None:
    assert found(text) == []
    assert EVERY.sub(text, mark) == text


def test_only_what_is_asked_for_is_found() -> None:
    some = Detectors()
    assert some.names == ALWAYS
    assert some.find("a@example.com 10.0.0.1") == []
    assert some.sub(f"{JWT} a@b.de", mark) == "[jwt] a@b.de"


def test_patterns_of_a_user() -> None:
    some = Detectors((), [r"customer-[0-9]+", "Stra\u00dfe (\\w+)"])
    text = "customer-17 in Stra\u00dfe x\ud800 customer-"
    spans = [(name, text[start:end]) for name, start, end in some.find(text)]
    assert spans == [("pattern 1", "customer-17"), ("pattern 2", "x")]


@pytest.mark.parametrize("pattern", ["(", "(?<=a)b", r"(a)\1", "a{100000}", "\ud800", "x" * 1_001])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        Detectors((), [pattern])


def test_a_detector_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no detector 'mail'"):
        Detectors(["mail"])


@given(st.text())
def test_what_is_found_does_not_overlap_and_any_text_will_do(text: str) -> None:
    ends = 0
    for _, start, end in Detectors(NAMES, ["a+"]).find(text):
        assert ends <= start < end <= len(text)
        ends = end


@given(st.text(alphabet="4512 -.@:+ABDE089eyJ.", max_size=60))
def test_where_there_may_be_nothing_there_is_nothing(text: str) -> None:
    for longer in (text, text + "," * 200):
        if not EVERY.may_find(longer):
            assert EVERY.find(longer) == []


@given(st.integers(0, 10**11))
def test_a_card_number_has_one_right_check_digit(number: int) -> None:
    body = f"4{number:014}"
    right = [digit for digit in "0123456789" if luhn(body + digit) == 0]
    assert len(right) == 1
    if not f"{body}{right[0]}".endswith("000000"):
        assert found(f" {body}{right[0]} ") == [("pan", body + right[0])]


@pytest.mark.parametrize(
    "piece", ["4", "4444 ", "2-", "AA11 ", "a@", "1:", "1.", "+1 ", "eyJ", "bearer ", "A"]
)
def test_the_time_is_linear_in_the_text(piece: str) -> None:
    def seconds(count: int) -> float:
        text = piece * count
        begun = time.process_time()
        EVERY.find(text)
        return time.process_time() - begun

    short = min(seconds(5_000) for _ in range(3))
    assert (
        min(seconds(40_000) for _ in range(2)) < 24 * short + 0.02
    )  # 8 of it is linear, 64 square
