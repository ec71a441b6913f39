"""Access logs, Envoy's pieces, cassettes and packets: what the samples of the tools do not show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow.captures import Broken, Record, Unsupported, open_capture
from shadow.captures.formats import envoy_tap
from shadow.captures.formats.access_log import AccessLog
from shadow.captures.formats.envoy_tap import EnvoyTap
from shadow.captures.formats.keploy import KeployTests
from shadow.captures.formats.tshark import TsharkJson
from shadow.captures.formats.vcr import VcrCassette
from shadow.captures.records import Format
from shadow.errors import CaptureError
from shadow.model import Exchange, Response


def read(kind: Format, *parts: Any) -> list[Record]:
    data = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in parts).encode()
    assert kind.sniff(data)
    return list(kind.read(iter([data]), "a"))


def only(found: list[Record]) -> Exchange:
    (record,) = found
    assert isinstance(record, Exchange), record
    return record


LINE = '10.0.0.1 - - [03/Aug/2026:12:00:00 +0200] "{}" 200 5'


def logged(request: str, more: str = "") -> list[Record]:
    return read(AccessLog(), LINE.format(request) + more)


def test_a_line_of_a_log() -> None:
    found = only(logged("GET /a?b=%20 HTTP/1.1", ' "-" "curl" 0.250'))
    assert found.request.target == "/a?b=%20"
    assert not found.request.truncated
    assert found.response == Response(status=200, truncated=True)
    assert found.ts is not None
    assert found.ts.isoformat() == "2026-08-03T10:00:00+00:00"
    assert found.latency_ms == 250.0


def test_a_body_that_a_log_does_not_show_is_cut() -> None:
    assert only(logged("POST /a HTTP/1.1")).request.truncated


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        ("GET /\\xC3\\xA4 HTTP/1.1", "/\xc3\xa4"),
        ('GET /\\"x\\" HTTP/1.1', '/"x"'),
        ("GET /old", "/old"),
    ],
)
def test_escapes_of_a_log(request_line: str, target: str) -> None:
    assert only(logged(request_line)).request.target == target


@pytest.mark.parametrize(
    "request_line", ["-", "", "\\x16\\x03", "GET /a b HTTP/1.1", "G@T / HTTP/1.0"]
)
def test_a_request_that_was_none_is_broken(request_line: str) -> None:
    (found,) = logged(request_line)
    assert isinstance(found, Broken)


@pytest.mark.parametrize(
    "line", ["x", LINE.format("GET / HTTP/1.1").replace("Aug", "Foo"), LINE.replace("200", "099")]
)
def test_a_line_that_is_none_is_broken(line: str) -> None:
    good = LINE.format("GET / HTTP/1.1")
    _, found = read(AccessLog(), good, line.format("GET / HTTP/1.1"))
    assert isinstance(found, Broken)


def test_a_virtual_host_is_the_host() -> None:
    found = only(read(AccessLog(), "shop.example.com:443 " + LINE.format("GET / HTTP/1.1")))
    assert found.request.headers == (("Host", "shop.example.com"),)


@pytest.mark.parametrize("host", [":80", ":40147"])
def test_a_virtual_host_without_a_name_is_none(host: str) -> None:
    found = only(read(AccessLog(), f"{host} " + LINE.format("GET / HTTP/1.1")))
    assert found.request.headers == ()


@pytest.mark.parametrize(
    ("more", "latency_ms"),
    [
        (" 0.250", 250.0),
        (' "-" "-" "10.0.0.1" rt=0.250', 250.0),
        (' "-" "-" "0.250"', 250.0),
        (' "-" "\\x22 0.100" 0.250', 250.0),
        (' "-" "App 2.100"', None),
        (' "-" "2.100"', None),
        (' "-" "-" "10.0.0.1 2.100"', None),
        (' "-" "-" 863', None),
    ],
)
def test_a_latency_is_never_what_a_client_said(more: str, latency_ms: float | None) -> None:
    assert only(logged("GET / HTTP/1.1", more)).latency_ms == latency_ms


BALANCED = (
    "h2 2026-08-03T10:00:00.000000Z app/lb/5 10.0.0.1:2817 10.0.0.2:80 0.000 {} 0.000 200 200 3 3 "
    '"GET https://h:443/a HTTP/2.0" "-" - -'
)


@pytest.mark.parametrize(
    ("took", "latency_ms"),
    [("0.048", 48.0), ("-1", None), ("-", None), (".", None), ("1.2.3", None), ("9" * 400, None)],
)
def test_the_time_that_a_target_took(took: str, latency_ms: float | None) -> None:
    found = only(read(AccessLog(), BALANCED.format(took)))
    assert found.latency_ms == latency_ms
    assert found.request.headers == (("Host", "h"),)


def segment(number: int, **part: Any) -> Any:
    return {"http_streamed_trace_segment": {"trace_id": str(number), **part}}


def pairs(**fields: str) -> Any:
    return {"headers": [{"key": name.replace("_", ":"), "value": v} for name, v in fields.items()]}


def test_pieces_are_put_together_in_the_order_of_their_requests() -> None:
    start = {"_method": "POST", "_path": "/a", "_authority": "h"}
    one, two = read(
        EnvoyTap(),
        segment(1, request_headers=pairs(**start)),
        segment(2, request_headers=pairs(**start)),
        segment(1, request_body_chunk={"as_bytes": "YQ=="}),
        segment(2, response_headers=pairs(_status="204")),
        segment(1, request_body_chunk={"as_string": "b", "truncated": True}),
        segment(1, response_headers=pairs(_status="200", x="1")),
        segment(1, response_body_chunk={"as_bytes": "b2s="}),
    )
    assert isinstance(one, Exchange)
    assert isinstance(two, Exchange)
    assert (one.id, one.request.body, one.request.truncated) == ("tap-000001", b"ab", True)
    assert one.request.headers == (("Host", "h"),)
    assert one.response == Response(status=200, headers=(("x", "1"),), body=b"ok")
    assert two.response == Response(status=204)


def answered(body: Any, **fields: str) -> Response | None:
    asked = pairs(_method="GET", _path="/")
    answer = {**pairs(_status="200", **fields), "body": body}
    trace = {"http_buffered_trace": {"request": asked, "response": answer}}
    return only(read(EnvoyTap(), trace)).response


@pytest.mark.parametrize(
    ("body", "cut"),
    [
        ({"as_string": "a\tb\r\n\u00e4"}, False),
        ({"as_string": " PNG\r\n\u001a\n"}, True),  # what Envoy makes of the bytes of a PNG
        ({"as_bytes": "iVBORw0KGgo="}, False),
    ],
)
def test_a_string_that_was_no_text_is_no_body(body: Any, *, cut: bool) -> None:
    response = answered(body)
    assert response is not None
    assert response.truncated is cut


def test_a_body_shorter_than_it_says_is_cut() -> None:
    for body, cut in ((None, True), ({"as_bytes": "YQ=="}, True), ({"as_bytes": "YWI="}, False)):
        response = answered(body, **{"content-length": "2"})
        assert response is not None
        assert response.truncated is cut


def test_what_waits_for_more_pieces_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy_tap, "MAX_WAITING_BYTES", 10_000)
    taken = 0

    def documents() -> Iterator[bytes]:
        nonlocal taken
        for taken in range(1, 101):
            headers = pairs(_method="GET", _path="/", x="y" * 1_000)
            yield json.dumps(segment(taken, request_headers=headers)).encode()

    found = EnvoyTap().read(documents(), "a")
    assert isinstance(next(found), Exchange)
    assert taken < 15
    assert sum(1 for _ in found) == 99


@pytest.mark.parametrize(
    "document",
    [
        {"http_buffered_trace": {}},
        {"http_buffered_trace": {"request": pairs(_method="GET")}},
        {"http_buffered_trace": {"request": pairs(_method="GET", _path="/"), "response": pairs()}},
        {"socket_buffered_trace": {}},
        [1],
    ],
)
def test_what_is_no_trace_is_broken(document: Any) -> None:
    whole = {"http_buffered_trace": {"request": pairs(_method="GET", _path="/")}}
    good, found = read(EnvoyTap(), whole, document)
    assert isinstance(good, Exchange)
    assert isinstance(found, Broken)


RUBY = """\
http_interactions:
- request:
    method: post
    uri: http://h/a?b=1
    body: {encoding: UTF-8, string: "x=1"}
    headers: {X-A: ["1", "2"]}
  response:
    status: {code: 200, message: OK}
    headers: {Content-Encoding: [gzip]}
    body: {encoding: ASCII-8BIT, base64_string: "H4sIAAAA"}
  recorded_at: Mon, 03 Aug 2026 10:00:00 GMT
recorded_with: VCR 6.2.0
"""


def test_a_cassette_of_ruby() -> None:
    found = only(read(VcrCassette(), RUBY))
    assert (found.request.method, found.request.body) == ("POST", b"x=1")
    assert found.request.headers == (("Host", "h"), ("X-A", "1"), ("X-A", "2"))
    assert found.response is not None
    assert found.response.body.startswith(b"\x1f\x8b")
    assert not found.response.decoded
    assert found.ts is not None
    assert found.ts.isoformat() == "2026-08-03T10:00:00+00:00"


def test_a_body_that_the_recorder_decoded() -> None:
    found = only(read(VcrCassette(), RUBY.replace('base64_string: "H4sIAAAA"', "string: plain")))
    assert found.response is not None
    assert found.response.decoded


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("{encoding: ISO-8859-1, string: \u00e4}", b"\xe4"),
        ("{encoding: Shift_JIS, string: \u3042}", b"\x82\xa0"),
        ("{encoding: UTF-8, string: \u00e4}", b"\xc3\xa4"),
        ("{encoding: ISO-8859-1, string: \u3042}", b"\xe3\x81\x82"),
        ("{encoding: idna, string: \u00e4}", b"\xc3\xa4"),
        ("{encoding: ASCII-8BIT, string: !binary 5A==}", b"\xe4"),
    ],
)
def test_a_body_is_in_its_encoding(body: str, found: bytes) -> None:
    cassette = RUBY.replace('{encoding: ASCII-8BIT, base64_string: "H4sIAAAA"}', body)
    response = only(read(VcrCassette(), cassette)).response
    assert response is not None
    assert response.body == found


def test_headers_that_are_binary() -> None:
    cassette = RUBY.replace('X-A: ["1", "2"]', "!binary WC1B: [!binary w6Q=, \u00e4]")
    found = only(read(VcrCassette(), cassette))
    assert found.request.headers[1:] == (("X-A", "\xc3\xa4"), ("X-A", "\xc3\xa4"))


KEPLOY = """\
version: api.keploy.io/v1beta1
kind: Http
name: test-1
spec:
  metadata: {}
  req: {method: POST, url: "http://h/a", header: {A: b}, body: ""}
  resp: {status_code: 200, header: {}, body: ok}
"""


@pytest.mark.parametrize(
    "body",
    [
        "form: [{key: a, values: [b]}]",
        'body: "", body_ref: {path: assets/test-1, size: 2000000}',
    ],
)
def test_a_body_that_is_not_in_the_test_is_cut(body: str) -> None:
    request = only(read(KeployTests(), KEPLOY.replace('body: ""', body))).request
    assert (request.body, request.truncated) == (b"", True)
    assert not only(read(KeployTests(), KEPLOY)).request.truncated


@pytest.mark.parametrize(
    "body", ['body: "", body_skipped: true', "body: [{ts: x, data: {raw: a}}]"]
)
def test_an_answer_that_is_not_in_the_test_is_cut(body: str) -> None:
    response = only(read(KeployTests(), KEPLOY.replace("body: ok", body))).response
    assert response == Response(status=200, truncated=True)


def test_a_mock_is_no_request_to_the_service() -> None:
    mock = KEPLOY.replace("metadata: {}", "metadata: {name: Http, type: HTTP_CLIENT}")
    (found,) = read(KeployTests(), mock)
    assert isinstance(found, Unsupported)


def test_a_broken_interaction_leaves_the_others() -> None:
    text = "interactions:\n- request: 1\n- request: {method: GET, uri: 'http://h/'}\n  response:\n"
    broken, good = read(VcrCassette(), text)
    assert broken == Broken(path="a", line=2, reason="the method is missing, or no text")
    assert isinstance(good, Exchange)
    assert good.response is None


def packet(number: int, head: bytes, body: bytes = b"", **http: str) -> Any:
    """A packet; a body that is given stands apart from the head."""
    fields: dict[str, Any] = {name.replace("_", ".", 1): value for name, value in http.items()}
    if body:
        fields["http.file_data_raw"] = [body.hex(), 0, len(body), 0, 30]
    layers = {
        "frame": {"frame.number": str(number), "frame.time_epoch": f"1785751200.{number:09}"},
        "http_raw": [head.hex(), 0, len(head), 0, 1],
        "http": fields,
    }
    return {"_index": "packets-2026-08-03", "_source": {"layers": layers}}


ASKED = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


def packets(*found: Any) -> list[Record]:
    return read(TsharkJson(), list(found))


def test_messages_are_paired_by_the_number_of_their_packet() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    one, two = packets(
        packet(1, ASKED),
        packet(2, ASKED.replace(b"/a", b"/b")),
        packet(3, chunked, b"two", http_request_in="2", http_response="1"),
        packet(4, chunked, b"one", http_request_in="1", http_response="1"),
    )
    assert isinstance(one, Exchange)
    assert isinstance(two, Exchange)
    assert one.response is not None
    assert two.response is not None
    assert (one.request.target, one.response.body) == ("/a", b"one")
    assert (two.request.target, two.response.body) == ("/b", b"two")
    assert one.latency_ms == pytest.approx(3e-6)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (packet(2, ASKED[:-2]), "the request headers do not end"),
        (packet(2, ASKED, http_response="1"), "it is a response without its request"),
        (
            packet(2, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"plain"),
            "its body was decompressed",
        ),
        (
            packet(2, b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n", b"plain"),
            "its body was decompressed",
        ),
        ({"_source": {"layers": {"frame": {}}}}, "the packet has no number"),
        ({"_source": 1}, "Expected"),
    ],
)
def test_a_packet_that_cannot_be_read_is_broken(answer: Any, reason: str) -> None:
    good, found = packets(packet(1, ASKED), answer)
    assert isinstance(good, Exchange)
    assert isinstance(found, Broken)
    assert found.reason.startswith(reason)


def answer_of(head: bytes, body: bytes = b"") -> Response | None:
    answer = packet(2, b"HTTP/1.1 200 OK\r\n" + head, body, http_request_in="1")
    return only(packets(packet(1, ASKED), answer)).response


def test_a_body_with_an_encoding_stands_behind_its_head() -> None:
    head = b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole, cut = answer_of(head + b"3\r\n\x1f\x8b\x08\r\n0\r\n\r\n"), answer_of(head)
    assert whole is not None
    assert cut is not None
    assert (whole.body, whole.truncated) == (b"\x1f\x8b\x08", False)
    assert cut.truncated


def test_a_chunked_body_that_tshark_has_not_taken_apart() -> None:
    head = b"Transfer-Encoding: Chunked\r\n\r\n"
    for found in (
        answer_of(head, b"2\r\nok\r\n0\r\n\r\n"),
        answer_of(head + b"2\r\nok\r\n0\r\n\r\n"),
    ):
        assert found is not None
        assert found.body == b"ok"


def test_lines_that_end_without_carriage_return() -> None:
    found = answer_of(b"Content-Length: 2\n\n", b"ok")
    assert found is not None
    assert found.body == b"ok"


def test_the_time_of_newer_versions() -> None:
    newer = packet(1, ASKED)
    newer["_source"]["layers"]["frame"]["frame.time_epoch"] = "2026-08-03T10:00:00.000001000Z"
    assert only(packets(newer)).ts == only(packets(packet(1_000, ASKED))).ts


def test_messages_of_one_packet() -> None:
    two = packet(1, ASKED)
    layers = two["_source"]["layers"]
    second = ASKED.replace(b"/a", b"/b")
    layers["http_raw"] = [[each.hex(), 0, 1, 0, 1] for each in (ASKED + second, second)]
    layers["http"] = [{}, {"http.prev_request_in": "1"}]
    answer = packet(2, b"HTTP/1.1 200 OK\r\n\r\n", b"a", http_request_in="1")
    one, other, broken = packets(two, answer)
    assert isinstance(one, Exchange)
    assert isinstance(other, Exchange)
    assert (one.request.target, one.request.body, one.response) == ("/a", b"", None)
    assert (other.request.target, other.response) == ("/b", None)
    assert isinstance(broken, Broken)
    assert broken.reason.startswith("the request before has no answer")


def test_messages_under_one_name_are_not_dropped() -> None:
    raw = json.dumps(packet(1, ASKED)["_source"]["layers"]["http_raw"])
    text = json.dumps([packet(1, ASKED), packet(2, ASKED)])
    twice = text.replace('"http_raw": ', f'"http_raw": {raw}, "http": {{}}, "http_raw": ', 1)
    broken, good = read(TsharkJson(), twice)
    assert isinstance(broken, Broken)
    assert broken.reason.endswith("run tshark with --no-duplicate-keys")
    assert isinstance(good, Exchange)


def test_an_answer_behind_a_request_without_one_is_not_guessed() -> None:
    one, two, broken, three = packets(
        packet(1, ASKED),
        packet(2, ASKED, http_prev_request_in="1"),
        packet(3, b"HTTP/1.1 200 OK\r\n\r\n", b"one", http_request_in="2"),
        packet(4, ASKED),
    )
    assert isinstance(one, Exchange)
    assert isinstance(two, Exchange)
    assert one.response is two.response is None
    assert isinstance(broken, Broken)
    assert isinstance(three, Exchange)


def test_what_comes_before_a_body_is_no_answer() -> None:
    posted = b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
    found = only(
        packets(
            packet(1, b"HTTP/1.1 100 Continue\r\n\r\n", http_response="1"),
            packet(2, posted, b"x"),
            packet(3, b"HTTP/1.1 204 No Content\r\n\r\n", http_request_in="2"),
        )
    )
    assert found.response == Response(status=204)


@pytest.mark.parametrize("magic", ["d4c3b2a1", "a1b2c3d4", "0a0d0d0a"])
def test_packets_themselves_are_for_tshark(magic: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(bytes.fromhex(magic) + b"\0" * 100)
    with pytest.raises(CaptureError, match="tshark") as caught:
        open_capture(path)
    assert caught.value.hint.startswith(f"tshark -r {path} ")


def test_a_websocket_is_not_replayed() -> None:
    asked = ASKED.replace(b"Host: h", b"Upgrade: websocket")
    (found,) = packets(packet(1, asked))
    assert isinstance(found, Unsupported)
