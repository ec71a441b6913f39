"""The copies: sent to the other side behind the client's answer, judged, kept.

All of it is bounded: copies that wait, their bytes, those in flight, those that are judged
elsewhere. What is over a bound is dropped and counted, and the client never waits for any of it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final

from shadow.errors import ShadowError, where
from shadow.judging import LATE_S, Aside, Judging, Pair, Verdict
from shadow.metrics import Counters
from shadow.metrics.counters import ShedReason
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
    SideName,
)
from shadow.results.tally import OTHER
from shadow.sending.rewrite import Unsendable
from shadow.sending.service import Message, Service
from shadow.sidecar.complaints import Complaints
from shadow.sidecar.mirroring.batches import Batches, Clients
from shadow.sidecar.mirroring.keeping import Keeping
from shadow.sidecar.mirroring.pace import Pace, Share
from shadow.sidecar.traces import Spans, Traces, given_up

HEAVY: Final = 32
"""Pairs that are judged in other processes, or wait for it, at once."""
MASKED_INLINE: Final = 20
"""Divergences of one exchange that are masked in the loop; a hostile one takes 5 ms."""
SLICE_S: Final = 0.0003
"""Seconds of judging at a stretch, about; to keep what came of it takes as long again. Pairs that
are equal take less in a whole batch, those that differ are dear."""
HERE_SHARE: Final = 0.05
"""Of the loop's time that judging may take; clients wait for the loop meanwhile."""
HERE_BURST_S: Final = 0.02
"""Seconds that it may take beyond, at once: a hundred pairs that differ."""
PAIR_COST_S: Final = 0.0002
"""What a pair that is judged elsewhere would have taken here, about."""
FRAME: Final = 16
"""Pairs that go to the process beside the loop at once."""
FRAME_BYTES: Final = 1 << 20
AT_ONCE: Final = 8
"""Copies that are sent at a stretch: clients wait for the event loop meanwhile."""
LEARNING: Final = 32
"""Exchanges at once of which Go is asked a second time."""
MAX_ENDPOINTS: Final = 5_000
"""Endpoints whose noise is learned."""
OVERHEAD: Final = 2_000
"""Bytes that a copy takes up besides heads and bodies, about."""
STOPPED: Final = "stopped"
"""Why an exchange was skipped that had no outcome when the sidecar ended."""
_PLAIN: Final = Request(method="GET", target="/")
_BUSY: Final = Judgement(outcome=Outcome.INCOMPARABLE, reason="judge-busy")
_FAILED: Final = Judgement(outcome=Outcome.INCOMPARABLE, reason="judge-failed")

Judged = Callable[["Copy", Judgement], None]
_Judged = tuple["Copy", Judgement, tuple[Divergence, ...] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOptions:
    """Bounds on copies, and what is learned of the baseline's noise."""

    queue: int = 1_024
    queue_bytes: int = 64 << 20
    in_flight: int = 64
    connect_rate: int = 100
    """New connections a second to one side, beyond one for each copy in flight."""
    noise_first: int = 20
    """Exchanges of an endpoint that the second Go instance gets in any case."""
    noise_sample: float = 0.05
    """Share of the others that it gets."""


class Copy:
    """An exchange whose answers are not all known yet."""

    __slots__ = (
        "endpoint",
        "exchange",
        "left",
        "messages",
        "safe",
        "seen",
        "size",
        "spans",
        "unsent",
    )

    def __init__(
        self,
        exchange: Exchange,
        endpoint: str,
        seen: dict[SideName, Observation],
        *,
        safe: bool,
    ) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.seen = seen
        self.safe = safe
        self.messages: dict[SideName, Message] = {}
        """What is to be sent, by side."""
        self.left = 0
        self.unsent = False
        """It could not be sent to one of them."""
        self.spans: Spans = {}
        """Of the sides that are being traced."""
        size = OVERHEAD + 2 * size_of(exchange.request)
        for answer in seen.values():
            size += _answer_size(answer)
        self.size = size
        """Bytes that it keeps in memory while it waits, about."""


def size_of(message: Request | Response) -> int:
    """Return the bytes of a message that are kept in memory, about."""
    size = len(message.body)
    for name, value in message.headers:
        size += len(name) + len(value)
    return size


def _answer_size(observation: Observation) -> int:
    return size_of(observation.response) if isinstance(observation, Answer) else 0


class Mirror:
    """Sends copies and judges what came of them."""

    def __init__(
        self,
        services: Mapping[SideName, Service],
        *,
        judging: Judging,
        aside: Aside,
        keeping: Keeping,
        counters: Counters,
        options: MirrorOptions,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        judged: Judged,
        complain: Complaints,
        traces: Traces,
        second: Service | None = None,
        clients: Clients[Any] | None = None,
    ) -> None:
        """Send to `services`; `judged` is told of each verdict, `second` is another Go.

        `clients` are those who wait for an answer: they go first.
        """
        self._services = services
        self._judging = judging
        self._aside = aside
        self._keeping = keeping
        self._counters = counters
        self.options = options
        self._spawn = spawn
        self._judged = judged
        self._complain = complain
        self.traces = traces
        self._second = second
        self._queue: deque[Copy] = deque()
        self._open: set[Copy] = set()
        """The copies that were taken and have no outcome yet."""
        self.bytes = 0
        """Of those."""
        self._in_flight = self._heavy = self._learning = 0
        self._pumping = self._going_on = False
        pace = partial(Pace, options.connect_rate, options.in_flight)
        self._connects: dict[SideName, Pace] = {"baseline": pace(), "candidate": pace()}
        self._unconnected: dict[SideName, deque[tuple[Copy, bool]]] = {
            "baseline": deque(),
            "candidate": deque(),
        }
        """What waits for its turn to open a connection; whether it needs one in any case."""
        self._landed = Batches(self._judge, clients)
        """Those that both sides have answered."""
        self._judging_here = Share(HERE_SHARE, HERE_BURST_S)
        self._to_judge: deque[Copy] = deque()
        """Those that wait for the process beside the loop."""
        self._look_again: asyncio.TimerHandle | None = None
        self._returned = Batches(self._take_back, clients)
        """Those that it has judged."""
        self._concluded = asyncio.Event()
        self._asked: dict[str, int] = {}
        """Requests to the second Go instance, by endpoint."""
        self._random = random.Random()  # noqa: S311 - a sample, not a secret

    @property
    def depth(self) -> int:
        """How many copies wait."""
        return len(self._queue)

    async def ended(self) -> None:
        """Wait until every copy has its outcome."""
        while self._open:
            self._concluded.clear()
            await self._concluded.wait()

    def stop(self) -> None:
        """Give up what has no outcome yet: it is skipped."""
        self._queue.clear()
        for copy in list(self._open):
            self._let_go(copy)
            given_up(copy.spans)
            self._keeping.skip(copy.endpoint, STOPPED)

    def offer(self, copy: Copy, sides: tuple[SideName, ...]) -> None:
        """Take a copy that is to be sent to these sides; where there is no room it is shed."""
        options = self.options
        if len(self._queue) >= options.queue:
            self._shed(copy, "queue-full")
            return
        if self.bytes + copy.size > options.queue_bytes and self.bytes:
            self._shed(copy, "queue-bytes")
            return
        try:
            for side in sides:
                if side in copy.messages:
                    continue
                request = copy.exchange.request
                if self.traces.active:
                    request = self.traces.begin(
                        copy.spans, side, copy.exchange, copy.endpoint, request
                    )
                copy.messages[side] = self._services[side].render(request)
        except Unsendable as unsendable:
            given_up(copy.spans)
            self._keeping.skip(copy.endpoint, unsendable.reason)
            return
        copy.left = len(sides)
        self._take(copy)
        self._queue.append(copy)
        self._pump()

    def render(self, side: SideName, request: Request) -> Message:
        """Make the message of a copy ahead of it; None where that has to wait."""
        if self.traces.active:
            return None  # each side gets fields of its own
        try:
            return self._services[side].render(request)
        except Unsendable:
            return None

    def known(self, copy: Copy) -> None:
        """Take an exchange of which both answers are known."""
        self._take(copy)
        self._landed.add(copy)

    def _shed(self, copy: Copy, reason: ShedReason) -> None:
        given_up(copy.spans)
        self._counters.shed(reason)
        self._keeping.shed(copy.endpoint)

    def _take(self, copy: Copy) -> None:
        self._open.add(copy)
        self.bytes += copy.size

    def _let_go(self, copy: Copy) -> None:
        self._open.discard(copy)
        self.bytes -= copy.size
        self._concluded.set()

    def _pump(self) -> None:
        """Send what may go. An answer that is there at once does not begin it anew."""
        if self._pumping:
            return
        self._pumping = True
        try:
            room = AT_ONCE
            while self._queue and room and self._in_flight < self.options.in_flight:
                room -= 1
                copy = self._queue.popleft()
                self._in_flight += 1
                for side in copy.messages:
                    self._ask(copy, side)
        finally:
            self._pumping = False
        if self._queue and self._in_flight < self.options.in_flight and not self._going_on:
            self._going_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._going_on = False
        self._pump()

    def _ask(self, copy: Copy, side: SideName) -> None:
        if not self._start(copy, side):
            self._connect(copy, side, fresh=False)

    def _start(self, copy: Copy, side: SideName) -> bool:
        """Send a copy where a connection is idle."""
        return self._services[side].start(
            copy.messages[side],
            method=copy.exchange.request.method,
            safe=copy.safe,
            due=None,
            done=partial(self._answered, copy, side),
        )

    def _connect(self, copy: Copy, side: SideName, *, fresh: bool) -> None:
        """Send a copy over another connection, when it may be opened.

        Where a service drops each of them, or nobody listens, that is most of what a copy costs:
        clients wait for the event loop meanwhile.
        """
        waiting = self._unconnected[side]
        if not waiting and self._connects[side].take(perf_counter()):
            self._spawn(self._send(copy, side, fresh=fresh))
            return
        waiting.append((copy, fresh))
        if len(waiting) == 1:
            self._connect_later(side)

    def _connect_later(self, side: SideName) -> None:
        wait_s = self._connects[side].wait_s(perf_counter())
        asyncio.get_running_loop().call_later(wait_s, self._connect_now, side)

    def _connect_now(self, side: SideName) -> None:
        """Send copies that wait for a connection, in turn, as far as that is due."""
        waiting, now = self._unconnected[side], perf_counter()
        while waiting:
            copy, fresh = waiting[0]
            if copy in self._open and (fresh or not self._start(copy, side)):
                if not self._connects[side].take(now):
                    self._connect_later(side)
                    return
                self._spawn(self._send(copy, side, fresh=fresh))
            waiting.popleft()

    async def _send(self, copy: Copy, side: SideName, *, fresh: bool = False) -> None:
        try:
            observation: Observation = await self._services[side].send(
                copy.messages[side],
                method=copy.exchange.request.method,
                safe=copy.safe,
                fresh=fresh,
            )
        except Exception as error:  # noqa: BLE001 - out of file descriptors, or a bug
            text = error.message if isinstance(error, ShadowError) else type(error).__name__
            self._complain(f"a copy could not be sent to the {side}: {text}", "send")
            copy.unsent = True
            observation = NoAnswer(kind="connect", detail=text)
        self._answered(copy, side, observation)

    def _answered(self, copy: Copy, side: SideName, observation: Observation | None) -> None:
        if observation is None:
            self._connect(copy, side, fresh=True)
            return
        copy.left -= 1
        if not copy.left:
            self._in_flight -= 1
        if copy not in self._open:  # given up meanwhile
            return
        copy.seen[side] = observation
        size = _answer_size(observation)
        copy.size += size
        self.bytes += size
        if side in copy.spans:
            copy.spans[side].end(observation)
        timing = observation.timing
        if not isinstance(observation, NoAnswer):
            if timing is not None:
                self._counters.timed(side, timing.service_s)
        elif not copy.unsent:
            self._counters.upstream_failed(side, observation.kind)
        if not copy.left:
            self._land(copy)
            self._pump()

    def _land(self, copy: Copy) -> None:
        """Both sides have answered: learn first, where that is due, and judge."""
        if copy.unsent:  # no service is to blame
            self._let_go(copy)
            given_up(copy.spans)
            self._keeping.skip(copy.endpoint, "unsent")
            return
        second, baseline = self._second, copy.seen["baseline"]
        if second is not None and isinstance(baseline, Answer) and self._wants(copy):
            self._learning += 1
            self._spawn(self._learn(copy, second, baseline))
        else:
            self._landed.add(copy)

    # Judging.

    def _judge(self, copies: list[Copy]) -> int:
        """Judge here what is cheap, elsewhere what is not; as many as there is time for."""
        began = perf_counter()
        aside = self._judging_here.is_too_much(began) and self._aside.helps
        judged: list[_Judged] = []
        seen_to = elsewhere = 0
        for copy in copies:
            seen_to += 1
            if aside and copy.seen["baseline"] != copy.seen["candidate"]:
                self._to_judge.append(copy)
                elsewhere += 1
            elif (found := self._judged_here(copy)) is not None:
                judged.append(found)
            if perf_counter() > began + SLICE_S:
                break
        now = perf_counter()
        self._judging_here.spend(now - began + elsewhere * PAIR_COST_S, now)
        self._keep_all(judged)
        self._judge_aside()
        return seen_to

    def _judged_here(self, copy: Copy) -> _Judged | None:
        """A verdict that is cheap to find, and the divergences as they are kept if that is so."""
        seen = copy.seen
        try:
            judgement = self._judging.inline(
                copy.exchange, copy.endpoint, seen["baseline"], seen["candidate"]
            )
            if judgement is not None and len(judgement.divergences) <= MASKED_INLINE:
                return copy, judgement, None
            return self._dear(copy, judgement)
        except Exception as error:  # noqa: BLE001 - whatever it is, the live path goes on
            self._failed(copy, where(error))
            return None

    def _dear(self, copy: Copy, judgement: Judgement | None) -> _Judged | None:
        """Have a pair judged, or what came of it masked, where that may take long."""
        if self._heavy < HEAVY:
            self._heavy += 1
            self._spawn(self._judge_elsewhere(copy, judgement))
            return None
        if judgement is None:
            return copy, _BUSY, None
        return copy, judgement, self._keeping.withheld(judgement)

    def _judge_aside(self) -> None:
        """Hand pairs to the process beside the loop, as many as it takes."""
        if not self._aside.helps:
            while self._to_judge:
                self._landed.add(self._to_judge.popleft())
        while self._to_judge and self._aside.has_room:
            copies: list[Copy] = []
            size = 0
            while self._to_judge and len(copies) < FRAME and size < FRAME_BYTES:
                copies.append(self._to_judge.popleft())
                size += copies[-1].size
            self._ask_aside(copies)
        if self._to_judge and self._look_again is None:
            loop = asyncio.get_running_loop()
            self._look_again = loop.call_later(LATE_S, self._see_whether_it_helps)

    def _see_whether_it_helps(self) -> None:
        self._look_again = None
        self._judge_aside()

    def _ask_aside(self, copies: Sequence[Copy]) -> None:
        try:
            pairs = [
                Pair.of(each.exchange, each.endpoint, each.seen["baseline"], each.seen["candidate"])
                for each in copies
            ]
            self._aside.ask(pairs, partial(self._judged_aside, copies))
        except Exception:  # noqa: BLE001 - they cannot be packed: the pool gets them otherwise
            self._judged_aside(copies, [Verdict()] * len(copies))

    def _judged_aside(self, copies: Sequence[Copy], verdicts: Sequence[Verdict] | None) -> None:
        if verdicts is None:
            for copy in copies:
                self._landed.add(copy)
            return
        for each in zip(copies, verdicts, strict=True):
            self._returned.add(each)
        self._judge_aside()

    def _take_back(self, returned: list[tuple[Copy, Verdict]]) -> int:
        """Keep what the process said; as many as there is time for."""
        until = perf_counter() + SLICE_S
        seen_to = 0
        for copy, verdict in returned:
            seen_to += 1
            if verdict.failure:
                self._failed(copy, verdict.failure)
            elif verdict.judgement is None:
                found = self._dear(copy, None)
                if found is not None:
                    self._keep_all([found])
            else:
                self._judging.note(copy.endpoint, verdict.judgement)
                self._keep_all([(copy, verdict.judgement, verdict.masked)])
            if perf_counter() > until:
                break
        return seen_to

    def _keep_all(self, judged: Sequence[_Judged]) -> None:
        kept = [found for found in judged if self._is_kept(found)]
        for copy, judgement, _ in kept:
            self._tell(copy, judgement)

    def _is_kept(self, judged: _Judged) -> bool:
        copy = judged[0]
        try:
            return self._keep(*judged)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(copy, where(error))
            return False

    async def _judge_elsewhere(self, copy: Copy, judgement: Judgement | None) -> None:
        seen = copy.seen
        try:
            if judgement is None:
                judgement = await self._judging.in_pool(
                    copy.exchange, copy.endpoint, seen["baseline"], seen["candidate"]
                )
            masked = await asyncio.to_thread(self._keeping.masked, judgement)
            self._conclude(copy, judgement, masked)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(copy, where(error))
        finally:
            self._heavy -= 1

    def _failed(self, copy: Copy, what: str) -> None:
        """Count an exchange on which judging, or keeping what came of it, failed."""
        exchange_id = copy.exchange.id
        self._counters.judge_failed()
        self._complain(f"judging {exchange_id} failed: {what}; traffic goes on", "judge")
        try:
            self._conclude(copy, _FAILED)
        except Exception:  # noqa: BLE001 - something in the exchange that cannot be kept
            self._let_go(copy)
            given_up(copy.spans)
            self._keeping.keep(Exchange(id=exchange_id, request=_PLAIN), OTHER, _FAILED)

    def _conclude(
        self, copy: Copy, judgement: Judgement, masked: tuple[Divergence, ...] | None = None
    ) -> None:
        if self._keep(copy, judgement, masked):
            self._tell(copy, judgement)

    def _tell(self, copy: Copy, judgement: Judgement) -> None:
        try:
            self._judged(copy, judgement)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(copy, where(error))

    def _keep(
        self, copy: Copy, judgement: Judgement, masked: tuple[Divergence, ...] | None
    ) -> bool:
        """Keep what came of a copy, once; False where it was given up meanwhile."""
        if copy not in self._open:
            return False
        seen, spans = copy.seen, copy.spans
        self._keeping.keep(
            copy.exchange,
            copy.endpoint,
            judgement,
            seen["baseline"],
            seen["candidate"],
            masked=masked,
            trace_id=next((span.trace_id for span in spans.values()), None) if spans else None,
        )
        self._let_go(copy)
        for span in spans.values():
            span.judged(judgement.outcome)
        return True

    # Go against Go.

    def _wants(self, copy: Copy) -> bool:
        """Whether Go is asked a second time: for the first exchanges of an endpoint, and a share.

        They are judged afterwards, so that what is noise is known from the first one on.
        """
        if not copy.safe or self._learning >= LEARNING:
            return False
        asked = self._asked.get(copy.endpoint, 0)
        if not asked and len(self._asked) >= MAX_ENDPOINTS:
            return False
        first = asked < self.options.noise_first
        if not first and self._random.random() >= self.options.noise_sample:
            return False
        self._asked[copy.endpoint] = asked + 1
        return True

    async def _learn(self, copy: Copy, second: Service, baseline: Answer) -> None:
        try:
            request = copy.exchange.request
            again = await second.send(second.render(request), method=request.method, safe=True)
            learned = await self._judging.learn(copy.endpoint, baseline, again)
            if learned is not None:
                self._aside.learned(copy.endpoint, learned)
        except Exception as error:  # noqa: BLE001 - out of file descriptors, or a bug
            self._complain(f"noise is not learned: {where(error)}; traffic goes on", "learn")
        finally:
            self._learning -= 1
        self._landed.add(copy)
