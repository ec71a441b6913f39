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


def test_folders_in_folders_are_read_to_a_depth() -> None:
    item: Any = {"request": "http://h/a"}
    for _ in range(20):
        item = {"item": [item]}
    assert len(read(item)) == 1
    for _ in range(40):
        item = {"item": [item]}
    with pytest.raises(CaptureError, match="holds no exchanges"):
        read(item)


@pytest.mark.parametrize("item", [{"request": 1}, {"request": {}}, {"request": {"url": "ftp://h"}}])
def test_what_is_no_request_is_broken(item: Any) -> None:
    (found,) = read(item)
    assert isinstance(found, Broken)


def test_a_document_that_is_no_collection() -> None:
    with pytest.raises(CaptureError, match="is no collection"):
        list(PostmanCollection().read(iter([b"[1"]), "a"))
