from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import pytest

from shadow.compare.noise import NoiseProfile
from shadow.errors import UnfinishedError
from shadow.judge import Policy, judge
from shadow.judging import Aside, Begun, Judging, Pair, Verdict
from shadow.masking import NOTHING_MORE
from shadow.metrics import Counters
from shadow.model import (
    Divergence,
    Exchange,
    Headers,
    Judgement,
    NoAnswer,
    Observation,
    Outcome,
    Request,
    SideName,
)
from shadow.sending.rewrite import Unsendable
from shadow.sending.service import Done
from shadow.sending.target import parse_target
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring import mirror as module
from shadow.sidecar.mirroring.batches import Batches
from shadow.sidecar.mirroring.mirror import OVERHEAD, SLICE_S, Copy, Mirror, MirrorOptions
from shadow.sidecar.tasks import Tasks
from shadow.sidecar.traces import Traces
from shadow.tracing import NO_TRACES, Span
from tests.sidecar.trial import PATIENCE_S, answer, exchange

ENDPOINT = "GET /v1/items/{id}"
RUST: tuple[SideName, ...] = ("candidate",)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a batch is done at once."""
    monkeypatch.setattr(Batches, "add", lambda batches, item: batches._work([item]))


class Service:
    """A service whose answers the test gives, in any order; `now` gives the same at once."""

    def __init__(self) -> None:
        self.now: Observation | None = None
        self.busy = False
        """`start` finds no connection."""
        self.fails: Exception | None = None
        self.waiting: list[Done] = []
        self.sent: list[Request] = []
        self.unsendable: Unsendable | None = None

    def render(self, request: Request) -> Request:
        if self.unsendable is not None:
            raise self.unsendable
        return request

    def start(self, message: Request, *, done: Done, **given: Any) -> bool:
        if self.busy:
            return False
        self.sent.append(message)
        if self.now is not None:
            done(self.now)
        else:
            self.waiting.append(done)
        return True

    async def send(self, message: Request, **given: Any) -> Observation:
        if self.fails is not None:
            raise self.fails
        self.sent.append(message)
        if self.now is not None:
            return self.now
        future: asyncio.Future[Observation] = asyncio.get_running_loop().create_future()
        self.waiting.append(lambda said: future.set_result(said) if said else None)
        return await future

    def say(self, said: Observation | None) -> None:
        """Answer what was asked first."""
        self.waiting.pop(0)(said)


class Kept:
    """Stands for the keeping: what every exchange came to."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.masks: list[tuple[Divergence, ...] | None] = []
        self.exchanges: list[Exchange] = []
        self.refuses: Callable[[Exchange], bool] = lambda _: False

    def endpoint(self, name: str) -> str:
        return name

    def masked(self, judgement: Judgement) -> tuple[Divergence, ...]:
        return judgement.divergences

    def withheld(self, judgement: Judgement) -> tuple[Divergence, ...]:
        return ()

    def skip(self, endpoint: str, reason: str) -> None:
        self.outcomes.append(f"skipped {reason}")

    def shed(self, endpoint: str) -> None:
        self.outcomes.append("shed")

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        masked: tuple[Divergence, ...] | None = None,
        trace_id: str | None = None,
    ) -> None:
        if self.refuses(exchange):
            raise ValueError("s3cr3t")
        self.exchanges.append(exchange)
        self.masks.append(masked)
        self.outcomes.append(f"{judgement.outcome} {judgement.reason}".strip())


class Trial:
    def __init__(self, tasks: Tasks, options: MirrorOptions, **given: Any) -> None:
        self.go, self.rust = Service(), Service()
        self.kept, self.counters = Kept(), Counters()
        self.told: list[str] = []
        self.verdicts: list[Judgement] = []
        self.judging = Judging(Policy(), NoiseProfile())
        self._numbers = itertools.count()
        self.aside = Aside(begun, spawn=tasks.spawn, tell=self.told.append)
        self.mirror = Mirror(
            {"baseline": self.go, "candidate": self.rust},  # type: ignore[dict-item]  # as below
            judging=self.judging,
            keeping=self.kept,  # type: ignore[arg-type]  # as much of it as is needed
            counters=self.counters,
            options=options,
            spawn=tasks.spawn,
            judged=lambda _, judgement: self.verdicts.append(judgement),
            complain=Complaints(self.told.append),
            **{"aside": self.aside, "traces": Traces(NO_TRACES, {}, str), **given},
        )

    def copy(self, baseline: Observation | None = None, **fields: Any) -> Copy:
        seen: dict[SideName, Observation] = {}
        if baseline is not None:
            seen["baseline"] = baseline
        return Copy(exchange(next(self._numbers), **fields), ENDPOINT, seen, safe=True)

    def offer(self, count: int = 1, said: Observation | None = None, **fields: Any) -> None:
        for _ in range(count):
            self.mirror.offer(self.copy(said or answer(), **fields), RUST)

    async def ended(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.mirror.ended()

    def is_empty(self) -> bool:
        """Whether everything that is counted is back at nothing."""
        mirror = self.mirror
        figures = mirror.bytes, mirror.depth, mirror._in_flight, mirror._heavy, mirror._learning
        return not any(figures) and not mirror._open


@asynccontextmanager
async def trying(options: MirrorOptions | None = None, **given: Any) -> AsyncIterator[Trial]:
    failures: list[BaseException] = []
    async with Tasks(failures.append) as tasks:
        trial = Trial(tasks, options or MirrorOptions(), **given)
        async with trial.judging, trial.aside:
            yield trial
    assert not failures


def begun() -> Begun:
    """What a process that judges as `Trial` does is started with."""
    return Begun(
        policy=Policy(),
        noise=NoiseProfile().state(),
        key=b"key",
        withhold=False,
        hidden=NOTHING_MORE,
    )


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_a_copy_is_sent_and_judged_against_the_answer_of_the_client() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.offer(said=answer('{"a":1}'))
            assert trial.rust.sent[0].target == "/v1/items/1"
            assert trial.go.sent == []
            trial.rust.say(answer('{"a":2}'))
            assert trial.kept.outcomes == ["divergent"]
            assert trial.is_empty()
            assert [each.outcome for each in trial.verdicts] == [Outcome.DIVERGENT]
            assert trial.counters.durations["candidate"].counts != [0] * 16

    run(story)


def test_without_a_client_s_answer_both_are_asked() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.mirror.offer(trial.copy(), ("candidate", "baseline"))
            trial.rust.say(answer())
            assert trial.kept.outcomes == []
            trial.go.say(answer())
            assert trial.kept.outcomes == ["match"]
            assert trial.is_empty()

    run(story)


def test_no_answer_is_an_observation_and_counted() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.offer()
            trial.rust.say(NoAnswer(kind="reset"))
            assert trial.kept.outcomes == ["divergent"]
            failures = trial.counters.tables["shadow_upstream_failures_total"]
            assert failures["candidate", "reset"] == 1
            trial.mirror.offer(trial.copy(NoAnswer(kind="timeout")), RUST)
            trial.rust.say(answer())
            assert trial.kept.outcomes[1:] == ["incomparable baseline-timeout"]

    run(story)


def test_what_is_dear_to_judge_leaves_the_rest_for_another_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(0.0, 0.6 * SLICE_S)  # each pair takes so long
    monkeypatch.setattr("shadow.sidecar.mirroring.mirror.perf_counter", clock.__next__)

    async def story() -> None:
        async with trying() as trial:
            copies = [trial.copy(answer('{"a":1}')) for _ in range(5)]
            for copy in copies:
                copy.seen["candidate"] = answer('{"a":2}')
                trial.mirror._take(copy)
            assert trial.mirror._judge(copies) == 2
            assert trial.kept.outcomes == ["divergent"] * 2
            assert trial.mirror._judge(copies[2:]) == 2
            assert trial.mirror._judge(copies[4:]) == 1
            assert trial.kept.outcomes == ["divergent"] * 5
            assert trial.is_empty()

    run(story)


def test_the_queue_is_bounded_in_copies_and_in_flight() -> None:
    async def story() -> None:
        async with trying(MirrorOptions(queue=3, in_flight=2)) as trial:
            trial.offer(8)
            assert (len(trial.rust.sent), trial.mirror.depth) == (2, 3)
            assert trial.kept.outcomes == ["shed"] * 3
            assert trial.counters.tables["shadow_sheds_total"][("queue-full",)] == 3
            for _ in range(5):
                trial.rust.say(answer())
            assert trial.kept.outcomes[3:] == ["match"] * 5
            assert trial.is_empty()

    run(story)


def test_the_queue_is_bounded_in_bytes_of_heads_and_bodies() -> None:
    async def story() -> None:
        room = 3 * OVERHEAD
        async with trying(MirrorOptions(queue_bytes=room)) as trial:
            trial.offer(1, body=b"x" * room)  # the first one always goes
            trial.offer(1)
            assert trial.kept.outcomes == ["shed"]
            trial.rust.say(answer())
            assert trial.mirror.bytes == 0
            trial.offer(1, said=answer("y" * room))
            trial.offer(1)
            assert trial.kept.outcomes == ["shed", "match", "shed"]
            assert trial.counters.tables["shadow_sheds_total"][("queue-bytes",)] == 2
            trial.rust.say(answer("y" * room))
            trial.offer(2)
            trial.rust.say(answer())
            trial.rust.say(answer())
            assert trial.is_empty()

    run(story)


def test_what_a_service_answers_takes_room_too() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.mirror.offer(trial.copy(), ("candidate", "baseline"))
            before = trial.mirror.bytes
            trial.rust.say(answer("z" * 10_000))
            assert trial.mirror.bytes >= before + 10_000
            trial.go.say(answer())
            assert trial.is_empty()

    run(story)


def test_a_long_queue_of_immediate_answers_is_no_recursion() -> None:
    async def story() -> None:
        async with trying(MirrorOptions(queue=20_000, in_flight=1)) as trial:
            trial.offer(10_000)
            trial.rust.now = answer()
            trial.rust.say(answer())
            assert len(trial.kept.outcomes) < 100  # clients have the event loop in between
            await trial.ended()
            assert trial.kept.outcomes == ["match"] * 10_000
            assert trial.is_empty()

    run(story)


def test_what_cannot_be_sent_is_skipped() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.rust.unsendable = Unsendable("unsupported", "why")
            trial.offer()
            trial.mirror.offer(trial.copy(), ("baseline", "candidate"))
            assert trial.kept.outcomes == ["skipped unsupported"] * 2
            assert trial.is_empty()
            assert trial.go.sent == []

    run(story)


def test_where_no_connection_is_free_it_waits_for_one() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.rust.busy, trial.rust.now = True, answer()
            trial.offer(3)
            await trial.ended()
            assert trial.kept.outcomes == ["match"] * 3
            assert trial.is_empty()

    run(story)


def test_a_request_lost_on_a_stale_connection_is_sent_again() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.offer()
            trial.rust.now = answer()
            trial.rust.say(None)
            await trial.ended()
            assert trial.kept.outcomes == ["match"]
            assert len(trial.rust.sent) == 2

    run(story)


@pytest.mark.parametrize(
    "error", [UnfinishedError("out of file descriptors", ""), RuntimeError("s3cr3t")]
)
def test_what_fails_here_is_nobody_s_fault_and_is_told(error: Exception) -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.rust.busy, trial.rust.fails = True, error
            trial.offer(2)
            await trial.ended()
            assert trial.kept.outcomes == ["skipped unsent"] * 2
            assert trial.is_empty()
            (told,) = trial.told
            assert "s3cr3t" not in told

    run(story)


# Judging


def test_a_pair_that_is_dear_is_judged_elsewhere() -> None:
    async def story() -> None:
        async with trying() as trial:
            long = "x" * 200_000
            trial.offer(said=answer(f'"{long}"'))
            trial.rust.say(answer(f'"{long}y"'))
            assert trial.kept.outcomes == []
            await trial.ended()
            assert trial.kept.outcomes == ["divergent"]
            assert trial.is_empty()

    run(story)


def test_too_many_dear_pairs_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAVY", 2)

    async def story() -> None:
        async with trying() as trial:
            gate = asyncio.Event()

            async def in_pool(*_: object) -> Judgement:
                await gate.wait()
                return Judgement(outcome=Outcome.MATCH)

            monkeypatch.setattr(trial.judging, "inline", lambda *_: None)
            monkeypatch.setattr(trial.judging, "in_pool", in_pool)
            trial.rust.now = answer()
            trial.offer(5)
            assert trial.kept.outcomes == ["incomparable judge-busy"] * 3
            gate.set()
            await trial.ended()
            assert trial.kept.outcomes[3:] == ["match"] * 2
            assert trial.is_empty()

    run(story)


def test_too_many_differences_at_once_are_judged_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEAVY", 1)
    go, rust = (
        answer("{" + ",".join(f'"m{n}":{value}' for n in range(30)) + "}") for value in (1, 2)
    )

    async def story() -> None:
        async with trying() as trial:
            trial.rust.now = rust
            trial.offer(3, said=go)
            assert trial.kept.outcomes == ["divergent"] * 2
            assert trial.kept.masks == [()] * 2  # without their values
            await trial.ended()
            assert trial.kept.outcomes == ["divergent"] * 3
            assert [len(each.divergences) for each in trial.verdicts] == [30] * 3
            assert trial.is_empty()

    run(story)


@pytest.mark.parametrize("name", ["inline", "in_pool"])
def test_a_bug_in_judging_is_counted_and_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with trying() as trial:

            def fail(*_: object) -> Judgement:
                raise RuntimeError("s3cr3t")

            if name == "in_pool":
                monkeypatch.setattr(trial.judging, "inline", lambda *_: None)
            monkeypatch.setattr(trial.judging, name, fail)
            trial.rust.now = answer()
            trial.offer(3)
            await trial.ended()
            assert trial.kept.outcomes == ["incomparable judge-failed"] * 3
            assert trial.is_empty()
            assert trial.counters.tables["shadow_judge_failures_total"][()] == 3
            (told,) = trial.told
            assert told.startswith("judging x0 failed: RuntimeError at test_mirror.py:")
            assert "s3cr3t" not in told

    run(story)


def test_what_cannot_be_kept_is_kept_without_its_request() -> None:
    async def story() -> None:
        async with trying() as trial:
            trial.kept.refuses = lambda exchange: exchange.request.target != "/"
            trial.rust.now = answer()
            trial.offer()
            assert trial.kept.outcomes == ["incomparable judge-failed"]
            assert trial.kept.exchanges[0].id == "x0"
            assert trial.is_empty()

    run(story)


def test_a_bug_behind_a_verdict_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with trying() as trial:

            def fail(*_: object) -> None:
                raise RuntimeError

            monkeypatch.setattr(trial.mirror, "_judged", fail)
            trial.rust.now = answer()
            trial.offer()
            assert trial.kept.outcomes == ["match"]
            assert trial.is_empty()
            assert len(trial.told) == 1

    run(story)


# Beside the loop


class Beside:
    """Stands for the process: what it was asked, and what the test has it say."""

    helps, has_room = True, True

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[Pair], Callable[[Sequence[Verdict] | None], None]]] = []
        self.refuses = False

    def ask(self, pairs: Sequence[Pair], done: Callable[[Sequence[Verdict] | None], None]) -> None:
        if self.refuses:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        self.asked.append((pairs, done))

    def say(self, verdict: Verdict) -> None:
        """Say this of each of the pairs that it was asked for first."""
        pairs, done = self.asked.pop(0)
        done([verdict] * len(pairs))


MATCH = Verdict(Judgement(outcome=Outcome.MATCH))


@asynccontextmanager
async def beside() -> AsyncIterator[tuple[Trial, Beside]]:
    """A trial where judging has taken too much of the loop's time."""
    process = Beside()
    async with trying(aside=process) as trial:
        trial.mirror._judging_here.spend(1, perf_counter())
        trial.rust.now = answer('{"a":2}')
        yield trial, process


def test_where_judging_takes_too_much_what_differs_is_judged_beside_the_loop() -> None:
    async def story() -> None:
        async with beside() as (trial, process):
            trial.offer(2, said=answer('{"a":1}'))
            trial.offer(1, said=answer('{"a":2}'))  # the same: nothing has to be looked at
            assert trial.kept.outcomes == ["match"]
            found = judge(
                process.asked[0][0][0].exchange,
                ENDPOINT,
                answer('{"a":1}'),
                answer('{"a":2}'),
                Policy(),
                noise=NoiseProfile(),
            )
            for _ in range(2):
                process.say(Verdict(found, ()))
            assert trial.kept.outcomes == ["match", "divergent", "divergent"]
            assert trial.kept.masks == [None, (), ()]
            assert [each.outcome for each in trial.verdicts[1:]] == [Outcome.DIVERGENT] * 2
            assert trial.is_empty()

    run(story)


def test_a_pair_goes_beside_the_loop_when_there_is_room_and_many_go_at_once() -> None:
    async def story() -> None:
        async with beside() as (trial, process):
            process.has_room = False
            trial.offer(module.FRAME + 3, said=answer('{"a":1}'))
            assert process.asked == []
            process.has_room = True
            trial.offer(1, said=answer('{"a":1}'))
            assert [len(pairs) for pairs, _ in process.asked] == [module.FRAME, 4]
            process.say(MATCH)
            process.say(MATCH)
            assert len(trial.kept.outcomes) == module.FRAME + 4
            assert trial.is_empty()

    run(story)


def test_what_cannot_be_judged_beside_the_loop_goes_to_the_pool() -> None:
    async def story() -> None:
        async with beside() as (trial, process):
            trial.offer(1, said=answer('{"a":1}'))
            process.say(Verdict())
            process.refuses = True
            trial.offer(1, said=answer('{"a":1}'))
            await trial.ended()
            assert trial.kept.outcomes == ["divergent"] * 2
            assert trial.is_empty()

    run(story)


def test_a_bug_beside_the_loop_is_counted_and_told() -> None:
    async def story() -> None:
        async with beside() as (trial, process):
            trial.offer(2, said=answer('{"a":1}'))
            for _ in range(2):
                process.say(Verdict(failure="RuntimeError at judge.py:1"))
            assert trial.kept.outcomes == ["incomparable judge-failed"] * 2
            assert trial.counters.tables["shadow_judge_failures_total"][()] == 2
            assert trial.told == ["judging x0 failed: RuntimeError at judge.py:1; traffic goes on"]
            assert trial.is_empty()

    run(story)


def test_a_process_that_does_not_get_on_is_helped() -> None:
    async def story() -> None:
        async with beside() as (trial, process):
            trial.offer(1, said=answer('{"a":1}'))
            process.has_room = False
            trial.offer(3, said=answer('{"a":1}'))
            assert trial.kept.outcomes == []
            process.helps = False
            trial.offer(1, said=answer('{"a":1}'))
            assert trial.kept.outcomes == ["divergent"] * 4
            process.asked.pop()[1](None)  # nobody has looked at it
            assert trial.kept.outcomes == ["divergent"] * 5
            assert process.asked == []
            assert trial.is_empty()

    run(story)


def test_what_waits_for_a_process_is_taken_back_though_nothing_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LATE_S", 0.01)

    async def story() -> None:
        async with beside() as (trial, process):
            process.has_room = False
            trial.offer(3, said=answer('{"a":1}'))
            process.helps = False
            await trial.ended()
            assert trial.kept.outcomes == ["divergent"] * 3
            assert trial.is_empty()

    run(story)


def test_a_verdict_on_what_was_given_up_counts_nothing() -> None:
    async def story() -> None:
        async with beside() as (trial, process):
            trial.offer(1, said=answer('{"a":1}'))
            trial.mirror.stop()
            process.say(MATCH)
            assert trial.kept.outcomes == ["skipped stopped"]
            assert trial.verdicts == []
            assert trial.is_empty()

    run(story)


# Connections


def test_new_connections_have_a_pace_and_what_waits_takes_an_idle_one() -> None:
    async def story() -> None:
        options = MirrorOptions(connect_rate=1, in_flight=2)
        async with trying(options) as trial:
            trial.rust.busy = True
            trial.offer(2)
            await asyncio.sleep(0)
            trial.rust.say(NoAnswer(kind="reset"))
            trial.rust.say(NoAnswer(kind="reset"))
            await asyncio.sleep(0)
            trial.offer(3)
            await asyncio.sleep(0)
            assert (len(trial.rust.sent), trial.mirror.depth) == (2, 1)
            trial.rust.busy, trial.rust.now = False, answer()
            trial.mirror._connect_now("candidate")
            assert trial.kept.outcomes == ["divergent"] * 2 + ["match"] * 3
            assert trial.is_empty()

    run(story)


def test_what_waits_for_a_connection_is_sent_when_it_may_be_opened() -> None:
    async def story() -> None:
        options = MirrorOptions(connect_rate=200, in_flight=2)
        async with trying(options) as trial:
            trial.rust.busy, trial.rust.now = True, NoAnswer(kind="reset")
            began = perf_counter()
            trial.offer(12)
            await trial.ended()
            assert perf_counter() - began > 9 / 200
            assert trial.kept.outcomes == ["divergent"] * 12
            assert trial.is_empty()

    run(story)


def test_a_service_that_drops_connections_does_not_hold_up_the_other() -> None:
    async def story() -> None:
        async with trying(MirrorOptions(connect_rate=1, in_flight=4)) as trial:
            trial.rust.busy, trial.rust.now = True, NoAnswer(kind="reset")
            trial.offer(4)
            await asyncio.sleep(0)
            trial.offer(1)  # waits for a connection to Rust
            trial.go.busy, trial.go.now = True, answer()
            trial.mirror.offer(trial.copy(answer()), ("baseline",))
            await asyncio.sleep(0)
            assert len(trial.go.sent) == 1

    run(story)


def test_what_is_given_up_while_it_waits_for_a_connection_is_not_sent() -> None:
    async def story() -> None:
        async with trying(MirrorOptions(connect_rate=1, in_flight=1)) as trial:
            trial.rust.busy = True
            trial.offer(1)
            await asyncio.sleep(0)
            trial.rust.say(None)  # lost on a connection that was idle: it needs a new one
            await asyncio.sleep(0)
            trial.mirror.stop()
            trial.mirror._connect_now("candidate")
            await asyncio.sleep(0)
            assert len(trial.rust.sent) == 1
            assert trial.kept.outcomes == ["skipped stopped"]

    run(story)


# The end


def test_what_has_no_outcome_at_the_end_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with trying(MirrorOptions(in_flight=3)) as trial:
            gate = asyncio.Event()

            async def in_pool(*_: object) -> Judgement:
                await gate.wait()
                return Judgement(outcome=Outcome.MATCH)

            trial.rust.busy = True
            trial.offer(1)
            trial.rust.busy = False
            trial.offer(4)
            monkeypatch.setattr(trial.judging, "inline", lambda *_: None)
            monkeypatch.setattr(trial.judging, "in_pool", in_pool)
            trial.rust.say(answer())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await trial.mirror.ended()
            trial.mirror.stop()
            assert trial.kept.outcomes == ["skipped stopped"] * 5
            assert (trial.mirror.bytes, trial.mirror.depth) == (0, 0)
            await trial.ended()
            gate.set()  # what comes now is too late
            while trial.rust.waiting:
                trial.rust.say(answer())
            for _ in range(5):
                await asyncio.sleep(0)
            assert trial.kept.outcomes == ["skipped stopped"] * 5
            assert trial.mirror.bytes == 0

    run(story)


# Go against Go


def test_noise_is_learned_before_the_first_verdicts() -> None:
    async def story() -> None:
        second = Service()
        async with trying(MirrorOptions(noise_first=2, noise_sample=0), second=second) as trial:
            trial.rust.now = answer('{"a":"2026-11-26T10:00:01Z"}')
            trial.offer(3, said=answer('{"a":"2026-11-26T10:00:00Z"}'))
            assert trial.kept.outcomes == ["divergent"]  # the third
            for _ in range(20):
                if len(second.waiting) == 2:
                    break
                await asyncio.sleep(0)
            second.say(answer('{"a":"2026-11-26T10:00:03Z"}'))
            second.say(answer('{"a":"2026-11-26T10:00:03Z"}'))
            await trial.ended()
            assert trial.kept.outcomes[1:] == ["equivalent"] * 2
            assert trial.is_empty()

    run(story)


def test_learning_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEARNING", 2)
    monkeypatch.setattr(module, "MAX_ENDPOINTS", 1)

    async def story() -> None:
        second = Service()
        async with trying(MirrorOptions(noise_first=9), second=second) as trial:
            trial.rust.now = answer()
            trial.offer(4)
            assert trial.kept.outcomes == ["match"] * 2
            second.now = answer()
            for _ in range(20):
                await asyncio.sleep(0)
                if len(second.waiting) == 2:
                    break
            while second.waiting:
                second.say(answer())
            await trial.ended()
            other = Copy(exchange(), "GET /other", {"baseline": answer()}, safe=True)
            asked = len(second.sent)
            trial.mirror.offer(other, RUST)
            assert len(second.sent) == asked
            assert trial.kept.outcomes == ["match"] * 5
            assert trial.is_empty()

    run(story)


@pytest.mark.parametrize("where", ["fails", "unsendable"])
def test_noise_that_cannot_be_learned_costs_no_verdict(where: str) -> None:
    async def story() -> None:
        second = Service()
        setattr(second, where, Unsendable("unsupported", "why"))
        async with trying(second=second) as trial:
            trial.rust.now = answer()
            trial.offer(2)
            await trial.ended()
            assert trial.kept.outcomes == ["match"] * 2
            assert len(trial.told) == 1
            assert trial.is_empty()

    run(story)


def test_writes_are_never_asked_twice_of_go() -> None:
    async def story() -> None:
        second = Service()
        async with trying(second=second) as trial:
            trial.rust.now = answer()
            copy = Copy(exchange(), ENDPOINT, {"baseline": answer()}, safe=False)
            trial.mirror.offer(copy, RUST)
            assert trial.kept.outcomes == ["match"]
            assert second.sent == []

    run(story)


# Traces


class Spans:
    """Stands for OpenTelemetry: what became of each span."""

    active = True
    trace_id = "t" * 32

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.outcomes: list[Outcome | None] = []
        target: Any = parse_target("http://host", side="candidate", name="x", option="--x")
        self.traces = Traces(self, {"baseline": target, "candidate": target}, str)

    def start(self, side: SideName, request_headers: Headers, **given: str) -> Span:
        return self

    def headers(self, headers: Headers) -> Headers:
        return (*headers, ("traceparent", "of the span"))

    def end(self, seen: object) -> None:
        self.ended.append(type(seen).__name__)

    def judged(self, outcome: Outcome | None) -> None:
        self.outcomes.append(outcome)

    def close(self, within_s: float = 0) -> bool:
        return True


def test_a_span_ends_with_its_verdict_or_with_none() -> None:
    async def story() -> None:
        spans = Spans()
        async with trying(MirrorOptions(queue=1, in_flight=1), traces=spans.traces) as trial:
            trial.offer(3)
            assert trial.rust.sent[0].headers[-1] == ("traceparent", "of the span")
            assert spans.outcomes == []  # the third was shed before it had a span
            trial.rust.say(answer())
            trial.rust.say(answer())
            assert spans.outcomes == [Outcome.MATCH] * 2
            assert spans.ended == ["Answer"] * 2
            trial.rust.unsendable = Unsendable("unsupported", "why")
            trial.offer()
            assert spans.outcomes[2:] == [None]
            assert spans.ended[2:] == ["NoneType"]

    run(story)


def test_a_span_that_was_begun_for_the_client_ends_where_the_copy_is_shed() -> None:
    async def story() -> None:
        spans = Spans()
        async with trying(MirrorOptions(queue=1, in_flight=1), traces=spans.traces) as trial:
            trial.offer(2)
            copy, request = trial.copy(answer()), exchange().request
            spans.traces.begin(copy.spans, "baseline", copy.exchange, ENDPOINT, request)
            trial.mirror.offer(copy, RUST)
            assert trial.kept.outcomes == ["shed"]
            assert spans.outcomes == [None]
            trial.mirror.stop()
            assert spans.outcomes == [None] * 3

    run(story)
