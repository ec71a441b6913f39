from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Headers, Request
from shadow.sending.fields import FRAMING, HOP_BY_HOP
from shadow.sending.rewrite import Unsendable, render
from tests.sending.drawn import REQUESTS, target


def rendered(
    *headers: tuple[str, str], body: bytes = b"", method: str = "POST", decoded: bool = False
) -> list[str]:
    """The lines after the request line, and the body, of a request to http://go:8080."""
    request = Request(method=method, target="/", headers=headers, body=body, decoded=decoded)
    return render(request, target()).decode("latin-1").split("\r\n")[1:]


HOST = "Host: go:8080"


def test_the_whole_message() -> None:
    request = Request(
        method="POST",
        target="/v1/quote?currency=EUR&x=%2F../",
        headers=(
            ("host", "api.example.com"),
            ("X-A", "1"),
            ("x-a", " 2"),
            ("COOKIE", "a=b"),
            ("Content-Length", "999"),
            ("Accept", "*/*"),
        ),
        body=b"\x00\xff{}",
    )
    assert render(request, target()) == (
        b"POST /v1/quote?currency=EUR&x=%2F../ HTTP/1.1\r\n"
        b"host: go:8080\r\n"
        b"X-A: 1\r\n"
        b"x-a:  2\r\n"
        b"COOKIE: a=b\r\n"
        b"Content-Length: 4\r\n"
        b"Accept: */*\r\n"
        b"\r\n"
        b"\x00\xff{}"
    )


def test_nothing_is_added_but_host() -> None:
    assert rendered(("A", "1"), method="GET") == [HOST, "A: 1", "", ""]
    assert rendered(method="POST") == [HOST, "", ""]


@pytest.mark.parametrize(
    ("headers", "keep_host", "expected"),
    [
        ([("A", "1"), ("HOST", "x")], False, ["A: 1", "HOST: go:8080"]),
        ([("A", "1"), ("Host", "x"), ("host", "y")], False, ["A: 1", "Host: go:8080"]),
        ([("A", "1")], False, [HOST, "A: 1"]),
        ([("A", "1"), ("Host", "x")], True, ["A: 1", "Host: x"]),
        ([("Host", "x"), ("Host", "y")], True, ["Host: x", "Host: y"]),
        ([("A", "1")], True, [HOST, "A: 1"]),
    ],
)
def test_host(headers: list[tuple[str, str]], keep_host: bool, expected: list[str]) -> None:
    request = Request(method="GET", target="/", headers=tuple(headers))
    lines = render(request, target(keep_host=keep_host)).decode().split("\r\n")
    assert lines[1:-2] == expected


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ([], b"ab", [HOST, "Content-Length: 2", "", "ab"]),
        (
            [("content-length", "7"), ("A", "1")],
            b"ab",
            [HOST, "content-length: 2", "A: 1", "", "ab"],
        ),
        ([("Content-Length", "7")], b"", [HOST, "Content-Length: 0", "", ""]),
        (
            [("Content-Length", "7"), ("A", "1"), ("Content-Length", "2")],
            b"ab",
            [HOST, "Content-Length: 2", "A: 1", "", "ab"],
        ),
        (
            [("transfer-encoding", "Chunked")],
            b"0123456789abcdefg",
            [HOST, "transfer-encoding: chunked", "", "11", "0123456789abcdefg", "0", "", ""],
        ),
        (
            [("Transfer-Encoding", "chunked")],
            b"",
            [HOST, "Transfer-Encoding: chunked", "", "0", "", ""],
        ),
        (
            [("Content-Length", "2"), ("A", "1"), ("Transfer-Encoding", "gzip, chunked")],
            b"ab",
            [HOST, "A: 1", "Transfer-Encoding: chunked", "", "2", "ab", "0", "", ""],
        ),
        (
            [("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")],
            b"ab",
            [HOST, "Transfer-Encoding: chunked", "", "2", "ab", "0", "", ""],
        ),
        ([("Transfer-Encoding", "identity")], b"ab", [HOST, "Content-Length: 2", "", "ab"]),
        ([("Transfer-Encoding", "xchunked")], b"", [HOST, "", ""]),
    ],
)
def test_framing(headers: list[tuple[str, str]], body: bytes, expected: list[str]) -> None:
    assert rendered(*headers, body=body) == expected


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "keep-alive",
        "PROXY-CONNECTION",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        ":authority",
    ],
)
def test_fields_of_the_recorded_connection_go(name: str) -> None:
    assert rendered((name, "x"), ("A", "1")) == [HOST, "A: 1", "", ""]


def test_what_connection_names_goes_but_never_host_or_framing() -> None:
    lines = rendered(
        ("Connection", "Upgrade, HTTP2-Settings, host, Content-Length"),
        ("http2-settings", "AAM"),
        ("Host", "x"),
        ("Content-Length", "2"),
        body=b"ab",
    )
    assert lines == [HOST, "Content-Length: 2", "", "ab"]


def test_a_decoded_body_has_no_content_encoding() -> None:
    encoded = ("Content-Encoding", "gzip")
    assert rendered(encoded, body=b"{}", decoded=True) == [HOST, "Content-Length: 2", "", "{}"]
    assert "Content-Encoding: gzip" in rendered(encoded, body=b"{}")


def test_own_headers_replace_in_place_or_come_last() -> None:
    request = Request(
        method="GET",
        target="/",
        headers=(("authorization", "a"), ("A", "1"), ("Authorization", "b"), ("Host", "x")),
    )
    own = (("Authorization", "own"), ("X-Env", "s"), ("x-env", "t"), ("Host", "virtual"))
    lines = render(request, target(headers=own, keep_host=True)).decode().split("\r\n")
    assert lines[1:-2] == ["authorization: own", "A: 1", "Host: virtual", "X-Env: s", "X-Env: t"]


@pytest.mark.parametrize(
    ("method", "recorded", "sent"),
    [
        ("GET", "/a/../b", "/a/../b"),
        ("GET", "//other/path", "//other/path"),
        ("GET", "/%2e?q=#x", "/%2e?q=#x"),
        ("GET", "/\xe9", "/\xe9"),
        ("GET", "http://other:99/p%20?x=1", "/p%20?x=1"),
        ("GET", "HTTPS://user:pw@other/p", "/p"),
        ("GET", "http://other", "/"),
        ("GET", "http://other?x", "/?x"),
        ("OPTIONS", "*", "*"),
        ("OPTIONS", "http://other", "*"),
        ("OPTIONS", "http://other/", "/"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/base"])
def test_targets_stay_with_the_configured_service(
    method: str, recorded: str, sent: str, prefix: str
) -> None:
    message = render(Request(method=method, target=recorded), target(f"http://go:8080{prefix}"))
    line = message.split(b"\r\n", 1)[0].decode("latin-1")
    assert line == f"{method} {sent if sent == '*' else prefix + sent} HTTP/1.1"
    assert b"\r\nHost: go:8080\r\n" in message


@pytest.mark.parametrize(
    ("method", "recorded"),
    [
        ("GET", ""),
        ("GET", "*"),
        ("GET", "path"),
        ("GET", "other:443"),
        ("CONNECT", "other:443"),
        ("CONNECT", "/"),
        ("GET", "/a b"),
        ("GET", "/a\r\nX: y"),
        ("GET", "/a\x7f"),
        ("GET", "http://other /x"),
        ("GE T", "/"),
        ("", "/"),
        ("GET\r\n", "/"),
    ],
)
def test_request_lines_that_cannot_be_sent(method: str, recorded: str) -> None:
    with pytest.raises(Unsendable) as caught:
        render(Request(method=method, target=recorded), target())
    assert caught.value.reason == "unsupported"
    assert "\r" not in caught.value.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("A", "x\r\nB: y"),
        ("A", "x\n"),
        ("A", "x\r"),
        ("A", "x\0"),
        ("A: b\r\nC", "x"),
        ("A B", "x"),
        ("A:", "x"),
        ("", "x"),
        ("A", "\u0100"),
    ],
)
def test_headers_that_cannot_be_sent(name: str, value: str) -> None:
    with pytest.raises(Unsendable):
        rendered((name, value))


def test_a_cut_body_is_not_sent() -> None:
    with pytest.raises(Unsendable) as caught:
        render(Request(method="POST", target="/", body=b"a", truncated=True), target())
    assert caught.value.reason == "truncated"


class Parsed:
    """A request as httptools reads it."""

    def __init__(self, message: bytes) -> None:
        self.url = b""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.messages = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(message)
        self.method = parser.get_method().decode()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


@given(request=REQUESTS, keep_host=st.booleans())
def test_any_recorded_request_is_one_message_with_one_framing(
    request: Request,
    keep_host: bool,
) -> None:
    parsed = Parsed(render(request, target(keep_host=keep_host)))
    assert parsed.messages == 1
    assert (parsed.method, parsed.url.decode("latin-1")) == (request.method, request.target)
    assert parsed.body == request.body
    framing = [name.lower() for name, _ in parsed.headers if name.lower() in FRAMING]
    assert len(framing) <= 1
    assert framing or not request.body
    assert not {name.lower() for name, _ in parsed.headers} & HOP_BY_HOP


@given(request=REQUESTS)
def test_fields_that_are_nobodys_business_pass_through(request: Request) -> None:
    ours = FRAMING | HOP_BY_HOP | {"host", "content-encoding", "x-a"}
    sent = Parsed(render(request, target())).headers

    def foreign(headers: Headers | list[tuple[str, str]]) -> list[tuple[str, str]]:
        named = {v.lower() for k, v in request.headers if k.lower() == "connection"}
        named = {name.strip() for value in named for name in value.split(",")}
        return [(k, v) for k, v in headers if k.lower() not in ours | named]

    assert foreign(sent) == foreign(request.headers)


@given(
    method=st.text(max_size=5),
    path=st.text(max_size=10),
    headers=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=8)), max_size=3),
    body=st.binary(max_size=5),
)
def test_no_text_smuggles_a_line(
    method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    request = Request(method=method, target=path, headers=tuple(headers), body=body)
    try:
        message = render(request, target())
    except Unsendable:
        return
    head = message.split(b"\r\n\r\n", 1)[0]
    assert head.split(b"\r\n", 1)[0].count(b" ") == 2
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n")
    # One line for the request, one for each field sent: at most the recorded, Host, framing.
    assert head.count(b"\r\n") <= len(headers) + 2
