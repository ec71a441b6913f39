"""The engine against services in memory that fail in every way a service can."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import ELSEWHERE, Broken, Record, Unsupported
from shadow.compare.noise import NoiseProfile
from shadow.endpoints import Endpoints
from shadow.errors import UnfinishedError
from shadow.judge import Policy
from shadow.judging import Judging
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
    Timing,
)
from shadow.replay.control import Control
from shadow.replay.loop.engine import Engine, ceiling
from shadow.replay.options import NoisePlan, ReplayOptions, Selection
from shadow.replay.reading import LATER, Readable
from shadow.sending.rewrite import Unsendable
from shadow.sending.safety import Safety
from shadow.sending.service import Done

FAILURES = ("connect", "timeout", "reset", "protocol", "tls")


class Fickle:
    """Answers or fails as its seed says, after a few turns of the loop.

    By the seed it also lacks a free connection now and then, or loses a request on a stale one.
    """

    def __init__(self, seed: int, failing: float) -> None:
        self.random = random.Random(seed)
        self.failing = failing
        self.going: Counter[str] = Counter()
        self.order: dict[str, list[str]] = {}
        self.most_at_once = 0

    def render(self, request: Request) -> bytes:
        if request.target == "/unsendable":
            raise Unsendable("unsupported", "for the test")
        return f"{request.target}".encode()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def start(
        self, message: bytes, *, method: str, safe: bool, due: float | None, done: Done
    ) -> bool:
        luck = self.random.random()
        if luck < 0.3:
            return False
        if luck < 0.4:
            done(None)
            return True
        self._begin(message)

        def turn(left: int) -> None:
            if left:
                asyncio.get_running_loop().call_soon(turn, left - 1)
            else:
                done(self._end(message))

        turn(self.random.randrange(4))
        return True

    async def send(
        self,
        message: bytes,
        *,
        method: str,
        safe: bool,
        due: float | None = None,
        fresh: bool = False,
    ) -> Observation:
        self._begin(message)
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        return self._end(message)

    def order_total(self) -> int:
        return sum(map(len, self.order.values()))

    def _begin(self, message: bytes) -> None:
        session = message.decode().strip("/").partition("/")[0]
        assert not self.going[session] or session == "none"
        self.going[session] += 1
        self.most_at_once = max(self.most_at_once, self.going.total())

    def _end(self, message: bytes) -> Observation:
        session, _, number = message.decode().strip("/").partition("/")
        self.going[session] -= 1
        self.order.setdefault(session, []).append(number)
        if self.random.random() < self.failing:
            return NoAnswer(kind=self.random.choice(FAILURES))  # type: ignore[arg-type]  # of NoAnswerKind
        body = b'{"a":1}' if self.random.random() < 0.9 else b'{"a":2}'
        return Answer(
            response=Response(status=200, body=body), timing=Timing(due=0, sent=0, done=0)
        )


class Notes:
    """A keeper that notes everything."""

    def __init__(self) -> None:
        self.kept: list[tuple[Exchange, Judgement]] = []
        self.ordinals: list[int] = []
        self.sending: list[int] = []
        self.then: Callable[[], object] = lambda: None
        self.cursor: set[int] = set()
        self.sent: set[int] = set()
        self.lines = 0

    def keep(
        self,
        exchange: Exchange,
        endpoint: str,
        judgement: Judgement,
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        ordinal: int,
        masked: tuple[Divergence, ...] | None = None,
    ) -> None:
        self.kept.append((exchange, judgement))
        self.then()
        self.ordinals.append(ordinal)

    def masked(self, judgement: Judgement) -> tuple[Divergence, ...]:
        return judgement.divergences

    def broken(self, record: Broken, *, ordinal: int) -> None:
        self.lines += 1
        self.ordinals.append(ordinal)

    def sends(self, *, ordinal: int) -> None:
        self.sending.append(ordinal)

    def flush(self) -> None:
        pass


def engine(baseline: Any, candidate: Any, keeper: Any, **changes: Any) -> Engine:
    options = {"concurrency": 4, **changes.pop("options", {})}
    return Engine(
        baseline=baseline,
        candidate=candidate,
        endpoints=Endpoints(),
        safety=changes.pop("safety", Safety()),
        judging=changes.pop("judging", None) or Judging(Policy()),
        selection=changes.pop("selection", Selection()),
        options=ReplayOptions(**options),
        keeper=keeper,
        **changes,
    )


def exchange(number: int, session: str | None, method: str = "GET") -> Exchange:
    target = f"/{session or 'none'}/{number}"
    return Exchange(id=str(number), session=session, request=Request(method=method, target=target))


RECORDS = st.lists(
    st.sampled_from(["a", "b", None, "write", "broken", "unsupported", "unsendable"]), max_size=40
)


def record(number: int, what: str | None) -> Record:
    if what == "broken":
        return Broken(path="x", line=number, reason="for the test")
    if what == "unsupported":
        return Unsupported(
            id=str(number), path="x", line=number, reason="websocket", method="GET", target="/ws"
        )
    if what == "unsendable":
        return Exchange(id=str(number), request=Request(method="GET", target="/unsendable"))
    if what == "write":
        return exchange(number, "a", "POST")
    return exchange(number, what)


@given(RECORDS, st.integers(0, 1_000), st.floats(0, 1), st.sampled_from(["together", "in-turn"]))
def test_every_exchange_ends_in_one_outcome_whatever_fails(
    kinds: list[str | None], seed: int, failing: float, sides: str
) -> None:
    baseline, candidate, notes = Fickle(seed, failing), Fickle(seed + 1, failing), Notes()
    records = [record(number, what) for number, what in enumerate(kinds)]
    driven = engine(baseline, candidate, notes, options={"sides": sides, "window": 5})
    asyncio.run(driven.run(iter(records)))
    expected = sorted(str(n) for n, what in enumerate(kinds) if what != "broken")
    assert sorted(kept.id for kept, _ in notes.kept) == expected
    assert notes.lines == kinds.count("broken")
    assert sorted(notes.ordinals) == list(range(len(kinds)))
    skipped = [j.reason for _, j in notes.kept if j.outcome == Outcome.SKIPPED]
    assert Counter(skipped) == Counter(
        {
            "write": kinds.count("write"),
            "unsupported": kinds.count("unsupported") + kinds.count("unsendable"),
        }
    )
    for service in (baseline, candidate):
        assert service.most_at_once <= 4
        for session in ("a", "b"):
            numbers = [int(number) for number in service.order.get(session, ())]
            assert numbers == sorted(numbers)


def test_a_failing_keeper_ends_the_run_with_its_error() -> None:
    class Full(Notes):
        def keep(self, *_: Any, **__: Any) -> None:
            raise UnfinishedError("the disk is full", "free some space")

    driven = engine(Fickle(1, 0), Fickle(2, 0), Full())
    with pytest.raises(UnfinishedError, match="the disk is full"):
        asyncio.run(driven.run(exchange(number, None) for number in range(100)))


def test_stopping_ends_what_is_in_flight_and_sends_nothing_more() -> None:
    notes, candidate = Notes(), Fickle(2, 0)
    driven = engine(Fickle(1, 0), candidate, notes)

    def records() -> Iterator[Exchange]:
        for number in range(100):
            if number == 10:
                driven.stop()
            yield exchange(number, None)

    asyncio.run(driven.run(records()))
    assert sorted(kept.id for kept, _ in notes.kept) == sorted(candidate.order["none"])
    assert 4 <= len(notes.kept) <= 10


def test_after_a_stop_nothing_is_asked_again() -> None:
    notes, candidate = Notes(), Fickle(2, 0)

    class Last(Fickle):
        async def send(self, message: bytes, **given: Any) -> Observation:
            driven.stop()
            return await super().send(message, **given)

    driven = engine(Last(1, 0), candidate, notes, options={"repeat": 5})
    asyncio.run(driven.run(iter([exchange(0, None)])))
    assert (len(notes.kept), candidate.order_total()) == (1, 1)


def test_what_is_unforeseen_is_raised_as_it_is() -> None:
    class Odd(Fickle):
        async def send(self, message: bytes, **given: Any) -> Observation:
            raise ZeroDivisionError("odd")

    driven = engine(Odd(1, 0), Fickle(2, 0), Notes())
    with pytest.raises(ZeroDivisionError, match="odd"):
        asyncio.run(driven.run(exchange(number, None) for number in range(100)))


def test_below_a_ceiling_nothing_is_sent_after_the_stop() -> None:
    notes, candidate = Notes(), Fickle(2, 0)
    driven = engine(
        Fickle(1, 0), candidate, notes, options={"ceiling": 20}, safety=Safety(allow_writes=True)
    )
    notes.then = driven.stop
    asyncio.run(driven.run(exchange(number, None, "POST") for number in range(100)))
    assert len(notes.sending) == len(notes.kept) == candidate.order_total() < 4


def test_what_a_pipe_has_not_given_yet_is_waited_for() -> None:
    def records() -> Iterator[Readable]:
        for number in range(20):
            yield from [LATER] * (number % 3)
            yield from [ELSEWHERE] * (number % 40)
            yield exchange(number, None)

    notes = Notes()
    asyncio.run(engine(Fickle(1, 0), Fickle(2, 0), notes).run(records()))
    assert sorted(notes.ordinals) == list(range(20))
    assert {int(kept.id) for kept, _ in notes.kept} == set(range(20))


def test_the_recorded_answers_can_stand_for_the_baseline() -> None:
    notes = Notes()
    recorded = Exchange(
        id="1",
        request=Request(method="GET", target="/none/1"),
        response=Response(status=200, body=b'{"a":1}'),
    )
    asyncio.run(engine(None, Fickle(1, 0), notes).run(iter([recorded, exchange(2, None)])))
    outcomes = {kept.id: (j.outcome, j.reason) for kept, j in notes.kept}
    assert outcomes["2"] == (Outcome.INCOMPARABLE, "no-response")
    assert outcomes["1"][0] in (Outcome.MATCH, Outcome.DIVERGENT)


@given(RECORDS, st.integers(0, 1_000), st.data())
def test_what_an_earlier_process_did_is_not_done_again(
    kinds: list[str | None], seed: int, data: st.DataObject
) -> None:
    records = [record(number, what) for number, what in enumerate(kinds)]
    ordinals = list(range(len(kinds)))
    done = set(data.draw(st.lists(st.sampled_from(ordinals)))) if ordinals else set()
    sent = set(data.draw(st.lists(st.sampled_from(ordinals)))) if ordinals else set()
    baseline, candidate, notes = Fickle(seed, 0), Fickle(seed + 1, 0), Notes()
    notes.cursor, notes.sent = done, sent
    driven = engine(baseline, candidate, notes, safety=Safety(allow_writes=True))
    asyncio.run(driven.run(iter(records)))
    assert sorted(notes.ordinals) == sorted(set(ordinals) - done)
    writes = {ordinal for ordinal, what in enumerate(kinds) if what == "write"}
    assert set(notes.sending) == writes - done - sent
    lost = {kept.id for kept, j in notes.kept if j.reason == "interrupted"}
    assert lost == {str(ordinal) for ordinal in (writes & sent) - done}
    assert lost.isdisjoint(candidate.order.get("a", ()))


def test_due_times_are_those_of_the_schedule() -> None:
    class Noting(Fickle):
        dues: list[float]

        def start(self, message: bytes, **given: Any) -> bool:
            return False

        async def send(self, message: bytes, **given: Any) -> Observation:
            self.dues.append(given["due"])
            return await super().send(message, **given)

    service = Noting(1, 0)
    service.dues = []
    driven = engine(None, service, Notes(), options={"rate": 500, "concurrency": 1})
    asyncio.run(driven.run(exchange(number, None) for number in range(20)))
    gaps = [b - a for a, b in zip(service.dues, service.dues[1:], strict=False)]
    assert gaps == pytest.approx([1 / 500] * 19, abs=1e-9)


def test_noise_is_learned_from_asking_the_baseline_again() -> None:
    class Clock(Fickle):
        count = 0

        def start(self, message: bytes, **given: Any) -> bool:
            return False

        async def send(self, message: bytes, **given: Any) -> Observation:
            Clock.count += 1
            body = f'{{"id":"6ba7b810-9dad-11d1-80b4-{Clock.count:012d}"}}'.encode()
            return Answer(response=Response(status=200, body=body))

    service, notes = Clock(1, 0), Notes()
    control = Control(service, NoisePlan(first=3, sample=0.0), seed=0, own=False)
    noise = NoiseProfile()
    driven = engine(
        service,
        service,
        notes,
        control=control,
        judging=Judging(Policy(), noise),
        options={"concurrency": 1},  # else one may be judged before anything is learned
    )
    asyncio.run(driven.run(exchange(number, None) for number in range(10)))
    assert {judgement.outcome for _, judgement in notes.kept} == {Outcome.EQUIVALENT}
    (endpoint,) = noise.endpoints.values()
    assert endpoint.pairs == 3
    assert list(endpoint.places) == ["body $['id']"]


@pytest.mark.parametrize("rate", [5, 50, 100, 1_000, 12_345])
def test_a_ceiling_never_lets_more_through_in_its_window(rate: float) -> None:
    throttle = ceiling(rate)
    assert throttle.rate_limit / throttle.period <= rate * 1.000001
