"""The process beside the loop judges as the loop would, and whatever becomes of it is seen to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, judge
from shadow.judging import Aside, Begun, Pair, Ready, Verdict, ready
from shadow.judging import aside as module
from shadow.judging.frames import Asked, framed, verdicts
from shadow.judging.judging import Judging
from shadow.judging.worker import Worker
from shadow.masking import NOTHING_MORE, Masker
from shadow.model import (
    Answer,
    Divergence,
    Exchange,
    Judgement,
    NoAnswer,
    Observation,
    Outcome,
    Request,
    Response,
)
from shadow.sending.loop import event_loop
from tests.cli.program import ROOT

ENDPOINT = "GET /v1/items"
EXCHANGE = Exchange(id="x", request=Request(method="GET", target="/v1/items"))
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time."""
    monkeypatch.setattr(module, "LATE_S", PATIENCE_S)


def answer(body: str, status: int = 200) -> Answer:
    headers = (("Content-Type", "application/json"),)
    return Answer(response=Response(status=status, headers=headers, body=body.encode()))


def pair(candidate: Observation, baseline: Observation | None = None) -> Pair:
    return Pair.of(EXCHANGE, ENDPOINT, baseline or answer('{"a":1}'), candidate)


def begun(noise: NoiseProfile | None = None) -> Begun:
    state = (noise or NoiseProfile()).state()
    return Begun(policy=Policy(), noise=state, key=b"key", withhold=False, hidden=NOTHING_MORE)


class Trial:
    def __init__(self, group: asyncio.TaskGroup, given: Ready | None) -> None:
        self.told: list[str] = []
        self.noise = NoiseProfile()
        self.aside = Aside(
            lambda: begun(self.noise), spawn=group.create_task, tell=self.told.append, ready=given
        )

    def ask(self, *pairs: Pair) -> asyncio.Future[Any]:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.aside.ask(pairs, answered.set_result)
        return answered

    async def judged(self, *pairs: Pair) -> list[Judgement | None]:
        return [verdict.judgement for verdict in await self.ask(*pairs)]

    def is_(self, state: str) -> bool:
        """What the `Aside` says of itself now, which may be another thing later."""
        return bool(getattr(self.aside, state))

    def _pid(self) -> int | None:
        return self.aside._process.pid if self.aside._process is not None else None

    async def process(self, *, but: int | None = None) -> int:
        """The id of the process, once there is one, another than `but`."""
        while (pid := self._pid()) is None or pid == but:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.01)
        return pid


@asynccontextmanager
async def trying(given: Ready | None) -> AsyncIterator[Trial]:
    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
        trial = Trial(group, given)
        async with trial.aside:
            yield trial


def run(story: Callable[[Ready | None], Coroutine[Any, Any, None]], *, forked: bool = True) -> None:
    """Tell the story in uvloop's loop, with a process that is there already, or without."""
    if not forked:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(story(None))
        return
    with ready(begun()) as given, asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(story(given))
    if given is not None:
        assert_gone(given.process.pid)


def assert_gone(pid: int | None) -> None:
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


CANDIDATES: list[Observation] = [
    answer('{"a":1}'),
    answer('{"a":2}'),
    answer('{"error":"no"}', 500),
    NoAnswer(kind="reset", detail="eof"),
]


@pytest.mark.parametrize("forked", [True, False])
def test_verdicts_are_the_judge_s_own_and_come_in_order(forked: bool) -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            first = trial.ask(*map(pair, CANDIDATES))
            second = trial.ask(pair(CANDIDATES[1]), pair(CANDIDATES[0]))
            assert not trial.is_("has_room")
            here = [
                judge(EXCHANGE, ENDPOINT, answer('{"a":1}'), each, Policy(), noise=NoiseProfile())
                for each in CANDIDATES
            ]
            assert [each.judgement for each in await first] == here
            assert [each.judgement for each in await second] == [here[1], here[0]]
            assert trial.is_("has_room")
            assert trial.told == []

    run(story, forked=forked)


def test_what_is_kept_is_masked_under_the_same_key() -> None:
    secret = pair(answer('{"password":"hunter2","a":1}'), answer('{"password":"hunter3","a":2}'))

    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            (verdict,) = await trial.ask(secret)
            assert verdict.judgement is not None
            masker = Masker(b"key")
            masked = tuple(map(masker.mask_divergence, verdict.judgement.divergences))
            assert verdict.masked == masked
            assert "hunter" in repr(verdict.judgement)
            assert "hunter" not in repr(verdict.masked)

    run(story)


@pytest.mark.parametrize("forked", [True, False])
def test_what_is_learned_is_known_before_the_next_pair(forked: bool) -> None:
    def tokens(number: int) -> Answer:
        return answer(f'{{"id":"6ba7b810-9dad-11d1-80b4-{number:012d}"}}')

    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            judging = Judging(Policy(), trial.noise)
            verdicts = []
            for number in range(2):
                (judgement,) = await trial.judged(pair(tokens(3), tokens(number)))
                assert judgement is not None
                verdicts += [each.verdict for each in judgement.divergences]
                learned = await judging.learn(ENDPOINT, tokens(1), tokens(2))
                assert learned is not None
                trial.aside.learned(ENDPOINT, learned)
            assert verdicts == ["divergent", "noise"]

    run(story, forked=forked)


def test_lessons_that_no_pair_follows_do_not_pile_up() -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            await trial.judged(pair(CANDIDATES[1]))
            for _ in range(module.LEARNED - 1):
                trial.aside.learned(ENDPOINT, ())
            assert len(trial.aside._learned) == module.LEARNED - 1
            trial.aside.learned(ENDPOINT, ())
            assert trial.aside._learned == []
            assert await trial.judged() == []  # behind the lessons

    run(story)


def test_a_lesson_that_cannot_be_packed_is_no_hindrance() -> None:
    def odd(key: str) -> Answer:
        return answer(f'{{"{key}":"6ba7b810-9dad-11d1-80b4-000000000001"}}')

    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            judging = Judging(Policy(), trial.noise)
            learned = await judging.learn(ENDPOINT, odd("a"), odd(r"\ud800"))
            assert learned is not None
            trial.aside.learned(ENDPOINT, learned)
            (judgement,) = await trial.judged(pair(CANDIDATES[1]))
            assert judgement is not None
            assert judgement.outcome == Outcome.DIVERGENT

    run(story)


def test_a_pair_that_is_dear_or_cannot_be_packed_has_no_verdict_there() -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            long = answer("[" + "1," * 100_000 + "1]")
            assert await trial.judged(pair(long)) == [None]
            with pytest.raises(UnicodeEncodeError):
                trial.ask(pair(NoAnswer(kind="reset", detail="\ud800")))
            assert trial.is_("has_room")

    run(story)


def test_what_a_killed_process_had_is_given_back_and_another_one_begins() -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            old = await trial.process()
            os.kill(old, signal.SIGSTOP)
            deadly, other = trial.ask(pair(CANDIDATES[1])), trial.ask(pair(CANDIDATES[0]))
            os.kill(old, signal.SIGKILL)
            assert await deadly == [Verdict()]  # it may be what has killed it
            assert await other is None
            assert not trial.is_("helps")
            assert await trial.judged(pair(CANDIDATES[0])) == [Judgement(outcome=Outcome.MATCH)]
            assert await trial.process() != old
            assert trial.told == ["the process that judges has ended (-9)"]

    run(story)


def test_what_waits_for_long_is_given_back_and_a_late_answer_is_nobody_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LATE_S", 0.05)

    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            process = await trial.process()
            os.kill(process, signal.SIGSTOP)
            assert await trial.ask(pair(CANDIDATES[1])) is None
            assert not trial.is_("helps")
            os.kill(process, signal.SIGCONT)
            monkeypatch.setattr(module, "LATE_S", PATIENCE_S)
            assert await trial.judged(pair(CANDIDATES[0])) == [Judgement(outcome=Outcome.MATCH)]
            assert trial.is_("helps")
            assert trial.told == []

    run(story)


def test_a_process_that_is_stuck_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STUCK_S", 0.1)
    monkeypatch.setattr(module, "LATE_S", 0.05)

    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            os.kill(await trial.process(), signal.SIGSTOP)
            assert await trial.ask(pair(CANDIDATES[1])) is None
            while not trial.told:  # noqa: ASYNC110  nothing else tells of it
                await asyncio.sleep(0.01)
            assert trial.told == ["the process that judges has ended (-9)"]

    run(story)


@pytest.mark.parametrize(
    "broken", [(module._SPAWN, "Process"), (Aside, "_connect"), (socket, "socketpair")]
)
def test_where_none_can_be_started_pairs_are_given_back(
    broken: tuple[object, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(*broken, refused)

    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            assert trial.is_("helps")
            assert await trial.ask(pair(CANDIDATES[1])) is None
            assert not trial.is_("helps")
            assert trial.told[0].startswith("the process that judges could not be started: ")

    run(story, forked=False)


def test_what_follows_nonsense_is_not_taken_for_an_answer() -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            os.kill(await trial.process(), signal.SIGSTOP)
            first, second = (trial.ask(pair(CANDIDATES[at])) for at in (1, 0))
            assert trial.aside._connection is not None
            wrong = framed([Verdict(Judgement(outcome=Outcome.SKIPPED))])
            trial.aside._connection.data_received(framed([]) + wrong)
            assert await first == [Verdict()]
            assert await second is None

    run(story)


def test_it_is_the_other_process_that_is_told_to_end() -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            await trial.judged(pair(CANDIDATES[1]))
            for each in (signal.SIGTERM, signal.SIGINT):
                os.kill(await trial.process(), each)
            assert await trial.judged(pair(CANDIDATES[0])) == [Judgement(outcome=Outcome.MATCH)]
            assert trial.told == []

    run(story)


def test_nonsense_from_the_process_ends_it() -> None:
    async def story(given: Ready | None) -> None:
        async with trying(given) as trial:
            old = await trial.process()
            os.kill(old, signal.SIGSTOP)
            answered = trial.ask(pair(CANDIDATES[1]))
            trial.aside._said(b"\xc1")
            assert await answered == [Verdict()]
            assert await trial.judged(pair(CANDIDATES[0])) == [Judgement(outcome=Outcome.MATCH)]
            assert await trial.process() != old

    run(story)


PARENT = """
import time
from tests.judging.test_aside import begun
from shadow.judging import ready
with ready(begun()) as given:
    print(given.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is none before it is needed")
def test_it_ends_with_the_process_that_began_it_whatever_ends_that() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
        assert parent.stdout.read() == ""  # the process has let go of it, too


def test_a_bug_in_judging_is_told_and_the_next_pair_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judging = Judging(Policy())
    tried = judging.tried

    def failing(exchange: Exchange, *given: Any) -> Judgement | None:
        if exchange.id == "bad":
            raise ZeroDivisionError("with what it quotes")
        return tried(exchange, *given)

    monkeypatch.setattr(judging, "tried", failing)
    bad = Exchange(id="bad", request=EXCHANGE.request)
    worker = Worker(judging, Masker(b"key"))
    pairs = [Pair.of(bad, ENDPOINT, CANDIDATES[0], CANDIDATES[1]), pair(CANDIDATES[1])]
    first, second = verdicts.decode(worker.answer(Asked([], pairs))[4:])
    assert first.failure.startswith("ZeroDivisionError at test_aside.py:")
    assert first.judgement is None
    assert second.judgement is not None


def test_a_verdict_that_cannot_be_packed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    judging = Judging(Policy())
    odd = Divergence(
        where="body",
        kind="value_changed",
        path="",
        path_pattern="",
        signature="0" * 16,
        baseline="\ud800",
        candidate="",
    )
    given = iter([Judgement(outcome=Outcome.DIVERGENT, divergences=(odd,)), None])
    monkeypatch.setattr(
        judging, "tried", lambda *_: next(given) or Judgement(outcome=Outcome.MATCH)
    )
    worker = Worker(judging, Masker(b"key"))
    asked = Asked([], [pair(CANDIDATES[1]), pair(CANDIDATES[1])])
    first, second = verdicts.decode(worker.answer(asked)[4:])
    assert first == Verdict()
    assert second.judgement == Judgement(outcome=Outcome.MATCH)
