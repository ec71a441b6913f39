from __future__ import annotations

import asyncio

from shadow.endpoints import Endpoints
from shadow.judge import Policy
from shadow.model import (
    Answer,
    Exchange,
    Judgement,
    NoAnswer,
    NoAnswerKind,
    Observation,
    Outcome,
    Request,
    Response,
    Timing,
)
from shadow.replay.asking import Asked, AskingPlan
from shadow.replay.pulse import Pulse
from shadow.sending.safety import Safety
from shadow.sending.target import parse_target
from tests.cli.sidecars import serving

JUDGEMENT = Judgement(outcome=Outcome.MATCH)


def plan(candidate: str, baseline: str) -> AskingPlan:
    return AskingPlan(
        baseline=parse_target(baseline, side="baseline", name="go", option="--go"),
        candidate=parse_target(candidate, side="candidate", name="rust", option="--rust"),
        endpoints=Endpoints(),
        safety=Safety(),
        policy=Policy(),
    )


def seen(pulse: Pulse, name: str, sent: float, done: float, kind: NoAnswerKind | None) -> None:
    timing = Timing(due=sent, sent=sent, done=done)
    candidate: Observation = Answer(response=Response(status=200), timing=timing)
    answered = candidate
    if kind is not None:
        candidate = NoAnswer(kind=kind, timing=timing)
    exchange = Exchange(id=name, request=Request(method="GET", target="/"))
    pulse.note(
        exchange,
        Asked(endpoint="GET /", judgement=JUDGEMENT, baseline=answered, candidate=candidate),
    )


def test_what_was_in_flight_at_the_end_is_suspected_and_nothing_else() -> None:
    with serving() as service:
        pulse = Pulse(plan("http://127.0.0.1:1", service.url))
        seen(pulse, "lost long before", 0.0, 1.0, "reset")
        seen(pulse, "answered", 2.0, 4.0, None)
        seen(pulse, "slow", 2.5, 5.1, "reset")
        seen(pulse, "killer, sent once more", 3.0, 5.2, "connect")
        seen(pulse, "first to fail", 3.5, 5.0, "protocol")
        assert pulse.suspects == []
        seen(pulse, "too late", 5.5, 5.6, "connect")
        assert pulse.is_doubtful
        assert asyncio.run(pulse.stopped())
    assert pulse.dead == "rust"
    assert [each.id for each in pulse.suspects] == [
        "slow",
        "killer, sent once more",
        "first to fail",
    ]


def test_who_listens_again_has_not_died() -> None:
    with serving() as service:
        pulse = Pulse(plan(service.url, service.url))
        seen(pulse, "refused once", 0.0, 1.0, "connect")
        assert pulse.is_doubtful
        assert not asyncio.run(pulse.stopped())
    assert (pulse.dead, pulse.suspects) == ("", [])
