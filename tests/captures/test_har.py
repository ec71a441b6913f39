from __future__ import annotations

import encodings
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from shadow.captures import Broken, Record, Unsupported, open_writer, read
from shadow.captures.formats.har import HarFormat
from shadow.captures.syntax import has_no_body, unreplayable
from shadow.errors import CaptureError
from shadow.model import Exchange, NoAnswer, Request, Response
from tests.captures.exchanges import exchanges

Records = Callable[[bytes], list[Record]]


def document(*entries: Any) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def entry(**parts: Any) -> dict[str, Any]:
    request = {"method": "GET", "url": "http://h/", **parts.pop("request", {})}
    response = {"status": 200, **parts.pop("response", {})}
    return {"request": request, "response": response, **parts}


def fields(**headers: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": text} for name, text in headers.items()]


def only(records: list[Record]) -> Exchange:
    (record,) = records
    assert isinstance(record, Exchange), record
    return record


def request_of(records: Records, **request: Any) -> Request:
    return only(records(document(entry(request=request)))).request


def response_of(records: Records, method: str = "GET", **response: Any) -> Response:
    line = entry(request={"method": method}, response=response)
    read_response = only(records(document(line))).response
    assert read_response is not None
    return read_response


def test_chrome(data: Path) -> None:
    items, logo, cached, failed, websocket, inline = read([data / "chrome.har"])
    assert items == Exchange(
        id="har-000001",
        ts=datetime(2026, 8, 3, 10, 0, 0, 123000, tzinfo=UTC),
        request=Request(
            method="GET",
            target="/v1/items?q=a%2Fb&q=%C3%A4&empty=",
            headers=(
                ("Host", "shop.example.com"),
                ("accept", "application/json"),
                ("accept-encoding", "gzip, deflate, br"),
            ),
        ),
        response=Response(
            status=200,
            headers=(
                ("content-encoding", "br"),
                ("content-type", "application/json"),
                ("set-cookie", "a=1; Path=/"),
                ("set-cookie", "b=2; Secure"),
            ),
            body=b'{"items":null}',
            decoded=True,
        ),
        latency_ms=41.25,
    )
    assert isinstance(logo, Exchange)
    assert logo.response is not None
    assert logo.response.body == b"\x89PNG\r\n\x1a\n"
    assert isinstance(cached, Exchange)
    assert cached.request.target == "/?x"
    assert cached.response == Response(status=304, headers=(("ETag", '"1"'),))
    assert isinstance(failed, Exchange)
    assert failed.request.body == b'{"sku":1}'
    assert (failed.response, failed.latency_ms) == (None, None)
    assert failed.error == NoAnswer(kind="reset", detail="net::ERR_CONNECTION_RESET")
    assert isinstance(websocket, Unsupported)
    assert (websocket.id, websocket.line) == ("har-000005", 5)
    assert (websocket.reason, websocket.method) == ("a websocket", "GET")
    assert websocket.target == "/live?room=1"
    assert isinstance(inline, Unsupported)
    assert inline.reason == "the URL is not http or https"


def test_firefox(data: Path) -> None:
    login, big, blocked = read([data / "firefox.har"])
    assert isinstance(login, Exchange)
    assert login.ts == datetime(2026, 8, 3, 10, 0, 0, 500000, tzinfo=UTC)
    assert login.request.body == b"a=x%20y&b=0"
    assert login.response is not None
    assert (login.response.body, login.response.truncated) == (b"the first part", True)
    assert isinstance(big, Exchange)
    assert big.response is not None
    assert (big.response.body, big.response.truncated) == (b"", True)
    assert isinstance(blocked, Exchange)
    assert blocked.error == NoAnswer(kind="reset")


def test_mitmproxy(data: Path) -> None:
    quote, empty = read([data / "mitmproxy.har"])
    assert isinstance(quote, Exchange)
    assert (quote.request.body, quote.request.decoded) == (b"k\xe4se", True)
    assert quote.response is not None
    assert (quote.response.body, quote.response.decoded) == (b"ok", True)
    assert not quote.response.truncated
    assert isinstance(empty, Exchange)
    assert (empty.request.body, empty.request.truncated) == (b"", False)
    assert empty.error == NoAnswer(kind="reset")


def test_charles(data: Path) -> None:
    exchange = only(list(read([data / "charles.har"])))
    assert exchange.request.headers[0] == ("Host", "shop.example.com")
    assert exchange.request.target == "/?="
    assert exchange.response is not None
    assert exchange.response.body == b"<title>shop</title>"
    assert not exchange.response.truncated
    assert exchange.latency_ms == 107


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", "/"),
        ("http://h#top", "/"),
        ("http://h?a=/b", "/?a=/b"),
        ("HTTPS://h/a/../b//c/./%7e?x=%2f#f", "/a/../b//c/./%7e?x=%2f"),
        ("http://[::1]:80/a;b=1", "/a;b=1"),
        ("http://h/käse", "/k\xc3\xa4se"),
    ],
)
def test_the_target_is_spelled_as_in_the_url(records: Records, url: str, target: str) -> None:
    assert request_of(records, url=url).target == target


def test_a_recorded_host_wins_then_the_authority_then_the_url(records: Records) -> None:
    url = "http://url.example:81/"
    authority = {"name": ":authority", "value": "authority.example"}
    own = request_of(records, url=url, headers=[*fields(X="1", host="own"), authority])
    assert own.headers == (("X", "1"), ("host", "own"))
    assert request_of(records, url=url, headers=[authority]).headers == (
        ("Host", "authority.example"),
    )
    assert request_of(records, url=url).headers == (("Host", "url.example:81"),)


@pytest.mark.parametrize(
    ("post_data", "body", "truncated"),
    [
        ({"mimeType": "application/json", "text": "{}"}, b"{}", False),
        ({"mimeType": "", "text": "/w==", "encoding": "base64"}, b"\xff", False),
        ({"mimeType": "text/plain; charset=windows-1252", "text": "€"}, b"\x80", False),
        ({"mimeType": "text/plain; charset=us-ascii", "text": "€"}, "€".encode(), False),
        ({"mimeType": "text/plain; charset=iso-8859-99", "text": "€"}, "€".encode(), False),
        (
            {
                "mimeType": "application/x-www-form-urlencoded",
                "params": [{"name": "a b", "value": "1&2"}, {"name": "c"}],
            },
            b"a+b=1%262&c=",
            False,
        ),
        ({"mimeType": "multipart/form-data", "params": [{"name": "a"}]}, b"", True),
        ({}, b"", False),
        (None, b"", False),
    ],
)
def test_post_data(
    records: Records, post_data: dict[str, Any] | None, body: bytes, *, truncated: bool
) -> None:
    request = request_of(records, method="POST", postData=post_data)
    assert (request.body, request.truncated) == (body, truncated)


def test_a_body_that_was_sent_but_not_exported_is_truncated(records: Records) -> None:
    assert request_of(records, method="PUT", bodySize=9).truncated
    assert request_of(records, method="PUT", headers=fields(Content_Length="9")).truncated
    assert not request_of(records, method="PUT", headers=fields(Content_Length="0")).truncated
    assert response_of(records, content={"size": 3}).truncated
    assert not response_of(records, content={"size": 0}).truncated
    assert not response_of(records, content={}).truncated


def test_a_head_response_has_no_body_to_miss(records: Records) -> None:
    response = response_of(records, method="HEAD", headers=fields(Content_Length="9"))
    assert (response.body, response.truncated) == (b"", False)


def test_a_byte_order_mark_the_browser_dropped_is_not_a_cut(records: Records) -> None:
    assert not response_of(records, content={"size": 5, "text": "ab"}).truncated
    assert response_of(records, content={"size": 6, "text": "ab"}).truncated


def test_a_body_that_is_shorter_than_it_was_is_truncated(records: Records) -> None:
    def posted(text: str, headers: Any = (), **request: Any) -> bool:
        sent = {"method": "POST", "headers": headers, "postData": {"text": text}, **request}
        return request_of(records, **sent).truncated

    assert posted("abc", fields(Content_Length="1000"))
    assert posted("abc", bodySize=4)
    assert posted("a\ufffd", fields(Content_Length="2"))  # a byte that was no text
    assert not posted("a\ufffd", fields(Content_Length="4"))
    assert not posted("abc", fields(Content_Length="30", Content_Encoding="gzip"))

    def answered(text: str, size: int, headers: Any = (), **content: Any) -> bool:
        said = {"size": size, "text": text, **content}
        return response_of(records, headers=headers, content=said).truncated

    coded = fields(Content_Encoding="gzip")
    assert answered("a" * 1000, 3_000_000, coded)
    assert not answered("a", 25, coded)  # the size of mitmproxy is the encoded one
    assert answered("a", 3)
    assert answered("YWJj", 6, encoding="base64")
    assert answered("a\ufffd", 2)


def test_the_body_of_a_redirect_that_chrome_left_out_is_truncated(records: Records) -> None:
    content = {"size": 0, "mimeType": "x-unknown"}
    moved = fields(Location="/b", Content_Length="154")
    assert response_of(records, status=302, headers=moved, content=content).truncated


@pytest.mark.parametrize(
    ("content_type", "text", "length", "body"),
    [
        ("text/html; charset=ISO-8859-1", "\u20ac\u201c\u00e9", None, b"\x80\x93\xe9"),
        ("text/plain; charset=gb2312", "\u9555", None, "\u9555".encode("gbk")),
        ("text/plain", "\u00e9", "1", b"\xe9"),
        ("text/plain", "\u00e9", "2", b"\xc3\xa9"),
        ("text/plain; charset=iso-8859-1", "\u00e9", "2", b"\xc3\xa9"),
        ("text/plain", "\u00c3\u00a9", "2", b"\xc3\xa9"),
    ],
)
def test_the_charset_is_the_one_that_the_recorder_decoded_by(
    records: Records, content_type: str, text: str, length: str | None, body: bytes
) -> None:
    headers = fields(Content_Type=content_type, **({"Content_Length": length} if length else {}))
    assert response_of(records, headers=headers, content={"text": text}).body == body


def test_names_of_charsets_are_not_kept(records: Records) -> None:
    headers = fields(Content_Type="text/plain; charset=iso-8859-" + "9" * 5000)
    assert response_of(records, headers=headers, content={"text": "\u00e9"}).body == b"\xc3\xa9"
    assert max(len(str(name)) for name in encodings._cache) < 1000


@pytest.mark.parametrize("host", ["evil/x", "a?b", "a#b", "u@h", "", "[::1]:80"])
def test_any_host_leaves_the_target_as_it_was(host: str) -> None:
    request = Request(method="GET", target="/y", headers=(("Host", host),))
    har, exchange = HarFormat(), Exchange(id="x", request=request)
    assert list(har.read(iter([har.start + har.encode(exchange) + har.end]), "a")) == [exchange]


def test_a_written_body_is_read_again_whatever_its_length_is_said_to_be() -> None:
    headers = (("Content-Length", "1"),)
    request = Request(method="PUT", target="/", headers=headers, body="\u00e9".encode())
    response = Response(status=200, headers=headers, body=b"\xc3\xa9", truncated=True)
    har, exchange = HarFormat(), Exchange(id="x", request=request, response=response)
    assert list(har.read(iter([har.start + har.encode(exchange) + har.end]), "a")) == [exchange]


def test_everything_optional_may_be_missing(records: Records) -> None:
    bare = {"request": {"method": "GET", "url": "http://h/x"}}
    assert only(records(document(bare))) == Exchange(
        id="har-000001", request=Request(method="GET", target="/x", headers=(("Host", "h"),))
    )


@pytest.mark.parametrize(
    "started", ["", "soon", "2026-08-03T10:00:00", "0001-01-01T00:00:00+14:00", None]
)
def test_a_time_that_is_no_moment_is_left_out(records: Records, started: str | None) -> None:
    assert only(records(document(entry(startedDateTime=started)))).ts is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("net::ERR_ABORTED", None),
        ("net::ERR_BLOCKED_BY_CLIENT", None),
        ("net::ERR_TIMED_OUT", "timeout"),
        ("net::ERR_CONNECTION_REFUSED", "connect"),
        ("net::ERR_CERT_DATE_INVALID", "tls"),
        ("net::ERR_EMPTY_RESPONSE", "reset"),
        (None, "reset"),
    ],
)
def test_what_the_browser_gave_up_is_no_failure_of_the_service(
    records: Records, error: str | None, kind: str | None
) -> None:
    found = only(records(document(entry(response={"status": 0, "_error": error}))))
    assert (found.error and found.error.kind) == kind


@pytest.mark.parametrize("time", [-1, None])
def test_an_unknown_duration_is_left_out(records: Records, time: float | None) -> None:
    assert only(records(document(entry(time=time)))).latency_ms is None


@pytest.mark.parametrize(
    "line",
    [
        entry(_webSocketMessages=[]),
        entry(_resourceType="websocket"),
        entry(request={"url": "ws://h/"}),
        entry(request={"headers": fields(Upgrade="WebSocket")}),
        entry(response={"status": 101}),
        entry(request={"method": "CONNECT"}),
        entry(request={"url": "blob:http://h/1"}),
        entry(request={"url": "/relative"}),
    ],
)
def test_what_is_no_plain_exchange_is_unsupported(records: Records, line: Any) -> None:
    (record,) = records(document(line))
    assert isinstance(record, Unsupported)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({}, "required field `request`"),
        (None, "Expected `object`"),
        (entry(request={"method": "G T"}), "the method"),
        (entry(request={"url": "http://h/a b"}), "the request target"),
        (entry(request={"headers": fields(X="a\r")}), "value of request header 2"),
        (entry(response={"status": 7}), "between 100 and 999"),
        (entry(response={"headers": [{"name": ""}]}), "name of response header 1"),
        (entry(response={"content": {"text": "?", "encoding": "base64"}}), "not base64"),
        (entry(response={"content": {"text": "\ud800"}}), "lone surrogates"),
        (entry(_shadow={"id": "a", "error": {"kind": "s3cret"}}), "Invalid value - at `$._shadow"),
    ],
)
def test_a_broken_entry_says_why_and_the_others_are_read(
    records: Records, line: Any, reason: str
) -> None:
    broken, good = records(document(line, entry()))
    assert isinstance(broken, Broken)
    assert broken.line == 1
    assert reason in broken.reason
    assert isinstance(good, Exchange)
    assert good.id == "har-000002"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"log":{"entr', "is no HAR file"),
        (b'{"log":{}}', "it has no log.entries"),
        (b'{"log":["\\udc80"]}', "is no HAR file"),
        (b'{"log":' + b"[" * 100_000, "is no HAR file"),
        (b'{"log":{"entries":[]}}', "holds no exchanges"),
    ],
)
def test_a_document_that_is_no_har_is_an_error(
    records: Records, content: bytes, message: str
) -> None:
    with pytest.raises(CaptureError) as caught:
        records(content)
    assert message in caught.value.message
    assert "capture: " in caught.value.message
    assert caught.value.hint


def test_a_cut_archive_gives_every_whole_entry(
    records: Records, compress: Callable[[bytes], bytes]
) -> None:
    content = compress(document(entry(), entry(comment=[*range(60_000)])))
    whole, broken = records(content[:-20])
    assert isinstance(whole, Exchange)
    assert isinstance(broken, Broken)
    assert (broken.line, "in the middle" in broken.reason) == (2, True)


def test_a_cut_document_gives_every_whole_entry(records: Records) -> None:
    content = document(entry(), entry(), entry())
    one, two, broken = records(content[: content.rindex(b'"request"')])
    assert isinstance(one, Exchange)
    assert isinstance(two, Exchange)
    assert isinstance(broken, Broken)
    assert (broken.line, broken.reason) == (3, "the document ends in the middle")


@given(exchanges())
def test_what_is_written_is_read_again(exchange: Exchange) -> None:
    """Nothing is lost but what a HAR cannot say of an answer: a 304 has no body."""
    response = exchange.response
    if response is not None and has_no_body(exchange.request.method, response.status):
        response = Response(status=response.status, headers=response.headers)
        exchange = replace(exchange, response=response)
    written = HarFormat()
    data = written.start + written.encode(exchange) + written.end
    json.loads(data)
    (found,) = written.read(iter([data]), "a.har")
    if isinstance(found, Unsupported):
        assert unreplayable(exchange.request, exchange.response)
        return
    assert found == exchange


def test_a_written_file_is_one_document(tmp_path: Path) -> None:
    sent = [
        Exchange(id=f"x{number}", request=Request(method="GET", target=f"/{number}"))
        for number in range(3)
    ]
    with open_writer(tmp_path / "a.har", HarFormat()) as writer:
        for exchange in sent:
            writer.write(exchange)
    found = json.loads((tmp_path / "a.har").read_bytes())
    assert [each["request"]["url"] for each in found["log"]["entries"]] == [
        f"http://unknown.invalid/{number}" for number in range(3)
    ]
    assert list(read([tmp_path / "a.har"])) == sent
