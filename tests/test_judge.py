from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.judge import Policy, judge
from shadow.model import (
    Answer,
    Exchange,
    Headers,
    Judgement,
    NoAnswer,
    NoAnswerKind,
    Observation,
    Outcome,
    Request,
    Response,
)
from tests.compare.values import VALUES, strictly_equal, text

JSON: Headers = (("Content-Type", "application/json"),)
KINDS: list[NoAnswerKind] = ["connect", "timeout", "reset", "protocol", "tls"]


def answered(
    body: str | bytes = "{}",
    status: int = 200,
    headers: Headers = JSON,
    *,
    truncated: bool = False,
) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    return Answer(response=Response(status=status, headers=headers, body=data, truncated=truncated))


def exchange(recorded: int | None = None) -> Exchange:
    response = Response(status=recorded) if recorded else None
    return Exchange(id="7", request=Request(method="GET", target="/x"), response=response)


def judged(
    baseline: Observation, candidate: Observation, *, recorded: int | None = None
) -> Judgement:
    return judge(exchange(recorded), "GET /x", baseline, candidate, Policy())


def test_equal_answers_match() -> None:
    assert judged(answered(), answered()) == Judgement(outcome=Outcome.MATCH)


def test_another_spelling_is_equivalent_and_recorded() -> None:
    judgement = judged(answered('{"a":1}\n'), answered('{"a":1}'))
    assert judgement.outcome == Outcome.EQUIVALENT
    (divergence,) = judgement.divergences
    assert (divergence.kind, divergence.verdict) == ("spelling", "equivalent")


def test_header_spellings_are_tallied_not_listed() -> None:
    baseline = answered(headers=(("Content-Type", "application/json"), ("Date", "1")))
    candidate = answered(headers=(("content-type", "application/json"), ("date", "2")))
    judgement = judged(baseline, candidate)
    assert judgement.outcome == Outcome.EQUIVALENT
    assert judgement.divergences == ()
    assert sorted(judgement.spellings) == ["date-volatile", "header-name-case"]
    listed = judge(exchange(), "GET /x", baseline, candidate, Policy(all_events=True))
    assert {divergence.verdict for divergence in listed.divergences} == {"equivalent"}
    assert len(listed.divergences) == 2


def test_a_whole_divergence() -> None:
    (divergence,) = judged(answered('{"a":[1]}'), answered('{"a":["1"]}')).divergences
    assert divergence.path == "$['a'][0]"
    assert divergence.path_pattern == "$['a'][*]"
    assert (divergence.baseline, divergence.candidate) == ("1", '"1"')
    what = ["GET /x", "body", "$['a'][*]", "type_changed", ["integer", "string"]]
    digest = hashlib.sha256(json.dumps(what, separators=(",", ":")).encode()).hexdigest()
    assert divergence.signature == digest[:16]


def test_statuses_are_part_of_the_signature() -> None:
    signatures = {
        judged(answered(), answered(status=status)).divergences[0].signature
        for status in (404, 500)
    }
    assert len(signatures) == 2


def test_an_error_page_is_one_difference_beside_the_status() -> None:
    judgement = judged(answered('{"a":1,"b":2}'), answered('{"error":"x"}', status=500))
    assert [(d.where, d.path) for d in judgement.divergences] == [("status", ""), ("body", "")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_candidate_without_an_answer_is_divergent(kind: NoAnswerKind) -> None:
    judgement = judged(answered(), NoAnswer(kind=kind, detail="why"))
    assert judgement.outcome == Outcome.DIVERGENT
    (divergence,) = judgement.divergences
    assert (divergence.where, divergence.kind, divergence.path) == ("transport", "no_answer", "")
    assert (divergence.baseline, divergence.candidate) == ("HTTP 200", f"{kind}: why")


@pytest.mark.parametrize(
    ("kind", "outcome", "reason"),
    [
        ("connect", Outcome.INCOMPARABLE, "baseline-connect"),
        ("timeout", Outcome.INCOMPARABLE, "baseline-timeout"),
        ("tls", Outcome.INCOMPARABLE, "baseline-tls"),
        ("reset", Outcome.DIVERGENT, ""),
        ("protocol", Outcome.DIVERGENT, ""),
    ],
)
def test_a_baseline_without_an_answer(kind: NoAnswerKind, outcome: Outcome, reason: str) -> None:
    judgement = judged(NoAnswer(kind=kind), answered())
    assert (judgement.outcome, judgement.reason) == (outcome, reason)


@given(st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_no_answer_on_either_side_is_incomparable(
    baseline: NoAnswerKind, candidate: NoAnswerKind
) -> None:
    judgement = judged(NoAnswer(kind=baseline), NoAnswer(kind=candidate))
    assert judgement.outcome == Outcome.INCOMPARABLE


@pytest.mark.parametrize(
    ("recorded", "now", "hollow"),
    [(200, 401, True), (201, 409, True), (200, 503, True), (404, 404, False), (200, 200, False)],
)
def test_hollow(recorded: int, now: int, hollow: bool) -> None:
    both = answered(status=now)
    judgement = judged(both, both, recorded=recorded)
    assert judgement.outcome == Outcome.MATCH
    assert bool(judgement.hollow) == hollow


def test_a_body_cut_short_is_never_compared_but_a_status_is() -> None:
    cut = answered('{"a":', truncated=True)
    assert judged(answered('{"a":1}'), cut).reason == "truncated"
    assert judged(cut, cut).outcome == Outcome.INCOMPARABLE
    assert judged(answered(status=500), cut).outcome == Outcome.DIVERGENT


@given(VALUES, VALUES)
def test_outcome_of_two_json_bodies(left: object, right: object) -> None:
    judgement = judged(answered(text(left)), answered(text(right)))
    if text(left) == text(right):
        assert judgement.outcome == Outcome.MATCH
    elif strictly_equal(left, right):
        assert judgement.outcome == Outcome.EQUIVALENT
    else:
        assert judgement.outcome == Outcome.DIVERGENT


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_judged(left: bytes, right: bytes) -> None:
    judgement = judged(answered(left), answered(right))
    assert judgement.outcome in (Outcome.MATCH, Outcome.EQUIVALENT, Outcome.DIVERGENT)
    assert (judgement.outcome == Outcome.MATCH) == (left == right)


def test_a_recording_of_the_status_alone_says_nothing_of_headers() -> None:
    """An access log has neither headers nor bodies."""
    logged = Answer(response=Response(status=200, truncated=True))
    whole = Answer(response=Response(status=200, headers=(("Content-Type", "a/b"),), body=b"x"))
    for pair in ((logged, whole), (whole, logged)):
        found = judged(*pair)
        assert (found.outcome, found.reason) == (Outcome.INCOMPARABLE, "truncated")
        assert not found.divergences
    other = Answer(response=Response(status=500, truncated=True))
    assert judged(other, whole).outcome is Outcome.DIVERGENT
