from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigError
from shadow.model import Request, Response
from shadow.sessions.places import (
    Kind,
    Place,
    parse_place,
    rewritten,
    rewritten_at,
    values_of,
)

ALL: frozenset[Kind] = frozenset({"json", "form", "header", "cookie", "query", "path"})
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def carried(request: Request) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    rewritten(request, ALL, lambda place, text: found.append((str(place), text)))
    return found


def put(request: Request, at: str, new: str) -> Request:
    return rewritten(request, ALL, lambda place, _: new if str(place) == at else None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("$.items[*].id", "$['items'][*]['id']"),
        ("$.items[3]['id']", "$['items'][*]['id']"),
        ("header:Location", "header:location"),
        ("cookie:Sid", "cookie:Sid"),
        ("path:3", "path:3"),
        ("query:a b", "query:a b"),
    ],
)
def test_a_place_is_read_and_written(text: str, kept: str) -> None:
    assert str(parse_place(text)) == kept
    assert parse_place(kept) == parse_place(text)


@pytest.mark.parametrize(
    "text", ["", "id", "header", "header:", "path:x", "path:0", "body:x", "$.", "$[", "json:$.a"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_place(text)


def test_every_place_of_a_request_is_seen_with_its_text() -> None:
    request = Request(
        method="POST",
        target="/v1/items/a%20b?q=x+y&empty=",
        headers=(("Authorization", "Bearer t"), ("Cookie", "a=1; b=2")),
        body=b'{"id":"x","n":[7,{"deep":true}]}',
    )
    assert carried(request) == [
        ("path:1", "v1"),
        ("path:2", "items"),
        ("path:3", "a%20b"),
        ("path:3", "a b"),
        ("query:q", "x+y"),
        ("query:q", "x y"),
        ("header:authorization", "Bearer t"),
        ("cookie:a", "1"),
        ("cookie:b", "2"),
        ("$['id']", "x"),
        ("$['n'][*]", "7"),
    ]


def test_only_what_is_edited_is_spelled_anew() -> None:
    request = Request(
        method="POST",
        target="/a%2fb/OLD?x=%c3%a9&id=OLD&y",
        headers=(("Cookie", "a = 1;sid=OLD;  c"), ("X", "OLD")),
        body=b'{ "id" : "OLD", "n":1.0e1, "e":"\\u00e9" , "id":"OLD"}',
    )
    assert put(request, "path:2", "n/w").target == "/a%2fb/n%2Fw?x=%c3%a9&id=OLD&y"
    assert put(request, "query:id", "a&b c").target == "/a%2fb/OLD?x=%c3%a9&id=a%26b%20c&y"
    assert put(request, "cookie:sid", "NEW").headers[0][1] == "a = 1;sid=NEW;  c"
    changed = put(request, "$['id']", "NEW").body
    assert changed == b'{ "id" : "NEW", "n":1.0e1, "e":"\\u00e9" , "id":"NEW"}'


def test_a_number_stays_one_where_the_new_value_is_one() -> None:
    request = Request(method="POST", target="/", body=b'{"id":17}')
    assert put(request, "$['id']", "18").body == b'{"id":18}'
    assert put(request, "$['id']", "a8").body == b'{"id":"a8"}'
    assert put(request, "$['id']", "018").body == b'{"id":"018"}'


def test_fields_of_a_form_are_places() -> None:
    request = Request(method="POST", target="/", headers=FORM, body=b"csrf=OLD&a=%41")
    assert put(request, "form:csrf", "N W").body == b"csrf=N%20W&a=%41"


@pytest.mark.parametrize("body", [b"{", b"[1,", b'{"a":1}x', b"\xff{}", b"", b"  "])
def test_a_body_that_is_no_json_is_left_alone(body: bytes) -> None:
    request = Request(method="POST", target="/", body=body)
    assert rewritten(request, ALL, lambda *_: "x").body == body


def test_a_body_that_is_cut_or_encoded_is_left_alone() -> None:
    for request in (
        Request(method="POST", target="/", body=b'{"id":"a"}', truncated=True),
        Request(
            method="POST", target="/", body=b'{"id":"a"}', headers=(("Content-Encoding", "x"),)
        ),
    ):
        assert put(request, "$['id']", "b").body == request.body


def test_a_body_nested_beyond_reason_costs_little_and_stays() -> None:
    body = b"[" * 50_000 + b'"x"' + b"]" * 50_000
    request = Request(method="POST", target="/", body=body)
    assert rewritten(request, ALL, lambda *_: "y").body == body
    assert list(values_of(Response(status=200, body=body), ALL)) == []


texts = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=12)
trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(
    target=texts,
    headers=st.lists(st.tuples(st.sampled_from(["Cookie", "X-A", "Host"]), texts), max_size=4),
    body=st.one_of(trees.map(lambda tree: json.dumps(tree).encode()), st.binary(max_size=20)),
    kinds=st.sets(st.sampled_from(sorted(ALL))),
)
def test_looking_changes_nothing(
    target: str, headers: list[tuple[str, str]], body: bytes, kinds: set[Kind]
) -> None:
    request = Request(method="POST", target="/" + target, headers=tuple(headers), body=body)
    assert rewritten(request, kinds, lambda *_: None) is request
    assert rewritten(request, kinds, lambda _, text: text) is request


@given(tree=trees, target=texts)
def test_to_edit_at_some_places_is_to_edit_at_those_alone(tree: object, target: str) -> None:
    body = json.dumps({"a": tree, "b": [tree, {"c": tree}]}, indent=1).encode()
    request = Request(
        method="POST", target=f"/x/{target}?q={target}", headers=(("Cookie", "s=1"),), body=body
    )
    named = ("$['a']", "$['b'][*]", "$['b'][*]['c']", "path:2", "query:q", "cookie:s")
    places = {parse_place(each) for each in named}

    def edit(place: Place, text: str) -> str | None:
        return f"{text}!" if place in places else None

    assert rewritten_at(request, places, edit) == rewritten(request, ALL, edit)


@given(trees)
def test_each_text_of_a_json_answer_is_found_at_its_path(tree: object) -> None:
    response = Response(status=200, body=json.dumps({"a": tree}).encode())
    for found in values_of(response, frozenset({"json"})):
        value: object = {"a": tree}
        for step in found.path:
            value = value[step]  # type: ignore[index]  # the path says what it is
        assert found.text == (value if isinstance(value, str) else json.dumps(value))


def test_cookies_and_headers_of_an_answer_are_found() -> None:
    response = Response(
        status=200,
        headers=(("Set-Cookie", "sid=abc; Path=/"), ("Location", "/v1/items/7")),
    )
    found = {(str(each.place), each.text) for each in values_of(response, ALL)}
    assert found == {("cookie:sid", "abc"), ("header:location", "/v1/items/7")}
    assert {each.place for each in values_of(response, {"cookie"})} == {Place("cookie", "sid")}
