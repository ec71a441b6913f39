"""A budget bounds everything that takes long, and what is told within it holds without it."""

from __future__ import annotations

import gzip
import json
import pickle
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.compare import CompareOptions
from shadow.compare.codecs.content import MessageType
from shadow.compare.noise import NoiseProfile
from shadow.compare.rules import ListRule, Rules, parse_pattern
from shadow.compare.walk import Budget
from shadow.judge import Policy, judge, learn, note, within
from shadow.model import Answer, Exchange, Headers, Judgement, Outcome, Request, Response

ENDPOINT = "GET /x"
EXCHANGE = Exchange(id="1", request=Request(method="GET", target="/x"))
JSON: Headers = (("Content-Type", "application/json"),)
XML: Headers = (("Content-Type", "application/xml"),)
GZIP: Headers = (*JSON, ("Content-Encoding", "gzip"))
POLICY = Policy()
SMALL = within(POLICY, Budget(nodes=300, items=20, octets=4_000, differences=20))


def answer(body: str | bytes, headers: Headers = JSON, status: int = 200) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    return Answer(response=Response(status=status, headers=headers, body=data))


def judged(
    left: Answer, right: Answer, policy: Policy = POLICY, noise: NoiseProfile | None = None
) -> Judgement:
    return judge(EXCHANGE, ENDPOINT, left, right, policy, noise=noise)


def page(count: int, rng: random.Random) -> list[dict[str, Any]]:
    return [{"id": number, "at": rng.randrange(10**6)} for number in range(count)]


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.sampled_from([200, 404]))
def test_within_a_small_budget_it_is_the_same_or_it_says_so(
    seed: int, packed: bool, layout: bool, status: int
) -> None:
    rng = random.Random(seed)
    left = page(rng.choice([0, 3, 30, 120, 400]), rng)
    right = [dict(each) for each in left]
    for _ in range(rng.choice([0, 1, 5, 60])):
        if right:
            rng.choice(right)["at"] = rng.randrange(10**6)
    if rng.random() < 0.3:
        rng.shuffle(right)
    if rng.random() < 0.3 and right:
        right.insert(0, right.pop())
    bodies = json.dumps(left).encode(), json.dumps(right, indent=1 if layout else None).encode()
    if packed:
        sides = answer(gzip.compress(bodies[0]), GZIP), answer(bodies[1], JSON, status)
    else:
        sides = answer(bodies[0]), answer(bodies[1], JSON, status)
    small, large = judged(*sides, SMALL), judged(*sides)
    assert small.over_budget or small == large


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (answer(json.dumps(list(range(400)))), answer(json.dumps(list(range(1, 401))))),
        (answer(gzip.compress(bytes(10**6)), GZIP), answer("{}")),
        (answer("x" * 5_000 + "\ny"), answer("x" * 5_001 + "\ny")),
        (answer("<a>" + "<b/>" * 400 + "</a>", XML), answer("<a>" + "<b/>" * 401 + "</a>", XML)),
        (answer("<a>" + "<b/>" * 400 + "</a>", XML), answer("<a>" + "<b/>" * 401, XML, 500)),
        (answer(json.dumps([{"a": 1, "b": 2}] * 30)), answer(json.dumps([{"b": 2, "a": 1}] * 30))),
    ],
)
def test_what_costs_too_much_is_over_budget(left: Answer, right: Answer) -> None:
    assert judged(left, right, SMALL).over_budget
    assert not judged(left, right).over_budget


def test_a_body_that_only_a_class_looks_at_is_bounded_too() -> None:
    body = gzip.compress(b"404 page not found\n" * 10_000)
    left, right = answer(body, GZIP, 404), answer(body, GZIP, 405)
    assert judged(left, right, SMALL).over_budget
    assert not judged(left, right).over_budget


def test_a_smaller_budget_is_never_a_larger_one() -> None:
    large = Budget(nodes=10**9, seconds=1e9, items=10**9, octets=10**9, differences=10**9)
    assert within(SMALL, large) == SMALL


def noisy(seed: int, count: int) -> tuple[Answer, Answer, NoiseProfile]:
    rng = random.Random(seed)

    def body() -> Answer:
        times = [f"2026-11-22T10:{rng.randrange(60):02}:00Z" for _ in range(count)]
        return answer(
            json.dumps({"items": [{"id": id_, "at": at, "n": 1} for id_, at in enumerate(times)]})
        )

    noise = NoiseProfile()
    for _ in range(3):
        learn(ENDPOINT, body(), body(), noise, POLICY)
    return body(), body(), noise


def test_noise_counts_for_no_budget() -> None:
    left, right, noise = noisy(1, 3_000)
    judgement = judged(left, right, noise=noise)
    assert (judgement.outcome, judgement.over_budget) == (Outcome.EQUIVALENT, False)
    assert len(judgement.divergences) > 2_000
    worse = answer(right.response.body.replace(b'"n": 1', b'"n": 2', 900))
    judgement = judged(left, worse, noise=noise)
    assert (judgement.outcome, judgement.over_budget) == (Outcome.DIVERGENT, False)
    assert sum(each.verdict == "divergent" for each in judgement.divergences) == 900
    judgement = judged(left, answer(right.response.body.replace(b'"n": 1', b'"n": 2')), noise=noise)
    assert judgement.over_budget


def test_noise_that_excuses_nothing_is_cut_off() -> None:
    left, _, noise = noisy(1, 3_000)
    other = answer(left.response.body.replace(b"2026-11-22T", b"2031-11-22T"))
    judgement = judged(left, other, noise=noise)
    assert judgement.over_budget
    assert len(judgement.divergences) == 1_001
    assert judgement.divergences[-1].kind == "over_budget"


def test_judging_only_reads_the_profile_and_noting_counts() -> None:
    left, right, noise = noisy(2, 10)
    before = msgspec.json.encode(noise.endpoints)
    judgement = judged(left, right, noise=noise)
    assert msgspec.json.encode(noise.endpoints) == before
    note(ENDPOINT, judgement, noise)
    known = noise.endpoints[ENDPOINT]
    assert known.judged == 1
    place = known.places["body $['items'][*]['at']"]
    assert place.candidate.seen == sum(each.verdict == "noise" for each in judgement.divergences)


def test_what_is_incomparable_is_not_counted() -> None:
    _, _, noise = noisy(2, 10)
    note(ENDPOINT, Judgement(outcome=Outcome.INCOMPARABLE, reason="no-answer"), noise)
    note(ENDPOINT, Judgement(outcome=Outcome.SKIPPED, reason="unsafe"), noise)
    note(ENDPOINT, Judgement(outcome=Outcome.MATCH), None)
    assert noise.endpoints[ENDPOINT].judged == 0


def test_everything_that_a_judgement_needs_and_is_goes_to_another_process() -> None:
    left, right, noise = noisy(3, 10)
    policy = Policy(
        compare=CompareOptions(
            rules={"*": Rules(lists=(ListRule(path=parse_pattern("$.a"), unordered=True),))},
            messages={"GET /y": MessageType(descriptor_set=b"\n", name="shop.v1.Item")},
        )
    )
    sent = (EXCHANGE, ENDPOINT, left, right, policy)
    exchange, endpoint, baseline, candidate, again = pickle.loads(pickle.dumps(sent))
    assert (exchange, endpoint, baseline, candidate, again) == sent
    part: NoiseProfile = pickle.loads(pickle.dumps(noise.part(ENDPOINT)))
    there = judge(exchange, endpoint, baseline, candidate, again, noise=part)
    here = judge(*sent, noise=noise)
    assert pickle.loads(pickle.dumps(there)) == here


def test_a_part_knows_what_headers_other_endpoints_have() -> None:
    noise = NoiseProfile()
    ids = [f"{number}a8f7e6d5c4b3a2918" for number in range(4)]
    sides = [answer("{}", (*JSON, ("X-Request-Id", each))) for each in ids]
    learn("GET /other", sides[0], sides[1], noise, POLICY)
    for part in (noise, noise.part(ENDPOINT)):
        assert judged(sides[2], sides[3], noise=part).outcome == Outcome.EQUIVALENT


@pytest.mark.parametrize("status", [200, 500])
def test_a_page_is_read_only_where_it_is_compared_with_another(status: int) -> None:
    """An error page against a result is one difference, whatever stands on it."""
    html = answer("<p>no</p>" * 400, (("Content-Type", "text/html"),), status)
    judgement = judged(answer("<p>yes</p>", html.response.headers), html, SMALL)
    assert judgement.outcome == Outcome.DIVERGENT
    assert judgement.over_budget == (status == 200)
    body = next(each for each in judgement.divergences if each.where == "body")
    assert body.candidate is not None
    assert body.candidate.startswith("<p>no</p>") == (status == 500)
