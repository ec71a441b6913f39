from __future__ import annotations

import pytest

from shadow.compare.classes import inputs
from shadow.compare.classes.base import Place, answer, asked
from shadow.compare.classes.replies import http_error, plain
from shadow.model import Observation, Request
from tests.compare.classes.pairs import pair_of

FORM = "application/x-www-form-urlencoded"


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    """The classes that recognise the exchange or one of its places, the first first."""
    pair = pair_of(go, rust, request)
    places = [Place(difference, pair) for difference in pair.differences]
    return [
        cls.id
        for cls in inputs.CLASSES
        if (cls.whole is not None and cls.whole(pair))
        or (cls.at is not None and any(map(cls.at, places)))
    ]


def read(target: str, go: str, rust: str) -> list[str]:
    return explained(answer(200, go), answer(200, rust), asked(target))


@pytest.mark.parametrize(
    ("target", "go", "rust", "id_"),
    [
        ("/q?a=1&a=2", '{"a":"1"}', '{"a":"2"}', "query-repeated-key"),
        ("/q?a=x+y&a=%C3%A9", '{"a":"x y"}', '{"a":"é"}', "query-repeated-key"),
        ("/q?a=1&a=2", '{"a":"1"}', '{"a":["1","2"]}', "query-repeated-key"),
        ("/q?a=1;b=2", '{"a":""}', '{"a":"1;b=2"}', "query-semicolon"),
        ("/q?a=1;b=2", '{"a":null}', '{"a":["1;b=2"]}', "query-semicolon"),
        ("/q?a=%zz", '{"a":""}', '{"a":"%zz"}', "query-bad-escape"),
        ("/q?a=1&b=5%", "{}", '{"b":"5%"}', "query-bad-escape"),
        ("/q?a=1#x", '{"a":"1#x"}', '{"a":"1"}', "query-bad-escape"),
        ("/seg/a%2Fb", '{"id":"a%2Fb"}', '{"id":"a/b"}', "path-escape"),
        ("/seg/a%2eb", '{"id":"a.b"}', '{"id":"a%2eb"}', "path-escape"),
        ("/seg/%ff", '{"id":"%ff"}', '{"id":"\ufffd"}', "path-bad-escape"),
    ],
)
def test_the_request_explains_both_values(target: str, go: str, rust: str, id_: str) -> None:
    assert read(target, go, rust) == [id_]
    assert explained(answer(200, go), answer(200, rust)) == []


@pytest.mark.parametrize(
    ("target", "go", "rust"),
    [
        ("/q?a=1&a=2", '{"a":"1"}', '{"a":"3"}'),
        ("/q?a=1&a=2", '{"a":"2"}', '{"a":"1"}'),
        ("/q?a=1&a=1", '{"a":"1"}', '{"a":"2"}'),
        ("/q?a=1&a=2&b=3", '{"b":"1"}', '{"b":"2"}'),
        ("/q?a=1;b=2", '{"a":"1"}', '{"a":"1;b=2"}'),
        ("/q?a=%zz", '{"a":""}', '{"a":"%z"}'),
        ("/q?a=1#x", '{"a":"1#x"}', '{"a":"2"}'),
        ("/seg/a%2Fb", '{"id":"a%2Fc"}', '{"id":"a/c"}'),
        ("/seg/a%2Fb", '{"id":"a%2Fb"}', '{"id":"a\\\\b"}'),
    ],
)
def test_near_misses_of_the_request_are_not_named(target: str, go: str, rust: str) -> None:
    assert read(target, go, rust) == []


QUERY = "Failed to deserialize query string: "


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("n: cannot parse integer from empty string", "query-typed-param"),
        ("b: provided string was not `true` or `false`", "query-typed-param"),
        ("n: number too large to fit in target type", "query-typed-param"),
        ("missing field `n`", "query-missing-param"),
        ("duplicate field `a`", "query-repeated-key"),
    ],
)
def test_what_axum_says_of_a_query_is_known(text: str, id_: str) -> None:
    taken = answer(200, "{}")
    assert explained(taken, plain(400, QUERY + text))[0] == id_
    assert explained(taken, plain(400, "Query deserialize error: " + text.rpartition(": ")[2]))
    assert explained(http_error(400, "bad query"), plain(400, QUERY + text)) == []
    assert explained(taken, plain(403, QUERY + text)) == []


ZERO = '{"name":"","age":0,"tags":[]}'


@pytest.mark.parametrize(
    ("sent", "go", "rust"),
    [
        ('{"NAME":"a"}', '{"name":"a"}', '{"name":""}'),
        ('{"Age":7}', '{"age":7}', '{"age":0}'),
        ('{"tag\u017f":["x"]}', '{"tags":["x"]}', '{"tags":[]}'),
        ('{"Name":{"a":1}}', '{"name":{"a":1}}', "{}"),
    ],
)
def test_a_member_under_another_case_is_found(sent: str, go: str, rust: str) -> None:
    request = asked("/echo", "POST", sent)
    assert explained(answer(200, go), answer(200, rust), request) == ["decode-case-insensitive"]


@pytest.mark.parametrize(
    ("sent", "go", "rust"),
    [
        ('{"name":"a"}', '{"name":"a"}', '{"name":""}'),
        ('{"NAME":"b"}', '{"name":"a"}', '{"name":""}'),
        ('{"NAME":"a"}', '{"name":"a"}', '{"name":"x"}'),
        ('{"user_id":1}', '{"userId":1}', '{"userId":0}'),
    ],
)
def test_a_lost_value_of_another_cause_is_not_named(sent: str, go: str, rust: str) -> None:
    assert explained(answer(200, go), answer(200, rust), asked("/echo", "POST", sent)) == []


def test_a_path_parameter_must_be_in_the_path() -> None:
    go = http_error(400, 'strconv.Atoi: parsing "abc": invalid syntax')
    rust = plain(400, "Invalid URL: Cannot parse `id` with value `abc` to a `u32`")
    assert explained(go, rust, asked("/item/abc")) == ["path-param-type"]
    assert explained(go, rust, asked("/item/7")) == []
    assert explained(answer(500), rust, asked("/item/abc")) == []


def test_form_semicolons_need_a_form() -> None:
    go, rust = answer(200, '{"a":""}'), answer(200, '{"a":"1;b"}')
    assert explained(go, rust, asked("/f", "POST", "a=1;b", Content_Type=FORM)) == [
        "form-semicolon"
    ]
    assert explained(go, rust, asked("/f", "POST", "a=1;b", Content_Type="text/plain")) == []
