from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from msgspec import structs

from shadow.captures import Broken, Record, Unsupported, UnwritableError
from shadow.captures.formats import vegeta
from shadow.captures.formats.vegeta import VegetaJsonFormat, VegetaPlainFormat
from shadow.captures.streams import HEAD_BYTES
from shadow.captures.syntax import MalformedError, unreplayable
from shadow.model import Exchange, Request
from tests.captures.exchanges import exchanges

JSON = VegetaJsonFormat()


def lines(text: str) -> list[Record]:
    return list(VegetaPlainFormat().read(iter([text.encode()]), "a"))


@given(exchanges())
def test_what_is_written_is_read_again(exchange: Exchange) -> None:
    try:
        line = JSON.encode(exchange)
    except (UnwritableError, MalformedError):
        return
    assert JSON.sniff(line)
    (found,) = JSON.read(iter([line]), "a")
    if isinstance(found, Unsupported):
        assert unreplayable(exchange.request, None)
        return
    assert isinstance(found, Exchange)
    assert found.request.method == exchange.request.method
    assert found.request.body == exchange.request.body
    assert found.request.target == exchange.request.target
    kept = [each for each in exchange.request.headers if each[0].lower() != "content-length"]
    assert sorted(found.request.headers) == sorted(kept)


def test_a_target_needs_a_host() -> None:
    with pytest.raises(UnwritableError, match="no Host"):
        JSON.encode(Exchange(id="a", request=Request(method="GET", target="/a")))
    sent = Request(method="GET", target="/a?b", headers=(("Host", "h:80"), ("A", "1"), ("A", "2")))
    assert json.loads(JSON.encode(Exchange(id="a", request=sent))) == {
        "method": "GET",
        "url": "http://h:80/a?b",
        "header": {"Host": ["h:80"], "A": ["1", "2"]},
    }


@pytest.mark.parametrize(
    "change",
    [{"target": "/a#b"}, {"body": b"x", "decoded": True}, {"body": b"x", "truncated": True}],
)
def test_a_target_that_would_send_something_else_is_left_out(change: dict[str, Any]) -> None:
    request = Request(method="POST", target="/", headers=(("Host", "h"),))
    with pytest.raises(UnwritableError):
        JSON.encode(Exchange(id="a", request=structs.replace(request, **change)))


@pytest.mark.parametrize("line", [b"\n", b" \t\r\n", b"# note\n", b"#\n\n", b" "])
def test_what_stands_before_the_first_target_is_passed_over_in_time(line: bytes) -> None:
    head = line * (HEAD_BYTES // len(line))
    begun = time.process_time()
    assert not VegetaPlainFormat().sniff(head + b"x")
    assert VegetaPlainFormat().sniff(head + b"GET http://h/a")
    assert time.process_time() - begun < 1


def test_a_target_too_long_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vegeta, "MAX_RECORD_BYTES", 100)
    found, *_, last = lines("GET http://h/a\n" + "X-A: 1234567\n" * 8 + "\nGET http://h/b\n")
    assert found == Broken(path="a", line=1, reason="the target is too long")
    assert isinstance(last, Exchange)


def test_plain_targets() -> None:
    text = "# note\nGET http://h/a\nGET http://h/b\nX-A: 1\nX-A: 2\n\nPOST http://h/c\n@body.json\n"
    one, two, three = lines(text)
    assert isinstance(one, Exchange)
    assert isinstance(two, Exchange)
    assert (one.request.target, two.request.target) == ("/a", "/b")
    assert two.request.headers == (("Host", "h"), ("X-A", "1"), ("X-A", "2"))
    assert isinstance(three, Unsupported)
    assert three.reason == "the body is in another file"


def test_no_file_that_a_target_names_is_opened() -> None:
    (found,) = lines("POST http://h/c\n@/etc/passwd\n")
    assert isinstance(found, Unsupported)


@pytest.mark.parametrize("text", ["GET http://h/a\nno colon\n", "X-A: 1\n", "GET ftp://h/\n"])
def test_what_is_no_target(text: str) -> None:
    assert any(isinstance(each, Broken) for each in lines(text))
