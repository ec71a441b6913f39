from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.redact import Redaction, Redactor, Rule, SecretScan
from shadow.captures.redact.formats import in_format
from shadow.detectors import recognised
from shadow.errors import ConfigError
from shadow.model import Exchange, Request, Response

KEY = b"a key of 16 bytes"
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def redacted(
    *rules: Rule, target: str = "/", body: str = "", headers: tuple[tuple[str, str], ...] = ()
) -> Request:
    request = Request(method="POST", target=target, headers=headers, body=body.encode())
    redactor = Redactor(KEY, Redaction(rules=rules))
    once = redactor.redact(Exchange(id="a", request=request))
    assert redactor.redact(once) == once
    return once.request


def drop(where: str, what: str) -> Rule:
    return Rule(where=where, what=what, action="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"pin":"1","b":2}', '{"b":2}'),
        ('{"b":2,"pin":"1"}', '{"b":2}'),
        ('{"a":1, "pin" : 17 , "b":2}', '{"a":1, "b":2}'),
        ('{"pin":"1"}', "{}"),
        ('{"pin":{"x":[1,{"y":null}]},"b":[]}', '{"b":[]}'),
        ('{"pin":null,"b":1}', '{"b":1}'),
        ('{"pin":"","b":1}', '{"b":1}'),
        ('[{"pin":"1"},{"pin":"2","c":3}]', '[{},{"c":3}]'),
        ('{"a":{"pin":"1","pin":"2"}}', '{"a":{}}'),
        ('{"pin":"a \\" quote","b":1}', '{"b":1}'),
        (json.dumps({"inner": '{"pin":"1","b":2}'}), json.dumps({"inner": '{"b":2}'})),
    ],
)
def test_a_dropped_member_goes_with_its_name(before: str, after: str) -> None:
    found = redacted(drop("json", "pin"), body=before, headers=(JSON,)).body.decode()
    assert json.loads(found) == json.loads(after)
    assert found == after


@pytest.mark.parametrize("text", ['\\"', ',\\"a', '"', "\\\\"])
def test_no_text_makes_dropping_slow(text: str) -> None:
    body = '{"pin":1,"a":"' + text * (100_000 // len(text))
    started = time.process_time()
    assert "pin" not in redacted(drop("json", "pin"), body=body, headers=(JSON,)).body.decode()
    assert time.process_time() - started < 5


def test_a_dropped_item_of_a_list_leaves_null() -> None:
    found = redacted(drop("json", "$.pins[*]"), body='{"pins":["a",2,null]}', headers=(JSON,))
    assert found.body == b'{"pins":[null,null,null]}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/a?pin=1&b=2", "/a?b=2"),
        ("/a?b=2&pin=1", "/a?b=2"),
        ("/a?b=2&pin=1&c=3", "/a?b=2&c=3"),
        ("/a?pin=1", "/a"),
        ("/a?pin=1#f", "/a#f"),
        ("/a?b=2", "/a?b=2"),
    ],
)
def test_a_dropped_parameter_goes_with_its_name(before: str, after: str) -> None:
    assert redacted(drop("query", "pin"), target=before).target == after
    form = redacted(drop("form", "pin"), body=before.partition("?")[2], headers=(FORM,))
    if "#" not in before:
        assert form.body.decode() == after.partition("?")[2]


def test_a_dropped_header_and_a_dropped_cookie() -> None:
    found = redacted(
        drop("header", "X-Customer"),
        drop("cookie", "track"),
        headers=(("x-customer", "17"), ("Cookie", "track=1; sid=s"), ("COOKIE", "track=1")),
    )
    assert [name for name, _ in found.headers] == ["Cookie"]
    assert found.headers[0][1].startswith("sid=shadow-redacted-")
    response = Response(status=200, headers=(("Set-Cookie", "track=1; Path=/"), ("A", "b")))
    redactor = Redactor(KEY, Redaction(rules=(drop("cookie", "track"),)))
    exchange = Exchange(id="a", request=Request(method="GET", target="/"), response=response)
    once = redactor.redact(exchange)
    assert once.response is not None
    assert once.response.headers == (("A", "b"),)


def test_a_dropped_detection_leaves_the_rest_of_the_text() -> None:
    body = '{"note":"call +49 30 901820 now","all":"+49 30 901820","n":1}'
    found = redacted(drop("detect", "phone"), body=body, headers=(JSON,))
    assert json.loads(found.body) == {"note": "call  now", "n": 1}


def test_a_mask_is_always_the_same() -> None:
    rule = Rule(where="query", what="who", action="mask")
    one = redacted(rule, target="/?who=anna").target
    assert one == redacted(rule, target="/?who=ben").target == "/?who=shadow-redacted"


def test_the_last_rule_for_a_thing_counts() -> None:
    rules = Rule(where="header", what="authorization", action="mask"), drop("header", "X-A")
    found = redacted(*rules, headers=(("Authorization", "Bearer abcdefgh1"), ("x-a", "1")))
    assert found.headers == (("Authorization", "Bearer shadow-redacted"),)


VALUES = {
    "email": "anna.b@example.com",
    "pan": "4111 1111 1111 1111",
    "phone": "+49 30 901820",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ip": "192.168.0.17",
}


@pytest.mark.parametrize("name", VALUES)
def test_a_format_is_kept_where_that_is_asked(name: str) -> None:
    rule = Rule(where="detect", what=name, keep_format=True)
    value = VALUES[name]
    found = json.loads(
        redacted(rule, body=f'{{"a":"{value}","b":"{value}"}}', headers=(JSON,)).body
    )
    assert found["a"] == found["b"] != value
    if name in ("email", "ip"):
        assert recognised(found["a"]) == name
    else:  # spelled alike, in a range that nobody has
        shape = "".join("0" if character.isalnum() else character for character in value)
        assert "".join("0" if each.isalnum() else each for each in found["a"]) == shape


@given(
    st.sampled_from([*VALUES.values(), "fe80::1", "3fa85f64-5717-4562-b3fc-2c963f66afa6"]),
    st.binary(min_size=32, max_size=32),
)
def test_what_was_made_in_a_format_stays(value: str, digest: bytes) -> None:
    made = in_format(value.encode(), digest)
    assert made is not None
    assert made != value
    assert in_format(made.encode(), b"\0" * 32) == made


@given(st.binary(max_size=40))
def test_any_value_may_be_asked_for_a_format(value: bytes) -> None:
    in_format(value, b"\1" * 32)


def test_a_number_of_json_is_no_card_unless_it_is_named_so() -> None:
    body = '{"pan":4111111111111111,"in":"\\"4111111111111111, ","list":[4111111111111111 ]}'
    found = json.loads(redacted(body=body, headers=(JSON,)).body)
    assert (found["pan"], found["list"]) == (4111111111111111, [4111111111111111])
    assert "4111" not in found["in"]
    named = redacted(Rule(where="json", what="pan"), body=body, headers=(JSON,))
    assert json.loads(named.body)["pan"] == 0


@pytest.mark.parametrize(
    "target",
    ["/u/anna%40example.com?x=1", "/?mail=anna%40example.com", "/?q=to+anna@example.com+now"],
)
def test_what_is_percent_encoded_is_found_too(target: str) -> None:
    found = redacted(Rule(where="detect", what="email"), target=target).target
    assert "anna" not in found
    assert found.startswith(target[:3])


def test_a_pattern_finds_what_utf_8_spells() -> None:
    rule = Rule(where="pattern", what="Kunde (M\u00fcller)")
    found = redacted(rule, body='{"a":"Kunde M\u00fcller"}', headers=(JSON,)).body.decode()
    assert found.startswith('{"a":"Kunde shadow-redacted-')
    with pytest.raises(ConfigError, match="is no pattern"):
        Redactor(KEY, Redaction(rules=(Rule(where="pattern", what="("),)))


def test_a_scan_names_places_and_never_values() -> None:
    scan = SecretScan(
        Redaction(detect=("email",), json=("$.user.phone",), rules=(drop("query", "who"),)),
        lambda request: request.method,
    )
    request = Request(
        method="POST",
        target="/?who=anna&b=2",
        headers=(("Authorization", "Bearer s3cr3t"), ("Cookie", "sid=s3cr3t; theme=s3cr3t"), JSON),
        body=b'{"user":{"phone":"s3cr3t"},"password":"s3cr3t","text":"anna@example.com"}',
    )
    for number in range(2):
        scan.add(Exchange(id=str(number), request=request))
    scan.add(Exchange(id="c", request=Request(method="GET", target="/")))
    places = {(each.where, each.name, each.action): each.values for each in scan.places()}
    assert places == {
        ("header", "authorization", "hash"): 2,
        ("cookie", "sid", "hash"): 2,
        ("cookie", "theme", "hash"): 2,
        ("query", "who", "drop"): 2,
        ("json", "$.user.phone", "hash"): 2,
        ("json", "password", "hash"): 2,
        ("detect", "email", "hash"): 2,
    }
    assert scan.exchanges == 2
