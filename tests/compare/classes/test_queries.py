from __future__ import annotations

import pytest

from shadow.compare.classes import queries
from shadow.compare.classes.examples import answer, asked, http_error, plain
from shadow.model import Observation, Request
from tests.compare.classes.http_families import explained_by


def explained(go: Observation, rust: Observation, request: Request | None = None) -> list[str]:
    return explained_by(queries, go, rust, request)


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


def refused(text: str, go: str = "limit is bad", target: str = "/q?limit=ten") -> list[str]:
    sides = answer(400, '{"error":"' + go + '"}'), plain(400, QUERY + text)
    return explained(*sides, asked(target))


NO_DIGIT = "limit: invalid digit found in string"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ten", "invalid digit found in string"),
        ("1.0", "invalid digit found in string"),
        ("-1", "invalid digit found in string"),
        ("%C2%B2", "invalid digit found in string"),
        ("", "cannot parse integer from empty string"),
        ("300", "number too large to fit in target type"),
        ("-300", "number too small to fit in target type"),
        ("0", "number would be zero for non-zero type"),
        ("", "cannot parse float from empty string"),
        ("1,5", "invalid float literal"),
        ("e5", "invalid float literal"),
        ("yes", "provided string was not `true` or `false`"),
        ("a+b", "unknown variant `a b`, expected `id` or `name`"),
    ],
)
def test_both_refuse_one_mistyped_parameter(value: str, reason: str) -> None:
    assert refused(f"limit: {reason}", target=f"/q?limit={value}") == ["query-typed-param"]
    assert refused(f"limit: {reason}", target=f"/q?page={value}") == []
    assert refused(f"limit: {reason[1:]}", target=f"/q?limit={value}") == []
    assert refused(f"limit: {reason}", "no tenant", f"/q?limit={value}") == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("10", "invalid digit found in string"),
        ("%2B10", "invalid digit found in string"),
        ("", "invalid digit found in string"),
        ("ten", "cannot parse integer from empty string"),
        ("30", "number too large to fit in target type"),
        ("300x", "number too large to fit in target type"),
        ("1", "number would be zero for non-zero type"),
        ("1.5e-3", "invalid float literal"),
        ("-INF", "invalid float literal"),
        ("true", "provided string was not `true` or `false`"),
        ("b", "unknown variant `a`, expected `id` or `name`"),
    ],
)
def test_a_value_that_rust_would_take_proves_nothing(value: str, reason: str) -> None:
    assert refused(f"limit: {reason}", target=f"/q?limit={value}") == []


@pytest.mark.parametrize(
    ("go", "named"),
    [
        ("limit must be a number", True),
        ("Limit: not a number", True),
        ('bad \\"limit\\".', True),
        ('strconv.Atoi: parsing \\"ten\\": invalid syntax', True),
        ('strconv.Atoi: parsing \\"two\\": invalid syntax', False),
        ("rate_limit reached", False),
        ("over-limit", False),
        ("limits are off", False),
        ("q.limit is bad", False),
        ("bad request", False),
    ],
)
def test_go_must_tell_of_the_same_parameter(go: str, *, named: bool) -> None:
    assert refused(NO_DIGIT, go) == (["query-typed-param"] if named else [])


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("/q?limit=ten&limit=5", True),
        ("/q?limit=5&limit=ten", False),
        ("/q?limit=ten;b", False),
        ("/q?limit=%zz", False),
        ("/q?limit=ten#x", False),
        ("/q?a=%zz&limit=ten", False),
        ("/q?" + "a&" * 6000 + "limit=ten", False),
        ("/q", False),
    ],
)
def test_both_sides_must_read_the_same_query(target: str, *, named: bool) -> None:
    assert refused(NO_DIGIT, target=target) == (["query-typed-param"] if named else [])


def test_both_refuse_a_missing_parameter() -> None:
    text, found = "missing field `q`", ["query-missing-param"]
    assert refused(text, "q is missing", "/search") == found
    assert refused(text, "q is missing", "/search?limit=5") == found
    assert refused(text, "q is missing", "/search?q=") == []
    assert refused(text, "q is missing", "/search?%71=lamp") == []
    assert refused(text, "query is missing", "/search") == []
    go, rust = http_error(400, "q is missing"), plain(400, "Query deserialize error: " + text)
    assert explained(go, rust, asked("/search")) == found
    assert explained(go, rust) == []


def test_only_two_400s_are_refusals_of_one_parameter() -> None:
    request, rust = asked("/q?limit=ten"), plain(400, QUERY + NO_DIGIT)
    for status in (401, 404, 422, 500):
        assert explained(http_error(status, "limit is bad"), rust, request) == []
        other = plain(status, QUERY + NO_DIGIT)
        assert explained(http_error(400, "limit is bad"), other, request) == []
