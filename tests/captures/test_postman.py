from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shadow.captures import Broken, Record, Unsupported
from shadow.captures.formats.postman import PostmanCollection
from shadow.errors import CaptureError
from shadow.model import Exchange, Request

SAMPLE = Path(__file__).parents[2] / "replay_data" / "formats" / "postman.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def read(*items: Any, **root: Any) -> list[Record]:
    document = {"info": {"schema": SCHEMA}, "item": list(items), **root}
    return list(PostmanCollection().read(iter([json.dumps(document).encode()]), "a"))


def request(**parts: Any) -> Request:
    (found,) = read({"request": {"url": "http://h/a", **parts}})
    assert isinstance(found, Exchange), found
    return found.request


def test_the_sample() -> None:
    found = list(PostmanCollection().read(iter([SAMPLE.read_bytes()]), "a"))
    exchanges = [each for each in found if isinstance(each, Exchange)]
    assert [each.request.target for each in exchanges] == [
        *("/v1/items?page=1", "/v1/items?page=-1", "/v1/items/itm%201", "/v1/quote", "/v1/login"),
    ]
    assert exchanges[0].response is not None
    assert exchanges[0].response.body == b'{"items":[],"total":0}'
    assert exchanges[3].request.body == b'{"items":[]}'
    assert exchanges[3].request.headers[-1] == ("Content-Type", "application/json")
    assert exchanges[4].request.body == b"user=a+b"
    (unknown,) = [each for each in found if isinstance(each, Unsupported)]
    assert "variable" in unknown.reason


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"mode": "raw", "raw": "x"}, b"x"),
        ({"mode": "raw", "raw": "x", "disabled": True}, b""),
        ({"mode": "urlencoded", "urlencoded": [{"key": "a&", "value": "\u00e4"}]}, b"a%26=%C3%A4"),
        (
            {"mode": "graphql", "graphql": {"query": "{a}", "variables": '{"b":1}'}},
            b'{"query":"{a}","variables":{"b":1}}',
        ),
        (
            {"mode": "graphql", "graphql": {"query": '"', "variables": ' {"b": 1.10, "b": 1e999}'}},
            b'{"query":"\\"","variables": {"b": 1.10, "b": 1e999}}',
        ),
        (
            {"mode": "graphql", "graphql": {"operationName": "A", "variables": {"b": 1}}},
            b'{"operationName":"A","variables":{"b":1}}',
        ),
        ({"mode": "graphql", "graphql": {"query": "{a}", "variables": ""}}, b'{"query":"{a}"}'),
        (None, b""),
    ],
)
def test_bodies(body: Any, expected: bytes) -> None:
    assert request(method="POST", body=body).body == expected


@pytest.mark.parametrize("mode", ["formdata", "file"])
def test_a_body_of_which_only_the_meaning_is_known_is_marked_cut(mode: str) -> None:
    assert request(method="POST", body={"mode": mode, mode: [{"src": "/etc/passwd"}]}).truncated


def test_a_url_in_parts() -> None:
    url = {
        "protocol": "https",
        "host": ["api", "example", "com"],
        "port": "8443",
        "path": ["v1", "a"],
        "query": [{"key": "q", "value": "1"}, {"key": "off", "value": "1", "disabled": True}],
    }
    found = request(url=url)
    assert found.target == "/v1/a?q=1"
    assert found.headers == (("Host", "api.example.com:8443"),)


def test_headers_of_version_2_0_are_lines() -> None:
    assert request(header="A: 1\nB: 2\n").headers[1:] == (("A", "1"), ("B", "2"))


def test_variables_name_variables_but_not_for_ever() -> None:
    values = [{"key": "a", "value": "{{b}}"}, {"key": "b", "value": "h"}]
    (found,) = read({"request": "http://{{a}}/x"}, variable=values)
    assert isinstance(found, Exchange)
    assert found.request.headers == (("Host", "h"),)
    doubling = [{"key": "a", "value": "{{a}}{{a}}" * 100}]
    (found,) = read({"request": "http://{{a}}/x"}, variable=doubling)
    assert isinstance(found, Unsupported)


def test_folders_in_folders_are_read_in_order() -> None:
    item: Any = {"request": "http://h/1"}
    for _ in range(100):
        item = {"item": [item]}
    found = read({"request": "http://h/0"}, item, None, {"request": "http://h/2"})
    assert [isinstance(each, Exchange) and each.request.target for each in found] == [
        *("/0", "/1", "/2")
    ]
    document = b'{"item":' + b"[" * 3000 + b"]" * 3000 + b"}"
    with pytest.raises(CaptureError, match="is no collection"):
        list(PostmanCollection().read(iter([document]), "a"))


def test_variables_never_make_a_text_too_long_or_take_long() -> None:
    values = [{"key": "a", "value": "x" * 1_000_000}]
    (found,) = read(
        {"request": {"url": "http://h/", "header": "A: " + "{{a}}" * 100_000}}, variable=values
    )
    assert isinstance(found, Unsupported)
    assert "too long" in found.reason
    body = {"mode": "raw", "raw": "y" * 2_000_000 + "{{ b }}"}
    (found,) = read(
        {"request": {"url": "http://h/", "body": body}}, variable=[{"key": "b", "value": True}]
    )
    assert isinstance(found, Exchange)
    assert found.request.body[-5:] == b"ytrue"
    assert request(body={"mode": "raw", "raw": "{{" + " " * 200_000 + "x"}).truncated is False


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h/a b?q=b c#top bar", "/a%20b?q=b%20c"),
        ("http://h/?f={\"a\":'1'}", "/?f={%22a%22:%271%27}"),
        ("http://h/k\u00e4se/{x}?u=%20%c3\u00e4 \n", "/k%C3%A4se/%7Bx%7D?u=%20%c3%C3%A4"),
        ({"raw": "http://h/:id/x", "variable": [{"key": "id", "value": "{{t}}"}]}, "/tok/x"),
        (
            {"raw": "http://h/:i?a=/:i", "variable": [{"key": "i", "value": "a/b?@%20"}]},
            "/a/b%3F@%20?a=/:i",
        ),
        ({"raw": "http://h/:none", "variable": [{"key": "id", "value": "{{no}}"}]}, "/:none"),
    ],
)
def test_a_url_goes_out_as_postman_sends_it(url: Any, target: str) -> None:
    (found,) = read({"request": {"url": url}}, variable=[{"key": "t", "value": "tok"}])
    assert isinstance(found, Exchange), found
    assert found.request.target == target


def test_variables_are_those_of_the_request_never_of_the_answer() -> None:
    answer = {"code": 200, "header": [{"key": "X", "value": "{{t}} {{u}}"}], "body": "{{u}}"}
    (found,) = read(
        {"request": {"url": "http://h/", "header": "{{n}}: {{t}}"}, "response": [answer]},
        variable=[{"key": "t", "value": "tok"}, {"key": "n", "value": "A"}],
    )
    assert isinstance(found, Exchange)
    assert found.request.headers[1:] == (("A", "tok"),)
    assert found.response is not None
    assert found.response.headers == (("X", "{{t}} {{u}}"),)
    assert found.response.body == b"{{u}}"


@pytest.mark.parametrize("body", [None, ""])
def test_an_answer_that_was_saved_without_its_body_is_marked_cut(body: str | None) -> None:
    for length, cut in (("50", True), ("0", False)):
        answer = {"code": 200, "header": f"Content-Length: {length}", "body": body}
        (found,) = read({"request": "http://h/", "response": [answer]})
        assert isinstance(found, Exchange)
        assert found.response is not None
        assert found.response.truncated is cut


@pytest.mark.parametrize("options", ["s", [], {"raw": [1]}, {"raw": {"language": {}}}, None])
def test_options_of_a_body_may_be_anything(options: Any) -> None:
    found = request(method="POST", body={"mode": "raw", "raw": "x", "options": options})
    assert found.headers[1:] == (("Content-Type", "text/plain"),)


@pytest.mark.parametrize("item", [{"request": 1}, {"request": {}}, {"request": {"url": "ftp://h"}}])
def test_what_is_no_request_is_broken(item: Any) -> None:
    (found,) = read(item)
    assert isinstance(found, Broken)


def test_a_document_that_is_no_collection() -> None:
    with pytest.raises(CaptureError, match="is no collection"):
        list(PostmanCollection().read(iter([b"[1"]), "a"))
