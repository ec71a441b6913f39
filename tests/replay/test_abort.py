from __future__ import annotations

import pytest

from shadow.model import Answer, NoAnswer, Observation, Response, Timing
from shadow.replay.abort import LEAST, WINDOW, AbortGuard, AbortLimits

NAMES = ("go", "rust")


def answer(status: int = 200, ms: float = 1.0) -> Answer:
    timing = Timing(due=0.0, sent=0.0, done=ms / 1000)
    return Answer(response=Response(status=status), timing=timing)


LOST = NoAnswer(kind="reset")


def said(limits: AbortLimits, *pairs: tuple[Observation, Observation]) -> list[str]:
    guard = AbortGuard(limits, NAMES)
    return [guard.observe(pair) for pair in pairs]


def test_without_limits_nothing_stops() -> None:
    assert not AbortLimits().any()
    assert set(said(AbortLimits(), *[(LOST, LOST)] * 1000)) == {""}


def test_one_failure_too_many_stops_and_names_who_failed() -> None:
    bad, good = (answer(), LOST), (answer(), answer(404))
    found = said(AbortLimits(max_errors=2), bad, good, (answer(500), answer(503)), good, bad)
    assert found[:4] == ["", "", "", ""]
    assert found[4] == "more than --max-errors 2 exchanges failed, the last from rust"
    assert said(AbortLimits(max_errors=0), (LOST, LOST)) == [
        "more than --max-errors 0 exchanges failed, the last from go and rust"
    ]


def test_a_share_counts_once_there_is_enough_of_it() -> None:
    limits = AbortLimits(max_error_share=0.5)
    found = said(limits, *[(answer(), LOST)] * LEAST)
    assert set(found[:-1]) == {""}
    assert "100% of the last 50 exchanges failed" in found[-1]
    healthy = [(answer(), answer())] * 1000
    late = said(limits, *healthy, *[(answer(), LOST)] * (WINDOW // 2 + 1))
    assert set(late[:-1]) == {""}
    assert "of the last 200" in late[-1]


def test_a_service_that_slows_down_stops_it() -> None:
    limits = AbortLimits(max_latency_ms=50)
    slow = said(limits, *[(answer(), answer(ms=80))] * 100)
    assert any("the median time of rust is 80 ms" in each for each in slow)
    assert set(said(limits, *[(answer(), answer(ms=80)), (answer(), answer())] * 200)) == {""}


@pytest.mark.parametrize("recorded", [answer(500), LOST, None])
def test_a_recorded_answer_is_nobody_s_failure(recorded: Observation | None) -> None:
    guard = AbortGuard(AbortLimits(max_errors=0, max_error_share=0.0), (None, "rust"))
    assert guard.observe((recorded, answer())) == ""
    assert guard.observe((recorded, LOST)) != ""
