from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import event, given

from shadow.captures import Broken, Record, Unsupported, UnwritableError
from shadow.captures.formats import gor
from shadow.captures.formats.gor import SEPARATOR
from shadow.captures.syntax import MalformedError, unreplayable
from shadow.model import Exchange, Request, Response
from tests.captures.exchanges import exchanges as any_exchanges

Records = Callable[[bytes], list[Record]]

OLD = "932079936fa4306fc308d67588178d17d823647c"
NEW = "a1b2c3d4e5f60718293a4b5c"
START = 1785751200123456789  # 2026-08-03T10:00:00.123456789Z


def payload(kind: int, identity: str, message: bytes, *times: int) -> bytes:
    numbers = " ".join(map(str, times or (START,)))
    return f"{kind} {identity} {numbers}\n".encode() + message


def get(identity: str = OLD, *times: int) -> bytes:
    return payload(1, identity, b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % identity.encode(), *times)


def ok(identity: str = OLD, *times: int) -> bytes:
    message = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    return payload(2, identity, message, *times)


def file(*payloads: bytes) -> bytes:
    return b"".join(part + SEPARATOR for part in payloads)


def exchanges(records: list[Record]) -> list[Exchange]:
    assert all(isinstance(record, Exchange) for record in records), records
    return [record for record in records if isinstance(record, Exchange)]


def answered(records: list[Record]) -> list[tuple[str, bool]]:
    return [(record.id, record.response is not None) for record in exchanges(records)]


def test_a_request_and_its_answer_become_one_exchange(records: Records) -> None:
    request = (
        b"POST /v1/quote?x=%2F HTTP/1.1\r\nhost: h\r\nX-A:  1 \r\nx-a: 2\r\n"
        b'Content-Length: 9\r\n\r\n{"sku":1}'
    )
    response = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nok"
    content = file(
        payload(1, OLD, request, START), payload(2, OLD, response, START + 5_000_000, 4_500_000)
    )
    assert records(content) == [
        Exchange(
            id=OLD,
            ts=datetime(2026, 8, 3, 10, 0, 0, 123456, tzinfo=UTC),
            request=Request(
                method="POST",
                target="/v1/quote?x=%2F",
                headers=(("host", "h"), ("X-A", "1"), ("x-a", "2"), ("Content-Length", "9")),
                body=b'{"sku":1}',
            ),
            response=Response(
                status=200,
                headers=(("Content-Type", "a/b"), ("Content-Length", "2")),
                body=b"ok",
            ),
            latency_ms=4.5,
        )
    ]


def test_new_ids_extra_fields_and_the_last_record_without_separator(records: Records) -> None:
    content = file(get(NEW, START, 1000)) + payload(
        2, NEW, b"HTTP/1.1 204 No Content\r\n\r\n", START + 2_000_000, 500_000
    ).replace(b"\n", b" more\n", 1)
    (exchange,) = exchanges(records(content))
    assert exchange.id == NEW
    assert exchange.response == Response(status=204)


@pytest.mark.parametrize(
    ("asked", "replied", "latency_ms"),
    [
        ((START,), (3_000_000,), 3.0),  # a duration in place of the time
        ((START,), (START + 3_000_000,), 3.0),
        ((START,), (START, 3_000_000), 3.0),
        ((START, 1000), (START + 2_000_000, 1_000_000), 3.0),  # each its own duration
        ((START,), (START, -1), None),
        ((START,), (START - 5,), None),
    ],
)
def test_the_latency_of_every_version(
    records: Records,
    asked: tuple[int, ...],
    replied: tuple[int, ...],
    latency_ms: float | None,
) -> None:
    (exchange,) = exchanges(records(file(get(OLD, *asked), ok(OLD, *replied))))
    assert exchange.latency_ms == latency_ms


def test_answers_come_in_any_order_and_exchanges_in_that_of_the_requests(
    records: Records,
) -> None:
    content = file(ok("c"), get("a"), get("b"), ok("b"), get("c"), get("d"), ok("a"))
    assert answered(records(content)) == [("a", True), ("b", True), ("c", True), ("d", False)]


def test_an_exchange_goes_out_as_soon_as_its_answer_is_there(records: Records) -> None:
    # The third record is broken; what it says of its place shows the order.
    first, broken, second = records(file(get("a"), ok("a"), b"rubbish", get("b")))
    assert isinstance(first, Exchange)
    assert isinstance(broken, Broken)
    assert broken.line == 3
    assert broken.reason == "its first line is not TYPE ID TIMESTAMP"
    assert isinstance(second, Exchange)


def test_one_id_twice_pairs_in_order(records: Records) -> None:
    late = payload(2, "a", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    first, second = exchanges(records(file(get("a"), get("a"), ok("a"), late)))
    assert first.response is not None
    assert first.response.status == 200
    assert second.response is not None
    assert second.response.status == 404


def test_the_answer_to_a_replay_is_not_the_answer(records: Records) -> None:
    replayed = payload(3, "a", b"HTTP/1.1 500 Oops\r\n\r\n")
    assert answered(records(file(get("a"), replayed))) == [("a", False)]


def test_an_answer_without_request_is_reported(records: Records) -> None:
    exchange, broken = records(file(get("a"), ok("b")))
    assert isinstance(exchange, Exchange)
    assert isinstance(broken, Broken)
    assert (broken.line, broken.reason) == (2, "it is a response without its request")


def test_two_answers_without_request_are_both_reported(records: Records) -> None:
    broken = records(file(ok("b"), ok("b")))
    assert sorted(b.line for b in broken if isinstance(b, Broken)) == [1, 2]


def test_a_broken_answer_is_reported_and_the_request_kept(records: Records) -> None:
    exchange, broken = records(file(get("a"), payload(2, "a", b"not http")))
    assert isinstance(exchange, Exchange)
    assert exchange.response is None
    assert isinstance(broken, Broken)
    assert broken.line == 2


def test_a_broken_answer_before_its_request_is_reported_at_its_own_place(
    records: Records,
) -> None:
    exchange, broken = records(file(payload(2, "a", b"not http"), get("a"), ok("b")))[:2]
    assert isinstance(exchange, Exchange)
    assert isinstance(broken, Broken)
    assert broken.line == 1


def test_an_interim_answer_is_not_the_answer(records: Records) -> None:
    interim = payload(2, "a", b"HTTP/1.1 100 Continue\r\n\r\n")
    assert answered(records(file(get("a"), interim, ok("a")))) == [("a", True)]


def test_the_window_of_waiting_records_is_bounded(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gor, "MAX_WAITING", 2)
    content = file(get("a"), get("b"), get("c"), ok("c"), ok("b"), ok("a"))
    late, *rest = reversed(records(content))
    assert answered(rest[::-1]) == [("a", False), ("b", True), ("c", True)]
    assert isinstance(late, Broken)
    assert late.line == 6


def test_early_answers_are_bounded_too(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gor, "MAX_WAITING", 2)
    broken, *rest = records(file(ok("a"), ok("b"), ok("c"), get("b"), get("c")))
    assert isinstance(broken, Broken)
    assert broken.line == 1
    assert answered(rest) == [("b", True), ("c", True)]


def test_the_bytes_of_the_window_are_bounded(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gor, "MAX_WAITING_BYTES", 150)
    big = payload(1, "b", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + b"x" * 100)
    assert answered(records(file(get("a"), big, ok("b"), get("c"), ok("c")))) == [
        ("a", False),
        ("b", True),
        ("c", True),
    ]


def test_chunked_is_undone_and_gzip_is_not(records: Records) -> None:
    zipped = gzip.compress(b"ok", mtime=0)
    chunked = b"5\r\n" + zipped[:5] + b"\r\n%x;ext\r\n" % (len(zipped) - 5) + zipped[5:]
    headers = (("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip"))
    message = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
        + chunked
        + b"\r\n0\r\n\r\n"
    )
    (exchange,) = exchanges(records(file(get(), payload(2, OLD, message))))
    assert exchange.response == Response(status=200, headers=headers, body=zipped)


def test_a_websocket_is_unsupported_and_its_answer_not_lost(records: Records) -> None:
    upgrade = b"GET /live HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    switching = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello"
    content = file(payload(1, "a", upgrade), payload(2, "a", switching))
    (record,) = records(content)
    assert isinstance(record, Unsupported)
    assert (record.id, record.line, record.target) == ("a", 1, "/live")
    assert (record.reason, record.method) == ("a connection upgrade", "GET")


def test_a_file_that_starts_in_the_middle(records: Records) -> None:
    assert answered(records(SEPARATOR[1:] + file(get("a"), ok("a")))) == [("a", True)]
    broken, exchange = records(b"of a body" + SEPARATOR + file(get("a")))
    assert isinstance(broken, Broken)
    assert isinstance(exchange, Exchange)


def test_a_body_like_another_format_is_still_a_body(records: Records) -> None:
    message = b"HTTP/1.1 200 OK\r\n\r\ninteractions:\n- a\nversion: api.keploy.io/v1\n"
    assert answered(records(file(get("a"), payload(2, "a", message)))) == [("a", True)]


def test_compressed(records: Records, compress: Callable[[bytes], bytes]) -> None:
    assert answered(records(compress(file(get("a"), ok("a"))))) == [("a", True)]


def test_appended_archives_are_read_to_the_end(
    records: Records, compress: Callable[[bytes], bytes]
) -> None:
    content = compress(file(get("a"))) + compress(file(ok("a"), get("b")))
    assert answered(records(content)) == [("a", True), ("b", False)]


def test_a_cut_archive_gives_what_was_there_and_then_says_so(records: Records) -> None:
    content = gzip.compress(b"".join(file(get(f"{n}"), ok(f"{n}")) for n in range(500)), mtime=0)
    *before, last = records(content[: len(content) // 2])
    assert len(exchanges(before)) > 100
    assert isinstance(last, Broken)
    assert "the gzip data ends in the middle" in last.reason


def test_an_id_that_cannot_be_named_is_broken(records: Records) -> None:
    (broken,) = records(file(payload(1, "x" * 300, b"GET / HTTP/1.1\r\n\r\n")))
    assert isinstance(broken, Broken)
    assert "longer than 256" in broken.reason


@given(any_exchanges())
def test_what_is_written_is_read_again(exchange: Exchange) -> None:
    written = gor.GorFormat()
    try:
        data = written.encode(exchange)
    except UnwritableError as error:
        event(str(error))
        return
    except MalformedError:
        return
    found = list(written.read(iter([data]), "a.gor"))
    (back,) = found
    if isinstance(back, Unsupported):
        assert unreplayable(exchange.request, exchange.response)
        return
    assert isinstance(back, Exchange)
    assert back.request.body == exchange.request.body
    assert (back.request.method, back.request.target) == (
        exchange.request.method,
        exchange.request.target,
    )
    if exchange.response is not None:
        assert back.response is not None
        assert back.response.status == exchange.response.status
        assert back.response.body == exchange.response.body
