from __future__ import annotations

import gzip
import json
import random
import time
import zlib
from typing import Any

import brotli
import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import CompareOptions, compare_responses
from shadow.compare.bodies import decoded
from shadow.compare.walk import Budget
from shadow.judge import Policy, judge
from shadow.model import Answer, Exchange, Outcome, Request, Response
from tests.compare.codecs.answers import SPELLING, found, in_bodies, judged, verdicts
from tests.compare.values import VALUES, strictly_equal, text

JSON = "application/json"
RANDOM = st.randoms(use_true_random=False)
CODINGS = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def respelled(value: Any, choose: random.Random) -> str:
    """The JSON of a value in any order of members, white space and escapes."""
    space = choose.choice(("", " ", "\n\t"))
    if isinstance(value, dict):
        pairs = list(value.items())
        choose.shuffle(pairs)
        inner = [
            f"{_string(key, choose)}{space}:{space}{respelled(item, choose)}" for key, item in pairs
        ]
        return "{" + space + f"{space},".join(inner) + space + "}"
    if isinstance(value, list):
        return "[" + space + f",{space}".join(respelled(item, choose) for item in value) + "]"
    return _string(value, choose) if isinstance(value, str) else json.dumps(value)


def _string(value: str, choose: random.Random) -> str:
    def escaped(character: str) -> str:
        if choose.random() < 0.3:
            units = character.encode("utf-16-be", "surrogatepass")
            form = choose.choice(("\\u%04x", "\\u%04X"))
            return "".join(form % int.from_bytes(units[n : n + 2]) for n in range(0, len(units), 2))
        plain = json.dumps(character, ensure_ascii="\ud800" <= character <= "\udfff")
        return plain[1:-1]

    return '"' + "".join(map(escaped, value)) + '"'


def outcome(left: str, right: str, codings: tuple[str, str] = ("identity", "identity")) -> Outcome:
    def answer(body: str, coding: str) -> Answer:
        headers = (("Content-Type", JSON), ("Content-Encoding", coding))
        data = CODINGS[coding](body.encode())
        return Answer(response=Response(status=200, headers=headers, body=data))

    asked = Exchange(id="1", request=Request(method="GET", target="/x"))
    ours, theirs = answer(left, codings[0]), answer(right, codings[1])
    return judge(asked, "GET /x", ours, theirs, Policy()).outcome


@given(VALUES, RANDOM, RANDOM, st.tuples(*[st.sampled_from(list(CODINGS))] * 2))
def test_no_spelling_of_a_value_diverges(
    value: Any, one: random.Random, two: random.Random, codings: tuple[str, str]
) -> None:
    ours, theirs = respelled(value, one), respelled(value, two)
    assert outcome(ours, theirs, codings) in (Outcome.MATCH, Outcome.EQUIVALENT)


@given(VALUES, VALUES, RANDOM, st.tuples(*[st.sampled_from(list(CODINGS))] * 2))
def test_another_value_diverges(
    left: Any, right: Any, choose: random.Random, codings: tuple[str, str]
) -> None:
    ours, theirs = respelled([left], choose), respelled([right], choose)
    diverges = outcome(ours, theirs, codings) == Outcome.DIVERGENT
    assert diverges != strictly_equal(left, right) or excused(left, right)


def excused(left: Any, right: Any) -> bool:
    """The classes that are allowed excuse some pairs of values: `1.0` for `1`."""
    return bool(left == right) or outcome(text([left]), text([right])) == Outcome.EQUIVALENT


@given(VALUES, st.data())
def test_an_edit_of_one_leaf_diverges(value: Any, data: st.DataObject) -> None:
    edited = json.loads(text([value]))
    parents: list[Any] = [edited]
    for parent in parents:
        inner = parent if isinstance(parent, list) else list(parent.values())
        parents.extend(item for item in inner if isinstance(item, (dict, list)) and item)
    parent = data.draw(st.sampled_from(parents))
    key = data.draw(
        st.sampled_from(list(parent) if isinstance(parent, dict) else range(len(parent)))
    )
    parent[key] = "edited"
    assert outcome(text([value]), text(edited)) == Outcome.DIVERGENT


def test_equal_bytes_are_no_difference() -> None:
    assert found("<p>", "<p>", "text/html") == []
    assert decoded(Response(status=200, body=b"x"), 10) == b"x"


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ('{"a":1}', "<a/>", "type_changed"),
        ('{"a":1}', "plain", "type_changed"),
        ("<a/>", "plain", "value_changed"),
        ("", "<a/>", "extra"),
        ('{"a":1}', "", "missing"),
        ("a", "\0", "value_changed"),
    ],
)
def test_bodies_of_two_formats_differ_as_wholes(ours: str, theirs: str, kind: str) -> None:
    label = "application/xml"
    assert [each[:2] for each in found(ours, theirs, label)] == [(kind, "")]


def test_an_error_against_a_result_is_one_difference() -> None:
    def response(status: int, body: bytes) -> Response:
        return Response(status=status, headers=(("Content-Type", "text/xml"),), body=body)

    differences = compare_responses(
        response(200, b"<a>1</a>"), response(500, b"<a>2</a>"), "GET /x", CompareOptions()
    )
    assert [(each.where, each.name) for each in differences] == [("status", ""), ("body", "")]


def test_white_space_at_the_end() -> None:
    assert verdicts("<a/>", "<a/>\n", "text/xml") == SPELLING
    assert verdicts("<p>a</p>", "<p>a</p>\n", "text/html") == SPELLING
    assert found("a", "a\n", "text/plain") == [("value_changed", "", "a", "a\n")]
    assert found("a=1", "a=1\n", "application/x-www-form-urlencoded")[0][1] == "$['a'][0]"
    (divergence,) = in_bodies(judged("{}", "{}\n", JSON))
    assert divergence.class_id == "json-trailing-newline"


def test_a_byte_order_mark_on_one_side_is_a_value() -> None:
    assert found("{}", "\ufeff{}", JSON) == [
        ("value_changed", "", "{}", "byte order mark, then {}")
    ]


def test_json_that_is_not_utf_8_is_read_as_it_is_labelled() -> None:
    labels = (JSON, JSON + "; charset=iso-8859-1")
    body = '{"a":"é"}'
    assert verdicts(body, body.encode("latin-1"), labels) >= SPELLING
    assert found(body, body.replace("é", "ü").encode("latin-1"), labels) == [
        ("value_changed", "$['a']", '"é"', '"ü"')
    ]


def test_records_may_hold_any_line_separator_but_a_newline() -> None:
    ours, theirs = '{"a":"x\u2028y"}\n{"b":1}\n', '{"a":"x\u2028y"}\n{"b":2}\n'
    assert found(ours, theirs, "application/x-ndjson") == [("value_changed", "$[1]['b']", "1", "2")]


def test_binary_tells_length_digest_and_the_first_difference() -> None:
    ((kind, path, ours, theirs),) = found(b"\0ab", b"\0ac", "image/png")
    assert (kind, path) == ("value_changed", "")
    assert ours is not None
    assert theirs is not None
    assert ours.startswith("3 bytes, sha256 ")
    assert ours.endswith(", first difference at byte 2")
    assert ours != theirs


@pytest.mark.parametrize(
    ("label", "body"),
    [
        ("application/msgpack", msgspec.msgpack.encode(list(range(5_000)))),
        ("text/html", b"<p>x" * 5_000),
        ("text/xml", b"<r>" + b"<i/>" * 5_000 + b"</r>"),
    ],
)
def test_a_body_over_budget_says_so(label: str, body: bytes) -> None:
    options = CompareOptions(budget=Budget(nodes=1_000))
    (divergence,) = in_bodies(judged(body, body + b" ", label, options=options))
    assert divergence.kind == "over_budget"
    assert divergence.baseline == "comparing stopped: more than 1000 values"
    assert divergence.verdict == "divergent"


def test_large_bodies_take_seconds_at_most() -> None:
    started = time.perf_counter()
    items = [{"id": number, "name": f"item {number}"} for number in range(5_000)]
    moved = items[2_500:] + items[:2_500]
    ((kind, *_),) = found(text(items), text(moved), JSON)
    assert kind == "reordered"
    long = "x" * 1_000_000
    assert len(found(text({"a": long}), text({"a": long + "y"}), JSON)) == 1
    lines = b"0123456789abcdef\n" * 60_000
    assert found(lines + b"a", lines + b"b", "text/plain")[0][1] == "$[60000]"
    big = bytes(50_000_000)
    assert len(found(big + b"a", big + b"b", "application/octet-stream")) == 1
    assert time.perf_counter() - started < 5
