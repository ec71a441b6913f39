"""Noise is learned from Go against Go, and a noisy place stays checked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.diffy import KINDS, flagged_by_diffy, flagged_by_shadow
from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, judge, learn, note
from shadow.model import Answer, Exchange, Headers, Judgement, Outcome, Request, Response

ENDPOINT = "GET /x"
JSON: Headers = (("Content-Type", "application/json"),)


def answer(body: str, status: int = 200, headers: Headers = JSON) -> Answer:
    return Answer(response=Response(status=status, headers=headers, body=body.encode()))


def taught(*pairs: tuple[str, str]) -> NoiseProfile:
    profile = NoiseProfile()
    for first, second in pairs:
        learn(ENDPOINT, answer(first), answer(second), profile, Policy())
    return profile


def judged(go: str, rust: str, profile: NoiseProfile) -> Judgement:
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    judgement = judge(exchange, ENDPOINT, answer(go), answer(rust), Policy(), noise=profile)
    note(ENDPOINT, judgement, profile)
    return judgement


def verdict(go: str, rust: str, profile: NoiseProfile) -> str:
    return judged(go, rust, profile).divergences[0].verdict


@pytest.mark.parametrize("kind", KINDS)
def test_the_planted_kinds(kind: str) -> None:
    baseline, candidate, finding = KINDS[kind]
    assert flagged_by_shadow(baseline, candidate) == finding


def test_diffys_rule_misses_a_regression_inside_noise() -> None:
    missed = [
        kind
        for kind, (baseline, candidate, finding) in KINDS.items()
        if finding and not flagged_by_diffy(baseline, candidate)
    ]
    assert missed == [
        "garbage in a timestamp",
        "a uuid that became a constant",
        "a jittering number times ten",
    ]


def test_what_is_written_down_names_no_secret() -> None:
    profile = taught(('{"a":1,"s3cr3t":1}', '{"a":2,"s3cr3t":2}'))
    learn("GET /s3cr3t", answer('{"a":1}'), answer('{"a":2}'), profile, Policy())
    plain = profile.plain(lambda text: text.replace("s3cr3t", "~"))
    assert list(plain.endpoints) == [ENDPOINT]
    assert list(plain.endpoints[ENDPOINT].places) == ["body $['a']"]
    assert len(profile.endpoints) == 2


def test_a_place_that_never_differed_is_not_noisy() -> None:
    profile = taught(*[('{"a":1,"b":1}', '{"a":1,"b":2}')] * 5)
    assert verdict('{"a":1,"b":1}', '{"a":2,"b":1}', profile) == "divergent"
    assert verdict('{"a":1,"b":1}', '{"a":1,"b":2}', profile) == "noise"


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [("10:00:00.6Z", "noise"), ("10:00:01.9Z", "noise"), ("11:00:00.1Z", "divergent")],
)
def test_a_time_must_be_near_the_baselines(candidate: str, expected: str) -> None:
    def at(moment: str) -> str:
        return f'{{"at":"2026-11-22T{moment}"}}'

    profile = taught((at("10:00:00.1Z"), at("10:00:00.2Z")))
    assert verdict(at("10:00:00.1Z"), at(candidate), profile) == expected


def test_a_recorded_time_is_compared_by_the_clock_of_its_recording() -> None:
    profile = taught(
        ('{"at":"2026-11-22T10:00:00.1Z"}', '{"at":"2026-11-22T10:00:00.2Z"}'),
    )
    sides = [
        answer(f'{{"at":"2026-11-{day}T10:00:0{second}Z"}}', headers=(*JSON, ("Date", date)))
        for day, second, date in (
            (21, 0, "Sat, 21 Nov 2026 10:00:00 GMT"),
            (22, 1, "Sun, 22 Nov 2026 10:00:01 GMT"),
        )
    ]
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    fresh = judge(exchange, ENDPOINT, sides[0], sides[1], Policy(), noise=profile)
    assert fresh.outcome == Outcome.EQUIVALENT
    stale = judge(
        exchange,
        ENDPOINT,
        sides[1],
        answer('{"at":"2026-11-21T10:00:00Z"}'),
        Policy(),
        noise=profile,
    )
    assert stale.outcome == Outcome.DIVERGENT


def test_another_notation_of_a_time_is_not_noise() -> None:
    profile = taught(('{"at":"2026-11-22T10:00:00Z"}', '{"at":"2026-11-22T10:00:01Z"}'))
    rust = '{"at":"2026-11-22T10:00:00.5+00:00"}'
    assert verdict('{"at":"2026-11-22T10:00:00Z"}', rust, profile) == "divergent"


def test_an_unstable_order_is_compared_as_a_multiset() -> None:
    profile = taught(("[1,2,3]", "[3,2,1]"))
    assert judged("[1,2,3]", "[2,3,1]", profile).outcome == Outcome.EQUIVALENT
    changed = judged("[1,2,3]", "[3,1,9]", profile)
    assert changed.outcome == Outcome.DIVERGENT
    assert [(d.kind, d.baseline, d.candidate) for d in changed.divergences] == [
        ("value_changed", "2", "9")
    ]


def test_optional_presence_is_noise_only_with_a_value_of_the_kind_seen() -> None:
    profile = taught(('{"hint":"cache"}', "{}"))
    assert verdict('{"hint":"cache"}', "{}", profile) == "noise"
    assert verdict("{}", '{"hint":"other"}', profile) == "noise"
    assert verdict("{}", '{"hint":7}', profile) == "divergent"


def test_a_counter_may_run_ahead_and_not_back() -> None:
    pairs = [(f'{{"n":{2 * i}}}', f'{{"n":{2 * i + 1}}}') for i in range(1, 20)]
    profile = taught(*pairs)
    assert verdict('{"n":40}', '{"n":21}', profile) == "noise"
    assert verdict('{"n":40}', '{"n":-1}', profile) == "divergent"
    assert verdict('{"n":40}', '{"n":4000}', profile) == "divergent"


def test_a_status_is_noise_only_among_those_go_gave() -> None:
    profile = NoiseProfile()
    learn(ENDPOINT, answer("{}"), answer("busy", 503), profile, Policy())
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    for status, expected in ((503, "noise"), (500, "divergent")):
        judgement = judge(
            exchange, ENDPOINT, answer("{}"), answer("busy", status), Policy(), noise=profile
        )
        assert judgement.divergences[0].verdict == expected


def test_what_differs_beside_a_status_teaches_nothing() -> None:
    profile = NoiseProfile()
    learn(ENDPOINT, answer('{"a":1}'), answer("not found", 404), profile, Policy())
    assert list(profile.endpoints[ENDPOINT].places) == ["status "]


def test_a_request_id_of_writes_is_known_from_reads() -> None:
    headers: Callable[[str], Headers] = lambda value: (("X-Request-Id", value),)  # noqa: E731 - a short builder
    profile = NoiseProfile()
    for number in range(3):
        pair = [answer("{}", headers=headers(f"{number}{side}8f7e6d5c4b3a2918")) for side in "ab"]
        learn(ENDPOINT, pair[0], pair[1], profile, Policy())
    exchange = Exchange(id="1", request=Request(method="POST", target="/w"))
    sides = [answer("{}", headers=headers(f"7{side}8f7e6d5c4b3a2918")) for side in "cd"]
    for endpoint in ("POST /w", ENDPOINT):
        judgement = judge(exchange, endpoint, sides[0], sides[1], Policy(), noise=profile)
        assert judgement.outcome == Outcome.EQUIVALENT


@given(st.lists(st.tuples(st.uuids(), st.uuids()), min_size=1, max_size=10), st.randoms())
def test_a_profile_survives_its_file_and_merging(
    pairs: list[tuple[UUID, UUID]], rng: random.Random
) -> None:
    bodies = [(f'{{"id":"{a}"}}', f'{{"id":"{b}"}}') for a, b in pairs]
    whole = taught(*bodies)
    again = NoiseProfile.from_json(whole.to_json())
    assert again.endpoints == whole.endpoints
    cut = rng.randrange(len(bodies) + 1)
    parts = taught(*bodies[:cut])
    parts.merge(taught(*bodies[cut:]))
    assert parts.endpoints[ENDPOINT].pairs == whole.endpoints[ENDPOINT].pairs
    assert parts.endpoints[ENDPOINT].places.keys() == whole.endpoints[ENDPOINT].places.keys()


def test_a_header_whose_values_change_places_is_no_list_rule() -> None:
    headers = [(("Vary", "a"), ("Vary", "b")), (("Vary", "b"), ("Vary", "a"))]
    profile = NoiseProfile()
    learn(
        ENDPOINT,
        answer("{}", headers=headers[0]),
        answer("{}", headers=headers[1]),
        profile,
        Policy(),
    )
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    sides = [answer("{}", headers=each) for each in headers]
    judgement = judge(exchange, ENDPOINT, sides[0], sides[1], Policy(), noise=profile)
    assert [each.verdict for each in judgement.divergences] == ["noise"]


def items(count: int) -> str:
    return json.dumps({"items": [{"n": number} for number in range(count)]})


def test_a_list_that_loses_an_item_now_and_then_does_not_excuse_an_empty_one() -> None:
    profile = taught((items(3), items(2)))
    assert judged(items(3), items(2), profile).outcome == Outcome.EQUIVALENT
    assert judged(items(3), items(0), profile).outcome == Outcome.DIVERGENT
    assert judged(items(3), items(9), profile).outcome == Outcome.DIVERGENT


def test_an_integer_that_became_a_float_is_not_noise() -> None:
    profile = taught(*[(f'{{"n":{n}}}', f'{{"n":{n + 1}}}') for n in range(10, 15)])
    assert verdict('{"n":12}', '{"n":13}', profile) == "noise"
    assert verdict('{"n":12}', '{"n":13.0}', profile) == "divergent"


def test_a_whole_body_that_cannot_be_read_is_not_noise() -> None:
    binary: Headers = (("Content-Type", "application/pdf"),)

    def pdf(data: bytes, *more: tuple[str, str]) -> Answer:
        return Answer(response=Response(status=200, headers=(*binary, *more), body=data))

    profile = NoiseProfile()
    pages = [b"%PDF\0" + bytes([n]) * 1_000 for n in range(3)]
    learn(ENDPOINT, pdf(pages[0]), pdf(pages[1]), profile, Policy())
    exchange = Exchange(id="1", request=Request(method="GET", target="/x"))
    verdicts = [
        judge(exchange, ENDPOINT, pdf(pages[0]), other, Policy(), noise=profile)
        .divergences[-1]
        .verdict
        for other in (pdf(pages[2]), pdf(b""), pdf(b"\0"), pdf(b"x", ("Content-Encoding", "gzip")))
    ]
    assert verdicts == ["noise", "divergent", "divergent", "divergent"]
