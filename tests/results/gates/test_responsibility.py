from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from shadow.results.gates.criteria import Criteria
from shadow.results.gates.responsibility import new_findings, owners, rules
from shadow.results.summary import FindingSummary, RuleState, RuleSummary

Make = Callable[..., Any]


def rule(state: RuleState, name: str = "accept:html-escape") -> RuleSummary:
    return RuleSummary(
        name=name,
        reason="r",
        owner="team-a",
        expires=date(2026, 1, 1),
        state=state,
        divergences=1,
        findings=1,
        go_is_wrong=False,
        example=None,
    )


def finding(signature: str, verdict: str = "divergent") -> FindingSummary:
    return FindingSummary(
        signature=signature,
        endpoint="GET /a",
        where="body",
        kind="value_changed",
        path_pattern="$['a']",
        class_id=None,
        severity="breaking",
        verdict=verdict,  # type: ignore[arg-type]  # the test's own
        rule=None,
        owner=None,
        wrong_side=None,
        unstable=False,
        exchanges=1,
        divergences=1,
        share=None,
        examples=(),
    )


@pytest.mark.parametrize(
    ("states", "most", "verdicts"),
    [
        ([], None, {}),
        ([], 0, {"accepted-rules": "pass"}),
        (["used"], None, {"expired-rules": "pass"}),
        (["used", "unused"], 2, {"expired-rules": "pass", "accepted-rules": "pass"}),
        (["used", "expiring"], 1, {"expired-rules": "pass", "accepted-rules": "fail"}),
        (["used", "expired"], 1, {"expired-rules": "fail", "accepted-rules": "pass"}),
        (["expired"], None, {"expired-rules": "fail"}),
    ],
)
def test_open_and_expired_rules(
    make_grounds: Make, states: list[RuleState], most: int | None, verdicts: dict[str, str]
) -> None:
    grounds = make_grounds(rules=tuple(map(rule, states)))
    found = rules(grounds, Criteria(max_accepted_rules=most))
    assert {each.name: each.verdict for each in found} == verdicts


def test_an_expired_rule_is_named_with_its_owner(make_grounds: Make) -> None:
    (found,) = rules(make_grounds(rules=(rule("expired"),)), Criteria())
    assert found.note == "accept:html-escape (team-a)"


@pytest.mark.parametrize(
    ("owned", "verdict", "note"),
    [
        (["GET /a", "GET /b"], "pass", ""),
        (["GET /a"], "fail", "without an owner: GET /b"),
        ([], "fail", "without an owner: GET /a, GET /b"),
    ],
)
def test_every_compared_endpoint_has_an_owner(
    make_grounds: Make, make_endpoint: Make, owned: list[str], verdict: str, note: str
) -> None:
    endpoints = [make_endpoint(name="GET /a"), make_endpoint(name="GET /b")]
    never = make_endpoint(0, name="GET /never")
    grounds = make_grounds([*endpoints, never], owners=dict.fromkeys(owned, "team-a"))
    (found,) = owners(grounds, Criteria(owners_required=True))
    assert (found.verdict, found.note) == (verdict, note)


def test_an_owner_without_a_name_is_none(make_grounds: Make, make_endpoint: Make) -> None:
    grounds = make_grounds([make_endpoint()], owners={"GET /a": " "})
    (found,) = owners(grounds, Criteria(owners_required=True))
    assert found.verdict == "fail"


def test_owners_of_nothing_are_no_evidence(make_grounds: Make) -> None:
    (found,) = owners(make_grounds(), Criteria(owners_required=True))
    assert found.verdict == "inconclusive"


SINCE = Criteria(no_new_since="previous")


@pytest.mark.parametrize(
    ("known", "changes", "verdict", "new"),
    [
        ({"a", "b"}, {}, "pass", 0),
        ({"a"}, {}, "fail", 1),
        (set(), {}, "fail", 2),
        ({"a", "b"}, {"findings_dropped": 1}, "inconclusive", 0),
        ({"a"}, {"findings_dropped": 1}, "fail", 1),
    ],
)
def test_findings_that_nobody_knew(
    *,
    make_grounds: Make,
    make_endpoint: Make,
    known: set[str],
    changes: dict[str, int],
    verdict: str,
    new: int,
) -> None:
    found_now = (finding("a"), finding("b"), finding("c", "accepted"), finding("d", "noise"))
    grounds = make_grounds(
        [make_endpoint()], findings=found_now, known=known, since="run-1", **changes
    )
    (found,) = new_findings(grounds, SINCE)
    assert (found.verdict, found.measured) == (verdict, new)


def test_without_a_run_before_nothing_is_known(make_grounds: Make, make_endpoint: Make) -> None:
    (found,) = new_findings(make_grounds([make_endpoint()]), SINCE)
    assert (found.verdict, found.note) == ("pass", "there is no run before")
    (found,) = new_findings(make_grounds(), SINCE)
    assert found.verdict == "inconclusive"


def test_nothing_is_said_of_what_is_not_asked_for(make_grounds: Make, make_endpoint: Make) -> None:
    grounds = make_grounds([make_endpoint()])
    assert [*owners(grounds, Criteria()), *new_findings(grounds, Criteria())] == []
