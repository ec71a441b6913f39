from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.syntax import (
    MalformedError,
    are_plain,
    check_headers,
    check_id,
    check_start,
    has_no_body,
    unreplayable,
)
from shadow.model import Request, Response, isomorphic


@pytest.mark.parametrize("value", ["a", "x" * 256, "7f3a/ü 😀", "a\u00a0b"])
def test_ids_may_be_any_printable_text(value: str) -> None:
    check_id(value)


@pytest.mark.parametrize("value", ["", "x" * 257, "a\n", "a\x7f", "\x85", "\udc80", "a\ud800"])
def test_ids_a_report_could_not_print_are_refused(value: str) -> None:
    with pytest.raises(MalformedError):
        check_id(value)


@pytest.mark.parametrize("target", ["/", "*", "http://h/a", "/\t", "/\xff", '/a|b"<>'])
def test_targets_are_not_judged_beyond_one_line(target: str) -> None:
    check_start("M-SEARCH", target)


def test_a_name_is_checked_again_after_it_was_found_good() -> None:
    for _ in range(2):
        check_headers([("X-Seen", "a")], "request")
        with pytest.raises(MalformedError):
            check_headers([("X-Seen", "a\n")], "request")


TEXT = st.text([*map(chr, range(256)), "\u2028", "\ud800"], max_size=4)
HEADERS = st.lists(st.tuples(st.sampled_from(["A", "x-b", "X-Seen"]) | TEXT, TEXT), max_size=4)


@given(HEADERS)
def test_plain_headers_pass_the_check_and_need_no_encoding(headers: list[tuple[str, str]]) -> None:
    check_headers([("A", ""), ("x-b", ""), ("X-Seen", "")], "request")
    if are_plain(headers):
        check_headers(headers, "request")
        assert [isomorphic(value) for _, value in headers] == [value for _, value in headers]


def test_headers_of_known_names_are_plain() -> None:
    headers = [("X-Plain", "a b"), ("x-plain", "")]
    check_headers(headers, "request")
    assert are_plain(headers)
    for value in ("a\n", "\t", "é", "\0", "\ud800"):
        assert not are_plain([*headers, ("X-Plain", value)])
    assert not are_plain([*headers, ("X-Not-Seen\r", "a")])


@given(TEXT | TEXT.map("/".__add__))
def test_a_target_is_refused_for_what_ends_it_and_nothing_else(target: str) -> None:
    if target and not set(target) & set("\0\r\n "):
        check_start("GET", target)
    else:
        with pytest.raises(MalformedError):
            check_start("GET", target)


def test_very_many_names_are_still_checked() -> None:
    headers = [(f"x-{n}", "a") for n in range(5000)]
    check_headers(headers, "request")
    with pytest.raises(MalformedError):
        check_headers([*headers, ("x y", "a")], "request")


@pytest.mark.parametrize(
    ("request_", "response", "reason"),
    [
        (Request(method="GET", target="/"), Response(status=200), None),
        (Request(method="GET", target="/"), None, None),
        (Request(method="GET", target="/"), Response(status=101), "a connection upgrade"),
        (Request(method="CONNECT", target="h:443"), None, "a CONNECT tunnel"),
        (
            Request(method="GET", target="/", headers=(("Upgrade", " WebSocket"),)),
            Response(status=400),
            "a websocket",
        ),
        (Request(method="GET", target="/", headers=(("Upgrade", "h2c"),)), None, None),
    ],
)
def test_what_cannot_be_replayed(
    request_: Request, response: Response | None, reason: str | None
) -> None:
    assert unreplayable(request_, response) == reason


def test_which_responses_have_no_body() -> None:
    assert has_no_body("HEAD", 200)
    assert all(has_no_body("GET", status) for status in (100, 199, 204, 304))
    assert not any(has_no_body("GET", status) for status in (200, 205, 404, 500))
