from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.formats.http1 import parse_request, parse_response
from shadow.captures.syntax import MalformedError
from shadow.model import Request, Response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def response_of(message: bytes, method: str = "GET") -> Response:
    response = parse_response(message, method)
    assert response is not None
    return response


def test_order_case_and_multiplicity_of_headers_are_kept() -> None:
    message = b"GET /?q=%2F HTTP/1.1\r\nb: 1\r\nA:2\r\nB: \t 3\t \r\nEmpty:\r\n\r\n"
    assert parse_request(message) == Request(
        method="GET",
        target="/?q=%2F",
        headers=(("b", "1"), ("A", "2"), ("B", "3"), ("Empty", "")),
    )


def test_bytes_of_target_and_headers_are_kept() -> None:
    request = parse_request(b"GET /\xff\xc3\xa9 HTTP/1.1\r\nX: \x80\r\n\r\n")
    assert request.target == "/\xff\xc3\xa9"
    assert request.headers == (("X", "\x80"),)


def test_lines_may_end_in_a_bare_line_feed() -> None:
    request = parse_request(b"POST / HTTP/1.1\nContent-Length: 2\r\n\nab")
    assert (request.headers, request.body) == ((("Content-Length", "2"),), b"ab")


def test_folded_headers_become_one_line() -> None:
    request = parse_request(b"GET / HTTP/1.1\r\nX: a\r\n\t b\r\nY: c\r\n\r\n")
    assert request.headers == (("X", "a b"), ("Y", "c"))


@pytest.mark.parametrize(
    ("fields", "rest", "body", "truncated"),
    [
        (b"Content-Length: 3\r\n", b"abc", b"abc", False),
        (b"Content-Length: 3\r\n", b"abcdef", b"abc", False),
        (b"Content-Length: 3\r\n", b"ab", b"ab", True),
        (b"Content-Length: 3, 3\r\nContent-Length: 3\r\n", b"abc", b"abc", False),
        (b"", b"GET /next HTTP/1.1\r\n\r\n", b"", False),
        (b"Transfer-Encoding: identity\r\n", b"abc", b"abc", False),
    ],
)
def test_the_length_of_a_body(fields: bytes, rest: bytes, body: bytes, *, truncated: bool) -> None:
    request = parse_request(b"POST / HTTP/1.1\r\n" + fields + b"\r\n" + rest)
    assert (request.body, request.truncated) == (body, truncated)


@pytest.mark.parametrize(
    ("chunks", "body", "truncated"),
    [
        (b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde", False),
        (b"3\nabc\n0\n\n", b"abc", False),
        (b"A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", b"0123456789", False),
        (b"0\r\n\r\n", b"", False),
        (b"", b"", True),
        (b"3\r\nab", b"ab", True),
        (b"3\r\nabc", b"abc", True),
        (b"3\r\nabc\r\n", b"abc", True),
        (b"3\r\nabc\r\n2", b"abc", True),
    ],
)
def test_chunks_are_put_together(chunks: bytes, body: bytes, *, truncated: bool) -> None:
    request = parse_request(CHUNKED + chunks)
    assert (request.body, request.truncated) == (body, truncated)
    assert request.headers == (("Transfer-Encoding", "chunked"),)


@given(st.lists(st.binary(min_size=1), max_size=5))
def test_any_chunks_give_their_bytes(parts: list[bytes]) -> None:
    encoded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    request = parse_request(CHUNKED + encoded)
    assert (request.body, request.truncated) == (b"".join(parts), False)


@pytest.mark.parametrize(
    ("message", "method"),
    [
        (OK + b"Content-Length: 5\r\n\r\n", "HEAD"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET"),
        (b"HTTP/1.1 204 No Content\r\n\r\nrest", "GET"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes", "GET"),
    ],
)
def test_responses_that_never_have_a_body(message: bytes, method: str) -> None:
    response = response_of(message, method)
    assert (response.body, response.truncated) == (b"", False)


def test_interim_responses_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert response_of(interim + OK + b"\r\nbody") == Response(status=200, body=b"body")
    assert parse_response(interim, "GET") is None


def test_a_reason_phrase_may_be_missing() -> None:
    assert response_of(b"HTTP/1.1 200\r\n\r\n").status == 200
    assert response_of(b"HTTP/1.1 200 \r\n\r\n").status == 200


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "headers do not end"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n", "headers do not end"),
        (b"GET /\r\n\r\n", "HTTP version"),
        (b"GET /a b HTTP/1.1\r\n\r\n", "holds a space"),
        (b"GET  HTTP/1.1\r\n\r\n", "target is empty"),
        (b"G\x00T / HTTP/1.1\r\n\r\n", "the method"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "no colon"),
        (b"GET / HTTP/1.1\r\nsp ace: x\r\n\r\n", "name of request header 1"),
        (b"GET / HTTP/1.1\r\n folded first\r\n\r\n", "no colon"),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", "value of request header 1"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "not a number"),
        (b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "not a number"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n", "several different"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "not chunked"),
        (CHUNKED + b"-1\r\n", "size that is no number"),
        (CHUNKED + b"\r\n", "size that is no number"),
        (CHUNKED + b"1_0\r\n", "size that is no number"),
        (CHUNKED + b"2\r\nabc\r\n", "longer than its size"),
    ],
)
def test_what_is_no_request(message: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        parse_request(message)


def test_messages_made_to_take_long_do_not() -> None:
    folds = parse_request(b"GET / HTTP/1.1\r\nX: a" + b"\r\n b" * 300_000 + b"\r\n\r\n")
    assert folds.headers == (("X", "a" + " b" * 300_000),)
    spaces = parse_request(b"GET / HTTP/1.1\r\nX: a" + b" " * 300_000 + b"b\r\n\r\n")
    assert len(spaces.headers[0][1]) == 300_002
    with pytest.raises(MalformedError, match="more than 16 interim responses"):
        parse_response(b"HTTP/1.1 100 Continue\r\n\r\n" * 300_000, "GET")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "headers do not end"),
        (b"GET / HTTP/1.1\r\n\r\n", "status line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "between 100 and 999"),
        (b"HTTP/1.1 200 OK\r\n", "headers do not end"),
        (OK + b"a b: c\r\n\r\n", "name of response header 1"),
    ],
)
def test_what_is_no_response(message: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        parse_response(message, "GET")


@given(st.binary())
def test_any_bytes_are_a_message_or_malformed(message: bytes) -> None:
    for parse in (parse_request, lambda data: parse_response(data, "GET")):
        try:
            parse(message)
        except MalformedError:
            continue
