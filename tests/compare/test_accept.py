from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from shadow.compare.accept import AcceptRule, Responsibility
from shadow.compare.rules import parse_pattern
from shadow.judge import Policy, judge
from shadow.model import Answer, Divergence, Exchange, Headers, Request, Response

BY = Responsibility(name="accept:x", reason="r", owner="o", expires=date(2027, 1, 1))
JSON: Headers = (("Content-Type", "application/json"),)


def only(go: str, rust: str, status: int = 200, policy: Policy | None = None) -> Divergence:
    sides = [
        Answer(response=Response(status=code, headers=JSON, body=body.encode()))
        for code, body in ((200, go), (status, rust))
    ]
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    return judge(exchange, "GET /x", sides[0], sides[1], policy or Policy()).divergences[0]


def accepted(go: str, rust: str, **conditions: Any) -> Divergence:
    policy = Policy(accept=(AcceptRule(by=BY, **conditions),))
    return only(go, rust, policy=policy)


GO, RUST = '{"items":[{"price":1}]}', '{"items":[{"price":2}]}'


@pytest.mark.parametrize(
    ("conditions", "covers"),
    [
        ({"signature": only(GO, RUST).signature}, True),
        ({"signature": "0" * 16}, False),
        ({"endpoint": "GET /x"}, True),
        ({"endpoint": "GET /y"}, False),
        ({"path": parse_pattern("$.items[*].price")}, True),
        ({"path": parse_pattern("$.items[0].price")}, True),
        ({"path": parse_pattern("$.items[1].price")}, False),
        ({"path": parse_pattern("$.items")}, False),
        ({"path": parse_pattern("$.items[*]")}, False),
        ({"kind": "value_changed"}, True),
        ({"kind": "missing"}, False),
        ({"baseline": "1", "candidate": "2"}, True),
        ({"baseline": "1", "candidate": "3"}, False),
        ({"candidate": "*"}, True),
        ({"candidate": "[!2]"}, False),
        ({"class_id": "nil-slice-null"}, False),
        ({"header": "x-a"}, False),
        ({"endpoint": "GET /x", "kind": "missing"}, False),
    ],
)
def test_every_condition_that_is_given_must_hold(conditions: dict[str, Any], covers: bool) -> None:
    divergence = accepted(GO, RUST, **conditions)
    assert (divergence.verdict == "accepted") == covers
    assert divergence.rule == ("accept:x" if covers else None)


def test_a_class_can_be_accepted() -> None:
    divergence = accepted('{"a":null}', '{"a":[]}', class_id="nil-slice-null")
    assert (divergence.verdict, divergence.class_id) == ("accepted", "nil-slice-null")


def test_go_can_be_the_wrong_side() -> None:
    divergence = accepted(GO, RUST, kind="value_changed", verdict="go-is-wrong")
    assert divergence.verdict == "accepted"
    assert divergence.wrong_side == "baseline"
    assert divergence.rule == "accept:x"


def test_an_accepted_404_does_not_cover_a_500() -> None:
    gone = only("{}", "{}", status=404)
    policy = Policy(accept=(AcceptRule(by=BY, signature=gone.signature),))
    assert only("{}", "{}", status=404, policy=policy).verdict == "accepted"
    assert only("{}", "{}", status=500, policy=policy).verdict == "divergent"


@pytest.mark.parametrize(
    ("today", "expired", "soon"),
    [
        (date(2027, 1, 1), False, True),
        (date(2027, 1, 2), True, False),
        (date(2026, 12, 18), False, True),
        (date(2026, 12, 17), False, False),
    ],
)
def test_a_rule_warns_for_fourteen_days_and_then_fails(
    today: date, expired: bool, soon: bool
) -> None:
    assert BY.expired(today) == expired
    assert BY.expires_soon(today) == soon
